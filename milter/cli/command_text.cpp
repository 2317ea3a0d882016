#include "milter/cli/command_text.hpp"

#include <vector>

namespace milter::cli {
namespace {

constexpr std::string_view first_indent = "  ", next_indent = "    ";
constexpr std::size_t room_to_go_on = 2;  // ` \`, or `'\`

struct Word {
  std::vector<std::string_view> pieces{};  // what must not be parted: a character, or one that is quoted by a backslash
  std::size_t width = 0;
};

std::vector<Word> words_of(std::string_view command) {
  std::vector<Word> words(1);
  bool is_quoted = false;
  for (std::size_t at = 0; at < command.size();) {
    const auto rest = command.substr(at);
    const bool is_escaped = !is_quoted && rest.front() == '\\' && rest.size() > 1;
    const auto piece = rest.substr(0, is_escaped ? 1 + bytes_within(rest.substr(1), 1) : bytes_within(rest, 1));
    at += piece.size();
    if (piece == "'") is_quoted = !is_quoted;
    if (piece == " " && !is_quoted) {
      words.emplace_back();
      continue;
    }
    words.back().pieces.push_back(piece);
    words.back().width += columns(piece);
  }
  return words;
}

/// The lines as they are written.
class CommandLines {
 public:
  explicit CommandLines(const View& view) : most_(view.width - room_to_go_on), text_(first_indent), column_(first_indent.size()) {}

  void add(const Word& word) {
    const bool fits = column_ + 1 + word.width <= most_;
    if (!is_begin_) go_on(fits ? " " : " \\\n", fits ? std::string_view{} : next_indent, fits ? column_ + 1 : next_indent.size());
    is_begin_ = false;
    bool is_quoted = false;
    for (const auto piece : word.pieces) {
      if (column_ + columns(piece) > most_) go_on(is_quoted ? "'\\\n'" : "\\\n", {}, is_quoted ? 1 : 0);
      if (piece == "'") is_quoted = !is_quoted;
      text_ += piece;
      column_ += columns(piece);
    }
  }

  [[nodiscard]] std::string text() && { return std::move(text_) + "\n"; }

 private:
  void go_on(std::string_view how, std::string_view indent, std::size_t column) {
    text_.append(how).append(indent);
    column_ = column;
  }

  const std::size_t most_;
  std::string text_;
  std::size_t column_;
  bool is_begin_ = true;
};

}  // namespace

std::string command_text(std::string_view command, const View& view) {
  const auto safe = printable(command);
  CommandLines lines(view);
  for (const auto& word : words_of(safe)) lines.add(word);
  return std::move(lines).text();
}

}  // namespace milter::cli
