// mail_queue_probe MTA CONFIG host|look|hold|send|remove|notices: what milter/mail_queue does, for a test to see; "" leaves MTA or CONFIG
// out. Reads ids from its standard input, one a line. Writes a JSON object a line; an error is {"error": text}, and exit code 1.
#include <boost/json.hpp>
#include <iostream>

#include "milter/mail_queue/mail_queue.hpp"

namespace {

using namespace milter::mail_queue;
namespace json = boost::json;

std::int64_t milliseconds(quota::Timestamp at) { return at.time_since_epoch().count(); }

void say(const json::object& line) { std::cout << json::serialize(line) << "\n"; }

int failed(const std::string& error) {
  say({{"error", error}});
  return 1;
}

int say_count(const MailQueue::Or<std::size_t>& count) {
  if (!count) return failed(count.error());
  say({{"count", *count}});
  return 0;
}

int look(MailQueue& queue, const std::vector<std::string>& ids) {
  const auto files = queue.look(ids, {});
  if (!files) return failed(files.error());
  for (const auto& file : *files) {
    say({{"id", file.queue_id}, {"is_held", file.is_held}, {"arrived_ms", milliseconds(file.arrived)}, {"mail_from", file.mail_from},
         {"login", file.has_login ? json::value(file.login) : json::value(nullptr)}});
  }
  return 0;
}

int notices(MailQueue& queue, const std::vector<std::string>& ids) {
  const auto found = queue.notices(ids);
  if (!found) return failed(found.error());
  for (const auto& notice : *found) {
    say({{"id", notice.queue_id}, {"about", notice.about}, {"mail_from", notice.mail_from}, {"arrived_ms", milliseconds(notice.arrived)}});
  }
  return 0;
}

int run(MailQueue& queue, const std::string& what, const std::vector<std::string>& ids) {
  std::size_t told = 0;
  const Progress progress = [&](std::size_t done, std::size_t) { told = std::max(told, done); };
  if (what == "look") return look(queue, ids);
  if (what == "notices") return notices(queue, ids);
  if (what == "hold") return say_count(queue.hold(ids, progress));
  if (what == "send") return say_count(queue.send(ids, progress));
  if (what == "remove") return say_count(queue.remove(ids, progress));
  const auto host = queue.host();
  if (!host) return failed(host.error());
  say({{"host", *host}});
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return failed("mail_queue_probe MTA CONFIG WHAT");
  const auto queue = open({.mta = words[1], .config = words[2]});
  if (!queue) return failed(queue.error());
  std::vector<std::string> ids;
  for (std::string id; std::getline(std::cin, id);) ids.push_back(id);
  return run(**queue, words[3], ids);
}
