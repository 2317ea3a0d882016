#include "milter/mta/answer.hpp"

#include <algorithm>
#include <utility>

namespace milter::mta {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The MTA prints with the text as its format string, so a milter doubles what is meant to be seen.
std::string without_percent_pairs(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && ++i == text.size()) break;
    plain += text[i];
  }
  return plain;
}

bool is_reply_line(std::string_view line) {
  if (line.size() < 4 || (line[0] != '4' && line[0] != '5') || !is_digit(line[1]) || !is_digit(line[2])) return false;
  if (line[3] != ' ' && line[3] != '-') return false;
  return line.size() == 4 || !is_digit(line[4]) || line[4] == line[0];
}

std::string_view take_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

WireError misplaced(char code, Command event) {
  return {"the reply " + printable(code) + " to " + std::string(name_of(event))};
}

WireError malformed(char code) { return {"a malformed reply " + printable(code)}; }

/// An address may stand alone; a header always comes with a value, an empty one to remove it.
std::optional<Change> read_change(Change::Kind kind, FieldReader fields) {
  using Kind = Change::Kind;
  Change change{kind, 0, {}, {}};
  if (kind == Kind::replace_body) return Change{kind, 0, {}, std::string(fields.rest())};
  const bool has_index = kind == Kind::insert_header || kind == Kind::change_header;
  if (has_index) {
    const auto index = fields.u32();
    if (!index) return std::nullopt;
    change.index = *index;
  }
  auto name = fields.string();
  if (!name) return std::nullopt;
  change.name = *std::move(name);
  const bool is_header = has_index || kind == Kind::add_header;
  if (fields.rest().empty() && !is_header) return change;
  auto value = fields.string();
  if (!value || !fields.rest().empty()) return std::nullopt;
  change.value = *std::move(value);
  return change;
}

std::optional<Verdict> verdict_of(char code) {
  switch (code) {
    case 'c':
      return Verdict::proceed;
    case 'a':
      return Verdict::accept;
    case 'r':
      return Verdict::reject;
    case 't':
      return Verdict::tempfail;
    case 'd':
      return Verdict::discard;
    case 's':
      return Verdict::skip;
    case '4':
      return Verdict::shutdown;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::proceed:
      return "continue";
    case Verdict::accept:
      return "accept";
    case Verdict::reject:
      return "reject";
    case Verdict::tempfail:
      return "tempfail";
    case Verdict::discard:
      return "discard";
    case Verdict::reply:
      return "reply";
    case Verdict::skip:
      return "skip";
    case Verdict::shutdown:
      return "shutdown";
  }
  return "?";
}

std::optional<SmtpReply> smtp_reply(const Answer& answer) {
  switch (answer.verdict) {
    case Verdict::reply:
      return answer.reply;
    case Verdict::reject:
      return SmtpReply{550, "5.7.1 Command rejected"};
    case Verdict::tempfail:
      return SmtpReply{451, "4.7.1 Service unavailable - try again later"};
    case Verdict::shutdown:
      return SmtpReply{421, "4.7.0 Service unavailable - closing connection"};
    default:
      return std::nullopt;
  }
}

quota::Result<SmtpReply, WireError> parse_smtp_reply(std::string_view text) {
  SmtpReply reply;
  auto rest = text;
  do {
    const auto line = take_line(rest);
    if (!is_reply_line(line)) return WireError{"a malformed SMTP reply"};
    const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (reply.code != 0 && code != reply.code) return WireError{"an SMTP reply with two codes"};
    if (reply.code != 0) reply.text += '\n';
    reply.code = code;
    reply.text += without_percent_pairs(line.substr(4));
  } while (!rest.empty());
  return reply;
}

AnswerReader::Taken AnswerReader::take(const Packet& packet) {
  bytes_ += packet.data.size() + 5;
  if (bytes_ > max_answer) return WireError{"an endless reply to " + std::string(name_of(event_))};
  if (const auto verdict = verdict_of(packet.code)) return take_verdict(*verdict, packet);
  switch (packet.code) {
    case 'p':
      return std::optional<Answer>{};
    case 'y':
      return take_reply(packet);
    case 'q':
      return take_quarantine(packet);
    case 'h':
    case 'i':
    case 'm':
    case 'e':
    case '+':
    case '2':
    case '-':
    case 'b':
      return take_change(packet);
    default:
      return misplaced(packet.code, event_);
  }
}

AnswerReader::Taken AnswerReader::take_verdict(Verdict verdict, const Packet& packet) {
  if (!packet.data.empty()) return malformed(packet.code);
  if (verdict == Verdict::skip && event_ != Command::body) return misplaced(packet.code, event_);
  answer_.verdict = verdict;
  return std::optional(std::move(answer_));
}

AnswerReader::Taken AnswerReader::take_reply(const Packet& packet) {
  const auto text = FieldReader(packet.data).string();
  if (!text) return malformed(packet.code);
  auto reply = parse_smtp_reply(*text);
  if (!reply) return reply.error();
  answer_.verdict = Verdict::reply;
  answer_.reply = *std::move(reply);
  return std::optional(std::move(answer_));
}

AnswerReader::Taken AnswerReader::take_quarantine(const Packet& packet) {
  if (event_ != Command::end_of_message) return misplaced(packet.code, event_);
  auto reason = FieldReader(packet.data).string();
  if (!reason) return malformed(packet.code);
  answer_.quarantine = *std::move(reason);
  return std::optional<Answer>{};
}

AnswerReader::Taken AnswerReader::take_change(const Packet& packet) {
  if (event_ != Command::end_of_message) return misplaced(packet.code, event_);
  auto change = read_change(static_cast<Change::Kind>(packet.code), FieldReader(packet.data));
  if (!change) return malformed(packet.code);
  answer_.changes.push_back(*std::move(change));
  return std::optional<Answer>{};
}

}  // namespace milter::mta
