#include "milter/cli/http_client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "milter/admin/file_descriptor.hpp"
#include "milter/admin/json_line.hpp"

namespace milter::cli {
namespace {

namespace http = boost::beast::http;
using Local = boost::asio::local::stream_protocol;
using Clock = std::chrono::steady_clock;
using admin::FileDescriptor;

// 100,000 blocked senders with their reasons are some 30 MB.
constexpr std::uint64_t max_answer_bytes = 512ULL * 1024 * 1024;

constexpr const char* not_running_hint = "is sendquotad running? use --socket PATH if its admin socket is elsewhere";

Failure unreachable(const std::string& path, int error) {
  const auto what = "cannot reach the daemon at " + path + ": ";
  switch (error) {
    case EACCES:
    case EPERM:
      return {Failure::Kind::denied, what + "permission denied", "you must be root or in group sendquota"};
    case ENOENT:
      return {Failure::Kind::unreachable, what + "no such file", not_running_hint};
    case ECONNREFUSED:
      return {Failure::Kind::unreachable, what + "nobody listens there", not_running_hint};
    case ENAMETOOLONG:
      return {Failure::Kind::unreachable, what + "the path is too long", "at most 107 bytes"};
    default:
      return {Failure::Kind::unreachable, what + std::generic_category().message(error), not_running_hint};
  }
}

Failure late(const std::string& path) {
  return {Failure::Kind::late, "the daemon at " + path + " does not answer in time",
          "it may be busy or stopped; see its log"};
}

Failure garbled(const std::string& path, const std::string& why) {
  return {Failure::Kind::garbled, "what listens at " + path + " does not answer like sendquotad: " + why,
          "use --socket PATH to name the daemon's admin socket"};
}

// Asio cannot connect a unix socket without blocking: when the daemon's queue is full the kernel says EAGAIN and
// there is nothing to wait for, so it is tried again.
int connect_before(int socket, const std::string& path, Clock::time_point deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  while (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EAGAIN && errno != EINTR) return errno;
    if (Clock::now() >= deadline) return ETIMEDOUT;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return 0;
}

http::request<http::string_body> message_for(const Call& call) {
  http::request<http::string_body> message;
  message.version(11);
  message.method_string(call.method);
  message.target(call.target);
  message.set(http::field::host, "localhost");
  message.keep_alive(false);
  if (!call.body.empty()) {
    message.set(http::field::content_type, "application/json");
    message.body() = admin::json_line(call.body);
  }
  message.prepare_payload();
  return message;
}

/// One exchange on a connected socket; the stream's one deadline covers all of it.
class Exchange {
 public:
  using Error = boost::beast::error_code;

  Exchange(FileDescriptor socket, Clock::time_point deadline) : stream_(io_) {
    stream_.socket().assign(Local{}, socket.release());
    stream_.expires_at(deadline);
    parser_.body_limit(max_answer_bytes);
  }

  Error run(const http::request<http::string_body>& message) {
    Error written, read;
    http::async_write(stream_, message, [&](Error error, std::size_t) { written = error; });
    io_.run();
    if (written == boost::beast::error::timeout) return written;
    // A daemon that refuses a request may answer before it has read it all: what it says counts.
    io_.restart();
    http::async_read(stream_, buffer_, parser_, [&](Error error, std::size_t) { read = error; });
    io_.run();
    return read;
  }

  http::response<http::string_body> release() { return parser_.release(); }

 private:
  boost::asio::io_context io_;
  boost::beast::basic_stream<Local> stream_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
};

quota::Result<Answer, Failure> read_answer(http::response<http::string_body> message, const std::string& path) {
  boost::json::error_code error;
  auto value = boost::json::parse(message.body(), error);
  if (error || !value.is_object()) return garbled(path, "no JSON object");
  return Answer{message.result_int(), std::move(message.body()), std::move(value.as_object())};
}

}  // namespace

HttpClient::HttpClient(std::string socket_path, std::chrono::milliseconds patience)
    : path_(std::move(socket_path)), patience_(patience) {}

quota::Result<Answer, Failure> HttpClient::ask(const Call& call) {
  const auto deadline = Clock::now() + patience_;
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int error = socket.is_open() ? connect_before(socket.get(), path_, deadline) : errno;
  if (error == ETIMEDOUT) return late(path_);
  if (error != 0) return unreachable(path_, error);
  Exchange exchange(std::move(socket), deadline);
  const auto trouble = exchange.run(message_for(call));
  if (trouble == boost::beast::error::timeout) return late(path_);
  if (trouble == http::error::end_of_stream || trouble == http::error::partial_message ||
      trouble == boost::asio::error::connection_reset)
    return Failure{Failure::Kind::unreachable, "the daemon at " + path_ + " hung up",
                   "it may just be stopping; try again"};
  if (trouble) return garbled(path_, trouble.message());
  return read_answer(exchange.release(), path_);
}

}  // namespace milter::cli
