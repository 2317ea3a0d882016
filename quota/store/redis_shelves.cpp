#include "quota/store/redis_shelves.hpp"

#include <algorithm>

#include "quota/encoding.hpp"
#include "quota/store/redis_scan.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::size_t texts_at_once = 500;
constexpr std::size_t listed_at_once = 100;
constexpr std::chrono::milliseconds answer_at_most{700};
/// A page of a shelf, or of orders.
constexpr ReplyLimits shelf_limits{.bytes = std::size_t{32} << 20, .elements = 40'000};

/// `[id, ["m", text]]`
std::optional<std::pair<std::string, std::string>> read_entry(const ReplyView& entry) {
  if (entry.size() != 2 || entry[1].size() < 2) return std::nullopt;
  const auto id = entry[0].text();
  const auto text = entry[1][1].text();
  if (!id || !text) return std::nullopt;
  return std::pair(std::string(*id), std::string(*text));
}

std::string number(std::int64_t value) { return std::to_string(value); }

}  // namespace

std::string RedisShelves::key_of(const Shelf& shelf) const {
  return context_.key(std::string(name(shelf.fate)) + ":{" + shelf.identity + "}:" + percent_encoded(shelf.host));
}

std::optional<Shelf> RedisShelves::shelf_of(std::string_view key) const {
  for (const auto fate : {Fate::held, Fate::sent}) {
    const auto begin = context_.key(std::string(name(fate)) + ":{");
    const auto end = key.rfind("}:");
    if (key.starts_with(begin) && end != std::string_view::npos && end >= begin.size())
      return Shelf{std::string(key.substr(begin.size(), end - begin.size())), decoded(key.substr(end + 2)), fate};
  }
  return std::nullopt;
}

SteadyMoment RedisShelves::patience_ends() { return Patience::begin() + answer_at_most; }

Result<RedisReply, StoreError> RedisShelves::ask(const Words& words, SteadyMoment until) {
  return context_.topology().ask(words[1], Command(words.begin(), words.end()), until, shelf_limits);
}

RedisShelves::Answers RedisShelves::ask_all(const std::vector<Words>& all, SteadyMoment until) {
  std::vector<RedisQuestion> questions;
  for (const auto& words : all) {
    auto& question = questions.emplace_back(RedisQuestion{words[1], {}});
    for (const auto& word : words) question.words.add(word);
  }
  return context_.topology().ask_each(questions, until, shelf_limits);
}

std::optional<Archive::Unwritten> RedisShelves::write(const Texts& texts, SteadyMoment until) {
  std::vector<Shelf> written;
  std::optional<StoreError> problem;
  for (auto next = texts.begin(); next != texts.end() && !problem; ++next) {
    problem = write_all(next->first, next->second, until);
    written.push_back(next->first);  // some of it may be there
  }
  // What was written is to be found, whatever became of the rest.
  const auto unlisted = list(written);
  if (problem) return Archive::Unwritten{texts.size() - written.size() + 1, *problem};
  if (unlisted) return Archive::Unwritten{written.size(), *unlisted};
  return std::nullopt;
}

std::optional<StoreError> RedisShelves::write_all(const Shelf& shelf, std::span<const std::string> texts, SteadyMoment until) {
  for (; !texts.empty(); texts = texts.subspan(std::min(texts.size(), texts_at_once))) {
    if (std::chrono::steady_clock::now() >= until)
      return StoreError{StoreErrorKind::timed_out, Executed::no, "the store takes less queue ids than there are to write"};
    if (const auto problem = write_one(shelf, texts.first(std::min(texts.size(), texts_at_once)))) return problem;
  }
  return std::nullopt;
}

