// PackedRecord: a record as memory keeps it, in one allocation: [head][buckets …][key bytes …].
//
// Millions of them are held, so a sender with one limit costs about 100 bytes here. Names and limits are not in it: a
// bucket carries the numbers of its field and its terms, which its shard's FieldNames gives back. Everything rare
// (refusals, ladder, block, held mail) is in a Record of its own. Record stays the format of exchange.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quota/record.hpp"

namespace quota {

struct PackedBucket {
  std::int64_t used = 0;
  std::int64_t remainder = 0;
  Timestamp written{};
  std::uint32_t field = 0;  ///< quota, unit and period
  std::uint32_t terms = 0;  ///< amount and burst
};
static_assert(sizeof(PackedBucket) == 32);

class PackedRecord {
 public:
  struct Free {
    void operator()(PackedRecord* record) const noexcept;
  };
  using Ptr = std::unique_ptr<PackedRecord, Free>;

  PackedRecord(const PackedRecord&) = delete;
  PackedRecord& operator=(const PackedRecord&) = delete;

  /// A record without buckets that is over at once.
  [[nodiscard]] static Ptr make(std::string_view key);
  /// `record` with one more bucket; `record` itself is left without its `rest`.
  [[nodiscard]] static Ptr grown(PackedRecord& record, const PackedBucket& added);

  [[nodiscard]] std::string_view key() const;
  [[nodiscard]] std::span<PackedBucket> buckets();
  [[nodiscard]] std::span<const PackedBucket> buckets() const;
  [[nodiscard]] PackedBucket* find(std::uint32_t field);
  [[nodiscard]] bool is_blocked() const { return rest && !rest->block.empty(); }

  Timestamp expires_at{};
  std::unique_ptr<Record> rest{};  ///< all but the buckets; null where there is nothing

 private:
  PackedRecord(std::string_view key, std::uint32_t buckets);
  ~PackedRecord() = default;
  [[nodiscard]] static Ptr allocate(std::string_view key, std::uint32_t buckets);

  std::uint32_t bucket_count_;
  std::uint32_t key_size_;
};

/// The numbers of fields and terms in one shard. They are few (what configuration and live overrides name), and are
/// never taken back. Threads: under the shard's lock.
class FieldNames {
 public:
  struct Terms {
    std::int64_t amount;
    std::int64_t burst;
    bool operator==(const Terms&) const = default;
  };

  /// Returns no number where `quota` was never written under this unit and period.
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view quota, const Limit& limit) const;
  [[nodiscard]] std::uint32_t number(std::string_view quota, const Limit& limit);
  [[nodiscard]] std::uint32_t number(Terms terms);

  /// `mailbox messages/15m`
  [[nodiscard]] const std::string& text(std::uint32_t field) const { return fields_[field].text; }
  [[nodiscard]] Bucket unpacked(const PackedBucket& bucket) const;
  [[nodiscard]] PackedBucket packed(std::uint32_t field, const Bucket& bucket);

 private:
  struct Field {
    std::string text;
    std::size_t quota_size;
    Unit unit;
    Milliseconds period;
  };
  std::vector<Field> fields_{};
  std::vector<Terms> terms_{};
};

}  // namespace quota
