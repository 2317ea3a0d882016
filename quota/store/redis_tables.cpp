#include "quota/store/redis_tables.hpp"

#include <poll.h>

#include <algorithm>
#include <span>

#include "quota/store/redis_info.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t scan_batch = 500;
/// Fields may be long (a reason, an ERROR text), and Redis may answer more than it was asked for.
constexpr ReplyLimits scan_limits{std::size_t{16} << 20, 200'000};
constexpr std::string_view invalidations = "__redis__:invalidate";
constexpr int most_redirections = 8;
/// Between two looks at several listeners, of which only one at a time can be waited for.
constexpr Milliseconds look_around_every{50};

StoreError unexpected(std::string_view what) {
  return {StoreErrorKind::nonsense, Executed::possibly, "Redis answered something else than expected to " + std::string(what)};
}

Command views(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

/// Whether a question was answered by something else than an error.
bool is_done(const Result<RedisReply, StoreError>& reply) { return reply && !reply->error(); }

}  // namespace

RedisTables::RedisTables(RedisContext& context, RedisTablesOptions options)
    : context_(context),
      options_(options),
      sources_{Source{context.key(name(Table::blocked))}, Source{context.key(name(Table::override_))}, Source{context.key(name(Table::account))}} {}

Result<TablesText, StoreError> RedisTables::read() {
  read_at_ = Clock::now();
  end_ = read_at_ + options_.read_timeout;
  for (int redirections = 0;; ++redirections) {
    was_redirected_ = false;
    auto text = read_once();
    if (text) return text;
    if (text.error().kind == StoreErrorKind::nonsense) readers_.clear();  // what was asked for in advance may still come
    if (was_redirected_ && redirections < most_redirections) continue;
    for (auto& source : sources_) source.asks = false;
    return text;
  }
}

Result<TablesText, StoreError> RedisTables::read_once() {
  if (const auto opened = open_readers(); !opened) return opened.error();
  TablesText text;
  // The history is read before and after: a failover in between must not make a gap look like a release.
  const auto before = history();
  if (!before) return before.error();
  // After that answer: what changed before it was asked for has been announced. What is announced up to here is in what is read now.
  (void)hear_announcements();
  if (std::exchange(history_, *before) != *before) forget_all();
  for (auto [table, into] : {std::pair{Table::blocked, &text.blocked}, std::pair{Table::override_, &text.overrides}, std::pair{Table::account, &text.accounts}}) {
    if (const auto done = read_table(source(table)); !done) return done.error();
    *into = source(table).text;
  }
  const auto after = history();
  if (!after) return after.error();
  const auto is_whole = has_same_epoch(text.blocked);
  if (!is_whole) return is_whole.error();
  if (*before != *after || !*is_whole) forget_all();
  if (*before != *after || !*is_whole) return StoreError{StoreErrorKind::refused, Executed::no, "the server changed its history while the tables were read"};
  const auto now = server_time();
  if (!now) return now.error();
  text.history = *after;
  text.now = *now;
  return text;
}

Result<void, StoreError> RedisTables::open_readers() {
  for (auto& source : sources_) {
    auto holder = context_.topology().place_of(source.key);
    if (!holder) return holder.error();
    if (*holder != source.holder) source.asks = false;
    source.holder = std::move(*holder);
    if (!source.asks && source.place != source.holder) {
      source.place = source.holder;
      source.read_at.reset();
    }
  }
  readers_.remove_if([this](const Reader& reader) {
    const bool is_needed = std::any_of(sources_.begin(), sources_.end(), [&](const Source& source) { return source.place == reader.place; });
    return !is_needed || !reader.is_good();
  });
  for (const auto& source : sources_)
    if (auto opened = open_reader(source.place); !opened) return opened;
  return {};
}

Result<void, StoreError> RedisTables::open_reader(const Place& place) {
  for (const auto& reader : readers_)
    if (reader.place == place) return {};
  auto opened = place->open_apart(soon());
  if (!opened) return opened.error();
  auto listener = open_listener(place, **opened);
  for (auto& source : sources_)
    if (source.place == place) source.read_at.reset();
  readers_.emplace_back(place, std::move(*opened), std::move(listener));
  return {};
}

/// Best effort: without it the tables are polled.
std::unique_ptr<RedisConnection> RedisTables::open_listener(const Place& place, RedisConnection& reader) const {
  auto opened = place->open_apart(soon());
  if (!opened) return {};
  auto listener = std::move(*opened);
  const auto id = listener->ask(Command{"CLIENT", "ID"}, soon());
  if (!id || !id->integer()) return {};
  const auto number = std::to_string(*id->integer());
  if (!is_done(listener->ask(Command{"SUBSCRIBE", invalidations}, soon()))) return {};
  if (!is_done(reader.ask(Command{"CLIENT", "TRACKING", "ON", "REDIRECT", number}, soon()))) return {};
  return listener;
}

RedisConnection& RedisTables::connection_to(const Source& source) {
  return *std::find_if(readers_.begin(), readers_.end(), [&](const Reader& one) { return one.place == source.place; })->connection;
}

/// One question about a table. A redirection is obeyed by reading all anew.
Result<RedisReply, StoreError> RedisTables::ask(Source& source, const Words& words) {
  if (const auto sent = send(source, words); !sent) return sent.error();
  return receive(source);
}

Result<void, StoreError> RedisTables::send(const Source& source, const Words& words) {
  const Command commands[] = {{"ASKING"}, views(words)};
  return connection_to(source).send_all(std::span(commands).subspan(source.asks ? 0 : 1), soon());
}

Result<RedisReply, StoreError> RedisTables::receive(Source& source) {
  auto& connection = connection_to(source);
  if (source.asks)
    if (const auto ready = connection.receive(soon()); !ready) return ready.error();
  auto reply = connection.receive(soon(), scan_limits);
  const auto error = reply ? reply->error() : std::nullopt;
  if (!error) return reply;
  auto told = to_store_error(*error);
  told.text = printable(source.place->server()) + ": " + told.text;
  if (const auto way = context_.topology().redirected(*error, source.place)) {
    was_redirected_ = true;
    source.asks = way->asks;
    if (way->asks) source.place = way->place;
    source.read_at.reset();
  }
  return told;
}

/// Unless it is known to stand there as it was read last.
Result<void, StoreError> RedisTables::read_table(Source& source) {
  const auto now = Clock::now();
  const bool has_news = std::any_of(sources_.begin(), sources_.end(), [](const Source& one) { return !one.read_at; });
  if (can_hear() && source.read_at && now < *source.read_at + options_.reread_every * (has_news ? 4 : 1)) return {};
  source.read_at.reset();
  auto entries = scan(source);
  if (!entries) return entries.error();
  source.text = std::move(*entries);
  source.read_at = now;
  return {};
}

/// A field may come twice, where the table grows meanwhile. Each page is asked for before the one before it is looked through: Redis and this thread work at the same time.
Result<TableText, StoreError> RedisTables::scan(Source& source) {
  TableText entries;
  const auto ask_for_page = [&](const std::string& cursor) {
    return send(source, {"HSCAN", source.key, cursor, "COUNT", std::to_string(scan_batch)});
  };
  auto sent = ask_for_page("0");
  for (bool is_last = false; !is_last;) {
    if (!sent) return sent.error();
    const auto reply = receive(source);
    if (!reply) return reply.error();
    if (reply->size() != 2 || !(*reply)[0].text()) return unexpected("HSCAN");
    const std::string cursor((*reply)[0].text().value());
    is_last = cursor == "0";
    if (!is_last) sent = ask_for_page(cursor);
    const auto page = (*reply)[1];
    for (std::size_t i = 0; i + 1 < page.size(); i += 2) {
      const auto field = page[i].text();
      const auto text = page[i + 1].text();
      if (!field || !text) return unexpected("HSCAN");
      entries.add(*field, *text);
    }
  }
  return entries;
}

/// Whether the table `blocked` that was read is still the one that stands there: a DEL of all of it between two pages of a scan
/// must not make what is missing look released.
Result<bool, StoreError> RedisTables::has_same_epoch(const TableText& read) {
  auto& blocked = source(Table::blocked);
  const auto reply = ask(blocked, {"HGET", blocked.key, "epoch"});
  if (!reply) return {boost::system::in_place_error, reply.error()};
  const auto found = std::find_if(read.begin(), read.end(), [](const auto& entry) { return entry.first == "epoch"; });
  return found == read.end() ? reply->is_nil() : reply->text() == std::optional<std::string_view>(found->second);
}

/// Which history of the data this is: another run of the server, or another line of replication, proves nothing by a gap.
/// Of several servers the one that holds `blocked` counts: only a missing block is ever taken for something.
Result<std::string, StoreError> RedisTables::history() {
  std::string out;
  for (const auto& [section, name] : {std::pair{"server", "run_id:"}, std::pair{"replication", "master_replid:"}}) {
    const auto info = ask(source(Table::blocked), {"INFO", section});
    if (!info) return {boost::system::in_place_error, info.error()};
    const auto value = info_value(info->text().value_or(""), name);
    if (value.empty()) return {boost::system::in_place_error, unexpected("INFO")};
    out += (out.empty() ? "" : " ") + std::string(value);
  }
  return out;
}

Result<Timestamp, StoreError> RedisTables::server_time() {
  const auto reply = ask(source(Table::blocked), {"TIME"});
  if (!reply) return reply.error();
  const auto seconds = reply->size() == 2 ? parse_number((*reply)[0].text().value_or("")) : std::nullopt;
  const auto micros = reply->size() == 2 ? parse_number((*reply)[1].text().value_or("")) : std::nullopt;
  if (!seconds || !micros || *seconds < 0 || *seconds > exact_bound / 1000 || *micros < 0 || *micros >= 1'000'000) return unexpected("TIME");
  const Timestamp now{std::chrono::seconds{*seconds} + Milliseconds{*micros / 1000}};
  context_.learn(now);
  return context_.clock_argument().empty() ? now : context_.now();
}

/// Whether there was any, or a listener can hear no more.
bool RedisTables::hear_announcements() {
  bool heard = false;
  for (auto& reader : readers_)
    while (reader.listener && reader.listener->is_open()) {
      const auto message = reader.listener->next_message(Clock::now(), waker_);
      heard = heard || !message || *message;
      if (!message || !*message) break;
      note_announcement(**message);
    }
  return heard;
}

/// The keys that changed stand third; nothing where all of them did (FLUSHALL).
void RedisTables::note_announcement(const RedisReply& message) {
  if (message.size() != 3 || message[2].size() == 0) return forget_all();
  for (std::size_t i = 0; i < message[2].size(); ++i) {
    const auto key = message[2][i].text();
    if (!key) return forget_all();
    forget(*key);
  }
}

void RedisTables::forget(std::string_view key) {
  for (auto& source : sources_)
    if (source.key == key) source.read_at.reset();
}

void RedisTables::forget_all() {
  for (auto& source : sources_) source.read_at.reset();
}

bool RedisTables::can_hear() const {
  return !readers_.empty() && std::all_of(readers_.begin(), readers_.end(), [](const Reader& reader) { return reader.listener && reader.is_good(); });
}

/// Whether another server holds a table by now. A server that was demoted may go on to answer, and to say nothing.
bool RedisTables::has_moved() const {
  return std::any_of(sources_.begin(), sources_.end(), [this](const Source& source) {
    const auto holder = context_.topology().place_of(source.key);
    return holder && *holder != source.holder;
  });
}

bool RedisTables::wait_for_change(Milliseconds at_most) {
  const auto end = Clock::now() + at_most;
  const bool hears = can_hear();
  bool is_new = false;
  const auto step = !hears || readers_.size() == 1 ? options_.poll_every : look_around_every;
  for (bool is_over = false; !is_over;) {
    const auto until = std::min<Deadline>(end, Clock::now() + step);
    is_over = !hears || until == end;
    if (hears && readers_.size() == 1) {
      const auto message = readers_.front().listener->next_message(until, waker_);
      is_new = is_new || !message || *message;
      if (message && *message) note_announcement(**message);
    } else {
      const auto left = std::chrono::ceil<Milliseconds>(until - Clock::now());
      pollfd watched{waker_.descriptor(), POLLIN, 0};
      is_new = ::poll(&watched, 1, static_cast<int>(std::max(left, Milliseconds{0}).count())) != 0 || hear_announcements() || is_new;
    }
    if (waker_.is_set()) {
      waker_.clear();
      forget_all();  // whoever wakes may know of a change before it is announced here
      is_new = true;
    }
    is_new = is_new || has_moved();
    is_over = is_over || is_new;
  }
  return is_new || (!hears && Clock::now() >= read_at_ + options_.poll_every);
}

}  // namespace quota