std::optional<StoreError> RedisShelves::write_one(const Shelf& shelf, std::span<const std::string> texts) {
  const auto key = key_of(shelf);
  const auto oldest = std::chrono::floor<std::chrono::seconds>((now_() - kept_for(shelf.fate)).time_since_epoch()).count();
  const std::string head[] = {number(static_cast<std::int64_t>(bounds_.queue_ids)), number(oldest), number(kept_for(shelf.fate).count())};
  Command arguments(std::begin(head), std::end(head));
  arguments.insert(arguments.end(), texts.begin(), texts.end());
  const std::string_view keys[] = {key};
  const auto reply = context_.topology().eval(scripts::shelve(), keys, arguments, context_.deadline());
  if (!reply) return reply.error();
  return std::nullopt;
}

RedisShelves::Place RedisShelves::own_place(const Shelf& shelf) const {
  return {context_.key("shelves:{" + shelf.identity + "}"), std::string(name(shelf.fate)) + " " + percent_encoded(shelf.host)};
}

RedisShelves::Place RedisShelves::common_place(const Shelf& shelf) const {
  return {context_.key("held-shelves"), percent_encoded(shelf.host) + " " + shelf.identity};
}

std::optional<StoreError> RedisShelves::list(std::span<const Shelf> shelves) {
  const auto now = number(now_().time_since_epoch().count());
  const auto cut = number(-static_cast<std::int64_t>(Archive::most_shelves) - 1);
  const auto kept = number(std::max(bounds_.held_for, bounds_.queued_for).count());
  for (; !shelves.empty(); shelves = shelves.subspan(std::min(shelves.size(), listed_at_once))) {
    std::vector<Words> all;
    for (const auto& shelf : shelves.first(std::min(shelves.size(), listed_at_once))) {
      auto places = std::vector{own_place(shelf)};
      if (shelf.fate == Fate::held) places.push_back(common_place(shelf));
      for (const auto& [key, entry] : places) {
        all.push_back({"ZADD", key, now, entry});
        all.push_back({"ZREMRANGEBYRANK", key, "0", cut});
        all.push_back({"PEXPIRE", key, kept});
      }
    }
    for (const auto& answer : ask_all(all))
      if (!answer) return answer.error();
  }
  return std::nullopt;
}

Result<std::vector<Shelf>, StoreError> RedisShelves::listed(const std::optional<Identity>& identity) {
  const auto key = identity ? own_place({identity->text(), "", Fate::held}).key : common_place({}).key;
  const auto reply = ask({"ZREVRANGE", key, "0", number(Archive::most_shelves - 1)});
  if (!reply) return reply.error();
  std::vector<Shelf> shelves;
  for (std::size_t i = 0; i < reply->size(); ++i) {
    const auto entry = (*reply)[i].text().value_or("");
    const auto blank = entry.find(' ');
    if (blank == std::string_view::npos) continue;
    const auto first = entry.substr(0, blank), second = entry.substr(blank + 1);
    if (identity && first != name(Fate::held) && first != name(Fate::sent)) continue;
    if (identity)
      shelves.push_back({identity->text(), decoded(second), first == name(Fate::held) ? Fate::held : Fate::sent});
    else
      shelves.push_back({std::string(second), decoded(first), Fate::held});
  }
  return shelves;
}

Result<std::vector<ShelfCount>, StoreError> RedisShelves::shelves(const std::optional<Identity>& identity) {
  const auto known = listed(identity);
  if (!known) return known.error();
  std::vector<Words> questions;
  for (const auto& shelf : *known) {
    questions.push_back({"XLEN", key_of(shelf)});
    questions.push_back({"XRANGE", key_of(shelf), "-", "+", "COUNT", "1"});
  }
  const auto answers = ask_all(questions);
  std::vector<ShelfCount> counts;
  for (std::size_t i = 0; i < known->size(); ++i) {
    const auto& length = answers[2 * i];
    const auto& first = answers[2 * i + 1];
    if (!length) return length.error();
    if (!first) return first.error();
    const auto entry = first->size() == 1 ? read_entry((*first)[0]) : std::nullopt;
    if (entry) counts.push_back({(*known)[i], length->integer().value_or(0), moment_of_message(entry->second)});
  }
  return counts;
}

