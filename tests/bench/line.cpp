#include "tests/bench/line.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "milter/mta/address.hpp"

namespace bench {

namespace mta = milter::mta;

namespace {

constexpr std::array<std::string_view, said_count> names{"proceed", "accept", "tempfail", "reject", "discard", "quarantine", "broken"};

int connected(int family, const void* name, socklen_t size) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (family == AF_INET) ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(descriptor, static_cast<const sockaddr*>(name), size) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

int connected(const std::string& target) {
  const auto address = mta::parse_address(target);
  if (!address) return -1;
  if (address->family == mta::Address::Family::unix_path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (address->place.size() >= sizeof name.sun_path) return -1;
    std::memcpy(name.sun_path, address->place.c_str(), address->place.size() + 1);
    return connected(AF_UNIX, &name, sizeof name);
  }
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(address->port);
  if (::inet_pton(AF_INET, address->place.c_str(), &name.sin_addr) != 1) return -1;
  return connected(AF_INET, &name, sizeof name);
}

Said said_by(char code, std::string_view data) {
  switch (code) {
    case 'c': return Said::proceed;
    case 'a': return Said::accept;
    case 't': return Said::tempfail;
    case 'r': return Said::reject;
    case 'd': return Said::discard;
    case 'y': return data.starts_with('4') ? Said::tempfail : Said::reject;
    default: return Said::broken;
  }
}

std::uint32_t length_at(std::string_view bytes) {
  std::uint32_t length = 0;
  for (const char byte : bytes.substr(0, 4)) length = (length << 8) | static_cast<unsigned char>(byte);
  return length;
}

}  // namespace

std::string_view name(Said said) { return names[static_cast<std::size_t>(said)]; }

bool Line::open() {
  close();
  descriptor_ = connected(target_);
  if (descriptor_ < 0) return false;
  input_.clear();
  if (options_.protocol == "policy") {
    if (message_.empty()) message_.push_back(policy_turn());
    state_ = State::ready;
    return true;
  }
  state_ = State::negotiating;
  write(mta::offer_packet({}));
  return true;
}

void Line::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  state_ = State::closed;
}

std::optional<Done> Line::send(std::uint64_t sender, Moment begun) {
  job_ = {.said = Said::broken, .sender = sender, .begun = begun, .ended = {}, .asked = {}};
  has_job_ = true;
  is_held_ = false;
  if (state_ == State::closed && !open()) finish(Said::broken);
  if (state_ == State::ready) go_on();
  return std::exchange(over_, std::nullopt);
}

std::optional<Done> Line::on_readable() {
  std::array<char, 16384> bytes;
  const auto got = ::recv(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (got <= 0) {
    close();
    if (has_job_) finish(Said::broken);
    return std::exchange(over_, std::nullopt);
  }
  input_.append(bytes.data(), static_cast<std::size_t>(got));
  if (options_.protocol == "policy") {
    take_policy();
    return std::exchange(over_, std::nullopt);
  }
  std::size_t at = 0;
  while (input_.size() - at >= 5) {
    const auto length = length_at(std::string_view(input_).substr(at));
    if (length == 0 || input_.size() - at - 4 < length) break;
    const auto packet = input_.substr(at + 4, length);
    at += 4 + length;
    take(packet[0], std::string_view(packet).substr(1));
  }
  input_.erase(0, at);
  return std::exchange(over_, std::nullopt);
}

void Line::take(char code, std::string_view data) {
  if (state_ == State::negotiating) return negotiated(code, data);
  if (code == 'p') return;
  if (code == 'q') {
    is_held_ = true;
    return;
  }
  take_answer(code, data);
}

void Line::negotiated(char code, std::string_view data) {
  const auto agreed = mta::read_negotiation({}, {code, std::string(data)});
  if (!agreed) {
    close();
    return finish(Said::broken);
  }
  if (message_.empty()) {
    session_ = session_turns(*agreed);
    message_ = message_turns(*agreed, options_.headers, options_.recipients);
  }
  state_ = State::opening;
  turn_ = 0;
  go_on();
}

void Line::take_answer(char code, std::string_view data) {
  const auto said = said_by(code, data);
  if (said != Said::proceed) {
    if (state_ == State::sending) return finish(is_held_ && said == Said::accept ? Said::quarantine : said);
    close();
    return finish(Said::broken);
  }
  if (state_ == State::sending && message_[turn_].is_end_of_message) return finish(is_held_ ? Said::quarantine : Said::proceed);
  ++turn_;
  go_on();
}

void Line::take_policy() {
  const auto end = input_.find("\n\n");
  if (end == std::string::npos) return;
  const auto answer = input_.substr(0, end);
  input_.erase(0, end + 2);
  const bool passes = answer.find("=dunno") != std::string::npos || answer.find("=DUNNO") != std::string::npos || answer.find("=OK") != std::string::npos;
  const bool is_permanent = answer.find("=5") != std::string::npos || answer.find("=REJECT") != std::string::npos || answer.find("=reject") != std::string::npos;
  finish(passes ? Said::proceed : is_permanent ? Said::reject : Said::tempfail);
}

/// Writes the next turn; what follows the last turn of the session is the first of the message.
void Line::go_on() {
  if (state_ == State::opening) {
    if (turn_ + 1 < session_.size()) return say(session_[turn_]);
    if (!session_.back().bytes.empty()) say(session_.back());
    state_ = State::ready;
  }
  if (!has_job_) return;
  if (state_ == State::ready) {
    state_ = State::sending;
    turn_ = 0;
    for (auto& turn : message_) address(turn, job_.sender);
  }
  say(message_[turn_]);
}

void Line::say(const Turn& turn) {
  job_.asked = Clock::now();
  write(turn.bytes);
}

void Line::finish(Said said) {
  if (!has_job_) return;
  has_job_ = false;
  job_.said = said;
  job_.ended = Clock::now();
  over_ = job_;
  if (state_ == State::sending) state_ = State::ready;
  if (options_.protocol == "policy") {
    if (options_.is_new_each) close();
    return;
  }
  // Postfix says abort after every message.
  std::string farewell;
  if (is_open()) mta::append_packet(farewell, static_cast<char>(mta::Command::abort), {});
  if (is_open() && options_.is_new_each) mta::append_packet(farewell, static_cast<char>(mta::Command::quit), {});
  write(farewell);
  if (options_.is_new_each) close();
}

void Line::write(std::string_view bytes) {
  while (!bytes.empty() && descriptor_ >= 0) {
    const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    else if (errno != EINTR) close();
  }
}

}  // namespace bench
