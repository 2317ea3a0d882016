#include "quota/history.hpp"

#include <algorithm>

#include "quota/tab_text.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::int64_t most = exact_bound - 1;
constexpr std::string_view same_sender = "=";
constexpr std::string_view discarded = "discard";

constexpr std::int64_t bounded_sum(std::int64_t one, std::int64_t other) { return one > most - other ? most : one + other; }

std::int64_t seconds(Timestamp at) { return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count(); }

std::optional<Timestamp> moment(std::string_view text) {
  const auto number = parse_number(text);
  if (!number || *number > most / 1000) return std::nullopt;
  return Timestamp{std::chrono::seconds{*number}};
}

/// What most hours of most senders are.
const Tally one_message{{1, 0, 0}, {1, 0, 0}};

/// `NUMBER aTALLYbTALLY NUMBER …`, where `all` is by NUMBER * parts + the place of the letter.
std::string blocks_text(const std::map<std::int64_t, Tally>& all, std::int64_t parts) {
  std::string text;
  std::optional<std::int64_t> open;
  for (const auto& [at, tally] : all) {
    if (tally == Tally{}) continue;
    if (open != at / parts) {
      if (!text.empty()) text += ' ';
      text += std::to_string(*(open = at / parts)) + ' ';
    }
    text += static_cast<char>('a' + at % parts);
    if (tally != one_message) text += format(tally);
  }
  return text;
}

/// Of `aTALLYbTALLY…`; `first` is what a is.
void add_parts(std::map<std::int64_t, Tally>& all, std::string_view word, std::int64_t first, std::int64_t parts) {
  while (!word.empty()) {
    const auto part = std::int64_t{word.front()} - 'a';
    word.remove_prefix(1);
    const auto text = word.substr(0, word.find_first_not_of("0123456789,"));
    word.remove_prefix(text.size());
    const auto tally = text.empty() ? one_message : parse_tally(text);
    if (part >= 0 && part < parts && tally) all[first + part] += *tally;
  }
}

std::map<std::int64_t, Tally> parse_blocks(std::string_view text, std::int64_t parts, Milliseconds each) {
  std::map<std::int64_t, Tally> all;
  std::optional<std::int64_t> open;
  while (!text.empty()) {
    const auto word = next_word(text);
    if (word.front() >= '0' && word.front() <= '9') {
      open = parse_number(word);
      if (open && *open >= most / parts / each.count()) open.reset();  // a moment is within what is exact
      continue;
    }
    if (open) add_parts(all, word, *open * parts, parts);
  }
  return all;
}

std::string networks_text(const std::vector<NetworkSeen>& networks) {
  std::string text;
  for (const auto& one : networks) {
    if (!text.empty()) text += ' ';
    text += one.network + "=" + std::to_string(seconds(one.last)) + "," + std::to_string(one.messages);
  }
  return text;
}

std::vector<NetworkSeen> parse_networks(std::string_view text) {
  std::vector<NetworkSeen> networks;
  while (!text.empty()) {
    const auto word = next_word(text);
    const auto equals = word.find('=');
    const auto comma = word.find(',', equals == std::string_view::npos ? word.size() : equals);
    if (comma == std::string_view::npos) continue;
    const auto last = moment(word.substr(equals + 1, comma - equals - 1));
    const auto messages = parse_number(word.substr(comma + 1));
    if (last && messages && *messages <= most) networks.push_back({std::string(word.substr(0, equals)), *last, *messages});
  }
  return networks;
}

void add_networks(History& history, const std::vector<NetworkSeen>& more, std::size_t most_networks) {
  for (auto one = more.rbegin(); one != more.rend(); ++one) {  // so that the newest comes to the front last
    auto& all = history.networks;
    auto seen = *one;
    if (const auto known = std::find_if(all.begin(), all.end(), [&](const NetworkSeen& other) { return other.network == one->network; }); known != all.end()) {
      seen.messages = bounded_sum(seen.messages, known->messages);
      all.erase(known);
    }
    all.insert(all.begin(), seen);
  }
  if (history.networks.size() > most_networks) history.networks.resize(most_networks);
}

}  // namespace

