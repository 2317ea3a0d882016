// What an operator can ask of the daemon: the port between the admin endpoint, which owns it, and the daemon, which
// implements it. The shape of each answer is in milter/admin/api.hpp.
//
// Orders carry identity, limit and duration as they were typed: only the daemon knows their grammar and the default
// realm. What cannot be understood is Problem::Kind::bad_request. Every text is free of control characters.
// What a caller may ask at all is decided before (routes.hpp, handlers.cpp); where only the daemon can tell (whose a sender is, what a
// table holds), it looks at `account` and `by`.
// Threads: any, at once. A call may take as long as the store's timeout, who() 6 s.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "milter/admin/problem.hpp"
#include "milter/admin/queue_orders.hpp"
#include "milter/admin/request.hpp"
#include "quota/result.hpp"

namespace milter::admin {

struct ModeOrder {
  std::string mode;                    // observe | enforce
  std::optional<std::string> lasting;  // a duration as typed, `1h`; empty: until it is changed
  Caller by;
};

struct ReleaseOrder {
  std::string identity;
  std::string reason;  // may be empty
  Caller by;
  std::string held = {};  // what becomes of held mail: send, delete, or keep (also where it is empty)
};

struct BlockOrder {
  std::string identity;
  std::optional<std::string> lasting;  // empty: until released
  std::string reason;                  // may be empty
  Caller by;
};

struct LimitOrder {
  std::string identity;                // or `*`
  std::string quota;                   // or `*`
  std::string limit;                   // `5000 messages / 1d[, …]` | unlimited | none | inherit
  std::optional<std::string> lasting;  // empty: until it is changed
  Caller by;
};

struct RemoveLimitOrder {
  std::string identity;
  std::string quota;
  Caller by;
};

/// As typed; empty: the default. `account`: only its senders are told of; empty: everybody is.
struct TopQuestion {
  std::string by;     // messages (default), recipients, refused, networks
  std::string per;    // a kind; user
  std::string since;  // a duration; 1h
  std::string count;  // 20
  std::string account = {};
};

/// Likewise.
struct SendersQuestion {
  std::string by = {};      // as TopQuestion's, or identity
  std::string per = {};     // a kind; user
  std::string since = {};   // a duration; 24h
  std::string search = {};  // what stands in the identity, whatever the case
  std::string offset = {};  // 0
  std::string count = {};   // 20, at most 100
  std::string account = {};
};

/// Likewise.
struct EventsQuestion {
  std::string identity;  // everybody's
  std::string after;     // an event's id
  std::string count;     // 20
  std::string since{};   // a duration; always
  std::string only{};    // `daily`: those that notify.daily names; all
  std::string account = {};
};

/// Likewise.
struct WhoQuestion {
  std::string name;   // a queue id, a client's address, or what stands in a header that is kept
  std::string count;  // 20
  std::string account = {};
};

/// Likewise.
struct BlockedQuestion {
  std::string search = {};  // what stands in the identity, whatever the case
  std::string offset = {};  // 0
  std::string count = {};   // all
  std::string account = {};
};

/// Of why the store has no answer: who is bound to an account is told nothing of the servers.
inline constexpr const char* what_accounts_hear = "see the administrator";

class Operations {
 public:
  using Answer = quota::Result<boost::json::object, Problem>;

  Operations() = default;
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;
  virtual ~Operations() = default;

  [[nodiscard]] virtual Answer status() = 0;
  /// Whether messages are judged by the store.
  [[nodiscard]] virtual Answer ready() = 0;
  /// Likewise, after one small question to it, for nobody else may have asked for a while.
  [[nodiscard]] virtual Answer ask_store() = 0;
  /// In Prometheus' text format.
  [[nodiscard]] virtual std::string metrics() = 0;
  [[nodiscard]] virtual Answer show(const std::string& identity) = 0;
  [[nodiscard]] virtual Answer history(const std::string& identity) = 0;
  [[nodiscard]] virtual Answer top(const TopQuestion& question) = 0;
  [[nodiscard]] virtual Answer senders(const SendersQuestion& question) = 0;
  /// How much was sent in the last 24 hours, by all of the cluster or, where one is named, of the account.
  [[nodiscard]] virtual Answer totals(const std::string& account) = 0;
  [[nodiscard]] virtual Answer events(const EventsQuestion& question) = 0;
  [[nodiscard]] virtual Answer who(const WhoQuestion& question) = 0;
  /// Whose mail is held where.
  [[nodiscard]] virtual Answer held() = 0;
  /// What of one sender is held, or may lie in a queue, and the orders about it.
  [[nodiscard]] virtual Answer mail(const std::string& identity) = 0;
  [[nodiscard]] virtual Answer shelf(const ShelfQuestion& question) = 0;
  [[nodiscard]] virtual Answer gone(const GoneOrder& order) = 0;
  [[nodiscard]] virtual Answer grant(const GrantQuestion& question) = 0;
  [[nodiscard]] virtual Answer orders(const OrdersQuestion& question) = 0;
  [[nodiscard]] virtual Answer order(const MailOrder& order) = 0;
  [[nodiscard]] virtual Answer report(const HostReport& report) = 0;
  [[nodiscard]] virtual Answer told(const DoneOnHost& done) = 0;
  [[nodiscard]] virtual Answer blocked(const BlockedQuestion& question) = 0;
  [[nodiscard]] virtual Answer limits() = 0;
  [[nodiscard]] virtual Answer nodes() = 0;
  [[nodiscard]] virtual Answer mode() = 0;
  [[nodiscard]] virtual Answer set_mode(const ModeOrder& order) = 0;
  [[nodiscard]] virtual Answer clear_mode(const Caller& by) = 0;
  [[nodiscard]] virtual Answer release(const ReleaseOrder& order) = 0;
  [[nodiscard]] virtual Answer block(const BlockOrder& order) = 0;
  [[nodiscard]] virtual Answer limit(const LimitOrder& order) = 0;
  [[nodiscard]] virtual Answer remove_limit(const RemoveLimitOrder& order) = 0;
  [[nodiscard]] virtual Answer reload(const Caller& by) = 0;

  /// Whether that sender is the account, or one of its own. False for what is no identity.
  [[nodiscard]] virtual bool is_of(const std::string& identity, const std::string& account) = 0;
};

}  // namespace milter::admin
