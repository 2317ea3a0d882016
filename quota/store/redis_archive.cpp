#include "quota/store/redis_archive.hpp"

#include <algorithm>
#include <unordered_set>

#include "quota/store/redis_scan.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

/// Scripts in one piece: what a message of another connection waits for at most, about a millisecond of Redis.
constexpr std::size_t scripts_at_once = 32;
constexpr std::size_t rankings_at_once = 8;  // of a hundred each
constexpr std::size_t lists_at_once = 16;     // that are looked through
constexpr std::size_t messages_at_once = 500;
constexpr std::chrono::milliseconds read_at_most{700};  // so that who asks is told within a second that there is no answer
constexpr std::chrono::minutes least_for{1};
/// Of a sender with all that the greatest settings keep; one with the usual ones has 100 kB.
constexpr ReplyLimits chronicle_limits{.bytes = std::size_t{32} << 20, .elements = 4096};

std::int64_t milliseconds(Milliseconds duration) { return duration.count(); }
std::int64_t milliseconds(Timestamp at) { return at.time_since_epoch().count(); }

RedisQuestion run_of(const RedisScript& script, std::string_view key) {
  RedisQuestion question{key, {}, &script};
  question.words.add(1);
  question.words.add(key);
  return question;
}

/// As many of the first as go into one piece.
std::span<const Note> some_of(std::span<const Note> notes) {
  std::size_t count = 0;
  for (std::size_t messages = 0; count < std::min(notes.size(), scripts_at_once / 2); ++count) {
    messages += notes[count].messages.size();
    if (count > 0 && messages > messages_at_once) break;
  }
  return notes.first(count);
}

StoreError too_slow() { return {StoreErrorKind::timed_out, Executed::no, "the store takes less than there is to write"}; }

StoreError unexpected(std::string_view what) {
  return {StoreErrorKind::nonsense, Executed::possibly, "the store answered something else than " + std::string(what)};
}

}  // namespace

std::string RedisArchive::history_key(const Identity& identity) const { return context_.key("history:{" + identity.text() + "}"); }
std::string RedisArchive::messages_key(const Identity& identity) const { return context_.key("messages:{" + identity.text() + "}"); }
std::string RedisArchive::top_key(Kind kind, Measure measure, std::int64_t hour) const {
  return context_.key("top:" + std::string(quota::name(kind)) + ":" + std::string(quota::name(measure)) + ":" + std::to_string(hour));
}

std::optional<Archive::Unwritten> RedisArchive::write(std::span<const Note> notes, SteadyMoment until) {
  std::optional<Unwritten> unwritten;
  const auto note_error = [&](std::size_t count, const StoreError& why) {
    if (!unwritten) unwritten = {0, why};
    unwritten->notes += count;
  };
  Rankings rankings;
  RedisShelves::Texts shelved;
  while (!notes.empty()) {
    if (std::chrono::steady_clock::now() >= until) {
      note_error(notes.size(), too_slow());
      break;
    }
    const auto some = some_of(notes);
    notes = notes.subspan(some.size());
    const auto answers = write_some(some, rankings, shelved);
    const auto failed = static_cast<std::size_t>(std::count_if(answers.begin(), answers.end(), [](const auto& one) { return one.has_error(); }));
    if (failed == 0) continue;
    const auto why = std::find_if(answers.begin(), answers.end(), [](const auto& one) { return one.has_error(); })->error();
    note_error(std::min(failed, some.size()), why);
    if (failed < answers.size()) continue;
    note_error(notes.size(), why);  // where nothing is answered, the rest would only wait for it as well
    break;
  }
  if (const auto problem = shelves_.write(shelved, until)) note_error(problem->notes, problem->why);
  if (const auto problem = write(rankings, until)) note_error(0, *problem);
  return unwritten;
}