Fate fate_of(Action action) {
  if (action == Action::accept) return Fate::sent;
  return action == Action::quarantine ? Fate::held : Fate::refused;
}

void Tally::add(Fate fate, std::int64_t recipients_of_it) {
  const auto which = static_cast<std::size_t>(fate);
  messages[which] = bounded_sum(messages[which], 1);
  recipients[which] = bounded_sum(recipients[which], recipients_of_it);
}

Tally& Tally::operator+=(const Tally& more) {
  for (std::size_t i = 0; i < fates; ++i) {
    messages[i] = bounded_sum(messages[i], more.messages[i]);
    recipients[i] = bounded_sum(recipients[i], more.recipients[i]);
  }
  return *this;
}

std::string format(const Tally& tally) {
  std::string text;
  std::size_t commas = 0;  // not written yet
  const auto add = [&](std::int64_t number) {
    if (number != 0) text.append(std::exchange(commas, 0), ',').append(std::to_string(number));
    ++commas;
  };
  for (const auto number : tally.messages) add(number);
  if (tally.recipients == tally.messages) return text;
  for (const auto number : tally.recipients) add(number);
  if (commas > fates) text.append(commas - fates, ',').append("0");  // no recipients, where as many as messages would be understood
  return text;
}

std::optional<Tally> parse_tally(std::string_view text) {
  Tally tally;
  std::size_t place = 0;
  for (const auto word : split(text, ',')) {
    if (place == 2 * fates) return std::nullopt;
    const auto number = word.empty() ? std::optional<std::int64_t>(0) : parse_number(word);
    if (!number || *number > most) return std::nullopt;
    (place < fates ? tally.messages[place] : tally.recipients[place - fates]) = *number;
    ++place;
  }
  if (place <= fates) tally.recipients = tally.messages;
  return tally;
}

std::int64_t five_of(Timestamp at) { return at.time_since_epoch() / std::chrono::minutes{5}; }

std::string network_of(const IpAddress& client) { return client.masked(client.is_v4() ? 24 : 48).text() + (client.is_v4() ? "/24" : "/48"); }

HistoryText format(const History& history) {
  HistoryText fields;
  if (history.first) fields.emplace_back("first", std::to_string(seconds(*history.first)));
  if (!history.hours.empty()) fields.emplace_back("hours", blocks_text(history.hours, hours_of_day));
  if (!history.fives.empty()) fields.emplace_back("fives", blocks_text(history.fives, fives_of_hour));
  if (!history.networks.empty()) fields.emplace_back("networks", networks_text(history.networks));
  return fields;
}

History parse_history(const HistoryText& fields) {
  History history;
  for (const auto& [field, text] : fields) {
    if (field == "first")
      history.first = moment(text);
    else if (field == "hours")
      history.hours = parse_blocks(text, hours_of_day, std::chrono::hours{1});
    else if (field == "fives")
      history.fives = parse_blocks(text, fives_of_hour, std::chrono::minutes{5});
    else if (field == "networks")
      history.networks = parse_networks(text);
  }
  return history;
}

std::string format(const PastMessage& message, std::string_view own) {
  std::string line = std::to_string(seconds(message.at));
  line.reserve(256);
  const auto add = [&line](std::string_view word) {
    line += '\t';
    append_escaped(line, word, PastMessage::longest_text);
  };
  const bool is_usual = message.action == Action::accept && message.cause == Cause::within;
  add(is_usual ? "" : message.is_discarded ? discarded : name(message.action));
  add(is_usual ? "" : name(message.cause));
  for (const auto* const word : {&message.quota, &message.queue_id, &message.host, &message.client}) add(*word);
  if (!own.empty() && message.mail_from == own)
    add(same_sender);
  else if (message.mail_from.starts_with(same_sender))
    add(std::string(same_sender) + message.mail_from);
  else
    add(message.mail_from);
  add(message.script);
  add(message.mark);
  const auto listed = message.first_recipients.size();
  add(message.recipients == 1 ? "" : std::to_string(message.recipients));
  add(std::cmp_equal(listed, message.recipients) ? "" : std::to_string(listed));
  for (const auto& recipient : message.first_recipients) add(recipient);
  add(message.subject);
  for (const auto& [header, value] : message.headers) {
    add(header);
    add(value);
  }
  return line;
}

