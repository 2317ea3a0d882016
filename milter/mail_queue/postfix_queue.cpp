#include "milter/mail_queue/postfix_queue.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "milter/mail_queue/lines.hpp"
#include "milter/mail_queue/notice.hpp"
#include "milter/mail_queue/postfix_file.hpp"
#include "milter/mail_queue/postfix_folders.hpp"
#include "milter/mail_queue/programs.hpp"
#include "milter/mail_queue/queue_id.hpp"

namespace milter::mail_queue {
namespace {

constexpr std::size_t at_once = 1000;            // ids of one postsuper
constexpr std::size_t most_delivered = 100;      // postqueue -i takes one id, and a few milliseconds
constexpr std::size_t most_of_notice = 16 << 20;
constexpr int most_walks = 4;

struct Found {
  std::string path;
  bool is_held = false;
  int places = 0;  ///< more than one: it moves, or two messages have this id
};
using FoundById = std::unordered_map<std::string_view, Found>;

FoundById find(int queue_directory, const std::unordered_set<std::string_view>& ids) {
  FoundById found;
  visit_files(queue_directory, [&](const QueuePlace& place) {
    const auto id = ids.find(place.name);
    if (id == ids.end()) return;
    auto& one = found[*id];
    one = {place.folder + "/" + place.name, place.is_held, one.places + 1};
  });
  return found;
}

/// What look() has come to.
struct Looking {
  std::unordered_set<std::string_view> wanted;
  std::vector<QueueFile> files{};
  std::size_t misread = 0;  ///< files that are there, and are not as Postfix's queue files are
};

/// Reads what has been found and is still there. Returns whether something has moved meanwhile.
bool read_found(int queue_directory, const FoundById& found, Looking& looking, const std::function<void()>& told) {
  bool has_moved = false;
  for (const auto& [id, place] : found) {
    const auto file = place.places == 1 ? open_message(queue_directory, place.path) : admin::FileDescriptor();
    if (!file.is_open()) {
      has_moved = true;
      continue;
    }
    looking.wanted.erase(id);
    if (const auto envelope = read_envelope(file.get())) {
      looking.files.push_back({std::string(id), place.is_held, envelope->arrived, envelope->mail_from, envelope->login, true});
    } else {
      ++looking.misread;
    }
    told();
  }
  return has_moved;
}

}  // namespace

PostfixQueue::PostfixQueue(PostfixSettings settings, admin::FileDescriptor queue_directory)
    : settings_(std::move(settings)), queue_directory_(std::move(queue_directory)) {}

quota::Result<std::unique_ptr<MailQueue>, std::string> PostfixQueue::open(const std::string& postconf, const std::string& config) {
  using Queue = std::unique_ptr<MailQueue>;
  auto settings = read_settings(postconf, config);
  if (!settings) return quota::failed<Queue>(settings.error());
  const auto& folder = settings->queue_directory;
  admin::FileDescriptor queue_directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!queue_directory.is_open()) return quota::failed<Queue>(fmt::format("Postfix's queue_directory {}: {}", printable(folder), std::strerror(errno)));
  // As whoever may not see a queue would find it empty.
  const admin::FileDescriptor held(::openat(queue_directory.get(), "hold", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!held.is_open()) return quota::failed<Queue>(fmt::format("Postfix's queue {}/hold: {}; run this as root", printable(folder), std::strerror(errno)));
  return Queue(new PostfixQueue(std::move(*settings), std::move(queue_directory)));
}

MailQueue::Or<std::vector<QueueFile>> PostfixQueue::look(std::span<const std::string> ids, const Progress& progress) {
  if (const auto checked = check_queue_ids(ids); !checked) return quota::failed<std::vector<QueueFile>>(checked.error());
  Looking looking{.wanted = {ids.begin(), ids.end()}};
  const auto told = [&, all = looking.wanted.size()] {
    if (const auto done = all - looking.wanted.size(); progress && done % at_once == 0) progress(done, all);
  };
  // Twice at least, for a message may go back to a queue that has been looked through already.
  bool has_moved = true;
  for (int walk = 0; walk < most_walks && !looking.wanted.empty() && (has_moved || walk < 2); ++walk) {
    has_moved = read_found(queue_directory_.get(), find(queue_directory_.get(), looking.wanted), looking, told);
  }
  if (looking.files.empty() && looking.misread > 0) {
    return quota::failed<std::vector<QueueFile>>(fmt::format("none of {} queue files below {} is as Postfix's are", looking.misread, settings_.queue_directory));
  }
  if (progress) progress(ids.size(), ids.size());
  return std::move(looking.files);
}

MailQueue::Or<std::vector<std::string>> PostfixQueue::act_on_some(const Act& act, std::span<const std::string> ids) const {
  auto words = settings_.command("postsuper");
  words.insert(words.end(), {act.option, "-"});
  words.insert(words.end(), act.queues.begin(), act.queues.end());
  std::unordered_set<std::string_view> asked(ids.begin(), ids.end());
  std::string input;
  for (const auto& id : asked) input.append(id).append("\n");
  std::vector<std::string> done;
  // `postsuper: 4XyZ…: removed`
  Lines lines([&](std::string_view line) {
    if (!line.starts_with("postsuper: ") || !line.ends_with(": " + act.says)) return;
    const auto id = line.substr(11, line.size() - 13 - act.says.size());
    if (asked.erase(id) > 0) done.emplace_back(id);
  });
  const auto ended = run_to_end({.words = words, .input = input, .errors = [&](std::string_view piece) { lines.take(piece); }});
  lines.end();
  if (!ended) return quota::failed<std::vector<std::string>>(ended.error());
  return done;
}

MailQueue::Or<std::vector<std::string>> PostfixQueue::act(const Act& act, std::span<const std::string> ids, const Progress& progress) const {
  using Ids = std::vector<std::string>;
  if (const auto checked = check_queue_ids(ids); !checked) return quota::failed<Ids>(checked.error());
  Ids all;
  for (std::size_t at = 0; at < ids.size(); at += at_once) {
    const auto done = act_on_some(act, ids.subspan(at, std::min(at_once, ids.size() - at)));
    if (!done) return quota::failed<Ids>(fmt::format("{} ({} were {} before)", done.error(), all.size(), act.says));
    all.insert(all.end(), done->begin(), done->end());
    if (progress) progress(std::min(at + at_once, ids.size()), ids.size());
  }
  return all;
}

MailQueue::Or<std::size_t> PostfixQueue::hold(std::span<const std::string> ids, const Progress& progress) {
  const auto done = act({"-h", "placed on hold", {"incoming", "active", "deferred"}}, ids, progress);
  if (!done) return quota::failed<std::size_t>(done.error());
  return done->size();
}

MailQueue::Or<std::size_t> PostfixQueue::remove(std::span<const std::string> ids, const Progress& progress) {
  const auto done = act({"-d", "removed", {"hold"}}, ids, progress);
  if (!done) return quota::failed<std::size_t>(done.error());
  return done->size();
}

MailQueue::Or<std::size_t> PostfixQueue::send(std::span<const std::string> ids, const Progress& progress) {
  const auto done = act({"-H", "released from hold", {"hold"}}, ids, progress);
  if (!done) return quota::failed<std::size_t>(done.error());
  deliver(*done);
  return done->size();
}

void PostfixQueue::deliver(std::span<const std::string> ids) const {
  if (ids.size() > most_delivered) return;
  auto words = settings_.command("postqueue");
  words.insert(words.end(), {"-i", ""});
  for (const auto& id : ids) {
    words.back() = id;
    if (!run_to_end({.words = words})) return;  // the next queue run takes them; Postfix may be stopped
  }
}

bool PostfixQueue::is_notice(int file) const {
  const auto envelope = read_envelope(file);
  if (!envelope || !envelope->is_by_postfix) return false;
  const auto& from = envelope->mail_from;
  return from.empty() || from.starts_with(settings_.double_bounce_sender + "@");
}

MailQueue::Or<std::vector<Notice>> PostfixQueue::notices(std::span<const std::string> ids) {
  if (const auto checked = check_queue_ids(ids); !checked) return quota::failed<std::vector<Notice>>(checked.error());
  const std::unordered_set<std::string_view> wanted(ids.begin(), ids.end());
  std::unordered_map<std::string, Notice> found;  // a message that moves is seen twice
  visit_files(queue_directory_.get(), [&](const QueuePlace& place) {
    const auto file = is_queue_id(place.name) ? open_message(queue_directory_.get(), place.folder + "/" + place.name) : admin::FileDescriptor();
    if (!file.is_open() || !is_notice(file.get())) return;
    const auto content = read_content(file.get(), most_of_notice);
    auto report = content ? read_report(*content, settings_.mail_name) : std::nullopt;
    if (!report || wanted.count(report->about) == 0) return;
    if (report->mail_from == "MAILER-DAEMON@" + settings_.myhostname) report->mail_from.clear();  // so a notice calls the null sender
    found[place.name] = {place.name, report->about, report->mail_from, report->arrived};
  });
  std::vector<Notice> all;
  for (auto& [id, notice] : found) all.push_back(std::move(notice));
  return all;
}

}  // namespace milter::mail_queue
