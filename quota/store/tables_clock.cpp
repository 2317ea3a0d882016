#include "quota/store/tables_clock.hpp"

namespace quota {
namespace {

Timestamp monotonic(TablesClock::Moment moment) { return Timestamp{std::chrono::floor<Milliseconds>(moment.time_since_epoch())}; }

}  // namespace

TablesClock::News TablesClock::learn(Timestamp server_now, Moment at) {
  const auto offset = server_now - monotonic(at);
  const bool is_ahead = offset_ && offset - *offset_ > most_ahead;
  if (is_ahead && !ahead_since_) {
    ahead_since_ = at;
    return News::jumped;
  }
  if (is_ahead && at - *ahead_since_ < believed_after_) return News::none;
  offset_ = offset;
  if (!ahead_since_) return News::none;
  ahead_since_.reset();
  return is_ahead ? News::believed : News::came_back;
}

std::optional<Timestamp> TablesClock::at(Moment moment) const {
  return offset_ ? std::optional(monotonic(moment) + *offset_) : std::nullopt;
}

}  // namespace quota
