// What TLS says to itself between questions: tickets and new keys come unasked and are no reason to distrust a
// connection.
#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <csignal>
#include <memory>

#include "quota/store/redis_connection.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/rogue_server.hpp"

using namespace quota;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

test::Certificates& authority() {
  static test::Certificates one;
  return one;
}

// The server's side of TLS, on a blocking socket.
class TlsPeer {
 public:
  explicit TlsPeer(int descriptor) : descriptor_(descriptor) {
    // OpenSSL's own sockets raise SIGPIPE.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    static const auto own = authority().issue("DNS:localhost");
    SSL_CTX_use_certificate_chain_file(context_.get(), own.cert.c_str());
    SSL_CTX_use_PrivateKey_file(context_.get(), own.key.c_str(), SSL_FILETYPE_PEM);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), descriptor);
    SSL_accept(ssl_.get());
  }

  bool read() {
    char buffer[4096];
    return SSL_read(ssl_.get(), buffer, sizeof buffer) > 0;
  }
  bool write(std::string_view text) { return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0; }
  void send_ticket() {
    SSL_new_session_ticket(ssl_.get());
    SSL_do_handshake(ssl_.get());
  }
  void change_keys() {
    SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(ssl_.get());
  }
  void begin_a_record() { ::send(descriptor_, "\x17\x03\x03\x00\x20\x01", 6, MSG_NOSIGNAL); }
  void say_goodbye() { SSL_shutdown(ssl_.get()); }

 private:
  int descriptor_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{SSL_CTX_new(TLS_server_method()), SSL_CTX_free};
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
};

struct Unasked {
  std::string_view what;
  void (*happens)(TlsPeer&);
  bool is_good;
};

constexpr Unasked unasked[] = {
    {"nothing", [](TlsPeer&) {}, true},
    {"a ticket", [](TlsPeer& peer) { peer.send_ticket(); }, true},
    {"a ticket and new keys",
     [](TlsPeer& peer) {
       peer.send_ticket();
       peer.change_keys();
     },
     true},
    {"a word", [](TlsPeer& peer) { peer.write("+"); }, false},
    {"a ticket and a word",
     [](TlsPeer& peer) {
       peer.send_ticket();
       peer.write("+");
     },
     false},
    {"the beginning of something", [](TlsPeer& peer) { peer.begin_a_record(); }, false},
    {"goodbye", [](TlsPeer& peer) { peer.say_goodbye(); }, false},
    {"a ticket and goodbye",
     [](TlsPeer& peer) {
       peer.send_ticket();
       peer.say_goodbye();
     },
     false},
};

}  // namespace

TEST_CASE("what TLS says unasked leaves a kept connection good; what a server says, or its end, does not") {
  for (const auto& row : unasked) {
    CAPTURE(row.what);
    Waker happened;
    test::RogueServer server([&](test::RoguePeer& plain) {
      TlsPeer peer(plain.descriptor());
      if (!peer.read() || !peer.write("+OK\r\n")) return;
      row.happens(peer);
      happened.wake();
      if (peer.read() && peer.write("+PONG\r\n")) plain.hang();
    });
    RedisTarget target{{boost::asio::local::stream_protocol::endpoint(server.path())}};
    target.tls = *TlsContext::open({.ca = authority().ca()});
    target.tls_name = "localhost";
    boost::asio::io_context io;
    auto connection = RedisConnection::open(io, target, Clock::now() + 5s);
    REQUIRE_MESSAGE(connection.has_value(), connection.error().text);
    pollfd watched{happened.descriptor(), POLLIN, 0};
    REQUIRE(::poll(&watched, 1, 5000) == 1);
    CHECK((*connection)->still_good() == row.is_good);
    CHECK((*connection)->still_good() == row.is_good);  // looking changes nothing
    if (row.is_good) CHECK((*connection)->ask(Command{"PING"}, Clock::now() + 5s)->text() == "PONG");
  }
}

TEST_CASE("what came in one record can be read piece by piece, without waiting for more") {
  test::RogueServer server([&](test::RoguePeer& plain) {
    TlsPeer peer(plain.descriptor());
    if (peer.write("abc")) plain.hang();
  });
  boost::asio::io_context io;
  DeadlineSocket socket(io);
  const auto deadline = Clock::now() + 5s;
  REQUIRE(socket.connect(boost::asio::local::stream_protocol::endpoint(server.path()), deadline).has_value());
  REQUIRE(socket.start_tls(**TlsContext::open({.ca = authority().ca()}), "localhost", deadline).has_value());
  Waker never;
  for (const char want : {'a', 'b', 'c'}) {
    char byte = 0;
    CHECK(socket.wait_readable(deadline, never) == DeadlineSocket::Wait::readable);
    if (want != 'a') CHECK(!socket.silent());  // before it only a ticket may have come yet
    CHECK(socket.read_some({&byte, 1}, deadline).has_value());
    CHECK(byte == want);
  }
  CHECK(socket.silent());
  char byte = 0;
  CHECK(*socket.read_now({&byte, 1}) == 0);
  CHECK(Clock::now() < deadline);
}

TEST_CASE("a ticket does not hold up who waits for a message") {
  test::RogueServer server([&](test::RoguePeer& plain) {
    TlsPeer peer(plain.descriptor());
    if (!peer.read() || !peer.write("+OK\r\n")) return;
    peer.send_ticket();
    plain.hang();
  });
  RedisTarget target{{boost::asio::local::stream_protocol::endpoint(server.path())}};
  target.tls = *TlsContext::open({.ca = authority().ca()});
  target.tls_name = "localhost";
  boost::asio::io_context io;
  auto connection = RedisConnection::open(io, target, Clock::now() + 5s);
  REQUIRE(connection.has_value());
  Waker never;
  const auto started = Clock::now();
  const auto message = (*connection)->next_message(started + 100ms, never);
  CHECK((message && !*message));
  CHECK(Clock::now() - started < 1s);
}
