#include "tests/faults/load_connection.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "milter/mta/address.hpp"

namespace faults {

namespace mta = milter::mta;

namespace {

int connected_unix(const mta::Address& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.place.size() >= sizeof name.sun_path) return -1;
  std::memcpy(name.sun_path, address.place.c_str(), address.place.size() + 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

int connected_inet(const mta::Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* list = nullptr;
  if (::getaddrinfo(address.place.c_str(), std::to_string(address.port).c_str(), &hints, &list) != 0) return -1;
  int descriptor = ::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(descriptor, list->ai_addr, list->ai_addrlen) != 0) ::close(std::exchange(descriptor, -1));
  ::freeaddrinfo(list);
  return descriptor;
}

bool goes_on(const mta::Answer& answer) { return answer.verdict == mta::Verdict::proceed || answer.verdict == mta::Verdict::skip; }

}  // namespace

bool Connection::open() {
  close();
  const auto address = mta::parse_address(address_);
  if (!address) return false;
  descriptor_ = address->family == mta::Address::Family::unix_path ? connected_unix(*address) : connected_inet(*address);
  if (descriptor_ < 0) return false;
  decoder_ = {};
  state_ = State::opening;
  negotiating_ = true;
  asked_at_ = Clock::now();
  auto offer = mta::offer_packet({});
  write(offer);
  return descriptor_ >= 0;
}

std::optional<Fact> Connection::send(Job job) {
  job_.emplace(std::move(job));
  delivery_.emplace(job_->message);
  fact_ = {.group = job_->group, .sender = job_->sender, .number = job_->number, .connection = number_, .began = Clock::now()};
  state_ = State::sending;
  ++messages_;
  go_on();
  return std::exchange(over_, std::nullopt);
}

std::optional<Fact> Connection::on_readable() {
  read_packets();
  return std::exchange(over_, std::nullopt);
}

void Connection::read_packets() {
  std::array<char, 16384> bytes;
  const auto got = ::recv(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return give_up(got == 0 ? "the milter closed the connection" : std::strerror(errno));
  decoder_.feed({bytes.data(), static_cast<std::size_t>(got)});
  while (descriptor_ >= 0) {
    const auto packet = decoder_.next();
    if (!packet) return give_up(packet.error().what);
    if (!*packet) return;
    take(**packet);
  }
}

void Connection::take(const mta::Packet& packet) {
  if (std::exchange(negotiating_, false)) return negotiated(packet);
  if (!reader_) {
    ++unasked_;
    return;
  }
  const auto answer = reader_->take(packet);
  if (!answer) return give_up(answer.error().what);
  if (!*answer) return;
  reader_.reset();
  add_wait(Clock::now());
  answered(**answer);
}

void Connection::add_wait(Moment until) {
  fact_.waited += until - asked_at_;
  fact_.longest = std::max(fact_.longest, until - asked_at_);
}

void Connection::negotiated(const mta::Packet& packet) {
  auto agreed = mta::read_negotiation({}, packet);
  if (!agreed) return give_up(agreed.error().what);
  negotiated_ = *std::move(agreed);
  mta::Message session;
  session.client_host = "client.test";
  session.client_address = "192.0.2.1";
  for (auto& event : mta::session_events(session)) session_.push_back(std::move(event));
  go_on();
}

void Connection::answered(const mta::Answer& answer) {
  if (state_ == State::opening) {
    if (!goes_on(answer)) return give_up("the session was refused");
    session_.pop_front();
  } else {
    delivery_->answered(answer);
  }
  go_on();
}

std::optional<mta::Event> Connection::next_event() const {
  if (state_ == State::sending) return delivery_->next();
  return session_.empty() ? std::nullopt : std::optional(session_.front());
}

/// Plays events up to the next one that is answered, all in one write as from Postfix.
void Connection::go_on() {
  std::string bytes;
  while (const auto event = next_event()) {
    negotiated_.append(bytes, *event);
    if (negotiated_.awaits_answer(event->command)) {
      reader_.emplace(event->command);
      asked_at_ = Clock::now();
      return write(bytes);
    }
    if (state_ == State::sending) delivery_->answered({});
    else session_.pop_front();
  }
  if (state_ == State::sending) finish();
  // Postfix says abort after every message.
  if (state_ == State::sending) mta::append_packet(bytes, static_cast<char>(mta::Command::abort), {});
  if (!bytes.empty()) write(bytes);
  if (descriptor_ >= 0) state_ = State::idle;
}

void Connection::finish() {
  fact_.sent = delivery_->sent();
  fact_.ended = Clock::now();
  over_ = std::move(fact_);
  delivery_.reset();
  job_.reset();
  if (over_->sent->reply && over_->sent->reply->code == 421) give_up("421");
}

void Connection::write(std::string& bytes) {
  std::string_view rest = bytes;
  while (!rest.empty() && descriptor_ >= 0) {
    const auto sent = ::send(descriptor_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) rest.remove_prefix(static_cast<std::size_t>(sent));
    else if (errno != EINTR) give_up(std::strerror(errno));
  }
}

void Connection::give_up(std::string why) {
  if (auto lost = close(std::move(why))) over_ = std::move(lost);
}

std::optional<Fact> Connection::close(std::string why) {
  why_closed_ = std::move(why);
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  const bool is_lost = delivery_.has_value();
  if (is_lost) fact_.ended = Clock::now();
  if (is_lost && reader_) add_wait(fact_.ended);
  delivery_.reset();
  job_.reset();
  reader_.reset();
  session_.clear();
  negotiating_ = false;
  state_ = State::closed;
  return is_lost ? std::optional(std::move(fact_)) : std::nullopt;
}

}  // namespace faults
