#include "quota/store/node_registry.hpp"

#include <algorithm>
#include <fstream>

#include "quota/store/durable_file.hpp"
#include "quota/tab_text.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::string_view nodes_magic = "sendquota-nodes";
constexpr Milliseconds alarm_lasts = std::chrono::hours{24};
constexpr Milliseconds ask_again_after = std::chrono::hours{1};

/// Best effort: without it a start while the store is away counts this node alone.
void keep_count(const std::filesystem::path& file, std::int64_t nodes) {
  auto fresh = DurableFile::create(file, 0600);
  if (!fresh) return;
  const std::string words[] = {std::string(nodes_magic), "1", std::to_string(nodes)};
  fresh->write(sealed_line(joined_words(words)));
  (void)fresh->commit();
}

Event degraded_event(const std::string& error, Timestamp at) {
  return {"degraded", "error", "", "the store has no answer since " + format_moment(at) + ": " + error, "", ""};
}

Event recovered_event(Timestamp from, Timestamp to) {
  const auto lasted = std::max(to - from, Milliseconds{0});
  return {"recovered", "warning", "",
          "the store answers again since " + format_moment(to) + "; it had no answer for " +
              (lasted > Milliseconds{0} ? format_duration(lasted) : "0ms") + ", since " + format_moment(from),
          "", ""};
}

}  // namespace

std::optional<std::int64_t> recall_count(const std::filesystem::path& count_file) {
  std::ifstream file(count_file, std::ios::binary);
  std::string sealed;
  if (!file || !std::getline(file, sealed)) return std::nullopt;
  const auto line = unsealed_line(sealed);
  const auto words = line ? split_words(*line) : std::vector<std::string>();
  if (words.size() != 3 || words[0] != nodes_magic || words[1] != "1") return std::nullopt;
  const auto nodes = parse_number(words[2]);
  return nodes && *nodes >= 1 ? nodes : std::nullopt;
}

NodeRegistry::NodeRegistry(Ledger& ledger, NodeRegistryOptions options)
    : ledger_(ledger), options_(std::move(options)), events_(ledger, options_.host) {
  own_.name = options_.name;
  const auto fixed = options_.setting().fixed_nodes;
  const auto recalled = options_.count_file ? recall_count(*options_.count_file) : std::nullopt;
  count_ = fixed ? *fixed : recalled.value_or(1);
  if (options_.on_count) options_.on_count(count_);
  thread_ = std::thread([this] { run(); });
}

NodeRegistry::~NodeRegistry() { stop(); }

void NodeRegistry::note_health(const std::string& error, Timestamp at) {
  const std::lock_guard lock(mutex_);
  if (error.empty() == !bad_since_) return;
  waiting_.push_back(error.empty() ? recovered_event(*bad_since_, at) : degraded_event(error, at));
  if (waiting_.size() > most_waiting) waiting_.erase(waiting_.begin());
  bad_since_ = error.empty() ? std::nullopt : std::optional(at);
  is_due_ = true;
  woken_.notify_all();
}

void NodeRegistry::changed() {
  const std::lock_guard lock(mutex_);
  is_due_ = true;
  woken_.notify_all();
}

NodeRegistry::Look NodeRegistry::look() {
  const auto text = ledger_.nodes();
  if (text) return {read_nodes(*text), ""};
  return {last(), text.error().text};
}

NodeList NodeRegistry::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

std::int64_t NodeRegistry::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

void NodeRegistry::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    woken_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void NodeRegistry::run() {
  auto next_beat = Steady::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool beats = std::exchange(is_due_, false) || Steady::now() >= next_beat;
    const auto state = bad_since_ ? Node::State::degraded : Node::State::normal;
    lock.unlock();
    hand_over();
    if (beats) {
      (void)beat(state);  // without an answer the next beat tells
      next_beat = Steady::now() + options_.every;
    }
    const auto until = events_.kept() > 0 ? std::min(next_beat, Steady::now() + options_.retry_after) : next_beat;
    lock.lock();
    woken_.wait_until(lock, until, [this] { return stopping_ || is_due_; });
  }
  lock.unlock();
  say_goodbye();
}

/// What befell the store, to the store, as far as it takes it.
void NodeRegistry::hand_over() {
  std::vector<Event> events;
  {
    const std::lock_guard lock(mutex_);
    events.swap(waiting_);
  }
  for (auto& event : events) events_.write(std::move(event));
  (void)events_.flush();
}

Result<void, StoreError> NodeRegistry::beat(Node::State state) {
  const auto before = ledger_.nodes();
  if (!before) return before.error();
  auto list = read_nodes(*before);
  memory_.read(list);
  const auto own = own_line(list, state);
  if (const auto written = ledger_.write_node(own.name, format(own)); !written) return written.error();
  memory_.wrote(own);
  for (const auto& name : list.gone)
    if (name != own.name) (void)ledger_.write_node(name, std::nullopt);
  std::erase_if(list.nodes, [&](const Node& node) { return node.name == own.name; });
  list.nodes.insert(std::ranges::upper_bound(list.nodes, own.name, {}, &Node::name), own);
  const auto setting = options_.setting();
  raise(alarms(list, setting.fixed_nodes));
  if (options_.more_alarms) raise(options_.more_alarms());
  set_count(setting.fixed_nodes.value_or(static_cast<std::int64_t>(list.count() + memory_.awaited())));
  take_over(std::move(list));
  return {};
}

/// A restart with the same configuration has had it since the first start.
Node NodeRegistry::own_line(const NodeList& before, Node::State state) {
  const auto setting = options_.setting();
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find(before.nodes, own_.name, &Node::name);
  const bool is_first = own_.config.empty();
  const auto& last = is_first && known != before.nodes.end() ? *known : own_;
  const auto config_since = last.config == setting.config ? last.config_since : before.now;
  const auto since = !is_first && own_.state == state ? own_.since : before.now;
  own_ = {.name = own_.name,
          .version = options_.version,
          .config = setting.config,
          .config_since = config_since,
          .seen = before.now,
          .state = state,
          .since = since};
  return own_;
}

void NodeRegistry::take_over(NodeList list) {
  const std::lock_guard lock(mutex_);
  last_ = std::move(list);
}

void NodeRegistry::raise(const std::vector<NodeAlarm>& alarms) {
  std::erase_if(raised_, [](const auto& entry) { return Steady::now() - entry.second > ask_again_after; });
  for (const auto& alarm : alarms) {
    if (raised_.contains(alarm.claim)) continue;
    const auto claimed = ledger_.claim(alarm.claim, alarm_lasts);
    if (!claimed) continue;
    raised_.emplace(alarm.claim, Steady::now());
    if (*claimed) events_.write(alarm.event);
  }
}

/// Kept before it is told: who was told and kills the daemon finds it again.
void NodeRegistry::set_count(std::int64_t nodes) {
  nodes = std::max<std::int64_t>(nodes, 1);
  if (count() == nodes) return;
  if (options_.count_file) keep_count(*options_.count_file, nodes);
  {
    const std::lock_guard lock(mutex_);
    count_ = nodes;
  }
  if (options_.on_count) options_.on_count(nodes);
}

/// So that nobody takes a daemon that was stopped for one that has fallen silent.
void NodeRegistry::say_goodbye() {
  hand_over();
  if (own_.config.empty()) return;
  (void)beat(Node::State::stopped);
}

}  // namespace quota
