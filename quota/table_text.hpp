// TableText: the fields of one live table and what stands in them, as they were read.
// A table may have 100,000 entries and is read anew with every change: its bytes lie in few blocks, none is allocated alone,
// and copies share them. Threads: one at a time may add(); others may read copies.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <memory_resource>
#include <span>
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
  void add(std::string_view field, std::string_view text) {
    if (!content_ || content_.use_count() > 1) content_ = std::make_shared<Content>(entries());
    content_->add({field, text});
  }

  [[nodiscard]] auto begin() const { return entries().begin(); }
  [[nodiscard]] auto end() const { return entries().end(); }
  [[nodiscard]] std::size_t size() const { return entries().size(); }
  [[nodiscard]] bool empty() const { return entries().empty(); }
  /// Whether this is a copy of the other, with nothing added since. Quick.
  [[nodiscard]] bool is_copy_of(const TableText& other) const { return content_ && content_ == other.content_; }
  bool operator==(const TableText& other) const { return content_ == other.content_ || std::ranges::equal(entries(), other.entries()); }

 private:
  struct Content {
    std::pmr::monotonic_buffer_resource bytes{};
    std::vector<Entry> entries{};

    explicit Content(std::span<const Entry> others) {
      for (const auto& entry : others) add(entry);
    }
    void add(const Entry& entry) { entries.emplace_back(kept(entry.first), kept(entry.second)); }
    std::string_view kept(std::string_view text) {
      if (text.empty()) return {};
      auto* const place = static_cast<char*>(bytes.allocate(text.size(), 1));
      return {place, text.copy(place, text.size())};
    }
  };

  [[nodiscard]] std::span<const Entry> entries() const {
    return content_ ? std::span<const Entry>(content_->entries) : std::span<const Entry>{};
  }

  std::shared_ptr<Content> content_{};  // null: empty
};

}  // namespace quota
