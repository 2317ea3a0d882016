#include "quota/store/redis_ledger.hpp"

#include <algorithm>
#include <map>

namespace quota {
namespace {

constexpr std::size_t counted_at_once = 100;
constexpr ReplyLimits record_limits{std::size_t{1} << 20, 20'000};

StoreError unexpected(std::string_view what) {
  return {StoreErrorKind::nonsense, Executed::possibly, "Redis answered something else than expected to " + std::string(what)};
}

Command views(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

std::string number(Milliseconds duration) { return std::to_string(duration.count()); }

std::string seconds(Milliseconds duration) { return std::to_string(std::chrono::floor<std::chrono::seconds>(duration).count()); }

constexpr std::size_t most_events_at_once = 1000;

std::optional<PastEvent> read_event(const ReplyView& entry) {
  const auto id = entry.size() == 2 ? EventId::parse(entry[0].text().value_or("")) : std::nullopt;
  if (!id) return std::nullopt;
  const auto fields = entry[1];
  std::map<std::string_view, std::string> values;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) values[fields[i].text().value_or("")] = fields[i + 1].text().value_or("");
  return PastEvent{*id, {values["event"], values["severity"], values["identity"], values["text"], values["by"], values["host"]}};
}

}  // namespace

Result<RedisReply, StoreError> RedisLedger::ask(const Texts& words) {
  return context_.topology().ask(words[1], views(words), context_.deadline(), record_limits);
}

Result<RedisReply, StoreError> RedisLedger::eval_on(const RedisScript& script, const std::string& key, const Texts& arguments) {
  const std::string_view keys[] = {key};
  return context_.topology().eval(script, keys, views(arguments), context_.deadline());
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
  if (const auto ms = left->integer(); ms && *ms >= 0 && *ms <= exact_bound) record.expires_at = context_.now() + Milliseconds{*ms};
  return record;
}

std::vector<Result<std::int64_t, StoreError>> RedisLedger::count_refusals(std::span<const RefusalBatch> batches) {
  std::vector<Result<std::int64_t, StoreError>> counts;
  counts.reserve(batches.size());
  for (; !batches.empty(); batches = batches.subspan(std::min(batches.size(), counted_at_once)))
    for (auto& count : count_at_once(batches.first(std::min(batches.size(), counted_at_once)))) counts.push_back(std::move(count));
  return counts;
}

/// In one round trip.
std::vector<Result<std::int64_t, StoreError>> RedisLedger::count_at_once(std::span<const RefusalBatch> batches) {
  std::vector<Texts> texts;
  for (const auto& batch : batches)
    texts.push_back({context_.record_key(batch.identity), context_.clock_argument(), refusals_field(batch.quota), number(batch.window),
                     std::to_string(batch.refusals)});
  std::vector<RedisTopology::Run> runs;
  for (const auto& one : texts) runs.push_back({one.front(), {one.begin() + 1, one.end()}});
  std::vector<Result<std::int64_t, StoreError>> counts;
  for (const auto& reply : context_.topology().eval_each(scripts::refuse(), runs, context_.deadline())) {
    const auto count = reply ? reply->integer() : std::nullopt;
    if (count)
      counts.emplace_back(*count);
    else
      counts.emplace_back(reply ? unexpected("a count of refusals") : reply.error());
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

Result<void, StoreError> RedisLedger::unhold(const Identity& identity, const std::string& host, std::int64_t count) {
  const auto done = eval_on(scripts::unhold(), context_.record_key(identity), {held_field(host), std::to_string(count)});
  if (!done) return done.error();
  return {};
}

Result<void, StoreError> RedisLedger::refill(const Identity& identity) {
  const auto reply = ask({"DEL", context_.record_key(identity)});
  if (!reply) return reply.error();
  return {};
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

Result<std::optional<std::int64_t>, StoreError> RedisLedger::tell(const std::string& name, Milliseconds lasting) {
  const auto reply = eval_on(scripts::tell(), context_.key("told:" + name), {context_.clock_argument(), number(lasting), number(left_out_kept_for)});
  if (!reply) return reply.error();
  const auto left_out = reply->integer();
  if (!left_out) return unexpected("who tells");
  return *left_out < 0 ? std::nullopt : std::optional(*left_out);
}

Result<ScriptNews, StoreError> RedisLedger::learn(const ScriptSight& sight) {
  const auto most = std::clamp<std::size_t>(sight.most, 1, most_scripts_remembered);
  const auto reply = eval_on(scripts::learn(), context_.key("scripts:{" + sight.uid.text() + "}"),
                             {context_.clock_argument(), sight.script, std::to_string(most), seconds(learning_lasts), seconds(forgotten_after),
                              seconds(uid_forgotten_after), sight.token});
  if (!reply) return reply.error();
  const auto integer = [&](std::size_t at) { return reply->size() == 3 ? (*reply)[at].integer().value_or(-1) : -1; };
  const auto what = integer(0);
  if (what < 0 || what > 2 || integer(1) < 0 || integer(2) < 0) return unexpected("a script's name");
  return ScriptNews{static_cast<ScriptNews::What>(what), Timestamp{std::chrono::seconds{integer(1)}}, integer(2)};
}

Result<void, StoreError> RedisLedger::append(const Event& event) {
  const auto reply = ask({"XADD", context_.key("events"), "MAXLEN", "~", std::to_string(options_.most_events), "*", "event", event.what,
                          "severity", event.severity, "identity", event.identity, "text", event.text, "by", event.by, "host", event.host});
  if (!reply) return reply.error();
  return {};
}

Result<std::vector<PastEvent>, StoreError> RedisLedger::events(const EventRange& range) {
  const auto reply = ask({"XREVRANGE", context_.key("events"), range.before ? "(" + range.before->text() : "+", range.after ? "(" + range.after->text() : "-",
                          "COUNT", std::to_string(std::min(range.count, most_events_at_once))});
  if (!reply) return reply.error();
  std::vector<PastEvent> events;
  for (std::size_t i = 0; i < reply->size(); ++i)
    if (auto event = read_event((*reply)[i])) events.push_back(std::move(*event));
  return events;
}

Result<void, StoreError> RedisLedger::write_node(const std::string& name, const std::optional<std::string>& text) {
  const auto reply = text ? ask({"HSET", context_.key("nodes"), name, *text}) : ask({"HDEL", context_.key("nodes"), name});
  if (!reply) return reply.error();
  return {};
}

Result<NodesText, StoreError> RedisLedger::nodes() {
  const auto reply = ask({"HGETALL", context_.key("nodes")});
  if (!reply) return reply.error();
  NodesText nodes{.entries = {}, .now = context_.now()};
  for (std::size_t i = 0; i + 1 < reply->size(); i += 2) {
    const auto name = (*reply)[i].text();
    const auto text = (*reply)[i + 1].text();
    if (!name || !text) return unexpected("HGETALL");
    nodes.entries.emplace_back(*name, *text);
  }
  return nodes;
}

}  // namespace quota
