// Record: everything a store keeps of one identity, and the texts of its fields. One format for Redis, snapshots and people:
//
//   mailbox messages/15m   33/250 0 250 1763790000000   a bucket: used/burst remainder amount time(ms)      (token_bucket.hpp)
//   mailbox refusals       12 1763790000000              refusals of the quota, and when their window began
//   ladder                 2 1764394800000               the last step taken, and when it is forgotten
//   block                  3f9c2a71b0de                  the id of the block that holds (tables: `blocked`)
//   held mx1.example.com   118                           messages held on that host since the last release
//
// Quota names have no space, so a field's first word tells what it is. Fields that are none of these are kept and ignored.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quota/token_bucket.hpp"

namespace quota {

struct Refusals {
  std::int64_t count = 0;
  Timestamp since{};
  bool operator==(const Refusals&) const = default;
};

struct Ladder {
  std::int64_t step = 0;  ///< 0: none taken
  Timestamp forget_at{};
  bool operator==(const Ladder&) const = default;
};

struct Record {
  std::map<std::string, Bucket> buckets{};     ///< by `QUOTA UNIT/PERIOD`
  std::map<std::string, Refusals> refusals{};  ///< by quota
  std::optional<Ladder> ladder{};
  std::string block{};
  std::map<std::string, std::int64_t> held{};  ///< by host
  std::optional<Timestamp> expires_at{};       ///< when the store forgets it all

  [[nodiscard]] bool is_empty() const { return buckets.empty() && refusals.empty() && !ladder && block.empty() && held.empty(); }
  bool operator==(const Record&) const = default;
};

/// How long a record outlives its last held message, and a block that only an administrator ends.
inline constexpr Milliseconds held_kept_for = std::chrono::days{7};
inline constexpr Milliseconds endless_block_kept_for = std::chrono::days{366};

[[nodiscard]] std::string bucket_field(std::string_view quota, const Limit& limit);
[[nodiscard]] std::string refusals_field(std::string_view quota);
[[nodiscard]] std::string held_field(std::string_view host);

[[nodiscard]] std::string format(const Refusals& refusals);
[[nodiscard]] std::string format(const Ladder& ladder);
[[nodiscard]] std::optional<Refusals> parse_refusals(std::string_view text);
[[nodiscard]] std::optional<Ladder> parse_ladder(std::string_view text);

using RecordText = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] RecordText format(const Record& record);
/// Reads what format() wrote. A field that cannot be understood is left out: a bucket that is absent is full.
[[nodiscard]] Record parse_record(const RecordText& fields);

/// The count after `more` refusals at `now`; a window that has passed starts anew, and so does one from the future.
[[nodiscard]] Refusals counted(const std::optional<Refusals>& before, Timestamp now, Milliseconds window, std::int64_t more);

/// What a ladder becomes that is marked once more for the same block: it keeps its step, and is remembered until the later time.
[[nodiscard]] Ladder prolonged(const std::optional<Ladder>& held, const Ladder& marked);

}  // namespace quota
