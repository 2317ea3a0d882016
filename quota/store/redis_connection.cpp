#include "quota/store/redis_connection.hpp"

#include <sys/un.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <cstring>
#include <utility>

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kept_question = 65'536;

StoreErrorKind kind_of(SocketError::Kind kind) {
  switch (kind) {
    case SocketError::Kind::timed_out:
      return StoreErrorKind::timed_out;
    case SocketError::Kind::closed:
      return StoreErrorKind::closed;
    case SocketError::Kind::not_trusted:
      return StoreErrorKind::misconfigured;
    case SocketError::Kind::failed:
      break;
  }
  return StoreErrorKind::closed;
}

StoreError too_late() {
  return {StoreErrorKind::timed_out, Executed::no, "the deadline passed before anything was asked"};
}

std::string printed(const Endpoint& endpoint) {
  if (endpoint.protocol().family() == AF_UNIX) return reinterpret_cast<const sockaddr_un*>(endpoint.data())->sun_path;
  boost::asio::ip::tcp::endpoint tcp;
  tcp.resize(endpoint.size());
  std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
  return tcp.address().to_string() + " port " + std::to_string(tcp.port());
}

// One of `count` addresses may use its even share of what is left, the last one all of it.
Deadline share_of(Deadline deadline, std::size_t count) {
  const auto now = Clock::now();
  if (now >= deadline) return deadline;
  return now + (deadline - now) / static_cast<Deadline::rep>(count);
}

// What a new connection says, all in one write. The client's name is a courtesy, but asking for it makes every server
// answer once, which a kernel's queue of connections does not.
std::vector<Command> introduction(const RedisTarget& target, std::string_view database) {
  const auto& login = target.login;
  std::vector<Command> steps;
  if (!login.password.empty() && !login.user.empty()) steps.push_back({"AUTH", login.user, login.password});
  if (!login.password.empty() && login.user.empty()) steps.push_back({"AUTH", login.password});
  if (login.database != 0) steps.push_back({"SELECT", database});
  steps.push_back({"CLIENT", "SETNAME", target.client_name});
  return steps;
}

// A strict ACL need not allow the name.
bool is_courtesy(const Command& step, const ServerError& error) {
  return step.front() == "CLIENT" && error.code == ServerErrorCode::noperm;
}

// What goes wrong while logging in is somebody's configuration, but for what passes by itself.
StoreError login_error(const ServerError& error, const std::string& password) {
  auto told = to_store_error(error);
  told.executed = Executed::no;
  // Commands that were renamed or are unknown come back in the error text with the beginning of their arguments.
  const bool quotes_arguments = error.text.find("with args") != error.text.npos;
  const bool quotes_password = !password.empty() && error.text.find(password) != error.text.npos;
  if (quotes_arguments || quotes_password) told.text = "the server does not accept AUTH";
  if (error.code == ServerErrorCode::other) told.kind = StoreErrorKind::misconfigured;
  return told;
}

}  // namespace

RedisConnection::Opened RedisConnection::open(boost::asio::io_context& io, const RedisTarget& target,
                                              Deadline deadline) {
  std::unique_ptr<RedisConnection> made(new RedisConnection(io));
  if (auto connected = made->connect(target, deadline); !connected) return connected.error();
  if (auto introduced = made->introduce(target, deadline); !introduced) return introduced.error();
  return made;
}

Result<void, StoreError> RedisConnection::connect(const RedisTarget& target, Deadline deadline) {
  const auto& endpoints = target.endpoints;
  StoreError last{StoreErrorKind::unreachable, Executed::no, "no address of the server is known yet"};
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const auto by = share_of(deadline, endpoints.size() - i);
    auto connected = socket_.connect(endpoints[i], by);
    if (connected && target.tls) connected = socket_.start_tls(*target.tls, target.tls_name, by);
    if (connected) {
      endpoint_ = endpoints[i];
      return {};
    }
    const auto& why = connected.error();
    last.kind = why.kind == SocketError::Kind::timed_out || why.kind == SocketError::Kind::not_trusted
                    ? kind_of(why.kind)
                    : StoreErrorKind::unreachable;
    last.text = "connecting to " + printed(endpoints[i]) + ": " + why.text;
  }
  return last;
}

Result<void, StoreError> RedisConnection::introduce(const RedisTarget& target, Deadline deadline) {
  const auto database = std::to_string(target.login.database);
  const auto steps = introduction(target, database);
  question_.clear();
  for (const auto& step : steps) append_command(question_, step);
  if (auto sent = send(deadline); !sent) return unintroduced(sent.error(), target);
  for (const auto& step : steps) {
    const auto reply = read_reply(deadline, {});
    const auto error = reply ? reply->error() : std::nullopt;
    if (reply && (!error || is_courtesy(step, *error))) continue;
    close();
    return error ? login_error(*error, target.login.password) : unintroduced(reply.error(), target);
  }
  return expect_nothing_more();
}

// Nothing of the caller's was asked yet.
StoreError RedisConnection::unintroduced(StoreError broken, const RedisTarget& target) const {
  broken.executed = Executed::no;
  if (broken.kind == StoreErrorKind::closed && !target.tls && endpoint_.protocol().family() != AF_UNIX)
    broken.text += "; if it speaks TLS on this port, the store's address must begin with rediss";
  return broken;
}

Result<RedisReply, StoreError> RedisConnection::ask(std::span<const std::string_view> arguments, Deadline deadline,
                                                    const ReplyLimits& limits) {
  question_.clear();
  append_command(question_, arguments);
  if (auto sent = send(deadline); !sent) return sent.error();
  auto reply = read_reply(deadline, limits);
  if (!reply) return reply;
  if (auto clean = expect_nothing_more(); !clean) return clean.error();
  return reply;
}

