#include "quota/store/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <cstring>
#include <new>

#include "quota/store/tls_words.hpp"

namespace quota {

// The functions are what OpenSSL calls back.
struct TlsSession::Inner {
  int descriptor = -1;
  std::string name{};
  std::size_t sent = 0;
  int broken = 0;  // errno of the last transfer that failed
  OurCertificate ours = OurCertificate::not_asked_for;
  std::string why_not_trusted{};

  static Inner& of(BIO* bio) { return *static_cast<Inner*>(BIO_get_data(bio)); }
  static Inner& of(const SSL* ssl) { return *static_cast<Inner*>(SSL_get_app_data(ssl)); }

  // OpenSSL's own kind of socket writes with write(2), which raises SIGPIPE.
  static int write(BIO* bio, const char* bytes, int count) {
    const auto taken = ::send(of(bio).descriptor, bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL);
    BIO_clear_retry_flags(bio);
    if (taken >= 0) of(bio).sent += static_cast<std::size_t>(taken);
    if (taken < 0 && of(bio).would_block()) BIO_set_retry_write(bio);
    return static_cast<int>(taken);
  }

  static int read(BIO* bio, char* buffer, int count) {
    const auto got = ::recv(of(bio).descriptor, buffer, static_cast<std::size_t>(count), 0);
    BIO_clear_retry_flags(bio);
    if (got < 0 && of(bio).would_block()) BIO_set_retry_read(bio);
    return static_cast<int>(got);
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  // The first thing that is wrong is kept in words while the certificate is at hand.
  static int verified(int is_well, X509_STORE_CTX* chain) {
    if (is_well == 1) return 1;
    const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto& inner = of(ssl);
    if (inner.why_not_trusted.empty()) inner.why_not_trusted = certificate_problem(chain, inner.name);
    return 0;
  }

  static int asked_for_certificate(SSL* ssl, void*) {
    of(ssl).ours = SSL_get_certificate(ssl) != nullptr ? OurCertificate::shown : OurCertificate::asked_for_in_vain;
    return 1;
  }

 private:
  // After a system call that failed.
  bool would_block() {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return true;
    broken = errno;
    return false;
  }
};

namespace {

// One for the whole process, never freed: a session may outlive any owner.
const BIO_METHOD* made_of(int (*write)(BIO*, const char*, int), int (*read)(BIO*, char*, int),
                          long (*control)(BIO*, int, long, void*)) {
  auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without signals");
  BIO_meth_set_write(made, write);
  BIO_meth_set_read(made, read);
  BIO_meth_set_ctrl(made, control);
  return made;
}

// An address is checked as an address; a zone (`%eth0`) is this host's own business. A name is also sent along (SNI),
// for servers with several certificates.
bool expect(SSL* ssl, const std::string& name) {
  auto* rules = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const auto bare = name.substr(0, name.find('%'));
  boost::system::error_code is_no_address;
  boost::asio::ip::make_address(bare, is_no_address);
  if (!is_no_address) return X509_VERIFY_PARAM_set1_ip_asc(rules, bare.c_str()) == 1;
  return SSL_set1_host(ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
}

}  // namespace

TlsSession::TlsSession(const TlsContext& context, int descriptor, const std::string& name)
    : inner_(new Inner), ssl_(SSL_new(context.current().get()), SSL_free) {
  inner_->descriptor = descriptor;
  inner_->name = name;
  ERR_clear_error();
  static const BIO_METHOD* const method = made_of(Inner::write, Inner::read, Inner::control);
  BIO* bio = BIO_new(method);
  if (!ssl_ || bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, inner_.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), inner_.get());
  SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, Inner::verified);
  SSL_set_cert_cb(ssl_.get(), Inner::asked_for_certificate, nullptr);
  if (!expect(ssl_.get(), name)) inner_->why_not_trusted = "\"" + name + "\" cannot be the name in a certificate";
}

TlsSession::~TlsSession() = default;

TransferStep TlsSession::shake_hands() {
  if (!inner_->why_not_trusted.empty()) return {TransferStep::Is::not_trusted, 0, inner_->why_not_trusted};
  ERR_clear_error();
  return outcome(SSL_connect(ssl_.get()), 0);
}

TransferStep TlsSession::write(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  ERR_clear_error();
  std::size_t count = 0;
  const int returned = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
  return outcome(returned, count);
}

TransferStep TlsSession::read(std::span<char> buffer) {
  const std::lock_guard lock(mutex_);
  ERR_clear_error();
  std::size_t count = 0;
  const int returned = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &count);
  return outcome(returned, count);
}

bool TlsSession::holds_bytes() const {
  const std::lock_guard lock(mutex_);
  return SSL_has_pending(ssl_.get()) == 1;
}

bool TlsSession::is_silent() {
  const std::lock_guard lock(mutex_);
  ERR_clear_error();
  char byte = 0;
  std::size_t count = 0;
  const int returned = SSL_peek_ex(ssl_.get(), &byte, 1, &count);
  const auto step = outcome(returned, count);
  return step.is == TransferStep::Is::wants_read && SSL_has_pending(ssl_.get()) != 1;
}

std::size_t TlsSession::sent() const {
  const std::lock_guard lock(mutex_);
  return inner_->sent;
}

// Requires: called right after the OpenSSL function, whose success is 1.
TransferStep TlsSession::outcome(int returned, std::size_t count) {
  using Is = TransferStep::Is;
  if (returned == 1) return {Is::done, count};
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return {Is::wants_read};
    case SSL_ERROR_WANT_WRITE:
      return {Is::wants_write};
    case SSL_ERROR_ZERO_RETURN:
      return {Is::closed, 0, "the server closed the connection"};
    case SSL_ERROR_SYSCALL:
      if (inner_->broken != 0) return {Is::closed, 0, std::strerror(inner_->broken)};
      return {Is::closed, 0, "the server closed the connection"};
    default:
      break;
  }
  if (!inner_->why_not_trusted.empty()) return {Is::not_trusted, 0, inner_->why_not_trusted};
  auto failure = tls_failure(inner_->ours);
  return {failure.is_trust ? Is::not_trusted : Is::failed, 0, std::move(failure.text)};
}

}  // namespace quota
