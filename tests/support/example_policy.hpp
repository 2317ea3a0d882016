// A small policy and the messages it judges, for the tests of policy and check.
#pragma once

#include "quota/check.hpp"
#include "quota/time_text.hpp"
#include "tests/support/must.hpp"

namespace quota {

inline const Timestamp example_now = must(parse_moment("2026-11-22T05:00:00Z"));

inline Quota quota_of(std::string name, std::vector<Kind> per, std::string_view limits) {
  Quota quota;
  quota.name = std::move(name);
  quota.per = std::move(per);
  quota.limits = must(parse_allowance(limits));
  return quota;
}

/// A message of alice, authenticated, to one recipient.
class ExampleMessage {
 public:
  ExampleMessage() {
    envelope.client = {"mx1.example.com", "smtpd", "unknown", IpAddress::from_v4({203, 0, 113, 9}), 40000};
    envelope.auth_type = "PLAIN";
    envelope.auth_authen = "alice@example.com";
    envelope.mail_from = "<alice@example.com>";
    to(1);
  }

  /// Submitted by a script on mx1 instead.
  ExampleMessage& locally() {
    envelope.client.address = must(IpAddress::parse("127.0.0.1"));
    envelope.client.port = 0;
    envelope.auth_type = envelope.auth_authen = "";
    envelope.mail_from = "www-data@mx1.example.com";
    envelope.php_script = "1000:form.php";
    return *this;
  }
  /// From a client without a login.
  ExampleMessage& from_client(std::string_view address) {
    envelope.client.address = must(IpAddress::parse(address));
    envelope.auth_type = envelope.auth_authen = "";
    return *this;
  }
  ExampleMessage& to(std::size_t recipients) {
    envelope.recipients.clear();
    for (std::size_t i = 0; i < recipients; ++i)
      envelope.recipients.push_back("<r" + std::to_string(i) + "@remote.example>");
    return *this;
  }
  ExampleMessage& to(std::vector<std::string> recipients) {
    envelope.recipients = std::move(recipients);
    return *this;
  }
  ExampleMessage& bytes(std::int64_t size) {
    envelope.bytes = size;
    return *this;
  }

  /// Borrows the recipients: this object must outlive the message.
  [[nodiscard]] Message as(const Policy& policy, const Tables& tables = {}) const {
    return {Message::Stage::complete, policy.identify(tables, envelope), envelope.recipients, envelope.bytes};
  }
  [[nodiscard]] Message at_mail(const Policy& policy, const Tables& tables = {}) const {
    return {Message::Stage::at_mail, policy.identify(tables, envelope), {}, 0};
  }

  Envelope envelope{};
};

inline Policy::Parts example_parts(std::vector<Quota> quotas) {
  Policy::Parts parts;
  parts.identity.default_realm = "example.com";
  parts.identity.recipient_delimiter = "+";
  parts.identity.our_networks = {must(Network::parse("198.51.100.0/24"))};
  parts.identity.trusted_relays = {must(Network::parse("198.51.100.25"))};
  parts.quotas = std::move(quotas);
  return parts;
}

inline void block(Tables& tables, std::string_view identity, std::string_view text) {
  tables.block(must(parse_identity(identity)).text(), must(parse_block(text)));
}

inline void override_live(Tables& tables, std::string_view field, std::string_view text) {
  const auto key = must(parse_override_key(field));
  tables.set_override(key.text(), must(parse_override(key, text)));
}

/// `user:alice@example.com mailbox messages/15m 1` for each charge, `(observed)` behind the observed ones.
inline std::string text(const std::vector<Charge>& charges) {
  std::string out;
  for (const auto& charge : charges)
    out += (out.empty() ? "" : ", ") + charge.identity.text() + " " + bucket_field(charge.quota, charge.limit) + " " +
           std::to_string(charge.cost) + (charge.group == Group::observed ? " (observed)" : "");
  return out;
}

/// What a store answers where every bucket has `used` of its burst used.
inline Outcome answer(const Assessment& assessment, std::int64_t used) {
  Outcome outcome{example_now, true, true, {}};
  for (const auto& charge : assessment.to_take()) {
    const Bucket bucket{std::min(used, charge.limit.burst), 0, charge.limit.amount, charge.limit.burst, example_now};
    if (!holds(charge.limit, bucket, charge.cost))
      (charge.group == Group::enforced ? outcome.enforced_taken : outcome.observed_taken) = false;
    outcome.charges.push_back({bucket, 0});
  }
  outcome.observed_taken = outcome.observed_taken && outcome.enforced_taken;
  return outcome;
}

/// The verdict at example_now where every bucket has `used` of its burst used.
inline Verdict judged(const Policy& policy, const Message& message, const Tables& tables = {}, std::int64_t used = 0) {
  const auto assessment = policy.assess(message, tables, example_now);
  return policy.judge(assessment, answer(assessment, used));
}

}  // namespace quota
