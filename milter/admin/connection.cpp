#include "milter/admin/connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
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

// Nothing is kept by browsers and proxies, guessed at, or shown inside of another page.
constexpr std::pair<const char*, const char*> headers_of_all[] = {{"Cache-Control", "no-store"},
                                                                  {"X-Content-Type-Options", "nosniff"},
                                                                  {"Referrer-Policy", "no-referrer"},
                                                                  {"Cross-Origin-Resource-Policy", "same-origin"},
                                                                  {"X-Frame-Options", "DENY"},
                                                                  {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"}};

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
  if (!error) return serve();
  if (went_away(error)) return;
  if (auto response = refusal(error)) respond(std::move(*response), false);
}

RawRequest Connection::request() const {
  const auto& message = parser_->get();
  const auto value = [&message](http::field name) { return std::string(message[name]); };
  const auto is_repeated = [&message](http::field name) { return message.count(name) > 1; };
  return {.method = std::string(message.method_string()),
          .target = std::string(message.target()),
          .body = message.body(),
          .caller = caller_,
          .headers = {.authorization = value(http::field::authorization),
                      .content_type = value(http::field::content_type),
                      .host = value(http::field::host),
                      .origin = value(http::field::origin),
                      .fetch_site = std::string(message["Sec-Fetch-Site"]),
                      .is_repeated = is_repeated(http::field::host) || is_repeated(http::field::origin) || is_repeated(http::field::authorization) ||
                                     is_repeated(http::field::content_type) || message.count("Sec-Fetch-Site") > 1}};
}

// The answer comes back to the listener's thread, which does not end before.
void Connection::serve() {
  auto asked = request();
  if (shared_.settings.is_prompt && shared_.settings.is_prompt(asked)) return respond(served(asked), parser_->get().keep_alive());
  auto home = boost::asio::make_work_guard(stream_.get_executor());
  boost::asio::post(*shared_.workers, [self = shared_from_this(), asked = std::move(asked), home = std::move(home)]() mutable {
    auto answer = self->served(asked);
    boost::asio::post(home.get_executor(), [self = std::move(self), answer = std::move(answer)]() mutable {
      const auto keep_alive = self->parser_->get().keep_alive();
      self->respond(std::move(answer), keep_alive);
    });
  });
}

Response Connection::served(const RawRequest& request) const {
  try {
    return shared_.service(request);
  } catch (const std::exception& error) {
    shared_.trouble(std::string("admin request failed: ") + error.what());
    return error_response(500, "the request failed inside the daemon", "its log says why");
  }
}

void Connection::respond(Response response, bool keep_alive) {
  message_ = {};
  message_.version(11);
  message_.result(response.status);
  message_.set(http::field::content_type, response.text ? response.type : "application/json");
  for (const auto& [name, value] : headers_of_all) message_.set(name, value);
  for (const auto& [name, value] : response.headers) message_.set(name, value);
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
