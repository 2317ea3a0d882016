// No exception may reach libmilter, which is C. Every allocation that a conversation needs fails once, on the real libmilter
// and in both ways of negotiating: the message is tempfailed or goes on, and the connection serves the next one.
#include "milter/callbacks.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <set>
#include <thread>

#include "milter/mta/delivery.hpp"
#include "milter/server.hpp"
#include "tests/milter/session_rig.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

/// How many allocations of libmilter's threads succeed before one fails; below zero: all do.
std::atomic<int> fuse{-1};
thread_local bool is_test_thread = false;

bool fails_now() { return !is_test_thread && fuse.load() >= 0 && fuse.fetch_sub(1) == 0; }

}  // namespace

void* operator new(std::size_t size) {
  void* memory = fails_now() ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace std::chrono_literals;
using milter::mta::Fate;

/// The real libmilter in a thread of this process. It can serve once in a process: what it serves is exchanged.
class Filter {
 public:
  explicit Filter(milter::Services& services) {
    is_test_thread = true;
    REQUIRE(milter::register_callbacks(services));
    const auto opened = milter::open_milter_socket({.listen = address(), .socket_group = ""});
    REQUIRE_MESSAGE(opened.has_value(), opened.error());
    thread_ = std::thread([this] {
      (void)milter::serve();
      is_over_ = true;
    });
  }
  ~Filter() {
    smfi_stop();
    while (!is_over_) (void)milter::mta::Client::open(address(), {.step_timeout = 10ms, .offer = {}});
    thread_.join();
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  [[nodiscard]] std::string address() const { return "unix:" + (folder_.path() / "milter.sock").native(); }

 private:
  test::TemporaryFolder folder_{};
  std::atomic<bool> is_over_{false};
  std::thread thread_{};
};

constexpr std::string_view quotas = R"(
[[quota]]
name   = "mailbox"
per    = "user"
limits = "1000000 messages / 30d"
[[quota]]
name   = "scripts"
per    = "script"
limits = "1 recipients / message"
[[quota]]
name   = "clients"
per    = "user_domain"
limits = ["3 recipients / message", "1GB / 1h"]
)";
const std::string with_exempt_recipients = "[exempt]\nrecipients = [\"postmaster@example.org\"]\n" + std::string(quotas);
const std::string of_logins_alone = "[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"1000000 messages / 30d\"\n";

milter::mta::Message from_login(std::size_t recipients) {
  milter::mta::Message message;
  message.auth_type = "PLAIN";
  message.auth_authen = "alice.with.a.long.name@example.com";
  message.mail_from = "alice.with.a.long.name@example.com";
  for (std::size_t i = 0; i < recipients; ++i) message.recipients.push_back("recipient.number." + std::to_string(i) + "@remote.example");
  message.headers = {{"Subject", "something to be read"}};
  message.body = "Hello\r\n";
  return message;
}

milter::mta::Message of_script() {
  auto message = from_login(2);
  message.origin = milter::mta::Origin::local;
  message.client_port = 0;
  message.auth_type = message.auth_authen = "";
  message.mail_from = "www-data@mx1.example.com";
  message.headers = {{"X-PHP-Originating-Script", "1000:a-script-with-a-name-that-is-long.php"}};
  return message;
}

struct Row {
  std::string what;
  std::string config;
  milter::mta::Message message;
  Fate fate;  ///< where nothing fails
};

/// What became of a message on a connection of its own, for which memory was short once, and of the next one on it.
struct Met {
  std::optional<Fate> first{};  ///< empty: the connection was refused as a whole
  std::optional<Fate> next{};
  bool was_short = false;
};
constexpr int before_the_client = 6;  ///< allocations until the session knows whose connection it is

Met send_two(const std::string& address, const milter::mta::Message& message, int allocations) {
  Met met;
  fuse = allocations;
  auto client = milter::mta::Client::open(address, {.step_timeout = 20s, .offer = {}});
  if (client)
    if (const auto first = milter::mta::send_message(*client, message)) met.first = first->fate;
  met.was_short = fuse.exchange(-1) < 0;
  if (!met.first) return met;
  const auto next = milter::mta::send_message(*client, message);
  REQUIRE_MESSAGE(next.has_value(), next.error().what);
  met.next = next->fate;
  return met;
}

}  // namespace

TEST_CASE("a message for which memory is short is tempfailed, held back or goes on; the connection and the daemon serve the next") {
  milter::Rig rig(quotas);
  spdlog::set_error_handler([](const std::string&) {});
  Filter filter(rig.services);
  const Row rows[] = {
      {"a login, in silence", of_logins_alone, from_login(2), Fate::passed},
      {"a login, with headers and sizes", std::string(quotas), from_login(2), Fate::passed},
      {"a login, each recipient answered", with_exempt_recipients, from_login(2), Fate::passed},
      {"a login over its limit", std::string(quotas), from_login(4), Fate::rejected},
      {"a script that is held", std::string(quotas), of_script(), Fate::held},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    rig.reload(row.config);
    const auto used = [&] { return rig.used("user:alice.with.a.long.name@example.com", "mailbox messages/30d"); };
    int allocations = 0, refused = 0, failed = 0, went_on = 0;
    for (Met met{.was_short = true}; met.was_short; ++allocations) {
      CAPTURE(allocations);
      const auto charged = used();
      met = send_two(filter.address(), row.message, allocations);
      if (!met.first) {
        REQUIRE(met.was_short);
        ++refused;
        continue;
      }
      ++(*met.first == row.fate ? went_on : failed);
      CHECK((*met.first == row.fate || *met.first == Fate::deferred));
      CHECK((*met.next == row.fate || (*met.next == Fate::deferred && allocations < before_the_client)));
      if (*met.first == Fate::passed && *met.next == Fate::passed) CHECK(used() - charged == 2);
    }
    MESSAGE(row.what << ": " << failed << " tempfailed, " << refused << " connections refused, " << went_on << " as if nothing had been");
    CHECK(failed > 10);
    CHECK(refused > 0);
  }
  CHECK(rig.counters.messages_in_flight == 0);
}
