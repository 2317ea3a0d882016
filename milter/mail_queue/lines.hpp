// Lines: pieces of a program's output as lines, however it was cut and however long a line is.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace milter::mail_queue {

class Lines {
 public:
  explicit Lines(std::function<void(std::string_view line)> taker) : taker_(std::move(taker)) {}

  /// Calls the taker for each line that ends in it; a line is cut to 1,000 bytes.
  void take(std::string_view piece);
  /// What follows the last line's end is a line too.
  void end();

 private:
  void add(std::string_view part);

  std::function<void(std::string_view)> taker_;
  std::string line_;
};

}  // namespace milter::mail_queue
