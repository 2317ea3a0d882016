// bench_archive URL SENDERS PER_DAY DAYS   writes what so many senders leave in a Redis who send so often, for so many days
// bench_archive URL SENDERS full           the same of senders of whom everything is kept that can be
// Time is made up: it takes as long as Redis does.
#include <charconv>
#include <cstdio>
#include <random>
#include <string>

#include "quota/store/chronicler.hpp"
#include "quota/store/redis_archive.hpp"

namespace {

using namespace quota;
using namespace std::chrono_literals;

constexpr Timestamp start{1'763'790'000'000ms};

int number_in(const char* text) {
  int number = 0;
  std::from_chars(text, text + std::char_traits<char>::length(text), number);
  return number;
}

/// As long as they usually are.
PastMessage message_of(int sender, Timestamp at, int network) {
  const auto address = "s" + std::to_string(1'000'000 + sender) + "@customer.example";
  return {.at = at, .queue_id = "4Xy1Tz0abcz1", .host = "mx1.example.com", .client = "192.0." + std::to_string(network) + ".7", .mail_from = address,
          .recipients = 1, .first_recipients = {"somebody@remote.example"}, .mark = "aB3+/x90", .subject = "Re: the usual words of a subject, and some"};
}

class Site {
 public:
  explicit Site(const std::string& url) : topology_(*RedisAddress::parse(url), resolver_, {.timeout = 10s}) {}

  [[nodiscard]] bool is_there() { return topology_.wait_for_first_look(std::chrono::steady_clock::now() + 10s); }
  /// One message of each sender.
  [[nodiscard]] bool send(int senders, Timestamp at, int network) {
    context_.set_clock(at);
    std::vector<Happening> all;
    for (int sender = 0; sender < senders; ++sender) {
      auto message = message_of(sender, at, network);
      all.push_back({{{Kind::user, message.mail_from}}, std::move(message)});
    }
    return !archive_.write(notes_of(all, {}), std::chrono::steady_clock::now() + 10s);
  }

 private:
  Resolver resolver_;
  RedisTopology topology_;
  RedisContext context_{topology_, {"sendquota", 10s}};
  RedisArchive archive_{context_, {}};
};

bool send_daily(Site& site, int senders, int per_day, int days) {
  std::minstd_rand random{7};
  for (int day = 0; day < days; ++day)
    for (int n = 0; n < per_day; ++n)  // between 7 and 22 o'clock
      if (!site.send(senders, start + day * 24h + 7h + n * 15h / per_day + std::chrono::minutes{random() % 40}, static_cast<int>(random() % 2))) return false;
  return true;
}

bool send_without_end(Site& site, int senders) {
  for (int hour = 0; hour < 29 * 24; ++hour)
    if (!site.send(senders, start + hour * 1h, hour % 64)) return false;
  for (int five = 0; five < 24 * 12; ++five)
    for (int n = 0; n < 2; ++n)
      if (!site.send(senders, start + 29 * 24h + five * 5min + n * 1s, five % 64)) return false;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fputs("bench_archive URL SENDERS PER_DAY DAYS | bench_archive URL SENDERS full\n", stderr), 64;
  Site site(argv[1]);
  const auto senders = number_in(argv[2]);
  const bool is_well = site.is_there() && (argc > 4 ? send_daily(site, senders, number_in(argv[3]), number_in(argv[4])) : send_without_end(site, senders));
  if (!is_well) std::fputs("bench_archive: Redis has no answer\n", stderr);
  return is_well ? 0 : 1;
}
