#include "quota/store/redis_ledger.hpp"

#include <poll.h>

#include <algorithm>
#include <map>

#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::size_t scan_batch = 500;
/// Fields may be long (a reason, an ERROR text), and Redis may answer more than it was asked for.
constexpr ReplyLimits scan_limits{std::size_t{16} << 20, 200'000};
constexpr ReplyLimits record_limits{std::size_t{1} << 20, 20'000};
constexpr std::string_view invalidations = "__redis__:invalidate";

StoreError unexpected(std::string_view what) {
  return {StoreErrorKind::nonsense, Executed::possibly, "Redis answered something else than expected to " + std::string(what)};
}

Command views(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

/// The value of `name:` in the answer to INFO.
std::string_view info_value(std::string_view info, std::string_view name) {
  for (const auto line : split(info, '\n'))
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') return trim(line.substr(name.size() + 1));
  return {};
}

std::string number(Milliseconds duration) { return std::to_string(duration.count()); }

/// An error reply to a question on one connection, which the pool would have made one.
Result<RedisReply, StoreError> checked(Result<RedisReply, StoreError> reply) {
  if (reply)
    if (const auto error = reply->error()) return to_store_error(*error);
  return reply;
}

Event read_event(const ReplyView& fields) {
  std::map<std::string_view, std::string> values;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) values[fields[i].text().value_or("")] = fields[i + 1].text().value_or("");
  return {values["event"], values["severity"], values["identity"], values["text"], values["by"], values["host"]};
}

}  // namespace

Result<RedisReply, StoreError> RedisLedger::ask(const Texts& words) {
  return context_.pool().ask(views(words), context_.deadline(), record_limits);
}

Result<RedisReply, StoreError> RedisLedger::eval_on(const RedisScript& script, const std::string& key, const Texts& arguments) {
  const std::string_view keys[] = {key};
  return context_.pool().eval(script, keys, views(arguments), context_.deadline());
}

Result<Record, StoreError> RedisLedger::record(const Identity& identity) {
  const auto key = context_.record_key(identity);
  const auto fields = ask({"HGETALL", key});
  if (!fields) return fields.error();
  RecordText text;
  for (std::size_t i = 0; i + 1 < fields->size(); i += 2) {
    const auto name = (*fields)[i].text();
    const auto value = (*fields)[i + 1].text();
    if (!name || !value) return unexpected("HGETALL");
    text.emplace_back(*name, *value);
  }
  auto record = parse_record(text);
  const auto left = ask({"PTTL", key});
  if (!left) return left.error();
  if (const auto ms = left->integer(); ms && *ms >= 0) record.expires_at = context_.now() + Milliseconds{*ms};
  return record;
}

Result<std::vector<std::int64_t>, StoreError> RedisLedger::count_refusals(std::span<const RefusalBatch> batches) {
  std::vector<std::int64_t> counts;
  for (const auto& batch : batches) {
    const auto reply = eval_on(scripts::refuse(), context_.record_key(batch.identity),
                               {context_.clock_argument(), refusals_field(batch.quota), number(batch.window), std::to_string(batch.refusals)});
    if (!reply) return reply.error();
    const auto count = reply->integer();
    if (!count) return unexpected("a count of refusals");
    counts.push_back(*count);
  }
  return counts;
}

Result<void, StoreError> RedisLedger::mark_blocked(const Identity& identity, const BlockMark& mark) {
  const auto now = context_.now();
  auto kept = mark.until ? *mark.until - now : endless_block_kept_for;
  if (mark.ladder) kept = std::max(kept, mark.ladder->forget_at - now);
  const auto reply = eval_on(scripts::mark(), context_.record_key(identity),
                             {mark.id, mark.ladder ? format(*mark.ladder) : "", mark.quota.empty() ? "" : refusals_field(mark.quota),
                              number(std::max(kept, Milliseconds{1}))});
  if (!reply) return reply.error();
  return {};
}

Result<bool, StoreError> RedisLedger::release(const Identity& identity, const std::string& block_id) {
  const auto reply = eval_on(scripts::release(), context_.record_key(identity), {block_id});
  if (!reply) return reply.error();
  return reply->integer() == 1;
}

Result<void, StoreError> RedisLedger::refill(const Identity& identity) {
  const auto reply = ask({"DEL", context_.record_key(identity)});
  if (!reply) return reply.error();
  return {};
}

Result<void, StoreError> RedisLedger::open_reader(Deadline deadline) {
  if (reader_ && reader_->is_open() && (!listener_ || listener_->is_open())) return {};
  reader_.reset();
  listener_.reset();
  auto opened = context_.pool().open_apart(deadline);
  if (!opened) return opened.error();
  reader_ = std::move(*opened);
  open_listener(deadline);
  return {};
}

/// Best effort: without it the tables are polled.
void RedisLedger::open_listener(Deadline deadline) {
  auto opened = context_.pool().open_apart(deadline);
  if (!opened) return;
  auto listener = std::move(*opened);
  const auto id = checked(listener->ask(views({"CLIENT", "ID"}), deadline));
  if (!id || !id->integer()) return;
  if (!checked(listener->ask(views({"SUBSCRIBE", std::string(invalidations)}), deadline))) return;
  if (!checked(reader_->ask(views({"CLIENT", "TRACKING", "ON", "REDIRECT", std::to_string(*id->integer())}), deadline))) return;
  listener_ = std::move(listener);
}

Result<TablesText::Entries, StoreError> RedisLedger::scan(Table table, Deadline deadline) {
  const auto key = context_.key(name(table));
  std::map<std::string, std::string> entries;  // HSCAN may name a field twice
  std::string cursor = "0";
  do {
    const auto reply = checked(reader_->ask(views({"HSCAN", key, cursor, "COUNT", std::to_string(scan_batch)}), deadline, scan_limits));
    if (!reply) return reply.error();
    if (reply->size() != 2 || !(*reply)[0].text()) return unexpected("HSCAN");
    cursor = *(*reply)[0].text();
    const auto page = (*reply)[1];
    for (std::size_t i = 0; i + 1 < page.size(); i += 2) {
      const auto field = page[i].text();
      const auto text = page[i + 1].text();
      if (!field || !text) return unexpected("HSCAN");
      entries.insert_or_assign(std::string(*field), std::string(*text));
    }
  } while (cursor != "0");
  return TablesText::Entries(entries.begin(), entries.end());
}

/// Whether the table `blocked` that was read is still the one that stands there: a DEL of all of it between two pages of a scan
/// must not make what is missing look released.
Result<bool, StoreError> RedisLedger::has_same_epoch(const TablesText::Entries& read, Deadline deadline) {
  const auto reply = checked(reader_->ask(views({"HGET", context_.key(name(Table::blocked)), "epoch"}), deadline));
  if (!reply) return {boost::system::in_place_error, reply.error()};
  const auto found = std::find_if(read.begin(), read.end(), [](const auto& entry) { return entry.first == "epoch"; });
  return found == read.end() ? reply->is_nil() : reply->text() == std::optional<std::string_view>(found->second);
}

/// Which history of the data this is: another run of the server, or another line of replication, proves nothing by a gap.
Result<std::string, StoreError> RedisLedger::history(Deadline deadline) {
  std::string out;
  for (const auto& [section, name] : {std::pair{"server", "run_id"}, std::pair{"replication", "master_replid"}}) {
    const auto info = checked(reader_->ask(views({"INFO", section}), deadline));
    if (!info) return {boost::system::in_place_error, info.error()};
    const auto value = info_value(info->text().value_or(""), name);
    if (value.empty()) return {boost::system::in_place_error, unexpected("INFO")};
    out += (out.empty() ? "" : " ") + std::string(value);
  }
  return out;
}

Result<Timestamp, StoreError> RedisLedger::server_time(Deadline deadline) {
  const auto reply = checked(reader_->ask(views({"TIME"}), deadline));
  if (!reply) return reply.error();
  const auto seconds = reply->size() == 2 ? parse_number((*reply)[0].text().value_or("")) : std::nullopt;
  const auto micros = reply->size() == 2 ? parse_number((*reply)[1].text().value_or("")) : std::nullopt;
  if (!seconds || !micros) return unexpected("TIME");
  const Timestamp now{std::chrono::seconds{*seconds} + Milliseconds{*micros / 1000}};
  context_.learn(now);
  return context_.clock_argument().empty() ? now : context_.now();
}

Result<TablesText, StoreError> RedisLedger::tables() {
  const auto deadline = std::chrono::steady_clock::now() + options_.read_timeout;
  if (const auto opened = open_reader(deadline); !opened) return opened.error();
  // What was announced up to here is in what is read now.
  while (listener_ && listener_->is_open()) {
    const auto message = listener_->next_message(std::chrono::steady_clock::now(), waker_);
    if (!message || !*message) break;
  }
  TablesText text;
  // The history is read before and after: a failover in between must not make a gap look like a release.
  const auto before = history(deadline);
  if (!before) return before.error();
  for (auto [table, into] : {std::pair{Table::blocked, &text.blocked}, std::pair{Table::override_, &text.overrides}, std::pair{Table::account, &text.accounts}}) {
    auto entries = scan(table, deadline);
    if (!entries) return entries.error();
    *into = std::move(*entries);
  }
  const auto after = history(deadline);
  if (!after) return after.error();
  const auto is_whole = has_same_epoch(text.blocked, deadline);
  if (!is_whole) return is_whole.error();
  if (*before != *after || !*is_whole) return StoreError{StoreErrorKind::refused, Executed::no, "the server changed its history while the tables were read"};
  const auto now = server_time(deadline);
  if (!now) return now.error();
  text.history = *after;
  text.now = *now;
  return text;
}

Result<EntryText, StoreError> RedisLedger::entry(Table table, const std::string& field) {
  const auto reply = ask({"HGET", context_.key(name(table)), field});
  if (!reply) return reply.error();
  EntryText entry{.text = {}, .now = context_.now()};
  if (const auto text = reply->text()) entry.text = std::string(*text);
  return entry;
}

Result<bool, StoreError> RedisLedger::replace(Table table, const std::string& field, const std::optional<std::string>& expected,
                                              const std::optional<std::string>& desired) {
  const auto reply = eval_on(scripts::replace(), context_.key(name(table)),
                             {field, expected ? "=" + *expected : "", desired ? "=" + *desired : ""});
  if (!reply) return reply.error();
  return reply->integer() == 1;
}

Result<bool, StoreError> RedisLedger::claim(const std::string& name, Milliseconds lasting) {
  const auto reply = ask({"SET", context_.key("claim:" + name), "1", "NX", "PX", number(lasting)});
  if (!reply) return reply.error();
  return reply->text() == "OK";
}

Result<void, StoreError> RedisLedger::append(const Event& event) {
  const auto reply = ask({"XADD", context_.key("events"), "MAXLEN", "~", std::to_string(options_.most_events), "*", "event", event.what,
                          "severity", event.severity, "identity", event.identity, "text", event.text, "by", event.by, "host", event.host});
  if (!reply) return reply.error();
  return {};
}

Result<std::vector<Event>, StoreError> RedisLedger::events(std::size_t count) {
  const auto reply = ask({"XREVRANGE", context_.key("events"), "+", "-", "COUNT", std::to_string(std::min<std::size_t>(count, 1000))});
  if (!reply) return reply.error();
  std::vector<Event> events;
  for (std::size_t i = 0; i < reply->size(); ++i)
    if ((*reply)[i].size() == 2) events.push_back(read_event((*reply)[i][1]));
  return events;
}

void RedisLedger::wait_for_change(Milliseconds at_most) {
  if (listener_ && listener_->is_open()) {
    (void)listener_->next_message(std::chrono::steady_clock::now() + at_most, waker_);
  } else {
    pollfd watched{waker_.descriptor(), POLLIN, 0};
    ::poll(&watched, 1, static_cast<int>(std::min(at_most, options_.poll_every).count()));
  }
  waker_.clear();
}

}  // namespace quota