RedisArchive::Answers RedisArchive::write_some(std::span<const Note> notes, Rankings& rankings, RedisShelves::Texts& shelved) {
  std::vector<std::string> keys;
  keys.reserve(2 * notes.size());
  std::vector<RedisQuestion> questions;
  const auto now = milliseconds(now_());
  for (const auto& note : notes) {
    auto& words = questions.emplace_back(run_of(scripts::note(), keys.emplace_back(history_key(note.identity)))).words;
    for (const auto number : {now, milliseconds(bounds_.hours_for), milliseconds(bounds_.fives_for), static_cast<std::int64_t>(bounds_.networks),
                              static_cast<std::int64_t>(note.fives.size())})
      words.add(number);
    for (const auto& [five, tally] : note.fives) {
      words.add(five);
      words.add(format(tally));
    }
    words.add(static_cast<std::int64_t>(note.networks.size()));
    for (const auto& [network, last, messages] : note.networks) {
      words.add(network);
      words.add(std::chrono::floor<std::chrono::seconds>(last.time_since_epoch()).count());
      words.add(messages);
    }
    if (!note.fives.empty()) words.add(std::chrono::floor<std::chrono::seconds>(first_moment(note).time_since_epoch()).count());
  }
  for (const auto& note : notes) {
    if (note.messages.empty()) continue;
    auto& words = questions.emplace_back(run_of(scripts::keep(), keys.emplace_back(messages_key(note.identity)))).words;
    words.add(static_cast<std::int64_t>(bounds_.messages));
    words.add(static_cast<std::int64_t>(bounds_.refusals()));
    words.add(milliseconds(bounds_.messages_for));
    words.add(now);
    words.add(milliseconds(bounds_.queue_ids > 0 ? bounds_.queued_for : bounds_.messages_for));
    for (const auto& message : note.messages) words.add(format(message, note.identity.value));
  }
  auto answers = context_.topology().ask_each(questions, context_.deadline());
  auto kept = notes.size();
  for (std::size_t i = 0; i < notes.size(); ++i) {
    if (answers[i]) rank(notes[i], *answers[i], rankings);
    const auto* const gone = notes[i].messages.empty() ? nullptr : &answers[kept++];
    shelve(notes[i], gone && *gone ? &**gone : nullptr, shelved);
  }
  return answers;
}

/// What no longer is among the last messages, then what never was, then what is held.
void RedisArchive::shelve(const Note& note, const RedisReply* gone, RedisShelves::Texts& shelved) const {
  if (bounds_.queue_ids == 0) return;
  const auto identity = note.identity.text();
  const auto add = [&](const QueuedMail& mail, Fate fate) { shelved[{identity, mail.host, fate}].push_back(format(mail, note.identity)); };
  for (std::size_t i = 0; gone && i < gone->size(); ++i)
    if (const auto message = parse_past_message((*gone)[i].text().value_or(""), note.identity.value))
      if (const auto mail = queued_mail_of(*message, note.identity)) add(*mail, Fate::sent);
  for (const auto& mail : note.sent) add(mail, Fate::sent);
  for (const auto& mail : note.held) add(mail, Fate::held);
}

Result<std::vector<QueuedMail>, StoreError> RedisArchive::last_sent(const Identity& identity) {
  const auto key = messages_key(identity);
  const std::string_view words[] = {"LRANGE", key, "0", "-1"};
  const auto reply = context_.topology().ask(key, Command(words, words + std::size(words)), Patience::begin() + read_at_most, chronicle_limits);
  if (!reply) return reply.error();
  std::vector<QueuedMail> sent;
  const auto oldest = now_() - bounds_.queued_for;
  for (std::size_t i = 0; i < reply->size(); ++i) {
    const auto message = parse_past_message((*reply)[i].text().value_or(""), identity.value);
    auto mail = message && message->at >= oldest ? queued_mail_of(*message, identity) : std::nullopt;
    if (mail) sent.push_back(std::move(*mail));
  }
  return sent;
}

Result<std::vector<ShelfCount>, StoreError> RedisArchive::shelves(const std::optional<Identity>& identity) {
  auto counts = shelves_.shelves(identity);
  if (!counts || !identity) return counts;
  const auto last = last_sent(*identity);
  if (!last) return last.error();
  add_last_sent(*counts, identity->text(), *last);
  return counts;
}

Result<ShelfPage, StoreError> RedisArchive::page(const Shelf& shelf, const std::string& from, std::size_t count) {
  const auto identity = parse_identity(shelf.identity);
  if (!identity) return ShelfPage{};
  if (shelf.fate == Fate::held || !from.empty()) return shelves_.page(shelf, from, count);
  auto last = last_sent(*identity);
  if (!last) return last.error();
  return page_of_last(shelf.host, std::move(*last));
}

void RedisArchive::rank(const Note& note, const RedisReply& hours, Rankings& rankings) {
  if (note.identity.kind == Kind::everyone) return;  // there is one of it
  const auto identity = note.identity.text();
  for (std::size_t i = 0; i + 2 < hours.size(); i += 3) {
    const auto hour = hours[i].integer();
    const auto tally = parse_tally(hours[i + 1].text().value_or("?"));
    const auto networks = hours[i + 2].integer();
    if (!hour || !tally || !networks) continue;
    for (const auto measure : all_measures) {
      const auto amount = measured(*tally, *networks, measure);
      const std::tuple place{*hour, note.identity.kind, measure};
      if (amount > 0 && amount >= least_[place]) rankings[place].push_back({identity, amount});
    }
  }
}

