// TableText: the fields of one live table and what stands in them, as they were read.
// A table may have 100,000 entries and is read anew with every change: its bytes lie in few blocks, none is allocated alone.
#pragma once

#include <initializer_list>
#include <iterator>
#include <memory>
#include <memory_resource>
#include <string_view>
#include <utility>
#include <vector>

namespace quota {

class TableText {
 public:
  using Entry = std::pair<std::string_view, std::string_view>;  ///< field, text; they live as long as the table

  TableText() = default;
  TableText(std::initializer_list<Entry> entries) : TableText(entries.begin(), entries.end()) {}
  /// Copies what any container of pairs of texts holds.
  template <std::input_iterator Iterator>
  TableText(Iterator first, Iterator last) {
    for (; first != last; ++first) add(first->first, first->second);
  }
  TableText(const TableText& other) : TableText(other.entries_.begin(), other.entries_.end()) {}
  TableText(TableText&&) noexcept = default;
  TableText& operator=(TableText&&) noexcept = default;
  TableText& operator=(const TableText& other) { return *this = TableText(other); }
  ~TableText() = default;

  void add(std::string_view field, std::string_view text) { entries_.emplace_back(kept(field), kept(text)); }

  [[nodiscard]] auto begin() const { return entries_.begin(); }
  [[nodiscard]] auto end() const { return entries_.end(); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  bool operator==(const TableText& other) const { return entries_ == other.entries_; }

 private:
  std::string_view kept(std::string_view text) {
    if (text.empty()) return {};
    if (!bytes_) bytes_ = std::make_unique<std::pmr::monotonic_buffer_resource>();
    auto* const place = static_cast<char*>(bytes_->allocate(text.size(), 1));
    return {place, text.copy(place, text.size())};
  }

  std::unique_ptr<std::pmr::monotonic_buffer_resource> bytes_{};
  std::vector<Entry> entries_{};
};

}  // namespace quota
