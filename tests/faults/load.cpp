// fault_load TRACE: keeps connections to milters busy with a plan of senders while somebody else breaks things.
//
// Reads a plan (load_plan.hpp) up to an empty line, opens every connection, says `ready`, and sends until a line `stop`, the
// end of its input, or the end of every group's limit (then it says `done` and waits for either). `rate GROUP N` changes a
// pace. At the end it waits for the answers still due, writes one line per message to TRACE and a summary in JSON as its
// last line (load_report.hpp).
//
// A connection that the milter closes is counted and opened again; a message without an answer for `patience` is lost.
// Threads: one loop, so that all of it is one order of events; one more on each core, which only
// notices how late this machine wakes it.
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <iostream>
#include <sstream>
#include <thread>

#include "tests/faults/load_report.hpp"

namespace faults {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 10s;
constexpr auto reopen_pause = 20ms;
constexpr auto overdue = 50ms;  // the machine stood still: what was due meanwhile is not sent all at once

class Load {
 public:
  Load(Plan& plan, Report& report) : plan_(plan), report_(report) {
    for (std::size_t i = 0; i < plan.connections; ++i)
      connections_.push_back(std::make_unique<Connection>(i, plan.milters[i % plan.milters.size()]));
  }

  /// Returns whether every connection was opened and is ready for its first message.
  bool open() {
    for (auto& one : connections_)
      if (!reopen(*one)) return false;
    const auto until = Clock::now() + 10s;
    while (idle_.size() < connections_.size() && Clock::now() < until) serve(10ms);
    return idle_.size() == connections_.size();
  }

  void run() {
    const auto begin = Clock::now();
    for (auto& group : plan_.groups) group.due = begin + std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>(group.start));
    bool said_done = false;
    while (!stopping_) {
      begin_what_is_due();
      serve(1ms);
      look_after();
      if (!said_done && is_over()) std::cout << "done" << std::endl, said_done = true;
    }
    const auto until = Clock::now() + patience;
    while (idle_.size() < connections_.size() && Clock::now() < until && is_sending()) serve(10ms);
    for (auto& one : connections_)
      if (const auto lost = one->close()) report_.add(plan_, *lost);
  }

  [[nodiscard]] const auto& connections() const { return connections_; }

 private:
  void begin_what_is_due() {
    const auto now = Clock::now();
    for (std::size_t i = 0; i < plan_.groups.size(); ++i) {
      auto& group = plan_.groups[i];
      while (!group.is_over() && group.due <= now) {
        if (group.per_second && *group.per_second <= 0) break;
        const bool begun = (!group.per_second || now - group.due <= overdue) && begin(i);
        if (!group.per_second && !begun) break;
        begun ? ++group.begun : ++group.skipped;
        if (group.per_second) group.due += Nanoseconds(static_cast<std::int64_t>(1e9 / *group.per_second));
      }
    }
  }

  bool begin(std::size_t index) {
    const auto& group = plan_.groups[index];
    const auto fits = [&](const Connection* one) { return !group.milter || one->number() % plan_.milters.size() == *group.milter; };
    const auto found = std::ranges::find_if(idle_, fits);
    if (found == idle_.end()) return false;
    auto* connection = *found;
    idle_.erase(found);
    ++number_;
    after(*connection, connection->send({index, group.next_sender(), number_, message_of(group, number_)}));
    return true;
  }

  static milter::mta::Message message_of(const Group& group, std::uint64_t number) {
    milter::mta::Message message;
    message.client_host = "client.test";
    message.client_address = "192.0.2.1";
    message.auth_type = "PLAIN";
    message.auth_authen = group.login(group.next_sender());
    message.mail_from = message.auth_authen;
    for (std::size_t i = 0; i < group.recipients; ++i) message.recipients.push_back("recipient" + std::to_string(i) + "@remote.test");
    std::ostringstream id;
    id << "F" << std::hex << std::uppercase << number;
    message.queue_id = id.str();
    message.headers = {{"Subject", "fault"}};
    message.body = "A message that is never sent.\r\n";
    return message;
  }