Result<std::vector<RedisReply>, StoreError> RedisConnection::ask_all(std::span<const Command> commands,
                                                                     Deadline deadline, const ReplyLimits& limits) {
  std::vector<RedisReply> replies;
  if (auto sent = send_all(commands, deadline); !sent) return sent.error();
  replies.reserve(commands.size());
  for (std::size_t i = 0; i < commands.size(); ++i) {
    auto reply = receive(deadline, limits);
    if (!reply) return reply.error();
    replies.push_back(std::move(*reply));
  }
  return replies;
}

Result<void, StoreError> RedisConnection::send_all(std::span<const Command> commands, Deadline deadline) {
  if (commands.empty()) return {};
  question_.clear();
  for (const auto& command : commands) append_command(question_, command);
  auto sent = send(deadline);
  if (sent) unanswered_ += commands.size();
  return sent;
}

Result<RedisReply, StoreError> RedisConnection::receive(Deadline deadline, const ReplyLimits& limits) {
  if (!is_open()) return StoreError{StoreErrorKind::closed, Executed::possibly, "the connection was closed before the answer"};
  auto reply = read_reply(deadline, limits);
  if (!reply || --unanswered_ > 0) return reply;
  if (auto clean = expect_nothing_more(); !clean) return clean.error();
  return reply;
}

Result<std::optional<RedisReply>, StoreError> RedisConnection::next_message(Deadline deadline, const Waker& waker) {
  std::array<char, one_read> buffer;
  for (;;) {
    if (!is_open()) return StoreError{StoreErrorKind::closed, Executed::no, "the connection is closed"};
    auto message = reader_.next({});
    if (!message) return fail_as_nonsense(message.error());
    if (*message) return std::move(*message);
    if (socket_.wait_readable(deadline, waker) != DeadlineSocket::Wait::readable) return std::optional<RedisReply>{};
    auto count = socket_.read_now(buffer);
    if (!count) return fail(count.error(), Executed::no);
    reader_.feed({buffer.data(), *count});
  }
}

Result<void, StoreError> RedisConnection::send(Deadline deadline) {
  if (!is_open()) return StoreError{StoreErrorKind::closed, Executed::no, "the connection is closed"};
  if (Clock::now() >= deadline) return too_late();
  auto sent = socket_.write_all(question_, deadline);
  if (question_.capacity() > kept_question) std::string().swap(question_);
  if (sent) return {};
  const auto why = sent.error();
  const auto executed = why.written == 0 ? Executed::no : Executed::possibly;
  if (auto said = last_words(executed)) return *said;
  return fail(why, executed);
}

// A server that turns a client away (too many of them, a certificate that it does not accept) says so and closes, without
// reading what it is asked.
std::optional<StoreError> RedisConnection::last_words(Executed executed) {
  std::array<char, 1024> buffer;
  const auto count = socket_.read_now(buffer);
  if (!count && count.error().kind == SocketError::Kind::not_trusted) return fail(count.error(), executed);
  reader_.feed({buffer.data(), count ? *count : 0});
  const auto reply = reader_.next({});
  if (!reply || !*reply || !(*reply)->error()) return {};
  close();
  return to_store_error(*(*reply)->error());
}

Result<RedisReply, StoreError> RedisConnection::read_reply(Deadline deadline, const ReplyLimits& limits) {
  std::array<char, one_read> buffer;
  bool has_looked_late = false;
  for (;;) {
    auto reply = reader_.next(limits);
    if (!reply) return fail_as_nonsense(reply.error());
    if (*reply) return std::move(**reply);
    auto count = socket_.read_some(buffer, deadline);
    // What came while another server was waited for has come in time: one look more than the deadline allows.
    if (!count && count.error().kind == SocketError::Kind::timed_out && !std::exchange(has_looked_late, true))
      if (const auto late = socket_.read_now(buffer); late && *late > 0) count = *late;
    if (!count) return fail(count.error(), Executed::possibly);
    reader_.feed({buffer.data(), *count});
  }
}

Result<void, StoreError> RedisConnection::expect_nothing_more() {
  if (reader_.empty()) return {};
  return fail_as_nonsense("more came than was asked for");
}

StoreError RedisConnection::fail(const SocketError& why, Executed executed) {
  close();
  return {kind_of(why.kind), executed, printed(endpoint_) + ": " + why.text};
}

StoreError RedisConnection::fail_as_nonsense(const std::string& why) {
  close();
  return nonsense(why);
}

StoreError RedisConnection::nonsense(const std::string& why) const {
  return {StoreErrorKind::nonsense, Executed::possibly, name() + ": the reply is not accepted: " + why};
}

std::string RedisConnection::name() const { return printed(endpoint_); }

Result<void, RedisConnection::WriteError> RedisConnection::write(std::string_view bytes, Deadline deadline) {
  const auto sent = socket_.write_all(bytes, deadline);
  if (sent) return {};
  const auto& why = sent.error();
  return WriteError{{kind_of(why.kind), Executed::possibly, name() + ": " + why.text}, why.written};
}

Result<std::size_t, StoreError> RedisConnection::read(std::span<char> buffer, Deadline deadline) {
  auto count = socket_.read_some(buffer, deadline);
  if (!count && count.error().kind == SocketError::Kind::timed_out)
    if (const auto late = socket_.read_now(buffer); late && *late > 0) count = *late;
  if (!count) return StoreError{kind_of(count.error().kind), Executed::possibly, name() + ": " + count.error().text};
  return *count;
}

Result<std::optional<RedisReply>, StoreError> RedisConnection::next_reply(const ReplyLimits& limits) {
  auto reply = reader_.next(limits);
  if (!reply) return nonsense(reply.error());
  return std::move(*reply);
}

}  // namespace quota
