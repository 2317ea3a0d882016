#include "milter/cli/table.hpp"

#include <algorithm>
#include <numeric>

namespace milter::cli {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t narrowest_wrap = 12;
constexpr std::size_t narrowest_column = 4;  // and still wide enough for any character

using Lines = std::vector<std::string>;

std::size_t longest_word(std::string_view text) {
  std::size_t longest = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    longest = std::max(longest, columns(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return longest;
}

// At a space where there is one, else (an identity) wherever the column ends.
Lines wrapped(std::string_view text, std::size_t width) {
  Lines lines;
  while (columns(text) > width) {
    const auto end = bytes_within(text, width);
    const auto space = text.substr(0, end + 1).rfind(' ');
    const bool at_space = space != std::string_view::npos && space > 0;
    lines.emplace_back(text.substr(0, at_space ? space : end));
    text.remove_prefix(at_space ? space + 1 : end);
  }
  lines.emplace_back(text);
  return lines;
}

std::string padding(std::string_view text, std::size_t width) {
  const auto taken = columns(text);
  return std::string(taken < width ? width - taken : 0, ' ');
}

std::string line_of(const std::vector<Column>& columns, const std::vector<std::size_t>& widths,
                    const std::vector<Cell>& cells, const View& view) {
  std::string line, owed;  // spaces are written only before the next text: no line ends with one
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& [text, style] = cells[i];
    const auto space = padding(text, widths[i]);
    if (!text.empty()) {
      line += owed + paint(text, style, view);
      owed.clear();
    }
    owed += space + std::string(gap, ' ');
  }
  return line + "\n";
}

std::vector<Cell> titles(const std::vector<Column>& columns) {
  std::vector<Cell> cells;
  for (const auto& column : columns) cells.push_back({column.title, Style::faint});
  return cells;
}

std::string row_text(const std::vector<Column>& columns, const std::vector<std::size_t>& widths,
                     const std::vector<Cell>& row, const View& view) {
  std::vector<Lines> lines;
  std::size_t height = 1;
  for (std::size_t i = 0; i < row.size(); ++i) {
    lines.push_back(wrapped(row[i].text, widths[i]));
    height = std::max(height, lines.back().size());
  }
  std::string text;
  for (std::size_t y = 0; y < height; ++y) {
    std::vector<Cell> cells;
    for (std::size_t i = 0; i < row.size(); ++i)
      cells.push_back({y < lines[i].size() ? lines[i][y] : std::string(), row[i].style});
    text += line_of(columns, widths, cells, view);
  }
  return text;
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<Cell> row) {
  for (auto& cell : row) cell.text = printable(cell.text);
  row.resize(columns_.size());
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::natural_widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(columns(columns_[i].title));
    for (const auto& row : rows_) widths.back() = std::max(widths.back(), columns(row[i].text));
  }
  return widths;
}

std::vector<std::size_t> Table::longest_words() const {
  std::vector<std::size_t> widths(columns_.size(), narrowest_wrap);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < columns_.size(); ++i) widths[i] = std::max(widths[i], longest_word(row[i].text));
  return widths;
}

// The widest column gives way first, a character at a time; none below its floor.
void Table::shrink(std::vector<std::size_t>& widths, const std::vector<std::size_t>& floors, Who who, std::size_t width) const {
  const auto gaps = columns_.empty() ? 0 : gap * (columns_.size() - 1);
  for (auto total = std::accumulate(widths.begin(), widths.end(), gaps); total > width; --total) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if ((who == Who::all || columns_[i].fit == Column::Fit::wrap) && widths[i] > floors[i] && (!widest || widths[i] > *widest))
        widest = &widths[i];
    if (!widest) return;
    --*widest;
  }
}

std::string Table::text(const View& view) const {
  auto layout = natural_widths();
  shrink(layout, longest_words(), Who::may_wrap, view.width);
  // Only when that is not enough are words cut; an identity is one.
  shrink(layout, std::vector(columns_.size(), narrowest_wrap), Who::may_wrap, view.width);
  for (const auto floor : {narrowest_wrap, narrowest_column}) shrink(layout, std::vector(columns_.size(), floor), Who::all, view.width);
  const bool titled = std::ranges::any_of(columns_, [](const Column& column) { return !column.title.empty(); });
  std::string text = titled ? row_text(columns_, layout, titles(columns_), view) : "";
  for (const auto& row : rows_) text += row_text(columns_, layout, row, view);
  return text;
}

}  // namespace milter::cli
