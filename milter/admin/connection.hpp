// One HTTP connection of the admin endpoint: reads a request, lets the service answer, and so on until it ends.
// Owns itself while an operation is under way. All calls on the listener's thread, but for the service's.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "milter/admin/listener.hpp"

namespace milter::admin {

/// What all connections of a listener share; outlives them.
struct Shared {
  ListenerSettings settings;
  Service service;
  TroubleSink trouble;
  boost::asio::thread_pool* workers = nullptr;  // null: before the first connection
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Any stream socket: what the connection is made of is decided where it was accepted.
  using Socket = boost::asio::generic::stream_protocol::socket;

  Connection(Socket socket, Caller caller, const Shared& shared, std::function<void(Connection*)> on_end);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  void read_request();
  /// Cancels what is under way; the connection is gone as soon as that has come back.
  void close();

 private:
  using Error = boost::beast::error_code;

  void on_read(Error error);
  void respond(Response response, bool keep_alive);
  void linger();
  void discard();
  void serve();
  /// Threads: any.
  [[nodiscard]] Response served(const RawRequest& request) const;
  [[nodiscard]] RawRequest request() const;

  // Constant after construction.
  const Caller caller_;
  const Shared& shared_;
  const std::function<void(Connection*)> on_end_;
  // State.
  boost::beast::basic_stream<boost::asio::generic::stream_protocol> stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> message_;
};

}  // namespace milter::admin
