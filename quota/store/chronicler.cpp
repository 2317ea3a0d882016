#include "quota/store/chronicler.hpp"

#include <algorithm>
#include <unordered_map>

#include "quota/store/quiet_thread.hpp"

namespace quota {
namespace {

struct HashOfIdentity {
  std::size_t operator()(const Identity& identity) const { return std::hash<std::string>()(identity.value) ^ static_cast<std::size_t>(identity.kind); }
};

void add_network(std::vector<NetworkSeen>& networks, const std::string& network, Timestamp at, std::size_t most) {
  if (!networks.empty() && networks.front().network == network) {
    networks.front().last = at;
    ++networks.front().messages;
    return;
  }
  auto seen = NetworkSeen{network, at, 1};
  if (const auto known = std::find_if(networks.begin(), networks.end(), [&](const NetworkSeen& one) { return one.network == seen.network; });
      known != networks.end()) {
    seen.messages += known->messages;
    networks.erase(known);
  }
  if (networks.size() >= most) networks.pop_back();
  networks.insert(networks.begin(), std::move(seen));
}

/// Of its texts, nearly.
std::size_t bytes_of(const Happening& happening) {
  std::size_t bytes = 0;
  for (const auto& identity : happening.identities) bytes += identity.value.size();
  const auto& message = happening.message;
  for (const auto* const text : {&message.quota, &message.queue_id, &message.host, &message.client, &message.mail_from, &message.script, &message.mark, &message.subject})
    bytes += text->size();
  for (const auto& recipient : message.first_recipients) bytes += recipient.size();
  for (const auto& [name, value] : message.headers) bytes += name.size() + value.size();
  return bytes;
}

/// How long a write may take: so long that all that comes meanwhile can be written as well, and never for longer than a stop can wait.
Milliseconds longest_write(Milliseconds write_every) {
  return std::clamp<Milliseconds>(write_every, std::chrono::seconds{1}, std::chrono::seconds{10});
}

constexpr std::size_t most_probes = 16;  // on a Cluster senders lie on several servers

/// Notes of nothing: when they are written, what cannot be is known.
std::vector<Note> probes_of(const std::vector<Note>& notes) {
  std::vector<Note> probes;
  for (const auto& note : notes) {
    if (probes.size() == most_probes) break;
    if (!note.fives.empty()) probes.push_back({.identity = note.identity, .fives = {{note.fives.begin()->first, Tally{}}}});
  }
  return probes;
}

void add_listed(Note& note, std::vector<PastMessage*> all, const HistoryBounds& bounds) {
  drop_refusals(all, bounds.refusals(), [](const PastMessage* one) { return fate_of(one->action) == Fate::refused; });
  const auto first = all.size() - std::min(all.size(), bounds.messages);
  for (auto n = first - std::min(first, bounds.queue_ids); n < first; ++n)
    if (auto mail = queued_mail_of(*all[n], note.identity)) note.sent.push_back(std::move(*mail));
  for (auto n = first; n < all.size(); ++n) note.messages.push_back(std::move(*all[n]));
}

}  // namespace

bool lists_messages(Kind kind) { return kind == Kind::user || kind == Kind::script || kind == Kind::sender || kind == Kind::client; }

namespace {

/// The notes of one write, by identity.
class Notes {
 public:
  explicit Notes(const HistoryBounds& bounds) : bounds_(bounds) {}

  void add(Happening& happening) {
    auto& [identities, message, login, held_for] = happening;
    everyone_.fives[five_of(message.at)].add(fate_of(message.action), message.recipients);
    const auto client = IpAddress::parse(message.client);
    const auto network = client ? network_of(*client) : std::string();
    const auto lister = std::find_if(identities.begin(), identities.end(), [](const Identity& one) { return lists_messages(one.kind); }) - identities.begin();
    const auto listed = static_cast<std::size_t>(lister) < identities.size() ? std::optional(identities[static_cast<std::size_t>(lister)]) : std::nullopt;
    for (std::size_t i = 0; i < identities.size(); ++i) {
      const auto place = place_of(std::move(identities[i]));
      auto& note = notes_[place];
      note.fives[five_of(message.at)].add(fate_of(message.action), message.recipients);
      note.first = note.first > Timestamp{} ? std::min(note.first, message.at) : message.at;
      if (client) add_network(note.networks, network, message.at, bounds_.networks);
      if (static_cast<std::ptrdiff_t>(i) == lister) listed_[place].push_back(&message);
    }
    add_held(happening, listed);
  }

  /// Requires: what was added is still there.
  std::vector<Note> finished() {
    for (std::size_t i = 0; i < notes_.size(); ++i) add_listed(notes_[i], std::move(listed_[i]), bounds_);
    if (!everyone_.fives.empty()) notes_.push_back(std::move(everyone_));
    return std::move(notes_);
  }

