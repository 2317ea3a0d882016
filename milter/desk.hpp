// Desk: what administrators ask of the daemon, done. The implementation of the admin endpoint's port (milter/admin).
#pragma once

#include <atomic>
#include <span>

#include "milter/admin/operations.hpp"
#include "milter/config.hpp"
#include "milter/counters.hpp"
#include "milter/desk_problems.hpp"
#include "milter/held_turns.hpp"
#include "milter/history_json.hpp"
#include "milter/record_book.hpp"
#include "milter/store_setup.hpp"
#include "quota/store/handles.hpp"
#include "quota/store/keeper.hpp"
#include "quota/store/node_registry.hpp"

namespace milter {

/// A reload's outcome: the new configuration, or why the old one goes on.
using Reloaded = quota::Result<std::shared_ptr<const Config>, std::vector<std::string>>;

/// What the desk works with; all outlives it.
struct DeskTools {
  StoreSetup& setup;
  RecordBook& book;
  quota::Keeper& keeper;
  quota::Handles& handles;
  const Counters& counters;
  std::function<std::shared_ptr<const Config>()> config;
  std::function<quota::Timestamp()> config_loaded_at;
  std::function<Reloaded(const std::string& by)> reload;
  std::function<void()> forget_refusals;  ///< so that a release is obeyed at once on this host
  std::function<void(const quota::Identity&)> forget_counts;  ///< refusals that are not yet in the store
  std::string host;
  quota::NodeRegistry& nodes;
  std::string node;  ///< our own name among them
};

class Desk final : public admin::Operations {
 public:
  explicit Desk(DeskTools tools);

  [[nodiscard]] Answer status() override;
  [[nodiscard]] Answer ready() override;
  [[nodiscard]] Answer ask_store() override;
  [[nodiscard]] std::string metrics() override;
  /// Threads: any.
  [[nodiscard]] Answer show(const std::string& identity) override;
  [[nodiscard]] Answer history(const std::string& identity) override;
  [[nodiscard]] Answer top(const admin::TopQuestion& question) override;
  [[nodiscard]] Answer senders(const admin::SendersQuestion& question) override;
  [[nodiscard]] Answer totals(const std::string& account) override;
  [[nodiscard]] Answer events(const admin::EventsQuestion& question) override;
  [[nodiscard]] Answer who(const admin::WhoQuestion& question) override;
  [[nodiscard]] Answer held() override;
  [[nodiscard]] Answer mail(const std::string& identity) override;
  [[nodiscard]] Answer shelf(const admin::ShelfQuestion& question) override;
  [[nodiscard]] Answer gone(const admin::GoneOrder& order) override;
  [[nodiscard]] Answer grant(const admin::GrantQuestion& question) override;
  [[nodiscard]] Answer orders(const admin::OrdersQuestion& question) override;
  [[nodiscard]] Answer order(const admin::MailOrder& order) override;
  [[nodiscard]] Answer report(const admin::HostReport& report) override;
  [[nodiscard]] Answer told(const admin::DoneOnHost& done) override;
  [[nodiscard]] Answer blocked(const admin::BlockedQuestion& question) override;
  [[nodiscard]] Answer limits() override;
  [[nodiscard]] Answer nodes() override;
  [[nodiscard]] Answer mode() override;
  [[nodiscard]] Answer set_mode(const admin::ModeOrder& order) override;
  [[nodiscard]] Answer clear_mode(const admin::Caller& by) override;
  [[nodiscard]] Answer release(const admin::ReleaseOrder& order) override;
  [[nodiscard]] Answer block(const admin::BlockOrder& order) override;
  [[nodiscard]] Answer limit(const admin::LimitOrder& order) override;
  [[nodiscard]] Answer remove_limit(const admin::RemoveLimitOrder& order) override;
  [[nodiscard]] Answer reload(const admin::Caller& by) override;
  [[nodiscard]] bool is_of(const std::string& identity, const std::string& account) override;

 private:
  struct EventFilter {
    std::string identity{};                         ///< empty: everybody's
    std::optional<std::vector<std::string>> only{};  ///< names; empty: all
    std::string account{};                          ///< likewise
  };
  [[nodiscard]] quota::Result<EventFilter, admin::Problem> event_filter(const admin::EventsQuestion& typed) const;
  [[nodiscard]] std::optional<quota::Result<quota::Chronicle, quota::StoreError>> kept_of(const quota::Identity& identity);
  /// By which blocks and live limits end.
  [[nodiscard]] quota::Timestamp now() const { return tools_.keeper.now().value_or(tools_.setup.store().now()); }
  [[nodiscard]] quota::Result<quota::Identity, admin::Problem> identity_of(const std::string& typed) const;
  [[nodiscard]] quota::Result<quota::OverrideKey, admin::Problem> key_of(const std::string& identity, const std::string& quota) const;
  /// Why no quota can be meant; empty where one is.
  [[nodiscard]] std::optional<admin::Problem> complaint_about(const std::string& quota) const;
  /// Who list the mail of a uid, a domain, an account or a host.
  [[nodiscard]] std::vector<quota::Identity> members(const quota::Identity& wider);
  [[nodiscard]] quota::Result<quota::Shelf, admin::Problem> shelf_called(const admin::ShelfName& typed) const;
  [[nodiscard]] OrProblem<std::vector<std::string>> hosts_of(quota::Archive& archive, const quota::Identity& identity, quota::Fate fate);
  [[nodiscard]] Answer give(quota::Archive& archive, const quota::QueueOrder& order);
  [[nodiscard]] static std::optional<quota::StoreError> note_let_go(quota::Archive& archive, const quota::Shelf& shelf, std::span<const std::string> places);
  [[nodiscard]] quota::Timestamp next_order_moment();
  /// On one host, or, without one, on all.
  [[nodiscard]] static quota::Result<void, quota::StoreError> end_replaced(quota::Archive& archive, std::span<const quota::OrderStatus> orders, const std::string& host);
  [[nodiscard]] boost::json::array sent_by_themselves(quota::Archive& archive, const std::string& host);
  [[nodiscard]] std::set<std::string> senders_of_held(quota::Archive& archive, const std::string& host) const;
  /// Empty: there were no more questions for it.
  [[nodiscard]] std::optional<bool> goes_by_itself(quota::Archive& archive, const quota::Shelf& shelf, int& questions);
  void tell_of(const quota::QueueOrder& order, const std::string& host, const quota::OrderReport& report);
  /// Why the caller may not change the live limit that stands there; empty where he may.
  [[nodiscard]] std::optional<admin::Problem> objection_to(const admin::Caller& by, const quota::OverrideKey& key) const;
  [[nodiscard]] OrProblem<std::vector<quota::Ranked>> ranked(quota::TopQuestion question, bool by_name);
  [[nodiscard]] OrProblem<std::vector<SenderRow>> rows_of(const std::vector<quota::Ranked>& all, const quota::TopQuestion& question);
  void see(const std::function<bool(const quota::Tables&)>& is_there);
  [[nodiscard]] boost::json::object summary_of_nodes() const;
  /// Why what is known of a table may be old, after one small question to the store; empty: it is not.
  [[nodiscard]] std::string doubt_about(quota::Table table);

  const DeskTools tools_;
  const quota::Timestamp started_;
  std::atomic<std::int64_t> last_order_ms_{0};
  HeldTurns turns_{};
};

}  // namespace milter
