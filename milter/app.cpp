#include "milter/app.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "milter/account_watch.hpp"
#include "milter/backstage.hpp"
#include "milter/callbacks.hpp"
#include "milter/config_report.hpp"
#include "milter/current.hpp"
#include "milter/desk.hpp"
#include "milter/fingerprint.hpp"
#include "milter/log.hpp"
#include "milter/log_line.hpp"
#include "milter/notifier.hpp"
#include "milter/reception.hpp"
#include "milter/record_book.hpp"
#include "milter/refusal_watch.hpp"
#include "milter/run_program.hpp"
#include "milter/server.hpp"
#include "milter/signals.hpp"
#include "quota/store/random_id.hpp"

namespace milter {
namespace {

using namespace std::chrono_literals;

constexpr int cannot_run = 1;
constexpr int config_error = 78;  // EX_CONFIG
constexpr auto first_read_after_failures = 2s;
constexpr auto drain_at_most = 3s;
constexpr auto notify_at_most = 10s;
constexpr auto pause_before_restart = 3s;

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

/// Everything that runs, in the order in which it is built and, backwards, taken down.
class Daemon {
 public:
  Daemon(std::shared_ptr<const Config> config, std::unique_ptr<StoreSetup> setup, std::unique_ptr<RecordBook> book)
      : config_(std::move(config)),
        setup_(std::move(setup)),
        book_(std::move(book)),
        keeper_(setup_->ledger(), keeper_options()),
        blocker_(setup_->ledger(), keeper_, blocker_options()),
        backstage_(setup_->ledger(), blocker_, counters_, host_, 1s, [this](quota::Happening&& happening) { book_->add(std::move(happening)); }),
        handles_(setup_->ledger(), host_, quota::random_id, [this](quota::Event event) { backstage_.happened(std::move(event), ""); }),
        nodes_(setup_->ledger(), node_options()),
        desk_(desk_tools()),
        notifier_(notifier_tools()),
        services_{setup_->store(), backstage_, [this] { return config_.get(); }, [this] { return tables(); }, refusals_, scripts_, counters_,
                  [this] { return keeper_.now().value_or(setup_->store().now()); }},
        accounts_(account_watch_tools()) {
    setup_->listen_to_health([this](const std::string& error, quota::Timestamp since) {
      nodes_.note_health(error, since);
      notifier_.note_health(error, since);
    });
    setup_->listen_to_events([this](const quota::Event& event) {
      const auto place = static_cast<std::size_t>(std::find(event_names.begin(), event_names.end(), event.what) - event_names.begin());
      counters_.events[place].fetch_add(1, std::memory_order_relaxed);
      notifier_.happened(event, setup_->store().now());
    });
  }
  ~Daemon() {
    setup_->listen_to_events({});
    setup_->listen_to_health({});
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Opens both sockets. Errors: a sentence; nothing is served.
  [[nodiscard]] quota::Result<void, std::string> open();
  /// Serves until a signal stops it. Returns the exit code.
  [[nodiscard]] int serve_until_stopped();
  /// Takes the configuration's file anew, or says why not.
  Reloaded reload(const std::string& by);

 private:
  quota::KeeperOptions keeper_options();
  quota::BlockerOptions blocker_options();
  quota::NodeRegistryOptions node_options();
  DeskTools desk_tools();
  NotifierTools notifier_tools();
  AccountWatchTools account_watch_tools();
  quota::TablesPtr tables();
  void drain() const;

  const std::string host_ = host_name();
  Current<Config> config_;
  std::atomic<quota::Timestamp> config_loaded_at_{std::chrono::floor<quota::Milliseconds>(std::chrono::system_clock::now())};
  std::unique_ptr<StoreSetup> setup_;
  std::unique_ptr<RecordBook> book_;
  Counters counters_;
  RefusalMemory refusals_;
  ScriptRoster scripts_;
  std::atomic<const quota::Tables*> last_tables_{nullptr};
  std::mutex reload_mutex_;
  quota::Keeper keeper_;
  quota::Blocker blocker_;
  Backstage backstage_;
  quota::Handles handles_;
  Current<std::string> fingerprint_{std::make_shared<const std::string>(fingerprint_of(*config_.get()))};
  quota::NodeRegistry nodes_;
  Desk desk_;
  Notifier notifier_;
  Services services_;
  RefusalWatch refusal_watch_{services_};
  AccountWatch accounts_;
  Reception reception_{desk_, [this] { return config_.get(); }};
};

quota::KeeperOptions Daemon::keeper_options() {
  quota::KeeperOptions options;
  options.host = host_;
  options.means.new_id = quota::random_id;
  options.means.forget = [this](const std::string& name) {
    const auto config = config_.get();
    const auto* quota = config->policy->find(name);
    return quota && quota->block ? quota->block->forget : quota::Milliseconds{0};
  };
  options.state_folder = setup_->state_folder();
  if (options.state_folder) options.known_blocks = options.state_folder->path() / "known-blocks";
  options.means.names = [this] {
    const auto& parts = config_.get()->policy->parts();
    quota::Names names{.spelling = parts.identity.spelling(), .quotas = std::vector<std::string>{}};
    for (const auto& quota : parts.quotas) names.quotas->push_back(quota.name);
    return names;
  };
  options.report = [this](const quota::KeeperReport& report) {
    using What = quota::KeeperReport::What;
    if (report.what == What::tables_unreadable || report.what == What::tables_readable) setup_->note_tables(report.text);
    if (report.what == What::blocks_not_kept || report.what == What::blocks_kept) setup_->note_state("the known blocks", report.text);
    if (report.what == What::blocks_file_damaged) spdlog::error("{}", readable(report.text));
    if (report.what == What::clock_jumped)
      spdlog::warn("the store's clock has jumped ahead, to {}: blocks and live limits do not end by it unless it stays there for 10 minutes", report.text);
    if (report.what == What::clock_believed)
      spdlog::warn("the store's clock has stayed ahead and is believed: it is {}, blocks and live limits end by it", report.text);
    if (report.what == What::clock_came_back) spdlog::warn("the store's clock is no longer ahead: it is {}", report.text);
    if (report.what == What::steps_failing) spdlog::error("upkeep of the live tables fails: {}", readable(report.text));
    if (report.what == What::steps_done) spdlog::info("upkeep of the live tables works again");
  };
  return options;
}

quota::BlockerOptions Daemon::blocker_options() {
  quota::BlockerOptions options;
  options.host = host_;
  options.new_id = quota::random_id;
  options.rule = [this](const std::string& name) -> std::optional<quota::BlockRule> {
    const auto config = config_.get();
    const auto* quota = config->policy->find(name);
    return quota ? quota->block : std::nullopt;
  };
  options.report = [](const std::string& what) { spdlog::error("blocks cannot be written: {}", readable(what)); };
  return options;
}

quota::NodeRegistryOptions Daemon::node_options() {
  const auto store = config_.get()->store;
  quota::NodeRegistryOptions options;
  options.name = node_name(host_, store);
  options.host = host_;
  options.version = SENDQUOTA_VERSION;
  options.setting = [this] { return quota::NodeSetting{*fingerprint_.get(), config_.get()->store.nodes}; };
  options.on_count = [this](std::int64_t nodes) { setup_->share_by(nodes); };
  options.more_alarms = [this] { return setup_->alarms(); };
  if (store.url != "memory:") options.count_file = std::filesystem::path(store.state_dir) / "nodes";
  return options;
}

DeskTools Daemon::desk_tools() {
  return {*setup_,
          *book_,
          keeper_,
          handles_,
          counters_,
          [this] { return config_.get(); },
          [this] { return config_loaded_at_.load(); },
          [this](const std::string& by) { return reload(by); },
          [this] { refusals_.forget_all(); },
          [this](const quota::Identity& identity) { blocker_.forget(identity); },
          host_,
          nodes_,
          node_name(host_, config_.get()->store)};
}

NotifierTools Daemon::notifier_tools() {
  return {.ledger = setup_->ledger(),
          .counters = counters_,
          .config = [this] { return config_.get(); },
          .look_up =
              [this](const std::string& identity) {
                auto sender = desk_.show(identity);
                return sender ? std::move(*sender) : boost::json::object{};
              },
          .host = host_,
          .run = [](const auto& words, const auto& input, const auto& is_cancelled) { return run_program(words, input, notify_at_most, is_cancelled); }};
}

AccountWatchTools Daemon::account_watch_tools() {
  return {.reloading = reload_mutex_,
          .running = [this] { return config_.get(); },
          .take =
              [this](std::shared_ptr<const Config> fresh) {
                const auto text = fresh->accounts_file + ", owners: " + std::to_string(fresh->policy->parts().accounts.size());
                fingerprint_.set(std::make_shared<const std::string>(fingerprint_of(*fresh)));
                config_.set(std::move(fresh));
                refusals_.forget_all();
                spdlog::info("the accounts have changed, and were read anew from {}", readable(text));
                backstage_.happened({"reloaded", "info", "", text, "", host_}, "");
              },
          .refuse =
              [](const std::vector<Problem>& problems) {
                spdlog::error("the accounts have changed, but cannot be used; those that are known go on");
                for (const auto& problem : problems) spdlog::error("{}", format(problem));
              }};
}

/// The live tables; where they have changed, what was refused a moment ago is asked anew.
quota::TablesPtr Daemon::tables() {
  auto tables = keeper_.tables();
  if (last_tables_.exchange(tables.get(), std::memory_order_relaxed) != tables.get()) refusals_.forget_all();
  return tables;
}

quota::Result<void, std::string> Daemon::open() {
  const auto config = config_.get();
  if (!keeper_.first_read(first_read_after_failures))
    spdlog::error("the live tables could not be read yet from {}: {} blocks are known from before, live limits are not; store.on_failure decides",
                  setup_->health().url, keeper_.tables()->blocked().size());
  if (!register_callbacks(services_)) return {boost::system::in_place_error, "libmilter did not take the filter"};
  if (const auto opened = reception_.open(config->admin); !opened) return opened.error();
  return open_milter_socket(config->milter);
}

/// libmilter notices that it is to stop when somebody connects, or after 5 s. It is told only after this thread was started,
/// so one connection could come too early: it is tried until the process ends.
void knock_until_stopped(const MilterSettings& listen) {
  for (;;) {
    std::this_thread::sleep_for(10ms);
    wake_listener(listen);
  }
}

/// Waits until no message is under way, so that a stop costs nobody a retry.
void Daemon::drain() const {
  const auto deadline = std::chrono::steady_clock::now() + drain_at_most;
  while (counters_.messages_in_flight.load(std::memory_order_relaxed) > 0 && std::chrono::steady_clock::now() < deadline)
    ::usleep(5'000);
}

int Daemon::serve_until_stopped() {
  handle_signals({[this] { (void)reload("SIGHUP"); },
                  [this] {
                    sd_notify(0, "STOPPING=1");
                    spdlog::info("stopping, after the messages in flight");
                    drain();
                    std::thread([listen = config_.get()->milter] { knock_until_stopped(listen); }).detach();
                  }});
  const auto config = config_.get();
  spdlog::info("sendquotad " SENDQUOTA_VERSION " serves {} with store {}, {} quotas from {}", config->milter.listen, setup_->health().url,
               config->policy->parts().quotas.size(), config->file_name);
  for (const auto& warning : warnings_about(*config)) spdlog::warn("configuration: {}", warning);
  sd_notify(0, "READY=1");
  const bool well = serve();
  reception_.stop();
  accounts_.stop();
  refusal_watch_.stop();
  backstage_.stop();
  blocker_.stop();
  keeper_.stop();
  nodes_.stop();
  setup_->save();
  book_->stop();
  notifier_.stop();
  spdlog::info("stopped");
  // libmilter may still run callbacks on its own threads: nothing they use is destroyed, the logger included.
  std::fflush(nullptr);
  ::_exit(well ? 0 : cannot_run);
}

Reloaded Daemon::reload(const std::string& by) {
  const std::lock_guard lock(reload_mutex_);
  const auto running = config_.get();
  std::vector<std::string> complaints;
  auto loaded = load_config(running->file_name);
  if (loaded) {
    const auto frozen = needs_restart(*running, *loaded);
    for (const auto& key : frozen) complaints.push_back(running->file_name + ": " + key + " changed; this takes effect with a restart only");
  } else {
    for (const auto& problem : loaded.error()) complaints.push_back(format(problem));
  }
  // Last, because it takes effect at once.
  if (complaints.empty())
    if (const auto renewed = setup_->renew_tls(); !renewed) complaints.push_back(renewed.error());
  if (complaints.empty())
    if (const auto renewed = book_->renew_tls(); !renewed) complaints.push_back(renewed.error());
  if (!complaints.empty()) {
    spdlog::error("reload refused (asked by {}); the old configuration goes on", readable(by));
    for (const auto& complaint : complaints) spdlog::error("{}", complaint);
    return {boost::system::in_place_error, complaints};
  }
  auto fresh = std::make_shared<const Config>(std::move(*loaded));
  config_.set(fresh);
  config_loaded_at_ = std::chrono::floor<quota::Milliseconds>(std::chrono::system_clock::now());
  fingerprint_.set(std::make_shared<const std::string>(fingerprint_of(*fresh)));
  nodes_.changed();
  refusals_.forget_all();
  set_up_log(fresh->log);
  spdlog::info("reloaded {} (asked by {}): {} quotas", fresh->file_name, readable(by), fresh->policy->parts().quotas.size());
  backstage_.happened({"reloaded", "info", "", fresh->file_name, by, host_}, "");
  return fresh;
}

/// What keeps a daemon from starting seldom passes within a moment. The unit restarts it after 200 ms, which is meant for
/// crashes: under systemd it waits itself, so that the log is not flooded.
int give_up(const std::string& why) {
  spdlog::critical("{}", why);
  if (std::getenv("NOTIFY_SOCKET")) std::this_thread::sleep_for(pause_before_restart);
  return cannot_run;
}

int refuse_config(const std::vector<Problem>& problems) {
  std::fputs(format(problems).c_str(), stderr);
  return config_error;
}

int check_config(const std::string& file) {
  const auto config = load_config(file);
  if (!config) return refuse_config(config.error());
  std::fputs(to_text(report_on(*config)).c_str(), stdout);
  return 0;
}

}  // namespace

int run(const Options& options) {
  if (options.task == Options::Task::check_config) return check_config(options.config);
  block_signals();
  auto loaded = load_config(options.config);
  if (!loaded) return refuse_config(loaded.error());
  auto config = std::make_shared<const Config>(std::move(*loaded));
  set_up_log(config->log);
  auto setup = StoreSetup::open(*config);
  if (!setup) return give_up(setup.error());
  auto book = RecordBook::open(*config, **setup);
  if (!book) return give_up(book.error());
  Daemon daemon(std::move(config), std::move(*setup), std::move(*book));
  if (const auto opened = daemon.open(); !opened) return give_up(opened.error());
  return daemon.serve_until_stopped();
}

}  // namespace milter
