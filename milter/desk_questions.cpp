#include "milter/desk_questions.hpp"

#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

constexpr std::size_t usual_count = 20;
constexpr std::size_t most_left_out = 1'000'000;
constexpr std::size_t most_ranked = 1000;
constexpr auto longest_since = std::chrono::days{366};

}  // namespace

admin::Problem nothing_recorded() { return refusal("nothing is recorded: record.url is \"off\"", "write record.url = \"store\" into the configuration, and restart the daemon"); }

admin::Problem record_problem(const std::string& what) {
  return {admin::Problem::Kind::unavailable, "the record has no answer: " + what, "mail goes on; try again when it answers", {}};
}

OrProblem<std::size_t> count_of(const std::string& typed, std::size_t most) {
  if (typed.empty()) return usual_count;
  const auto count = quota::parse_number<std::size_t>(typed);
  if (!count || *count < 1 || *count > most) return bad_request("'" + typed + "' is no number of rows; write 1 to " + std::to_string(most));
  return *count;
}

OrProblem<std::size_t> offset_of(const std::string& typed) {
  if (typed.empty()) return std::size_t{0};
  const auto offset = quota::parse_number<std::size_t>(typed);
  if (!offset || *offset > most_left_out) return bad_request("'" + typed + "' is no number of rows to leave out; write 0 to " + std::to_string(most_left_out));
  return *offset;
}

OrProblem<quota::Fate> queue_fate_of(const std::string& typed) {
  const auto fate = quota::fate_called(typed);
  if (!fate || *fate == quota::Fate::refused) return bad_request("'" + typed + "' is no kind of mail in a queue; write held or sent");
  return *fate;
}

OrProblem<quota::TopQuestion> top_question(const admin::TopQuestion& typed, quota::Timestamp now) {
  quota::TopQuestion question;
  if (!typed.by.empty()) {
    const auto measure = quota::measure_called(typed.by);
    if (!measure) return bad_request("'" + typed.by + "' is nothing to rank by; write messages, recipients, refused, held or networks");
    question.measure = *measure;
  }
  if (!typed.per.empty()) {
    const auto kind = quota::kind_called(typed.per);
    if (!kind || *kind == quota::Kind::everyone) return bad_request("'" + typed.per + "' is no kind of sender; write user, script, uid, client or another one of record.per");
    question.kind = *kind;
  }
  const auto since = quota::parse_duration(typed.since.empty() ? "1h" : typed.since);
  if (!since) return bad_request(since.error());
  if (*since > longest_since) return bad_request("'" + typed.since + "' is longer than anything is kept; write at most 366d");
  const auto count = count_of(typed.count, most_ranked);
  if (!count) return count.error();
  question.count = *count;
  question.last_hour = quota::five_of(now) / quota::fives_of_hour;
  question.first_hour = quota::five_of(now - *since) / quota::fives_of_hour;
  return question;
}

bool bears(std::string_view identity, const std::string& sought) { return quota::lower(identity).find(quota::lower(sought)) != std::string::npos; }

}  // namespace milter