  void serve(std::chrono::milliseconds at_most) {
    std::array<epoll_event, 128> ready;
    const int count = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), static_cast<int>(at_most.count()));
    for (int i = 0; i < count; ++i) {
      if (ready[static_cast<std::size_t>(i)].data.ptr == nullptr) {
        read_orders();
        continue;
      }
      auto& connection = *static_cast<Connection*>(ready[static_cast<std::size_t>(i)].data.ptr);
      after(connection, connection.on_readable());
    }
  }

  /// Books what a connection came to.
  void after(Connection& connection, const std::optional<Fact>& fact) {
    if (fact) report_.add(plan_, *fact);
    const bool is_listed = std::ranges::find(idle_, &connection) != idle_.end();
    if (connection.state() == Connection::State::idle && !is_listed) idle_.push_back(&connection);
    if (connection.state() != Connection::State::closed) return;
    if (is_listed) std::erase(idle_, &connection);
    report_.drop(connection);
    if (!reopen(connection)) to_reopen_.push_back({Clock::now() + reopen_pause, &connection});
  }

  bool reopen(Connection& connection) {
    if (!connection.open()) return false;
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.ptr = &connection;
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor(), &interest) == 0;
  }

  void look_after() {
    const auto now = Clock::now();
    while (!to_reopen_.empty() && to_reopen_.front().first <= now) {
      auto* connection = to_reopen_.front().second;
      to_reopen_.pop_front();
      if (!reopen(*connection)) to_reopen_.push_back({now + reopen_pause, connection});
    }
    for (auto& one : connections_) {
      const bool waits = one->state() == Connection::State::sending || one->state() == Connection::State::opening;
      if (waits && now - one->waiting_since() > patience) after(*one, one->close("no answer"));
    }
  }

  [[nodiscard]] bool is_sending() const {
    return std::ranges::any_of(connections_, [](const auto& one) { return one->state() == Connection::State::sending; });
  }

  [[nodiscard]] bool is_over() const {
    return !is_sending() && std::ranges::all_of(plan_.groups, [](const Group& group) { return group.is_over(); });
  }

  void read_orders() {
    std::array<char, 4096> bytes;
    const auto got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got <= 0) {
      stopping_ = true;
      return;
    }
    orders_.append(bytes.data(), static_cast<std::size_t>(got));
    for (auto end = orders_.find('\n'); end != std::string::npos; end = orders_.find('\n')) {
      obey(orders_.substr(0, end));
      orders_.erase(0, end + 1);
    }
  }

  void obey(const std::string& order) {
    std::istringstream words(order);
    std::string what, name;
    double pace = 0;
    words >> what >> name >> pace;
    if (what == "stop") stopping_ = true;
    auto* group = what == "rate" ? plan_.find(name) : nullptr;
    if (group == nullptr) return;
    group->per_second = pace;
    group->due = Clock::now();
  }

  static int watching_orders() {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.ptr = nullptr;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &interest);
    return epoll;
  }

  Plan& plan_;
  Report& report_;
  const int epoll_ = watching_orders();
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> idle_;  // the one that has rested longest is used next, so that all are used
  std::deque<std::pair<Moment, Connection*>> to_reopen_;
  std::string orders_;
  std::uint64_t number_ = 0;
  bool stopping_ = false;
};

/// Byte by byte: what follows the empty line belongs to the loop.
std::optional<std::string> read_line() {
  std::string line;
  for (char c = 0; ::read(STDIN_FILENO, &c, 1) == 1;) {
    if (c == '\n') return line;
    line += c;
  }
  return std::nullopt;
}

bool read_plan(Plan& plan) {
  for (auto line = read_line(); line && !line->empty(); line = read_line()) {
    if (const auto added = add_line(plan, *line); !added) {
      std::cerr << added.error() << '\n';
      return false;
    }
  }
  return !plan.milters.empty() && !plan.groups.empty();
}

/// On one core: a machine may stand still on one and go on on the other.
void notice_oversleeping(std::size_t core, const std::atomic<bool>& stopping, Report& report) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(core, &only);
  ::pthread_setaffinity_np(::pthread_self(), sizeof only, &only);
  while (!stopping) {
    const auto at = Clock::now();
    std::this_thread::sleep_for(1ms);
    const auto by = Clock::now() - at - 1ms;
    if (by > 2ms) report.note({at, by});
  }
}

int run(const std::string& trace) {
  Plan plan;
  if (!read_plan(plan)) return 2;
  Report report(trace);
  Load load(plan, report);
  if (!report.ok() || !load.open()) {
    std::cerr << "not every connection could be opened\n";
    return 1;
  }
  std::cout << "ready" << std::endl;
  std::atomic<bool> stopping{false};
  std::vector<std::jthread> watches;
  for (std::size_t core = 0; core < std::thread::hardware_concurrency(); ++core)
    watches.emplace_back([&, core] { notice_oversleeping(core, stopping, report); });
  load.run();
  stopping = true;
  watches.clear();
  std::cout << report.json(plan, load.connections()) << std::endl;
  return 0;
}

}  // namespace
}  // namespace faults

int main(int argc, char** argv) {
  if (argc == 2) return faults::run(argv[1]);
  std::cerr << "usage: fault_load TRACE <PLAN\n";
  return 2;
}
