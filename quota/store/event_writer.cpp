#include "quota/store/event_writer.hpp"

namespace quota {

void EventWriter::write(Event event) {
  if (event.by.empty()) event.by = "sendquotad";
  event.host = host_;
  // With others waiting the store was away a moment ago: nobody waits for its timeout once per event.
  const bool was_away = !kept_.empty();
  kept_.push_back(std::move(event));
  if (kept_.size() > most_kept) {
    kept_.pop_front();
    ++dropped_;
  }
  if (!was_away) flush();
}

bool EventWriter::flush() {
  while (!kept_.empty()) {
    const auto written = ledger_.append(kept_.front());
    // One that may have been written is not written again: an event is told once.
    if (!written && written.error().executed == Executed::no) return false;
    kept_.pop_front();
    if (!written) return kept_.empty();
  }
  return true;
}

}  // namespace quota
