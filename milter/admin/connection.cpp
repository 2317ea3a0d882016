#include "milter/admin/connection.hpp"

#include <boost/asio/buffer.hpp>
#include <exception>
#include <string>
#include <utility>

#include "milter/admin/json_line.hpp"
#include "milter/admin/problem.hpp"

namespace milter::admin {
namespace {

namespace http = boost::beast::http;

// How long a client that was refused may go on sending before it is cut off; see linger().
constexpr std::chrono::seconds linger_time{1};

std::optional<Response> refusal(const boost::beast::error_code& error) {
  if (error == http::error::body_limit) return error_response(413, "the request is too large", "at most 64 KiB");
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return error_response(431, "the header of the request is too large", "at most 8 KiB");
  if (error.category() == http::make_error_code(http::error::bad_method).category())
    return error_response(400, "this is not an HTTP request: " + error.message(), "");
  return std::nullopt;
}

// Only HTTP's own errors are answered, and of those not the ones that mean "the client went away".
bool went_away(const boost::beast::error_code& error) {
  return error == http::error::end_of_stream || error == http::error::partial_message;
}

}  // namespace

Connection::Connection(Socket socket, Caller caller, const Shared& shared, std::function<void(Connection*)> on_end)
    : caller_(std::move(caller)),
      shared_(shared),
      on_end_(std::move(on_end)),
      stream_(std::move(socket)),
      buffer_(shared.settings.max_header + shared.settings.max_body) {}

Connection::~Connection() { on_end_(this); }

void Connection::close() { stream_.close(); }

void Connection::read_request() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(shared_.settings.max_header));
  parser_->body_limit(shared_.settings.max_body);
  stream_.expires_after(shared_.settings.read_timeout);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](Error error, std::size_t) { self->on_read(error); });
}

void Connection::on_read(Error error) {
  if (!error) return respond(served(), parser_->get().keep_alive());
  if (went_away(error)) return;
  if (auto response = refusal(error)) respond(std::move(*response), false);
}

Response Connection::served() {
  const auto& message = parser_->get();
  try {
    return shared_.service({.method = std::string(message.method_string()),
                            .target = std::string(message.target()),
                            .body = message.body(),
                            .caller = caller_});
  } catch (const std::exception& error) {
    shared_.trouble(std::string("admin request failed: ") + error.what());
    return error_response(500, "the request failed inside the daemon", "its log says why");
  }
}

void Connection::respond(Response response, bool keep_alive) {
  message_ = {};
  message_.version(11);
  message_.result(response.status);
  message_.set(http::field::content_type, response.text ? "text/plain; version=0.0.4; charset=utf-8" : "application/json");
  message_.set(http::field::cache_control, "no-store");
  if (!response.allow.empty()) message_.set(http::field::allow, response.allow);
  message_.keep_alive(keep_alive);
  message_.body() = response.text ? std::move(*response.text) : json_line(std::move(response.body));
  message_.prepare_payload();
  stream_.expires_after(shared_.settings.write_timeout);
  http::async_write(stream_, message_, [self = shared_from_this(), keep_alive](Error error, std::size_t) {
    if (error) return;
    if (keep_alive) return self->read_request();
    self->linger();
  });
}

// Closing a socket with unread bytes in it resets the connection, and the client, still busy sending, might never
// see the answer. So only our half is closed at first.
void Connection::linger() {
  Error ignored;
  stream_.socket().shutdown(Socket::shutdown_send, ignored);
  stream_.expires_after(linger_time);
  discard();
}

void Connection::discard() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(4096), [self = shared_from_this()](Error error, std::size_t) {
    if (!error) self->discard();
  });
}

}  // namespace milter::admin
