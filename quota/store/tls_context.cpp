#include "quota/store/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "quota/store/tls_words.hpp"

namespace quota {
namespace {

using File = TlsContext::Problem::File;
using Problem = TlsContext::Problem;
using Context = std::shared_ptr<ssl_ctx_st>;

Result<void, Problem> wrong(File file, std::string text) { return Problem{file, std::move(text)}; }

// Instead of asking a terminal for a passphrase: notes that there is one.
int no_passphrase(char*, int, int, void* is_locked) {
  if (is_locked != nullptr) *static_cast<bool*>(is_locked) = true;
  return -1;
}

// OpenSSL says "system lib" where the system had a reason.
Result<void, Problem> readable(File file, const std::string& path) {
  struct stat status {};
  std::string reason;
  if (::stat(path.c_str(), &status) != 0)
    reason = std::string("cannot be read: ") + std::strerror(errno);
  else if (!S_ISREG(status.st_mode))
    reason = "is no file";
  else if (file == File::key && (status.st_mode & 07) != 0)
    return wrong(file, "everybody on this host may use " + path + "; run chmod o= on it");
  else if (std::FILE* opened = std::fopen(path.c_str(), "re"))
    std::fclose(opened);
  else
    reason = std::string("cannot be read: ") + std::strerror(errno);
  if (reason.empty()) return {};
  return wrong(file, path + " " + reason + "; write the path of a file in PEM format");
}

Result<void, Problem> trust(ssl_ctx_st* context, const std::string& path) {
  if (path.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return {};
    return wrong(File::ca, "the system's authorities cannot be read (" + tls_reason() + "); write the path of a file");
  }
  if (auto good = readable(File::ca, path); !good) return good;
  if (SSL_CTX_load_verify_locations(context, path.c_str(), nullptr) == 1) return {};
  return wrong(File::ca, path + " holds no certificate of an authority in PEM format (" + tls_reason() + ")");
}

Result<void, Problem> show(ssl_ctx_st* context, const std::string& path) {
  if (auto good = readable(File::cert, path); !good) return good;
  if (SSL_CTX_use_certificate_chain_file(context, path.c_str()) == 1) return {};
  return wrong(File::cert, path + " holds no certificate in PEM format (" + tls_reason() + ")");
}

Result<void, Problem> prove(ssl_ctx_st* context, const TlsFiles& files) {
  if (auto good = readable(File::key, files.key); !good) return good;
  bool is_locked = false;
  SSL_CTX_set_default_passwd_cb_userdata(context, &is_locked);
  const bool is_key = SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  // A key of another kind than the certificate's is taken at first, for a certificate that might follow.
  if (is_key && SSL_CTX_check_private_key(context) == 1) return {};
  const auto error = ERR_peek_error();
  const int reason = ERR_GET_REASON(error);
  const bool is_other = ERR_GET_LIB(error) == ERR_LIB_X509 &&
                        (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH);
  if (is_key || is_other) return wrong(File::key, files.key + " is not the key of the certificate in " + files.cert);
  if (is_locked)
    return wrong(File::key,
                 files.key + " is locked with a passphrase; write it without one (openssl pkey -in OLD -out NEW)");
  return wrong(File::key, files.key + " holds no private key in PEM format (" + tls_reason() + ")");
}

Result<Context, Problem> made(const TlsFiles& files) {
  ERR_clear_error();
  const Context context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context) return Problem{File::ca, "TLS cannot be set up: " + tls_reason()};
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  if (auto good = trust(context.get(), files.ca); !good) return good.error();
  if (files.cert.empty()) return context;
  if (auto good = show(context.get(), files.cert); !good) return good.error();
  if (auto good = prove(context.get(), files); !good) return good.error();
  return context;
}

}  // namespace

Result<std::shared_ptr<TlsContext>, Problem> TlsContext::open(TlsFiles files) {
  std::shared_ptr<TlsContext> opened(new TlsContext(std::move(files)));
  if (auto renewed = opened->renew(); !renewed) return renewed.error();
  return opened;
}

Result<void, Problem> TlsContext::renew() {
  auto fresh = made(files_);
  ERR_clear_error();
  if (!fresh) return fresh.error();
  const std::lock_guard lock(mutex_);
  current_ = std::move(*fresh);
  return {};
}

std::shared_ptr<ssl_ctx_st> TlsContext::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

}  // namespace quota
