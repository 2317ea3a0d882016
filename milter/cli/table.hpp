// A table for a terminal that fits its width and loses nothing: where a row is too wide, the columns that may wrap
// go on below; where that is not enough, the others too.
#pragma once

#include <string>
#include <vector>

#include "milter/cli/terminal.hpp"

namespace milter::cli {

struct Column {
  enum class Fit { whole, wrap };
  std::string title;
  Fit fit = Fit::whole;
};

struct Cell {
  std::string text;
  Style style = Style::plain;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns);

  /// Requires: one cell a column. The texts are made printable here.
  void add(std::vector<Cell> row);

  /// Titles and rows, each line ended; no line is wider than `view.width`, which has room for some characters of each column.
  [[nodiscard]] std::string text(const View& view) const;

 private:
  [[nodiscard]] std::vector<std::size_t> natural_widths() const;
  [[nodiscard]] std::vector<std::size_t> longest_words() const;
  enum class Who { may_wrap, all };
  void shrink(std::vector<std::size_t>& widths, const std::vector<std::size_t>& floors, Who who, std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace milter::cli
