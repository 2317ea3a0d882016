#include "tests/faults/load_report.hpp"

#include <fmt/format.h>

#include <cctype>

namespace faults {

namespace mta = milter::mta;

namespace {

constexpr std::size_t most_replies = 200;

double milliseconds(Nanoseconds time) { return std::chrono::duration<double, std::milli>(time).count(); }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= ' ' && c <= '~' ? c : '?';
  }
  return out + '"';
}

/// One line for all replies that differ in their numbers only.
std::string without_numbers(const mta::SmtpReply& reply) {
  std::string out = std::to_string(reply.code) + " ";
  bool in_number = false;
  for (const char c : reply.text) {
    const bool is_digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (!is_digit) out += c;
    else if (!in_number) out += 'N';
    in_number = is_digit;
  }
  return out;
}

template <class Items, class Write>
std::string list(const Items& items, Write write) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? ", " : "") + write(item);
  return out + "]";
}

}  // namespace

double seconds(Moment moment) { return std::chrono::duration<double>(moment.time_since_epoch()).count(); }

Report::Report(const std::string& trace) : trace_(std::fopen(trace.c_str(), "w")) {}

void Report::add(const Plan& plan, const Fact& fact) {
  ++messages_;
  if (!fact.sent) ++lost_;
  const auto code = fact.sent && fact.sent->reply ? fact.sent->reply->code : 0;
  if (code != 0 && replies_.size() < most_replies) ++replies_[without_numbers(*fact.sent->reply)];
  fmt::print(trace_, "{:.6f} {:.6f} {:.3f} {:.3f} {} {} {} {} {} {}\n", seconds(fact.began), seconds(fact.ended),
             milliseconds(fact.waited), milliseconds(fact.longest), plan.groups[fact.group].name, fact.sender,
             fact.connection, fact.sent ? mta::name_of(fact.sent->fate) : "lost", code,
             fact.sent ? static_cast<char>(fact.sent->stage) : '-');
}

void Report::drop(const Connection& connection) { drops_.push_back({Clock::now(), connection.number(), connection.why_closed()}); }

void Report::note(Oversleep oversleep) {
  const std::lock_guard lock(mutex_);
  oversleeps_.push_back(oversleep);
}

std::string Report::json(const Plan& plan, const std::vector<std::unique_ptr<Connection>>& connections) {
  std::fclose(std::exchange(trace_, nullptr));
  const std::lock_guard lock(mutex_);
  std::uint64_t unasked = 0;
  for (const auto& one : connections) unasked += one->unasked();
  const auto drops = list(drops_, [](const Drop& drop) {
    return fmt::format("{{\"at\": {:.6f}, \"connection\": {}, \"why\": {}}}", seconds(drop.at), drop.connection, quoted(drop.why));
  });
  const auto groups = list(plan.groups, [](const Group& group) {
    return fmt::format("{{\"name\": {}, \"begun\": {}, \"skipped\": {}}}", quoted(group.name), group.begun, group.skipped);
  });
  const auto replies = list(replies_, [](const auto& reply) { return fmt::format("[{}, {}]", reply.second, quoted(reply.first)); });
  const auto sleeps = list(oversleeps_, [](const Oversleep& one) {
    return fmt::format("[{:.6f}, {:.3f}]", seconds(one.at), milliseconds(one.by));
  });
  const auto each = list(connections, [](const auto& one) { return std::to_string(one->messages()); });
  return fmt::format("{{\"began\": {:.6f}, \"ended\": {:.6f}, \"messages\": {}, \"lost\": {}, \"unasked\": {}, \"drops\": {}, "
                     "\"groups\": {}, \"replies\": {}, \"oversleeps\": {}, \"connections\": {}}}",
                     seconds(began_), seconds(Clock::now()), messages_, lost_, unasked, drops, groups, replies, sleeps, each);
}

}  // namespace faults
