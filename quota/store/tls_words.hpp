// The words for what goes wrong in TLS: OpenSSL's many codes as the few things that an administrator can act on.
#pragma once

#include <string>

struct x509_store_ctx_st;

namespace quota {

/// The oldest error in OpenSSL's list for this thread, in its own words; the list is empty afterwards.
[[nodiscard]] std::string tls_reason();

/// Why the peer's certificate, or one above it, was found wrong.
/// Requires: called while the chain is being verified. `name` is what the certificate should have been for.
[[nodiscard]] std::string certificate_problem(x509_store_ctx_st* verified, const std::string& name);

/// What we showed the peer of ourselves.
enum class OurCertificate { not_asked_for, asked_for_in_vain, shown };

/// Why the handshake, or the connection after it, failed.
struct TlsFailure {
  bool is_trust = false;  // false: the peer is broken, or not speaking TLS
  std::string text;
};
[[nodiscard]] TlsFailure tls_failure(OurCertificate ours);

}  // namespace quota
