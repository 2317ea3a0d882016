#include "milter/mail_queue/lines.hpp"

#include <algorithm>

namespace milter::mail_queue {
namespace {

constexpr std::size_t most_of_line = 1000;

}  // namespace

void Lines::take(std::string_view piece) {
  for (auto end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
    add(piece.substr(0, end));
    taker_(line_);
    line_.clear();
    piece.remove_prefix(end + 1);
  }
  add(piece);
}

void Lines::end() {
  if (!line_.empty()) taker_(line_);
  line_.clear();
}

void Lines::add(std::string_view part) { line_ += part.substr(0, most_of_line - std::min(most_of_line, line_.size())); }

}  // namespace milter::mail_queue
