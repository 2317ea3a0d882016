#include "quota/store/chronicler.hpp"

#include <algorithm>
#include <unordered_map>

#include "quota/store/quiet_thread.hpp"

namespace quota {
namespace {

struct HashOfIdentity {
  std::size_t operator()(const Identity& identity) const { return std::hash<std::string>()(identity.value) ^ static_cast<std::size_t>(identity.kind); }
};

void add_network(std::vector<NetworkSeen>& networks, const std::string& network, Timestamp at) {
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
  networks.insert(networks.begin(), std::move(seen));
}

}  // namespace

bool lists_messages(Kind kind) { return kind == Kind::user || kind == Kind::script || kind == Kind::sender || kind == Kind::client; }

std::vector<Note> notes_of(std::vector<Happening> happenings, std::size_t most) {
  std::vector<Note> notes;
  std::unordered_map<Identity, std::size_t, HashOfIdentity> places;
  std::vector<std::vector<PastMessage*>> listed;
  for (auto& [identities, message] : happenings) {
    const auto client = IpAddress::parse(message.client);
    const auto network = client ? network_of(*client) : std::string();
    const auto lister = std::find_if(identities.begin(), identities.end(), [](const Identity& one) { return lists_messages(one.kind); }) - identities.begin();
    for (std::size_t i = 0; i < identities.size(); ++i) {
      const auto [place, is_new] = places.try_emplace(std::move(identities[i]), notes.size());
      if (is_new) {
        notes.push_back({place->first});
        listed.emplace_back();
      }
      auto& note = notes[place->second];
      note.fives[five_of(message.at)].add(fate_of(message.action), message.recipients);
      if (client) add_network(note.networks, network, message.at);
      if (static_cast<std::ptrdiff_t>(i) == lister) listed[place->second].push_back(&message);
    }
  }
  for (std::size_t i = 0; i < notes.size(); ++i) {
    const auto& all = listed[i];
    for (auto n = all.size() - std::min(all.size(), most); n < all.size(); ++n) notes[i].messages.push_back(std::move(*all[n]));
  }
  return notes;
}

Chronicler::Chronicler(Archive& archive, ChroniclerOptions options)
    : archive_(archive), options_(std::move(options)), thread_(quiet_thread([this] { run(); })) {}

Chronicler::~Chronicler() { stop(); }

void Chronicler::add(Happening happening) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= options_.most_queued || stopping_)
    dropped_.fetch_add(1, std::memory_order_relaxed);
  else
    queue_.push_back(std::move(happening));
}

void Chronicler::flush(Milliseconds at_most) {
  std::unique_lock lock(mutex_);
  const auto mine = ++asked_;
  changed_.notify_all();
  changed_.wait_for(lock, at_most, [&] { return written_ >= mine || stopping_; });
}

void Chronicler::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Chronicler::run() {
  std::unique_lock lock(mutex_);
  for (bool is_last = false; !is_last;) {
    changed_.wait_for(lock, options_.write_every, [this] { return stopping_ || written_ < asked_; });
    is_last = stopping_;
    const auto asked = asked_;
    std::vector<Happening> next;
    next.reserve(queue_.size());  // as many come again
    auto happenings = std::exchange(queue_, std::move(next));
    lock.unlock();
    if (!happenings.empty()) write(std::move(happenings));
    lock.lock();
    written_ = asked;
    changed_.notify_all();
  }
}

void Chronicler::write(std::vector<Happening> happenings) {
  const auto count = happenings.size();
  try {
    auto notes = notes_of(std::move(happenings), options_.bounds.messages);
    if (options_.prepare)
      for (auto& note : notes)
        for (auto& message : note.messages) options_.prepare(message);
    const auto unwritten = archive_.write(notes);
    // How many messages each note was made of is not known any more: as many as there are on the average.
    if (unwritten) dropped_.fetch_add(std::max<std::size_t>(1, unwritten->notes * count / notes.size()), std::memory_order_relaxed);
    say(unwritten ? unwritten->why.text : "");
  } catch (const std::exception&) {
    dropped_.fetch_add(count, std::memory_order_relaxed);
  }
}

void Chronicler::say(const std::string& problem) {
  if (problem.empty() != problem_.empty() && options_.report) options_.report(problem);
  problem_ = problem;
}

}  // namespace quota