std::optional<StoreError> RedisArchive::write(const Rankings& rankings, SteadyMoment until) {
  forget_least();
  std::vector<std::string> keys;
  keys.reserve(rankings.size());  // what questions refer to
  std::optional<StoreError> problem;
  for (auto next = rankings.begin(); next != rankings.end();) {
    if (std::chrono::steady_clock::now() >= until) return problem ? problem : too_slow();
    const auto first = next;
    std::vector<RedisQuestion> questions;
    for (; next != rankings.end() && questions.size() < rankings_at_once; ++next) {
      auto greatest = next->second;
      std::sort(greatest.begin(), greatest.end(), [](const Ranked& one, const Ranked& other) { return one.amount > other.amount; });
      if (greatest.size() > ranked_of_hour) greatest.resize(ranked_of_hour);
      const auto& [hour, kind, measure] = next->first;
      auto& words = questions.emplace_back(run_of(scripts::rank(), keys.emplace_back(top_key(kind, measure, hour)))).words;
      words.add(static_cast<std::int64_t>(ranked_of_hour));
      words.add(milliseconds(bounds_.hours_for));
      for (const auto& [identity, amount] : greatest) {
        words.add(amount);
        words.add(identity);
      }
    }
    auto place = first;
    for (const auto& answer : context_.topology().ask_each(questions, context_.deadline())) {
      const auto least = answer ? answer->integer() : std::nullopt;
      if (least)
        least_[place->first] = *least;
      else
        least_.erase(place->first);  // what it has by now is not known: everything is sent
      if (!answer && !problem) problem = answer.error();
      ++place;
    }
  }
  return problem;
}

void RedisArchive::forget_least() {
  const auto now = std::chrono::steady_clock::now();
  if (now < least_until_) return;
  least_until_ = now + least_for;
  least_.clear();
}

Result<History, StoreError> RedisArchive::history_in(const RedisReply& fields) const {
  HistoryText text;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    const auto field = fields[i].text();
    const auto value = fields[i + 1].text();
    if (!field || !value) return unexpected("a history");
    text.emplace_back(*field, *value);
  }
  auto history = parse_history(text);
  forget_passed(history, bounds_, now_());
  return history;
}

Result<std::vector<History>, StoreError> RedisArchive::histories(std::span<const Identity> identities) {
  const auto deadline = Patience::begin() + read_at_most;
  std::vector<History> all;
  while (!identities.empty()) {
    const auto some = identities.first(std::min(identities.size(), scripts_at_once));
    identities = identities.subspan(some.size());
    std::vector<std::string> keys;
    for (const auto& identity : some) keys.push_back(history_key(identity));
    std::vector<RedisQuestion> questions;
    for (const auto& key : keys) {
      auto& words = questions.emplace_back(RedisQuestion{key, {}}).words;
      for (const std::string_view word : {"HGETALL", key.c_str()}) words.add(word);
    }
    for (const auto& answer : context_.topology().ask_each(questions, deadline, chronicle_limits)) {
      if (!answer) return answer.error();
      auto history = history_in(*answer);
      if (!history) return history.error();
      all.push_back(std::move(*history));
    }
  }
  return all;
}

Result<Chronicle, StoreError> RedisArchive::read(const Identity& identity) {
  const auto history = history_key(identity);
  const auto messages = messages_key(identity);
  std::vector<RedisQuestion> questions{{history, {}}, {messages, {}}};
  for (const std::string_view word : {"HGETALL", history.c_str()}) questions[0].words.add(word);
  // As many as are kept here: another daemon's bound may be greater.
  const auto first = "-" + std::to_string(std::max<std::size_t>(1, bounds_.messages));
  for (const std::string_view word : {"LRANGE", messages.c_str(), first.c_str(), "-1"}) questions[1].words.add(word);
  if (bounds_.messages == 0) questions.pop_back();
  const auto answers = context_.topology().ask_each(questions, Patience::begin() + read_at_most, chronicle_limits);
  for (const auto& answer : answers)
    if (!answer) return answer.error();
  auto read = history_in(*answers[0]);
  if (!read) return read.error();
  Chronicle chronicle{std::move(*read), {}};
  if (answers.size() < 2) return chronicle;
  for (auto i = answers[1]->size(); i > 0; --i)
    if (auto message = parse_past_message((*answers[1])[i - 1].text().value_or(""), identity.value); message && message->at >= now_() - bounds_.messages_for)
      chronicle.messages.push_back(std::move(*message));
  return chronicle;
}

