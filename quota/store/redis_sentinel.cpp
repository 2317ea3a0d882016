#include "quota/store/redis_sentinel.hpp"

#include <algorithm>

#include "quota/store/quiet_thread.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;

constexpr ReplyLimits sentinel_limits{std::size_t{1} << 20, 20'000};
constexpr std::size_t most_sentinels = 32;

/// A server as `host`, `port`. Empty for anything else.
std::optional<RedisServerName> server_of(std::optional<std::string_view> host, std::optional<std::string_view> port) {
  const auto number = port ? parse_number<std::uint16_t>(*port) : std::nullopt;
  if (!host || host->empty() || !number || *number == 0) return {};
  return TcpServer{std::string(*host), *number};
}

/// The value of a field in a reply of names and values.
std::optional<std::string_view> field(const ReplyView& fields, std::string_view name) {
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2)
    if (fields[i].text() == name) return fields[i + 1].text();
  return {};
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

SentinelDiscovery::SentinelDiscovery(const RedisAddress& address, RedisDialer& dialer) : address_(address), dialer_(dialer) {
  for (const auto& seed : address_.seeds) sentinels_.push_back({seed});
}

Result<RedisLayout, StoreError> SentinelDiscovery::find(Deadline deadline) {
  // One sentinel that does not answer must leave the time to ask the master that the others name.
  ask_all(Clock::now() + (deadline - Clock::now()) / 2);
  learn_sentinels();
  const auto choice = choose();
  is_failing_over_ = false;
  if (!choice) return choice.error();
  highest_epoch_ = choice->epoch;
  if (auto early = promoted(*choice, deadline)) {
    master_ = std::move(early);
  } else if (master_ != choice->master) {
    if (const auto is_master = check_role(choice->master, deadline); !is_master) return is_master.error();
    master_ = choice->master;
  }
  // Once the chosen one is used there is nothing more to wait for, however long the failover takes.
  is_failing_over_ = std::any_of(sentinels_.begin(), sentinels_.end(), [this](const Sentinel& one) {
    return one.told && one.told->chosen && one.told->chosen != master_;
  });
  return RedisLayout{{*master_}, {}};
}

/// The replica that a failover under way has made the master already, whomever the sentinels still name.
std::optional<RedisServerName> SentinelDiscovery::promoted(const Choice& named, Deadline deadline) {
  for (auto& sentinel : sentinels_) {
    if (!sentinel.told || !sentinel.told->chosen || sentinel.told->epoch < named.epoch) continue;
    const auto chosen = *sentinel.told->chosen;
    if (chosen == master_) return chosen;
    const auto role = role_of(chosen, deadline);
    if (role && *role == "master" && still_wants(sentinel, chosen, deadline)) return chosen;
  }
  return {};
}

/// A replica that was slow to answer may have obeyed after the failover was given up.
bool SentinelDiscovery::still_wants(Sentinel& sentinel, const RedisServerName& chosen, Deadline deadline) {
  const auto told = ask(sentinel, deadline);
  return told && (told->chosen == chosen || told->master == chosen);
}

// At once, so that one that does not answer keeps nobody from hearing the others.
void SentinelDiscovery::ask_all(Deadline deadline) {
  std::vector<std::thread> threads;
  for (auto& sentinel : sentinels_)
    threads.push_back(quiet_thread([this, &sentinel, deadline] { sentinel.told = ask(sentinel, deadline); }));
  for (auto& thread : threads) thread.join();
}

Result<SentinelDiscovery::Told, StoreError> SentinelDiscovery::ask(Sentinel& sentinel, Deadline deadline) {
  auto& connection = sentinel.connection;
  if (!connection || !connection->still_good()) {
    auto opened = dialer_.open(sentinel.server, address_.sentinel_login, deadline);
    if (!opened) return opened.error();
    connection = std::move(*opened);
  }
  const auto& name = address_.master_name;
  const Command questions[] = {{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name}, {"SENTINEL", "MASTER", name}, {"SENTINEL", "SENTINELS", name}};
  const auto replies = connection->ask_all(questions, deadline, sentinel_limits);
  if (!replies) return replies.error();
  auto told = read(*replies, sentinel.server);
  const auto flags = field((*replies)[1], "flags").value_or("");
  if (told && flags.find("failover_in_progress") != flags.npos) told->chosen = chosen_by(*connection, deadline);
  return told;
}

/// Empty before one was chosen, and where an ACL does not let us know.
std::optional<RedisServerName> SentinelDiscovery::chosen_by(RedisConnection& sentinel, Deadline deadline) const {
  const auto replicas = sentinel.ask(Command{"SENTINEL", "REPLICAS", address_.master_name}, deadline, sentinel_limits);
  for (std::size_t i = 0; replicas && i < replicas->size(); ++i) {
    const auto replica = (*replicas)[i];
    if (field(replica, "flags").value_or("").find("promoted") != std::string_view::npos) return server_of(field(replica, "ip"), field(replica, "port"));
  }
  return {};
}

// The first question is the one that counts. To a strict ACL, or to one that does not know the name, the others are errors.
Result<SentinelDiscovery::Told, StoreError> SentinelDiscovery::read(std::span<const RedisReply> replies, const RedisServerName& said_by) const {
  if (const auto error = replies[0].error()) {
    const auto who = printable(said_by);
    if (error->text.starts_with("ERR unknown command"))
      return StoreError{StoreErrorKind::misconfigured, Executed::no,
                        who + " is no Sentinel; a redis+sentinel:// address names sentinels, whose port is most often 26379"};
    auto told = to_store_error(*error);
    told.text = who + ": " + told.text;
    return told;
  }
  Told told;
  if (replies[0].size() != 2) return told;
  told.master = server_of(replies[0][0].text(), replies[0][1].text());
  told.epoch = parse_number<std::uint64_t>(field(replies[1], "config-epoch").value_or("")).value_or(0);
  for (std::size_t i = 0; i < replies[2].size(); ++i)
    if (auto other = server_of(field(replies[2][i], "ip"), field(replies[2][i], "port"))) told.sentinels.push_back(std::move(*other));
  return told;
}

Result<SentinelDiscovery::Choice, StoreError> SentinelDiscovery::choose() const {
  std::vector<Choice> choices;
  for (const auto& sentinel : sentinels_) {
    if (!sentinel.told || !sentinel.told->master) continue;
    const auto& told = *sentinel.told;
    auto same = std::find_if(choices.begin(), choices.end(), [&](const Choice& one) { return one.master == *told.master && one.epoch == told.epoch; });
    if (same == choices.end()) same = choices.insert(choices.end(), Choice{*told.master, told.epoch});
    ++same->votes;
  }
  std::erase_if(choices, [this](const Choice& one) { return one.epoch < highest_epoch_ && one.votes <= sentinels_.size() / 2; });
  const auto best = std::max_element(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
    return std::pair(a.epoch, a.votes) < std::pair(b.epoch, b.votes);
  });
  if (best == choices.end()) return why_none();
  return *best;
}

