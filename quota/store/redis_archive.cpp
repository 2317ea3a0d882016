#include "quota/store/redis_archive.hpp"

#include <algorithm>

#include "quota/text.hpp"

namespace quota {
namespace {

/// Scripts in one piece: what a message of another connection waits for at most, about a millisecond of Redis.
constexpr std::size_t scripts_at_once = 32;
constexpr ReplyLimits chronicle_limits{.bytes = std::size_t{4} << 20, .elements = 4096};

std::int64_t milliseconds(Milliseconds duration) { return duration.count(); }
std::int64_t milliseconds(Timestamp at) { return at.time_since_epoch().count(); }

RedisQuestion run_of(const RedisScript& script, std::string_view key) {
  RedisQuestion question{key, {}, &script};
  question.words.add(1);
  question.words.add(key);
  return question;
}

StoreError unexpected(std::string_view what) {
  return {StoreErrorKind::nonsense, Executed::possibly, "the store answered something else than " + std::string(what)};
}

}  // namespace

std::string RedisArchive::history_key(const Identity& identity) const { return context_.key("history:{" + identity.text() + "}"); }
std::string RedisArchive::messages_key(const Identity& identity) const { return context_.key("messages:{" + identity.text() + "}"); }
std::string RedisArchive::top_key(Kind kind, Measure measure, std::int64_t hour) const {
  return context_.key("top:" + std::string(quota::name(kind)) + ":" + std::string(quota::name(measure)) + ":" + std::to_string(hour));
}

std::optional<Archive::Unwritten> RedisArchive::write(std::span<const Note> notes) {
  std::optional<Unwritten> unwritten;
  Rankings rankings;
  while (!notes.empty()) {
    const auto some = notes.first(std::min(notes.size(), scripts_at_once / 2));
    notes = notes.subspan(some.size());
    const auto answers = write_some(some, rankings);
    const auto failed = static_cast<std::size_t>(std::count_if(answers.begin(), answers.end(), [](const auto& one) { return one.has_error(); }));
    if (failed == 0) continue;
    if (!unwritten) unwritten = {0, std::find_if(answers.begin(), answers.end(), [](const auto& one) { return one.has_error(); })->error()};
    unwritten->notes += std::min(failed, some.size());
    if (failed < answers.size()) continue;
    // Where nothing is answered, the rest would only wait for it as well.
    unwritten->notes += notes.size();
    break;
  }
  write(rankings);
  return unwritten;
}

RedisArchive::Answers RedisArchive::write_some(std::span<const Note> notes, Rankings& rankings) {
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
      words.add(milliseconds(last));
      words.add(messages);
    }
  }
  for (const auto& note : notes) {
    if (note.messages.empty()) continue;
    auto& words = questions.emplace_back(run_of(scripts::keep(), keys.emplace_back(messages_key(note.identity)))).words;
    words.add(static_cast<std::int64_t>(bounds_.messages));
    words.add(milliseconds(bounds_.messages_for));
    words.add(now);
    for (const auto& message : note.messages) words.add(format(message, note.identity.value));
  }
  auto answers = context_.topology().ask_each(questions, context_.deadline());
  for (std::size_t i = 0; i < notes.size(); ++i)
    if (answers[i]) rank(notes[i], *answers[i], rankings);
  return answers;
}

void RedisArchive::rank(const Note& note, const RedisReply& hours, Rankings& rankings) {
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

void RedisArchive::write(const Rankings& rankings) {
  std::vector<std::string> keys;
  keys.reserve(rankings.size());
  std::vector<RedisQuestion> questions;
  for (const auto& [place, all] : rankings) {
    auto greatest = all;
    std::sort(greatest.begin(), greatest.end(), [](const Ranked& one, const Ranked& other) { return one.amount > other.amount; });
    if (greatest.size() > ranked_of_hour) greatest.resize(ranked_of_hour);
    const auto& [hour, kind, measure] = place;
    auto& words = questions.emplace_back(run_of(scripts::rank(), keys.emplace_back(top_key(kind, measure, hour)))).words;
    words.add(static_cast<std::int64_t>(ranked_of_hour));
    words.add(milliseconds(bounds_.hours_for));
    for (const auto& [identity, amount] : greatest) {
      words.add(amount);
      words.add(identity);
    }
  }
  const auto answers = context_.topology().ask_each(questions, context_.deadline());
  std::size_t next = 0;
  for (const auto& [place, all] : rankings)
    if (const auto& answer = answers[next++])
      if (const auto least = answer->integer()) least_[place] = *least;
  const auto oldest = five_of(now_() - std::chrono::hours{2}) / fives_of_hour;
  std::erase_if(least_, [oldest](const auto& one) { return std::get<0>(one.first) < oldest; });
}

Result<Chronicle, StoreError> RedisArchive::read(const Identity& identity) {
  const auto history = history_key(identity);
  const auto messages = messages_key(identity);
  std::vector<RedisQuestion> questions{{history, {}}, {messages, {}}};
  for (const std::string_view word : {"HGETALL", history.c_str()}) questions[0].words.add(word);
  for (const std::string_view word : {"LRANGE", messages.c_str(), "0", "-1"}) questions[1].words.add(word);
  const auto answers = context_.topology().ask_each(questions, context_.deadline(), chronicle_limits);
  for (const auto& answer : answers)
    if (!answer) return answer.error();
  HistoryText text;
  for (std::size_t i = 0; i + 1 < answers[0]->size(); i += 2) {
    const auto field = (*answers[0])[i].text();
    const auto value = (*answers[0])[i + 1].text();
    if (!field || !value) return unexpected("a history");
    text.emplace_back(*field, *value);
  }
  Chronicle chronicle{parse_history(text), {}};
  forget_passed(chronicle.history, bounds_, now_());
  for (auto i = answers[1]->size(); i > 0; --i)
    if (auto message = parse_past_message((*answers[1])[i - 1].text().value_or(""), identity.value); message && message->at >= now_() - bounds_.messages_for)
      chronicle.messages.push_back(std::move(*message));
  return chronicle;
}

Result<std::vector<Ranked>, StoreError> RedisArchive::top(const TopQuestion& question) {
  std::vector<std::vector<Ranked>> hours;
  for (auto first = question.first_hour; first <= question.last_hour; first += static_cast<std::int64_t>(scripts_at_once)) {
    const auto last = std::min(question.last_hour, first + static_cast<std::int64_t>(scripts_at_once) - 1);
    std::vector<std::string> keys;
    std::vector<RedisQuestion> questions;
    for (auto hour = first; hour <= last; ++hour) keys.push_back(top_key(question.kind, question.measure, hour));
    for (const auto& key : keys) {
      auto& words = questions.emplace_back(RedisQuestion{key, {}}).words;
      for (const std::string_view word : {"ZREVRANGE", key.c_str(), "0", "-1", "WITHSCORES"}) words.add(word);
    }
    for (const auto& answer : context_.topology().ask_each(questions, context_.deadline())) {
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

}  // namespace quota
