#include "milter/store_setup.hpp"

#include <spdlog/spdlog.h>

#include <random>

#include "milter/log_line.hpp"

namespace milter {
namespace {

using quota::Result;
constexpr std::chrono::seconds name_lookup{2};

}  // namespace

Result<quota::RedisAddress, std::string> store_address(const StoreSettings& settings) {
  auto address = quota::RedisAddress::parse(settings.url);
  if (!address) return {boost::system::in_place_error, "store.url: " + address.error()};
  if (!settings.password.empty()) address->login.password = settings.password;
  if (!settings.sentinel_password.empty()) address->sentinel_login.password = settings.sentinel_password;
  return {boost::system::in_place_value, std::move(*address)};
}

Result<std::unique_ptr<StoreSetup>, std::string> StoreSetup::open(const Config& config) {
  std::unique_ptr<StoreSetup> setup(new StoreSetup);
  const auto opened = config.store.url == "memory:" ? setup->open_memory(config.store) : setup->open_redis(config.store);
  if (!opened) return opened.error();
  return setup;
}

Result<void, std::string> StoreSetup::open_memory(const StoreSettings& settings) {
  quota::MemoryOptions options;
  options.state_dir = settings.state_dir;
  options.on_problem = [](const std::string& what) { spdlog::error("{}", what); };
  auto opened = quota::MemoryStore::open(clock_, std::move(options));
  if (!opened) return {boost::system::in_place_error, opened.error()};
  memory_ = std::move(*opened);
  for (const auto& note : memory_->notes()) spdlog::warn("{}", note);
  url_ = settings.url;
  store_ = memory_.get();
  ledger_ = std::make_unique<EventLog>(*memory_);
  return {};
}

Result<void, std::string> StoreSetup::open_redis(const StoreSettings& settings) {
  const auto address = store_address(settings);
  if (!address) return {boost::system::in_place_error, address.error()};
  if (auto opened = open_tls(*address, settings.tls); !opened) return opened;
  url_ = address->printable();
  resolver_ = std::make_unique<quota::Resolver>();
  const auto names_known_by = std::chrono::steady_clock::now() + name_lookup;
  for (const auto& seed : address->seeds) (void)resolver_->wait_for_addresses(seed, names_known_by);
  topology_ = std::make_unique<quota::RedisTopology>(*address, *resolver_, topology_options(settings));
  (void)topology_->wait_for_first_look(std::chrono::steady_clock::now() + name_lookup);
  eviction_ = std::make_unique<quota::RedisEviction>(*topology_, address->login, *resolver_, eviction_options(settings));
  context_ = std::make_unique<quota::RedisContext>(*topology_, quota::RedisStoreOptions{settings.prefix, settings.timeout});
  redis_ = std::make_unique<quota::RedisStore>(*context_);
  redis_ledger_ = std::make_unique<quota::RedisLedger>(*context_);
  quota::GuardOptions guard;
  guard.in_place = settings.on_failure == quota::OnFailure::local ? quota::InPlaceOfStore::share : quota::InPlaceOfStore::nobody;
  guard.nodes = settings.nodes.value_or(1);
  state_folder_ = std::make_shared<quota::StateFolder>(settings.state_dir);
  guard.kept_shares = state_folder_->path() / "shares";
  guard.state_folder = state_folder_;
  guard.report = [this](const std::string& problem) { note_state("the shares in use", problem); };
  guard.note = [](const std::string& what) { spdlog::error("{}", readable(what)); };
  guarded_ = std::make_unique<quota::GuardedStore>(*redis_, std::move(guard), std::random_device{}());
  store_ = guarded_.get();
  ledger_ = std::make_unique<EventLog>(*redis_ledger_);
  return {};
}

Result<void, std::string> StoreSetup::open_tls(const quota::RedisAddress& address, const quota::TlsFiles& files) {
  if (!address.is_tls) return {};
  auto opened = quota::TlsContext::open(files);
  if (!opened) return {boost::system::in_place_error, "store.tls: " + opened.error().text};
  tls_ = std::move(*opened);
  return {};
}

Result<void, std::string> StoreSetup::renew_tls() {
  if (!tls_) return {};
  if (const auto renewed = tls_->renew(); !renewed)
    return {boost::system::in_place_error, "store.tls: " + renewed.error().text};
  return {};
}

quota::RedisTopologyOptions StoreSetup::topology_options(const StoreSettings& settings) {
  quota::RedisTopologyOptions options{.prefix = settings.prefix, .timeout = settings.timeout, .tls = tls_};
  options.report = [this](const std::string& error) { note_health(error); };
  options.tell = [this](const quota::RedisNews& news) { note_news(news); };
  return options;
}

quota::RedisEvictionOptions StoreSetup::eviction_options(const StoreSettings& settings) {
  quota::RedisEvictionOptions options{.timeout = settings.timeout, .tls = tls_};
  options.tell = [this](const std::string& server, const std::string& policy) { note_eviction(server, policy); };
  return options;
}

void StoreSetup::share_by(std::int64_t nodes) {
  if (guarded_) guarded_->set_nodes(nodes);
}

StoreSetup::Health StoreSetup::health() const {
  const std::lock_guard lock(mutex_);
  auto error = bad_since_ && !failing_.empty() ? error_of_servers() : error_;
  return {url_, bad_since_, std::move(error), tables_error_, not_kept_, last_outage_, discovery_error_, evicting_};
}

void StoreSetup::listen_to_health(HealthListener listener) {
  const std::lock_guard lock(mutex_);
  health_listener_ = std::move(listener);
  if (bad_since_) health_listener_(error_, *bad_since_);
}

void StoreSetup::note_health(const std::string& error) {
  // Under the lock to the end: who listens, and who reads the log, must not take the end for the beginning.
  const std::lock_guard lock(mutex_);
  const bool is_news = error.empty() == bad_since_.has_value();
  const auto now = clock_.now();
  if (is_news && bad_since_) last_outage_ = Health::Outage{*bad_since_, now, error_};
  error_ = error;
  if (!is_news) return;
  bad_since_ = error.empty() ? std::nullopt : std::optional(now);
  if (bad_since_)
    spdlog::error("event=degraded, the store has no answer: {}: {}; on_failure decides", url_, readable(error));
  else
    spdlog::warn("event=recovered, the store answers again: {}", url_);
  if (health_listener_) health_listener_(error, now);
}

/// Of all that fail, by name. Requires: mutex_ is held.
std::string StoreSetup::error_of_servers() const {
  std::string text;
  for (const auto& [server, error] : failing_) {
    const bool is_named = error.find(server) != std::string::npos;
    text += (text.empty() ? "" : "; ") + (is_named ? error : server + ": " + error);
  }
  return text;
}

void StoreSetup::note_news(const quota::RedisNews& news) {
  using What = quota::RedisNews::What;
  const std::lock_guard lock(mutex_);
  switch (news.what) {
    case What::discovery_fails:
      discovery_error_ = news.error;
      return spdlog::error("{}", readable(about_discovery(news.error)));
    case What::discovery_works:
      discovery_error_.clear();
      return spdlog::warn("which servers hold the store is told again");
    case What::server_fails:
      failing_[news.server] = news.error;
      return spdlog::error("server {} of the store has no answer: {}", readable(news.server), readable(news.error));
    case What::server_works:
      failing_.erase(news.server);
      return spdlog::warn("server {} of the store answers again", readable(news.server));
    case What::master_changed:
      failing_.erase(news.server);
      return spdlog::warn("the store has another master: {} is followed by {}", readable(news.server),
                          news.successor.empty() ? "nobody" : readable(news.successor));
  }
}

void StoreSetup::note_eviction(const std::string& server, const std::string& policy) {
  const std::lock_guard lock(mutex_);
  if (policy.empty()) {
    if (evicting_.erase(server) > 0) spdlog::info("server {} of the store throws nothing away any more", readable(server));
    return;
  }
  evicting_[server] = policy;
  spdlog::warn("event=redis_evicts, {}", readable(about_eviction(server, policy)));
}

std::vector<quota::NodeAlarm> StoreSetup::alarms() const {
  const std::lock_guard lock(mutex_);
  std::vector<quota::NodeAlarm> all;
  for (const auto& [server, policy] : evicting_)
    all.push_back({"redis-evicts:" + server + ":" + policy, {"redis_evicts", "warning", "", about_eviction(server, policy), "", ""}});
  return all;
}

void StoreSetup::note_tables(const std::string& error) {
  {
    const std::lock_guard lock(mutex_);
    tables_error_ = error;
  }
  if (error.empty())
    spdlog::info("the live tables are read again");
  else
    spdlog::warn("the live tables cannot be read, what is known of them holds: {}", readable(error));
}

void StoreSetup::note_state(const std::string& what, const std::string& error) {
  {
    const std::lock_guard lock(mutex_);
    if (error.empty())
      not_kept_.erase(what);
    else
      not_kept_[what] = error;
  }
  if (error.empty())
    spdlog::warn("{} are kept again", what);
  else
    spdlog::error("{}", readable(about_state(what, error)));
}

std::string about_state(const std::string& what, const std::string& error) {
  return what + " are not kept, a restart while the store is away would forget some: " + error;
}

std::string about_discovery(const std::string& error) {
  return "nobody says any more which servers hold the store: those that are known are used, the death of a master could not be followed: " + error;
}

std::string about_eviction(const std::string& server, const std::string& policy) {
  return "Redis " + server + " throws live limits, accounts and blocks away when it is full (maxmemory-policy " + policy +
         "); type there redis-cli CONFIG SET maxmemory-policy noeviction, and write it into its redis.conf";
}

void StoreSetup::save() {
  if (guarded_) return guarded_->stop();
  if (const auto saved = memory_->save(); !saved) spdlog::error("{}", saved.error());
}

}  // namespace milter