Result<std::vector<Ranked>, StoreError> RedisArchive::top(const TopQuestion& question) {
  const auto deadline = Patience::begin() + read_at_most;
  const auto first_hour = std::max(question.first_hour, first_hour_kept(bounds_, now_()));
  std::vector<std::vector<Ranked>> hours;
  for (auto first = first_hour; first <= question.last_hour; first += static_cast<std::int64_t>(scripts_at_once)) {
    const auto last = std::min(question.last_hour, first + static_cast<std::int64_t>(scripts_at_once) - 1);
    std::vector<std::string> keys;
    std::vector<RedisQuestion> questions;
    for (auto hour = first; hour <= last; ++hour) keys.push_back(top_key(question.kind, question.measure, hour));
    for (const auto& key : keys) {
      auto& words = questions.emplace_back(RedisQuestion{key, {}}).words;
      for (const std::string_view word : {"ZREVRANGE", key.c_str(), "0", "-1", "WITHSCORES"}) words.add(word);
    }
    for (const auto& answer : context_.topology().ask_each(questions, deadline)) {
      if (!answer) return answer.error();
      auto& ranked = hours.emplace_back();
      for (std::size_t i = 0; i + 1 < answer->size(); i += 2) {
        const auto amount = parse_number((*answer)[i + 1].text().value_or(""));
        if (amount) ranked.push_back({std::string((*answer)[i].text().value_or("")), *amount});
      }
    }
  }
  return merged(hours, question.measure, question.count);
}

Result<Search, StoreError> RedisArchive::find(const MessageName& name, std::size_t most, SteadyMoment until) {
  Search search;
  std::unordered_set<std::string> seen;  // SCAN may tell of a key more than once
  for (const auto& key_there : context_.topology().key_on_each_server(context_.key("messages"))) {
    for (std::string cursor = "0";;) {
      search.is_complete = std::chrono::steady_clock::now() < until;
      if (!search.is_complete) break;
      auto lists = next_keys(context_, key_there, context_.key("messages:*"), "list", cursor, Patience::begin() + read_at_most);
      if (!lists) return lists.error();
      std::erase_if(*lists, [&seen](const std::string& list) { return !seen.insert(list).second; });
      if (const auto found = find_in(*lists, name, most, until, search); !found) return found.error();
      if (cursor == "0" || !search.is_complete) break;
    }
    if (!search.is_complete) break;
  }
  if (search.found.empty() && is_queue_id(name.queue_id()))
    if (const auto found = shelves_.find(name.queue_id(), until, search); !found) return found.error();
  if (const auto failure = context_.topology().failure()) return *failure;
  sort_newest(search.found, most);
  return search;
}

Result<void, StoreError> RedisArchive::find_in(std::span<const std::string> lists, const MessageName& name, std::size_t most, SteadyMoment until, Search& search) {
  const auto prefix = context_.key("messages:{");
  const auto oldest = now_() - bounds_.messages_for;
  while (!lists.empty()) {
    search.is_complete = std::chrono::steady_clock::now() < until;
    if (!search.is_complete) return {};
    const auto some = lists.first(std::min(lists.size(), lists_at_once));
    lists = lists.subspan(some.size());
    search.senders += some.size();
    std::vector<RedisQuestion> questions;
    for (const auto& list : some) {
      auto& words = questions.emplace_back(run_of(scripts::find(), list)).words;
      for (const auto& text : name.texts()) words.add(text);
    }
    const auto answers = context_.topology().ask_each(questions, Patience::begin() + read_at_most, chronicle_limits);
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (!answers[i]) return answers[i].error();
      if (!some[i].starts_with(prefix) || !some[i].ends_with('}')) continue;
      const auto identity = some[i].substr(prefix.size(), some[i].size() - prefix.size() - 1);
      for (std::size_t n = 0; n < answers[i]->size(); ++n)
        if (auto message = parse_past_message((*answers[i])[n].text().value_or(""), value_in(identity)); message && message->at >= oldest && name.fits(*message))
          search.found.push_back({identity, std::move(*message)});
    }
    sort_newest(search.found, most);
  }
  return {};
}

}  // namespace quota
