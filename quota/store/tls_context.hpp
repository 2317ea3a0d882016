// TlsContext: whom we trust and who we are, for every TLS connection to a store.
//
// Whoever we connect to must show a certificate that an authority of ours has signed, that is valid now and that is for
// the very name or address we asked for (its subjectAltName; the common name does not count). Nothing older than
// TLS 1.2 is spoken. All files are read here and nowhere else: a connection made later needs none of them. Threads:
// every function from any thread, at once.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "quota/result.hpp"

struct ssl_ctx_st;

namespace quota {

struct TlsFiles {
  std::string ca{};    // PEM, one or more authorities; empty: the authorities that the system trusts
  std::string cert{};  // PEM, ours and what is between it and an authority; empty: we show none
  std::string key{};   // PEM, of `cert`
  bool operator==(const TlsFiles&) const = default;
};

class TlsContext {
 public:
  /// What is wrong with one of the files, and what to do about it.
  struct Problem {
    enum class File { ca, cert, key };
    File file = File::ca;
    std::string text;
  };

  /// Requires: `cert` and `key` are both there or both empty.
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>, Problem> open(TlsFiles files);

  /// Reads the files anew, for the connections that are made from now on. A failure changes nothing.
  [[nodiscard]] Result<void, Problem> renew();

  /// What OpenSSL makes connections from.
  [[nodiscard]] std::shared_ptr<ssl_ctx_st> current() const;

 private:
  explicit TlsContext(TlsFiles files) : files_(std::move(files)) {}

  const TlsFiles files_;
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> current_;  // guarded by mutex_
};

}  // namespace quota
