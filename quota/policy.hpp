// Policy: which quotas a message is charged to, and what an answer of the store means for it. Pure.
//
// What decides, in this order: block > exemption > live override > [[quota.override]] > the quota.
#pragma once

#include <variant>

#include "quota/block.hpp"
#include "quota/override.hpp"
#include "quota/sender.hpp"
#include "quota/store.hpp"
#include "quota/tables.hpp"
#include "quota/verdict.hpp"

namespace quota {

/// Which submissions a quota covers.
enum class When : std::uint8_t { any, smtp, local };
[[nodiscard]] std::string_view name(When when);

/// One element of `match`, compared with the identity that is being charged and nothing else.
struct Match {
  enum class Kind : std::uint8_t { identity, domain, network, account, plan };
  Kind kind = Kind::identity;
  std::string value{};                ///< identity value, domain, account or plan
  std::optional<Network> network{};
  std::optional<quota::Kind> of{};    ///< an identity of this kind only; empty: a bare address, of a user or a sender

  bool operator==(const Match&) const = default;
};
/// `newsletter@example.com`, `@bulk.example.com`, `192.0.2.0/24`, `account:acme`, `plan:gold`, or any `kind:value`.
[[nodiscard]] Result<Match, std::string> parse_match(std::string_view text);

/// What a match is held against: one identity, and what follows from it alone.
struct MatchSubject {
  const Identity& identity;
  std::optional<IpAddress> address{};  ///< of a client
  std::string_view account{};
  std::string_view plan{};
};
/// How closely `match` names the subject, more is closer: identity > network (longest prefix) > domain > account > plan.
/// Empty: it does not mean it.
[[nodiscard]] std::optional<int> specificity(const Match& match, const MatchSubject& subject);

struct OverrideRule {
  std::vector<Match> match{};
  Allowance limits{};
};

/// The texts of replies; empty ones fall back to `[reply]`, then to the built-in ones (milter/reply).
struct ReplyTexts {
  std::string over{};
  std::string blocked{};
  std::string too_big{};
  std::string contact{};
};

struct Quota {
  std::string name{};
  std::vector<Kind> per{};  ///< the first kind that the message bears is charged
  Allowance limits{};
  Action action = Action::tempfail;
  When when = When::any;
  Mode mode = Mode::enforce;
  std::optional<int> warn_at{};  ///< percent of the burst
  std::optional<BlockRule> block{};
  std::vector<OverrideRule> overrides{};
  ReplyTexts reply{};
};

struct Exemptions {
  std::vector<Match> users{};
  std::vector<Network> clients{};
  std::vector<Match> senders{};     ///< lifts only quotas per sender or sender_domain
  std::vector<Match> recipients{};  ///< only where all recipients match

  [[nodiscard]] bool covers_recipient(std::string_view address) const;
};

enum class OnFailure : std::uint8_t { local, accept, tempfail };
[[nodiscard]] std::string_view name(OnFailure on_failure);

/// A message as the policy sees it: at MAIL its recipients and size are not known, and the least cost is assumed.
struct Message {
  enum class Stage : std::uint8_t { at_mail, complete };
  Stage stage = Stage::complete;
  Sender sender{};
  std::span<const std::string> recipients{};
  std::int64_t bytes = 0;
};

/// What a message is to be charged, and what is decided without asking the store.
struct Assessment {
  Cause cause = Cause::within;            ///< inbound, exempt, uncovered, blocked; within: the charges decide
  std::vector<Charge> charges{};
  std::vector<Failure> failures{};        ///< enforced, without the store: a block, `none`, a `/ message` bound
  std::vector<Failure> observed{};        ///< likewise, in observe mode
  Origin origin = Origin::inbound;

  /// Nothing is asked of the store where the message fails already.
  [[nodiscard]] std::span<const Charge> to_take() const { return failures.empty() ? std::span<const Charge>(charges) : std::span<const Charge>{}; }
};

class Policy {
 public:
  struct Parts {
    IdentityRules identity{};
    AccountMap accounts{};
    Exemptions exempt{};
    std::vector<Quota> quotas{};
    Mode mode = Mode::enforce;
    OnFailure on_failure = OnFailure::local;
  };

  explicit Policy(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] const Parts& parts() const { return parts_; }
  [[nodiscard]] const Quota* find(std::string_view quota) const;

  /// Who it is, with live accounts before those of the file.
  [[nodiscard]] Sender identify(const Tables& tables, const Envelope& envelope) const;

  /// All charges of a message, or the reason why there are none. At MAIL a cost is the least that any message has: 1.
  [[nodiscard]] Assessment assess(const Message& message, const Tables& tables, Timestamp now) const;

  /// The verdict on an assessed message, given what the store answered for `assessment.to_take()`.
  [[nodiscard]] Verdict judge(const Assessment& assessment, const Outcome& outcome) const;

  /// The verdict where the store had no answer: what fails without it fails; else as `on_failure` says, where anything is
  /// enforced, and local mail is never tempfailed.
  [[nodiscard]] Verdict judge_outage(const Assessment& assessment, const StoreError& error) const;

  /// What one identity is granted by one quota, and by which entry: for `show` and for assess().
  struct Grant {
    enum class Source : std::uint8_t { quota, config_override, live_override };
    Allowance allowance{};
    Source source = Source::quota;
  };
  [[nodiscard]] Grant granted(const Quota& quota, const Identity& identity, const Tables& tables, Timestamp now) const;

  /// Whether a quota acts or only observes just now.
  [[nodiscard]] Mode mode_of(const Quota& quota, const Tables& tables, Timestamp now) const;

  /// Whether any quota needs what is only known from headers, or from the size.
  [[nodiscard]] bool needs_php_header() const;
  [[nodiscard]] bool needs_bytes() const;

 private:
  /// What replaces a quota's own limits; empty where nothing does.
  [[nodiscard]] std::optional<Grant> overriding(const Quota& quota, const Identity& identity, const Tables& tables, Timestamp now) const;
  [[nodiscard]] bool has_exempt_client(const Message& message) const;
  [[nodiscard]] bool has_only_exempt_recipients(const Message& message) const;
  [[nodiscard]] const OverrideRule* closest_override(const Quota& quota, const Identity& identity, const Tables& tables) const;
  [[nodiscard]] Mode mode_of(const Block& block, const Tables& tables, Timestamp now) const;
  void assess_blocks(Assessment& into, const Sender& sender, const Tables& tables, Timestamp now) const;
  void assess_quota(Assessment& into, const Quota& quota, const Message& message, const Tables& tables, Timestamp now) const;
  [[nodiscard]] Action action_on(const Failure& failure, Origin origin) const;

  Parts parts_;
};

}  // namespace quota
