// What a message is called by whoever complains about it: its queue id, its client's address, its Message-ID, or text of a header that
// is kept. Of a Message-ID, which is long and seldom asked for, eight letters are kept. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quota/history.hpp"

namespace quota {

/// The first 48 bits of its SHA-256 in base64; blanks, and what is outside of `<…>`, do not count. Empty where nothing is left.
[[nodiscard]] std::string message_mark(std::string_view message_id);

class MessageName {
 public:
  /// As it is copied from somewhere: with blanks, with the colon that follows a queue id in a log, an IPv6 address in any spelling.
  explicit MessageName(std::string_view text);

  /// What to look for: a line of its record (format()) has one of these texts.
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }
  /// Itself, or the one in a Message-ID which the MTA made.
  [[nodiscard]] const std::string& queue_id() const { return queue_id_; }
  /// A line that has one of them may still be another's.
  [[nodiscard]] bool fits(const PastMessage& message) const;

 private:
  std::string text_;
  std::string mark_;      // of a Message-ID
  std::string queue_id_;
  std::vector<std::string> texts_{};
};

}  // namespace quota