Result<ShelfPage, StoreError> RedisShelves::page(const Shelf& shelf, const std::string& from, std::size_t count) {
  const auto own = parse_identity(shelf.identity);
  const auto reply = ask({"XRANGE", key_of(shelf), from.empty() ? "-" : "(" + from, "+", "COUNT", number(static_cast<std::int64_t>(count))});
  if (!reply) return reply.error();
  ShelfPage page;
  const auto oldest = now_() - kept_for(shelf.fate);
  for (std::size_t i = 0; i < reply->size(); ++i) {
    const auto entry = read_entry((*reply)[i]);
    if (!entry) continue;
    page.next = entry->first;
    auto mail = own ? parse_queued_mail(entry->second, *own) : std::nullopt;
    if (!mail || mail->at < oldest) continue;
    mail->host = shelf.host;
    page.rows.push_back({entry->first, std::move(*mail)});
  }
  if (reply->size() < count) page.next.clear();
  return page;
}

Result<void, StoreError> RedisShelves::find(const std::string& queue_id, SteadyMoment until, Search& search) {
  for (const auto& key_there : context_.topology().key_on_each_server(context_.key("held"))) {
    std::string cursor = "0";
    do {
      if (std::chrono::steady_clock::now() >= until) search.is_complete = false;
      if (!search.is_complete) return {};
      const auto keys = next_keys(context_, key_there, context_.key("[hs]e[ln][dt]:*"), "stream", cursor, Patience::begin() + answer_at_most);
      if (!keys) return keys.error();
      for (const auto& key : *keys)
        if (const auto shelf = shelf_of(key))
          if (const auto found = find_on(*shelf, queue_id, until, search); !found) return found;
    } while (cursor != "0");
  }
  return {};
}

Result<void, StoreError> RedisShelves::find_on(const Shelf& shelf, const std::string& queue_id, SteadyMoment until, Search& search) {
  std::string from;
  do {
    if (std::chrono::steady_clock::now() >= until) search.is_complete = false;
    if (!search.is_complete) return {};
    const auto next = page(shelf, from, Archive::most_of_page);
    if (!next) return next.error();
    for (const auto& row : next->rows)
      if (row.mail.queue_id == queue_id) search.add({shelf.identity, past_message_of(row.mail, shelf.fate)});
    from = next->next;
  } while (!from.empty());
  return {};
}

Result<std::vector<QueuedMail>, StoreError> RedisShelves::mail_at(const Shelf& shelf, std::span<const std::string> places) {
  std::vector<QueuedMail> all;
  const auto own = parse_identity(shelf.identity);
  if (!own) return all;
  std::vector<Words> questions;
  for (const auto& place : places) questions.push_back({"XRANGE", key_of(shelf), place, place});
  for (const auto& answer : ask_all(questions)) {
    if (!answer) return answer.error();
    const auto entry = answer->size() == 1 ? read_entry((*answer)[0]) : std::nullopt;
    auto mail = entry ? parse_queued_mail(entry->second, *own) : std::nullopt;
    if (!mail) continue;
    mail->host = shelf.host;
    all.push_back(std::move(*mail));
  }
  return all;
}

Result<void, StoreError> RedisShelves::take_away(const Shelf& shelf, std::span<const std::string> places) {
  if (places.empty()) return {};
  const auto key = key_of(shelf);
  Words words{"XDEL", key};
  words.insert(words.end(), places.begin(), places.end());
  if (const auto removed = ask(words); !removed) return removed.error();
  const auto left = ask({"XLEN", key});
  if (!left) return left.error();
  if (left->integer() != 0) return {};
  if (const auto problem = unlist(shelf)) return *problem;
  // What came meanwhile is to be found.
  const auto now = ask({"XLEN", key});
  if (!now) return now.error();
  if (now->integer() == 0) return {};
  if (const auto problem = list({&shelf, 1})) return *problem;
  return {};
}

std::optional<StoreError> RedisShelves::unlist(const Shelf& shelf) {
  for (const auto& [key, entry] : {own_place(shelf), common_place(shelf)})
    if (const auto gone = ask({"ZREM", key, entry}); !gone) return gone.error();
  return std::nullopt;
}

}  // namespace quota