StoreError SentinelDiscovery::why_none() const {
  std::vector<std::string> without_name;
  std::vector<std::string> outdated;
  for (const auto& sentinel : sentinels_)
    if (sentinel.told) (sentinel.told->master ? outdated : without_name).push_back(printable(sentinel.server));
  const auto& name = address_.master_name;
  if (!without_name.empty())
    return {StoreErrorKind::misconfigured, Executed::no, "no master is called \"" + name + "\", say the sentinels " + listed(without_name)};
  if (!outdated.empty())
    return {StoreErrorKind::unreachable, Executed::no,
            "of the sentinels only " + listed(outdated) + " answer, which do not know the last failover of \"" + name + "\""};
  // Whoever has to change something is told what, rather than who else is away.
  auto first = std::find_if(sentinels_.begin(), sentinels_.end(), [](const Sentinel& one) { return one.told.error().kind == StoreErrorKind::misconfigured; });
  if (first == sentinels_.end()) first = sentinels_.begin();
  const auto& why = first->told.error();
  return {why.kind, Executed::no, "no sentinel of \"" + name + "\" answers: " + why.text};
}

/// Those that are named now, besides those of the address. One that is known under a name is not asked twice.
void SentinelDiscovery::learn_sentinels() {
  std::vector<RedisServerName> named;
  std::vector<Endpoint> known;
  for (const auto& sentinel : sentinels_) {
    if (sentinel.told) named.insert(named.end(), sentinel.told->sentinels.begin(), sentinel.told->sentinels.end());
    const auto endpoints = dialer_.resolver().addresses(sentinel.server);
    known.insert(known.end(), endpoints.begin(), endpoints.end());
  }
  if (named.empty()) return;
  std::erase_if(sentinels_, [&](const Sentinel& one) {
    return one.is_named && !one.told && std::find(named.begin(), named.end(), one.server) == named.end();
  });
  for (const auto& server : named) {
    const auto endpoints = dialer_.resolver().addresses(server);
    const bool is_known = endpoints.empty() || std::find(known.begin(), known.end(), endpoints.front()) != known.end();
    if (is_known || sentinels_.size() >= most_sentinels) continue;
    known.push_back(endpoints.front());
    sentinels_.push_back({server, true});
  }
}

/// What a server says it is; empty where it does not let us know.
Result<std::string, StoreError> SentinelDiscovery::role_of(const RedisServerName& server, Deadline deadline) {
  (void)dialer_.resolver().wait_for_addresses(server, deadline);
  auto opened = dialer_.open(server, address_.login, deadline);
  if (!opened) return {boost::system::in_place_error, opened.error()};
  const auto role = (*opened)->ask(Command{"ROLE"}, deadline);
  if (!role) return {boost::system::in_place_error, role.error()};
  return std::string(role->size() > 0 ? (*role)[0].text().value_or("") : "");
}

Result<void, StoreError> SentinelDiscovery::check_role(const RedisServerName& master, Deadline deadline) {
  const auto role = role_of(master, deadline);
  if (!role) return role.error();
  // Not being allowed to ask is no answer: the first question will find out.
  if (role->empty() || *role == "master") return {};
  return StoreError{StoreErrorKind::refused, Executed::no, printable(master) + " is what the sentinels call \"" + address_.master_name + "\", and still a replica"};
}

}  // namespace quota
