// SharedMap: texts to values, of which a copy costs next to nothing however many there are, and a change of a copy a part of it:
// the values lie in shards, which copies share until one of them writes.
// Threads: a map that nobody writes to may be read and copied on any.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "quota/by_text.hpp"

namespace quota {

template <class Value>
class SharedMap {
 public:
  SharedMap() = default;
  SharedMap(const SharedMap& other) : shards_(other.shards_), size_(other.size_) { other.is_copied_ = true; }
  SharedMap(SharedMap&& other) noexcept { *this = std::move(other); }
  SharedMap& operator=(const SharedMap& other) { return *this = SharedMap(other); }
  SharedMap& operator=(SharedMap&& other) noexcept {
    shards_ = std::exchange(other.shards_, {});
    is_own_ = std::exchange(other.is_own_, {});
    is_copied_ = other.is_copied_.load();
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ~SharedMap() = default;

  /// Null where there is none.
  [[nodiscard]] const Value* find(std::string_view key) const {
    const auto& shard = shards_[place_of(key)];
    if (!shard) return nullptr;
    const auto found = shard->find(key);
    return found == shard->end() ? nullptr : &found->second;
  }
  [[nodiscard]] bool contains(std::string_view key) const { return find(key) != nullptr; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// Calls visit(key, value) for each, in no order.
  template <class Visitor>
  void each(Visitor visit) const {
    for (const auto& shard : shards_)
      if (shard)
        for (const auto& [key, value] : *shard) visit(key, value);
  }

  void set(const std::string& key, Value value) {
    size_ += own(place_of(key)).insert_or_assign(key, std::move(value)).second ? 1 : 0;
  }
  void erase(std::string_view key) {
    if (!contains(key)) return;
    auto& shard = own(place_of(key));
    shard.erase(shard.find(key));
    --size_;
  }

 private:
  static constexpr std::size_t shard_count = 512;
  using Shard = ByText<Value>;

  static std::size_t place_of(std::string_view key) { return TextHash{}(key) / 7 % shard_count; }  // not the bits of the shard's buckets

  Shard& own(std::size_t place) {
    auto& shard = shards_[place];
    if (is_copied_.exchange(false)) is_own_.reset();
    if (!is_own_[place]) shard = shard ? std::make_shared<Shard>(*shard) : std::make_shared<Shard>();
    is_own_[place] = true;
    return *shard;
  }

  std::array<std::shared_ptr<Shard>, shard_count> shards_{};
  std::bitset<shard_count> is_own_{};             // nobody else sees these shards, or saw them before the last copy was made
  mutable std::atomic<bool> is_copied_ = false;  // since the last write
  std::size_t size_ = 0;
};

}  // namespace quota
