#include "milter/mail_queue/programs.hpp"

#include <fmt/format.h>

#include "milter/mail_queue/lines.hpp"
#include "milter/mail_queue/queue_id.hpp"

namespace milter::mail_queue {
namespace {

// A thousand messages take a second; a disk that is full of mail may take long.
constexpr std::chrono::minutes most_time{10};

/// Of what a program said the line that says why it gave up; Postfix's say `fatal` in it.
class Complaint {
 public:
  void take(std::string_view line) {
    if (text_.empty() || line.find(": fatal: ") != std::string_view::npos) text_ = printable(line);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

quota::Result<void, std::string> run_to_end(Program program) {
  static const std::atomic<bool> never{false};
  Complaint complaint;
  Lines lines([&](std::string_view line) { complaint.take(line); });
  program.at_most = most_time;
  // No TZ: Postfix's programs write the mail log themselves where maillog_file is set, in the host's time.
  program.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  program.errors = [&, taker = std::move(program.errors)](std::string_view piece) {
    lines.take(piece);
    if (taker) taker(piece);
  };
  const auto ended = run(program, never);
  lines.end();
  if (ended && ended->code == 0) return {};
  if (!ended) return {boost::system::in_place_error, printable(ended.error())};
  const auto said = complaint.text().empty() ? std::string() : "; it said: " + complaint.text();
  return {boost::system::in_place_error, fmt::format("{}: ended with {}{}", program.words.front(), ended->code, said)};
}

}  // namespace milter::mail_queue
