#include "quota/store/packed_record.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace quota {
namespace {

// The buckets begin where the head ends.
static_assert(sizeof(PackedRecord) % alignof(PackedBucket) == 0);

std::byte* after_head(PackedRecord* record) { return reinterpret_cast<std::byte*>(record + 1); }
const std::byte* after_head(const PackedRecord* record) { return reinterpret_cast<const std::byte*>(record + 1); }

}  // namespace

PackedRecord::PackedRecord(std::string_view key, std::uint32_t buckets)
    : bucket_count_(buckets), key_size_(static_cast<std::uint32_t>(key.size())) {
  std::uninitialized_default_construct_n(reinterpret_cast<PackedBucket*>(after_head(this)), buckets);
  std::memcpy(after_head(this) + buckets * sizeof(PackedBucket), key.data(), key.size());
}

void PackedRecord::Free::operator()(PackedRecord* record) const noexcept {
  record->~PackedRecord();
  ::operator delete(record);
}

PackedRecord::Ptr PackedRecord::allocate(std::string_view key, std::uint32_t buckets) {
  void* const memory = ::operator new(sizeof(PackedRecord) + buckets * sizeof(PackedBucket) + key.size());
  return Ptr{new (memory) PackedRecord(key, buckets)};
}

PackedRecord::Ptr PackedRecord::make(std::string_view key) { return allocate(key, 0); }

PackedRecord::Ptr PackedRecord::grown(PackedRecord& record, const PackedBucket& added) {
  auto larger = allocate(record.key(), record.bucket_count_ + 1);
  std::ranges::copy(record.buckets(), larger->buckets().begin());
  larger->buckets().back() = added;
  larger->expires_at = record.expires_at;
  larger->rest = std::move(record.rest);
  return larger;
}

std::string_view PackedRecord::key() const {
  return {reinterpret_cast<const char*>(after_head(this)) + bucket_count_ * sizeof(PackedBucket), key_size_};
}

std::span<PackedBucket> PackedRecord::buckets() {
  return {std::launder(reinterpret_cast<PackedBucket*>(after_head(this))), bucket_count_};
}

std::span<const PackedBucket> PackedRecord::buckets() const {
  return {std::launder(reinterpret_cast<const PackedBucket*>(after_head(this))), bucket_count_};
}

PackedBucket* PackedRecord::find(std::uint32_t field) {
  const auto all = buckets();
  const auto found = std::ranges::find(all, field, &PackedBucket::field);
  return found == all.end() ? nullptr : &*found;
}

std::optional<std::uint32_t> FieldNames::find(std::string_view quota, const Limit& limit) const {
  const auto found = std::ranges::find_if(fields_, [&](const Field& field) {
    return field.period == limit.period && field.unit == limit.unit &&
           std::string_view(field.text).substr(0, field.quota_size) == quota;
  });
  if (found == fields_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - fields_.begin());
}

std::uint32_t FieldNames::number(std::string_view quota, const Limit& limit) {
  if (const auto known = find(quota, limit)) return *known;
  fields_.push_back({bucket_field(quota, limit), quota.size(), limit.unit, limit.period});
  return static_cast<std::uint32_t>(fields_.size() - 1);
}

std::uint32_t FieldNames::number(Terms terms) {
  const auto found = std::ranges::find(terms_, terms);
  if (found == terms_.end()) {
    terms_.push_back(terms);
    return static_cast<std::uint32_t>(terms_.size() - 1);
  }
  return static_cast<std::uint32_t>(found - terms_.begin());
}

Bucket FieldNames::unpacked(const PackedBucket& bucket) const {
  const auto& terms = terms_[bucket.terms];
  return {bucket.used, bucket.remainder, terms.amount, terms.burst, bucket.written};
}

PackedBucket FieldNames::packed(std::uint32_t field, const Bucket& bucket) {
  return {bucket.used, bucket.remainder, bucket.written, field, number({bucket.amount, bucket.burst})};
}

}  // namespace quota