bool is_of_refusal(std::string_view text) {
  text.remove_prefix(std::min(text.size(), text.find('\t') + 1));
  const auto word = text.substr(0, text.find('\t'));
  return word == name(Action::tempfail) || word == name(Action::reject) || word == discarded;
}

Timestamp moment_of_message(std::string_view text) {
  const auto seconds = parse_number(text.substr(0, text.find('\t')));
  return seconds && *seconds <= most / 1000 ? Timestamp{std::chrono::seconds{*seconds}} : Timestamp{};
}

std::optional<PastMessage> parse_past_message(std::string_view text, std::string_view own) {
  auto words = split_words(text);
  constexpr std::size_t head = 12;
  if (words.size() <= head) return std::nullopt;
  const auto at = moment_of_message(text);
  const bool is_usual = words[1].empty() && words[2].empty();
  const bool is_discarded = words[1] == discarded;
  const auto action = is_usual ? Action::accept : is_discarded ? Action::reject : action_called(words[1]);
  const auto cause = is_usual ? Cause::within : cause_called(words[2]);
  const auto recipients = words[10].empty() ? std::optional<std::int64_t>(1) : parse_number(words[10]);
  const auto listed = parse_number<std::size_t>(!words[11].empty() ? words[11] : recipients ? std::to_string(*recipients) : "");
  if (at == Timestamp{} || !action || !cause || !recipients || !listed || *listed >= words.size() - head) return std::nullopt;
  const auto subject = head + *listed;
  if ((words.size() - subject - 1) % 2 != 0) return std::nullopt;
  if (words[7] == same_sender)
    words[7] = own;
  else if (words[7].starts_with(same_sender))
    words[7].erase(0, same_sender.size());
  PastMessage message{at,       *action,  is_discarded, *cause,   words[3], words[4], words[5], words[6], words[7], words[8], *recipients,
                      {words.begin() + head, words.begin() + static_cast<std::ptrdiff_t>(subject)}, words[9], words[subject], {}};
  for (auto i = subject + 1; i < words.size(); i += 2) message.headers.emplace_back(std::move(words[i]), std::move(words[i + 1]));
  return message;
}

Timestamp first_moment(const Note& note) {
  return note.first > Timestamp{} ? Timestamp{std::chrono::seconds{seconds(note.first)}} : Timestamp{std::chrono::minutes{5} * note.fives.begin()->first};
}

void add(History& history, const Note& note, const HistoryBounds& bounds, Timestamp now) {
  if (!history.first && !note.fives.empty()) history.first = first_moment(note);
  for (const auto& [five, tally] : note.fives) {
    history.fives[five] += tally;
    history.hours[five / fives_of_hour] += tally;
  }
  add_networks(history, note.networks, bounds.networks);
  forget_passed(history, bounds, now);
}

void forget_passed(History& history, const HistoryBounds& bounds, Timestamp now) {
  const auto first_hour = first_hour_kept(bounds, now);
  const auto first_five = five_of(now - bounds.fives_for) / fives_of_hour * fives_of_hour;
  history.hours.erase(history.hours.begin(), history.hours.lower_bound(first_hour));
  history.fives.erase(history.fives.begin(), history.fives.lower_bound(first_five));
}

std::int64_t first_hour_kept(const HistoryBounds& bounds, Timestamp now) {
  return five_of(now - bounds.hours_for) / fives_of_hour / hours_of_day * hours_of_day;
}

std::int64_t networks_since(const History& history, std::int64_t hour) {
  const Timestamp since{std::chrono::hours{hour}};
  return std::count_if(history.networks.begin(), history.networks.end(), [since](const NetworkSeen& one) { return one.last >= since; });
}

}  // namespace quota
