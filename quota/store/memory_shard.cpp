#include "quota/store/memory_shard.hpp"

#include <algorithm>

#include "quota/tab_text.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::size_t swept_per_new_record = 4;
constexpr std::size_t eviction_sample = 16;
constexpr std::size_t longest_search = 256;  // for a record that may be evicted

/// What a field like `mailbox messages/15m` names; amount and burst are not part of it.
struct FieldParts {
  std::string quota;
  Limit limit;
};

std::optional<FieldParts> parse_field(std::string_view field) {
  const auto space = field.find(' ');
  const auto slash = field.rfind('/');
  if (space == std::string_view::npos || slash == std::string_view::npos || slash < space) return std::nullopt;
  const auto period = parse_duration(field.substr(slash + 1));
  if (!period) return std::nullopt;
  for (const Unit unit : {Unit::messages, Unit::recipients, Unit::bytes}) {
    FieldParts parts{std::string(field.substr(0, space)), {unit, 1, *period, 1}};
    if (bucket_field(parts.quota, parts.limit) == field) return parts;
  }
  return std::nullopt;
}

void append_field(std::string& line, std::string_view field, std::string_view text) {
  line += '\t';
  append_escaped(line, field);
  line += '\t';
  append_escaped(line, text);
}

}  // namespace

std::size_t seeded_hash(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325U ^ seed;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  hash ^= hash >> 32U;  // its low bits alone choose a shard
  return static_cast<std::size_t>(hash);
}

MemoryShard::MemoryShard(std::size_t most, std::uint64_t seed) : most_(most), records_(0, Hash{seed}) {}

PackedRecord* MemoryShard::find(const RecordKey& key, Timestamp now) const {
  const auto found = records_.find(key);
  return found == records_.end() || (*found)->expires_at <= now ? nullptr : found->get();
}

PackedRecord& MemoryShard::obtain(const RecordKey& key, Timestamp now) {
  if (auto* const known = find(key, now)) return *known;
  erase(key);
  make_room(now);
  return **records_.insert(PackedRecord::make(key.text)).first;
}

std::optional<Bucket> MemoryShard::bucket(const RecordKey& key, const BucketOf& which, Timestamp now) const {
  const auto field = names_.find(which.quota, which.limit);
  auto* const record = field ? find(key, now) : nullptr;
  const auto* const bucket = record ? record->find(*field) : nullptr;
  if (!bucket) return std::nullopt;
  return names_.unpacked(*bucket);
}

const Record* MemoryShard::rest(const RecordKey& key, Timestamp now) const {
  const auto* const record = find(key, now);
  return record ? record->rest.get() : nullptr;
}

Record MemoryShard::unpacked(const PackedRecord& record) const {
  auto whole = record.rest ? *record.rest : Record{};
  for (const auto& bucket : record.buckets()) whole.buckets.emplace(names_.text(bucket.field), names_.unpacked(bucket));
  whole.expires_at = record.expires_at;
  return whole;
}

Record MemoryShard::read(const RecordKey& key, Timestamp now) const {
  const auto* const record = find(key, now);
  return record ? unpacked(*record) : Record{};
}

void MemoryShard::put_bucket(PackedRecord*& record, const RecordKey& key, const PackedBucket& bucket) {
  if (auto* const known = record->find(bucket.field)) {
    *known = bucket;
    return;
  }
  auto node = records_.extract(records_.find(key));
  node.value() = PackedRecord::grown(*node.value(), bucket);
  record = node.value().get();
  records_.insert(std::move(node));
}

void MemoryShard::write(const RecordKey& key, const BucketOf& which, const Bucket& bucket) {
  auto* record = &obtain(key, bucket.written);
  put_bucket(record, key, names_.packed(names_.number(which.quota, which.limit), bucket));
  record->expires_at = std::max(record->expires_at, bucket.written + full_after(which.limit, bucket));
}

Record& MemoryShard::writable_rest(const RecordKey& key, Timestamp now, Timestamp until) {
  auto& record = obtain(key, now);
  record.expires_at = std::max(record.expires_at, until);
  if (!record.rest) record.rest = std::make_unique<Record>();
  return *record.rest;
}

void MemoryShard::erase(const RecordKey& key) {
  const auto found = records_.find(key);
  if (found != records_.end()) records_.erase(found);
}

void MemoryShard::put(const RecordKey& key, const Record& record, Timestamp now) {
  erase(key);
  auto* packed = &obtain(key, now);
  packed->expires_at = record.expires_at.value_or(now);
  for (const auto& [field, bucket] : record.buckets)
    if (const auto parts = parse_field(field))
      put_bucket(packed, key, names_.packed(names_.number(parts->quota, parts->limit), bucket));
  auto rest = record;
  rest.buckets.clear();
  rest.expires_at.reset();
  if (!rest.is_empty()) packed->rest = std::make_unique<Record>(std::move(rest));
}

std::size_t MemoryShard::next_place() { return place_ = (place_ + 1) % records_.bucket_count(); }

void MemoryShard::sweep_place(std::size_t place, Timestamp now) {
  const auto is_over = [now](const PackedRecord::Ptr& record) { return record->expires_at <= now; };
  for (;;) {
    const auto over = std::find_if(records_.begin(place), records_.end(place), is_over);
    if (over == records_.end(place)) return;
    records_.erase(records_.find(*over));
    ++expired_;
  }
}

void MemoryShard::sweep(Timestamp now) {
  for (std::size_t place = 0; place < records_.bucket_count(); ++place) sweep_place(place, now);
}

void MemoryShard::make_room(Timestamp now) {
  for (std::size_t i = 0; i < swept_per_new_record; ++i) sweep_place(next_place(), now);
  if (records_.size() >= most_) evict_one();
}

void MemoryShard::evict_one() {
  const PackedRecord::Ptr* nearest = nullptr;
  std::size_t sampled = 0;
  for (std::size_t searched = 0; searched < longest_search && sampled < eviction_sample; ++searched) {
    const auto place = next_place();
    for (auto record = records_.begin(place); record != records_.end(place); ++record) {
      if ((*record)->is_blocked()) continue;
      ++sampled;
      if (!nearest || (*record)->expires_at < (*nearest)->expires_at) nearest = &*record;
    }
  }
  if (!nearest) return;
  records_.erase(records_.find(*nearest));
  ++evicted_;
}

void MemoryShard::append_to(std::string& lines, Timestamp now) const {
  for (const auto& record : records_) {
    if (record->expires_at <= now) continue;
    lines += "record\t";
    append_escaped(lines, record->key());
    lines += '\t';
    lines += std::to_string(record->expires_at.time_since_epoch().count());
    for (const auto& bucket : record->buckets())
      append_field(lines, names_.text(bucket.field), format(names_.unpacked(bucket)));
    if (record->rest)
      for (const auto& [field, text] : format(*record->rest)) append_field(lines, field, text);
    lines += '\n';
  }
}

MemoryCounts MemoryShard::counts() const { return {records_.size(), expired_, evicted_}; }

}  // namespace quota
