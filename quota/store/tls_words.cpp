#include "quota/store/tls_words.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <chrono>
#include <ctime>
#include <memory>

#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr int most_names = 5;

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

std::string moment(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable date";
  return format_moment(Timestamp{std::chrono::seconds{::timegm(&parts)}});
}

std::string text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string address_of(const ASN1_OCTET_STRING* bytes) {
  const int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family == AF_INET6 && ASN1_STRING_length(bytes) != 16) return "";
  return ::inet_ntop(family, ASN1_STRING_get0_data(bytes), text.data(), text.size()) != nullptr ? text.data() : "";
}

std::string text_of(const GENERAL_NAME& name) {
  if (name.type == GEN_DNS) return text_of(name.d.dNSName);
  return name.type == GEN_IPADD ? address_of(name.d.iPAddress) : "";
}

// The names and addresses that the certificate is for, the first few of them.
std::string names_of(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string all;
  int told = 0;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto text = text_of(*sk_GENERAL_NAME_value(names.get(), i));
    if (text.empty()) continue;
    if (told++ == most_names) return all + ", …";
    all += (all.empty() ? "" : ", ") + text;
  }
  return all;
}

std::string wrong_name(const X509* certificate, const std::string& name) {
  const auto names = names_of(certificate);
  if (names.empty()) return "the server's certificate names no host (no subjectAltName), so it cannot be for " + name;
  return "the server's certificate is for " + names + ", not for " + name;
}

std::string issuer_of(const X509* certificate) {
  std::array<char, 256> text{};
  X509_NAME_oneline(X509_get_issuer_name(certificate), text.data(), static_cast<int>(text.size()));
  return text.data();
}

// An alert by which the peer says that it wants to see other papers, or none of what we can speak.
bool is_about_trust(int alert) {
  return (alert >= SSL_AD_HANDSHAKE_FAILURE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) || alert == SSL_AD_UNKNOWN_CA ||
         alert == SSL_AD_ACCESS_DENIED || alert == SSL_AD_DECRYPT_ERROR || alert == SSL_AD_INSUFFICIENT_SECURITY ||
         alert == SSL_AD_UNRECOGNIZED_NAME || alert == SSL_AD_CERTIFICATE_REQUIRED;
}

}  // namespace

std::string tls_reason() {
  const auto* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "no reason given";
}

std::string certificate_problem(x509_store_ctx_st* verified, const std::string& name) {
  const int error = X509_STORE_CTX_get_error(verified);
  const X509* certificate = X509_STORE_CTX_get_current_cert(verified);
  const bool is_own = X509_STORE_CTX_get_error_depth(verified) == 0;
  const std::string whose = is_own ? "the server's certificate" : "the certificate of the server's authority";
  switch (certificate != nullptr ? error : X509_V_ERR_UNSPECIFIED) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return wrong_name(certificate, name);
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return whose + " expired at " + moment(X509_get0_notAfter(certificate));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return whose + " is not valid before " + moment(X509_get0_notBefore(certificate)) +
             "; is this host's clock right?";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "the server's certificate was issued by " + issuer_of(certificate) + ", whom store.tls_ca does not trust";
    default:
      return whose + " is not accepted: " + X509_verify_cert_error_string(error);
  }
}

TlsFailure tls_failure(OurCertificate ours) {
  const auto code = ERR_peek_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  const auto said = tls_reason();
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_HTTP_REQUEST:
      return {true, "the server speaks no TLS on this port (" + said +
                        "); write redis in the place of rediss, or another port"};
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return {true, "the server speaks no TLS 1.2 or newer"};
    default:
      break;
  }
  const bool is_trust = is_about_trust(reason - SSL_AD_REASON_OFFSET);
  if (is_trust && ours == OurCertificate::asked_for_in_vain)
    return {true,
            "the server wants a certificate of ours; set store.tls_cert and store.tls_key (it said: " + said + ")"};
  if (is_trust && ours == OurCertificate::shown)
    return {true, "the server does not accept the certificate of store.tls_cert (it said: " + said + ")"};
  return {is_trust, "TLS failed: " + said};
}

}  // namespace quota