 private:
  /// Under who lists it, and whom it is held for.
  void add_held(const Happening& happening, const std::optional<Identity>& listed) {
    const auto& message = happening.message;
    if (message.action != Action::quarantine || !is_queue_id(message.queue_id) || bounds_.queue_ids == 0) return;
    const auto& held_for = happening.held_for;
    const auto text = [](const std::optional<Identity>& identity) { return identity ? identity->text() : std::string(); };
    const QueuedMail mail{message.host, message.at, message.queue_id, message.mail_from, happening.login, message.recipients, text(held_for), text(listed)};
    if (held_for) notes_[place_of(Identity(*held_for))].held.push_back(mail);
    if (listed && listed != held_for) notes_[place_of(Identity(*listed))].held.push_back(mail);
  }

  std::size_t place_of(Identity&& identity) {
    const auto [place, is_new] = places_.try_emplace(std::move(identity), notes_.size());
    if (is_new) {
      notes_.push_back({.identity = place->first});
      listed_.emplace_back();
    }
    return place->second;
  }

  const HistoryBounds& bounds_;
  std::vector<Note> notes_{};
  Note everyone_{everyone_identity()};
  std::unordered_map<Identity, std::size_t, HashOfIdentity> places_{};
  std::vector<std::vector<PastMessage*>> listed_{};
};

}  // namespace

std::vector<Note> notes_of(std::vector<Happening> happenings, const HistoryBounds& bounds) {
  Notes notes(bounds);
  for (auto& happening : happenings) notes.add(happening);
  return notes.finished();
}

Chronicler::Chronicler(Archive& archive, ChroniclerOptions options)
    : archive_(archive), options_(std::move(options)), thread_(quiet_thread([this] { run(); })) {}

Chronicler::~Chronicler() { stop(); }

void Chronicler::add(Happening&& happening) noexcept {
  const auto bytes = bytes_of(happening);
  try {
    const std::lock_guard lock(mutex_);
    if (queue_.size() < options_.most_queued && queued_bytes_ + bytes <= options_.most_queued_bytes && !stopping_) {
      queue_.push_back(std::move(happening));
      queued_bytes_ += bytes;
      return;
    }
  } catch (const std::exception&) {  // no memory
  }
  drop(1);
}

void Chronicler::flush(Milliseconds at_most) {
  std::unique_lock lock(mutex_);
  const auto mine = ++asked_;
  changed_.notify_all();
  changed_.wait_for(lock, at_most, [&] { return written_ >= mine || stopping_; });
}

void Chronicler::stop(Milliseconds at_most) {
  {
    const std::lock_guard lock(mutex_);
    last_write_ = at_most;
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Chronicler::run() {
  std::unique_lock lock(mutex_);
  for (bool is_last = false; !is_last;) {
    const bool is_asked = changed_.wait_for(lock, options_.write_every, [this] { return stopping_ || written_ < asked_; });
    is_last = stopping_;
    const auto asked = asked_;
    std::vector<Happening> next;
    next.reserve(queue_.size());  // as many come again
    auto happenings = std::exchange(queue_, std::move(next));
    queued_bytes_ = 0;
    const auto until = std::chrono::steady_clock::now() + (is_last ? last_write_ : longest_write(options_.write_every));
    lock.unlock();
    if (!happenings.empty())
      write(std::move(happenings), until);
    else if (!problem_.empty() && !is_asked)  // who asks does not wait for it
      probe(until);
    lock.lock();
    written_ = asked;
    changed_.notify_all();
  }
}

void Chronicler::write(std::vector<Happening> happenings, SteadyMoment until) {
  const auto count = happenings.size();
  try {
    auto notes = notes_of(std::move(happenings), options_.bounds);
    if (options_.prepare)
      for (auto& note : notes)
        for (auto& message : note.messages) options_.prepare(message);
    const auto unwritten = archive_.write(notes, until);
    // How many messages each note was made of is not known any more: as many as there are on the average.
    if (unwritten) probes_ = probes_of(notes);
    if (unwritten && unwritten->notes > 0) drop(std::clamp<std::size_t>(unwritten->notes * count / notes.size(), 1, count));
    say(unwritten ? unwritten->why.text : "");
  } catch (const std::exception& error) {
    drop(count);
    say(error.what());
  }
}

void Chronicler::probe(SteadyMoment until) {
  try {
    const auto unwritten = archive_.write(probes_, until);
    say(unwritten ? unwritten->why.text : "");
  } catch (const std::exception& error) {
    say(error.what());
  }
}

void Chronicler::say(const std::string& problem) {
  if (problem.empty() != problem_.empty() && options_.report) options_.report(problem);
  problem_ = problem;
}

}  // namespace quota
