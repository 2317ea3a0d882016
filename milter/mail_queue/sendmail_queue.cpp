#include "milter/mail_queue/sendmail_queue.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "milter/mail_queue/lines.hpp"
#include "milter/mail_queue/programs.hpp"
#include "milter/mail_queue/queue_id.hpp"
#include "milter/mail_queue/sendmail_file.hpp"
#include "milter/mail_queue/sendmail_removal.hpp"

namespace milter::mail_queue {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t ids_of_a_run = 5000;  // as arguments, 20 bytes each: far below what a program may be given
constexpr std::size_t most_sent_at_once = 100;
constexpr std::size_t told_every = 1000;
constexpr const char* default_cf = "/etc/mail/sendmail.cf";
constexpr const char* reason = "-Qsendquota: kept back by an administrator";

std::vector<std::string> words_for(std::vector<std::string> words, const std::vector<std::string>& how, std::span<const std::string> ids) {
  words.insert(words.end(), how.begin(), how.end());
  for (const auto& id : ids) words.push_back("-qI" + id);
  return words;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::string find_sendmail() {
  for (const char* path : {"/usr/libexec/sendmail/sendmail", "/usr/lib/sm.bin/sendmail", "/usr/sbin/sendmail.sendmail", "/usr/sbin/sendmail", "/usr/lib/sendmail"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return {};
}

std::string SendmailQueue::Listing::path(const std::string& id, const Place& place) const {
  return folders[place.folder].qf + (place.state == State::held ? "/hf" : "/qf") + id;
}

std::vector<std::string> SendmailQueue::Listing::only(std::span<const std::string> ids, State state) const {
  std::set<std::string> wanted;
  for (const auto& id : ids) {
    const auto at = files.find(id);
    if (at != files.end() && at->second.state == state) wanted.insert(id);
  }
  return {wanted.begin(), wanted.end()};
}

SendmailQueue::SendmailQueue(std::vector<std::string> words, std::vector<std::string> paths) : words_(std::move(words)), paths_(std::move(paths)) {}

quota::Result<std::unique_ptr<MailQueue>, std::string> SendmailQueue::open(const std::string& program, const std::string& config) {
  using Queue = std::unique_ptr<MailQueue>;
  const auto path = config.empty() ? default_cf : config;
  const auto shown = printable(path);
  if (path.front() != '/') return quota::failed<Queue>("the path of sendmail.cf is to be absolute, not \"" + shown + "\"");
  if (::access(path.c_str(), R_OK) != 0) return quota::failed<Queue>("Sendmail's " + shown + " cannot be read");
  auto words = config.empty() ? std::vector<std::string>{program} : std::vector<std::string>{program, "-C" + config};
  std::unique_ptr<SendmailQueue> queue(new SendmailQueue(std::move(words), queue_paths(text_of(path))));
  const auto folders = queue->list().folders;
  if (folders.empty()) return quota::failed<Queue>(shown + " names no queue directory that can be seen, as in O QueueDirectory=/var/spool/mqueue; run this as root");
  // As whoever may not see a queue would find it empty.
  const auto& queue_folder = folders.front().qf;
  if (::access(queue_folder.c_str(), R_OK | W_OK | X_OK) != 0) return quota::failed<Queue>("Sendmail's queue " + printable(queue_folder) + " is not ours to change; run this as root");
  return Queue(std::move(queue));
}

MailQueue::Or<std::string> SendmailQueue::host() {
  std::string name;
  // What follows the prompt of its address test mode.
  Lines lines([&](std::string_view line) {
    if (line.starts_with("> ") && name.empty()) name = line.substr(2);
  });
  const auto done = run_to_end({.words = words_for(words_, {"-bt"}, {}), .input = "$j\n", .output = [&](std::string_view piece) { lines.take(piece); }});
  lines.end();
  if (!done) return quota::failed<std::string>(done.error());
  if (name.empty()) return quota::failed<std::string>(words_.front() + " does not tell its host's name, $j");
  return {boost::system::in_place_value, name};
}

MailQueue::Or<Turn> SendmailQueue::take_turn() {
  const auto folders = list().folders;
  if (folders.empty()) return quota::failed<Turn>("Sendmail's queue directory is gone");
  return mail_queue::take_turn(folders.front().qf, patience_for_turn);
}

SendmailQueue::Listing SendmailQueue::list() const {
  Listing listing;
  for (const auto& path : paths_) {
    for (auto& folder : folders_of(path)) {
      const bool is_known = std::any_of(listing.folders.begin(), listing.folders.end(), [&](const auto& one) { return one.qf == folder.qf; });
      if (!is_known) listing.folders.push_back(std::move(folder));
    }
  }
  for (std::size_t i = 0; i < listing.folders.size(); ++i) {
    std::error_code failed;
    for (fs::directory_iterator entry(listing.folders[i].qf, failed), end; !failed && entry != end; entry.increment(failed)) {
      const auto name = entry->path().filename().native();
      const bool is_held = name.starts_with("hf");
      if (!is_held && !name.starts_with("qf")) continue;
      const auto [at, is_new] = listing.files.emplace(name.substr(2), Place{i, is_held ? State::held : State::on_its_way});
      if (!is_new) at->second.state = State::unclear;
    }
  }
  return listing;
}

MailQueue::Or<std::vector<QueueFile>> SendmailQueue::look(std::span<const std::string> ids, const Progress& progress) {
  if (const auto checked = check_queue_ids(ids); !checked) return quota::failed<std::vector<QueueFile>>(checked.error());
  const auto listing = list();
  std::vector<QueueFile> files;
  for (const auto state : {State::held, State::on_its_way}) {
    for (const auto& id : listing.only(ids, state)) {
      const auto envelope = read_sendmail_file(text_of(listing.path(id, listing.files.at(id))));
      if (!envelope) continue;  // it has left, or is being written
      files.push_back({id, state == State::held, envelope->arrived, envelope->mail_from, envelope->login.value_or(""), envelope->login.has_value()});
      if (progress && files.size() % told_every == 0) progress(files.size(), ids.size());
    }
  }
  if (progress) progress(ids.size(), ids.size());
  return files;
}

MailQueue::Or<std::vector<std::string>> SendmailQueue::change(std::span<const std::string> ids, State from, const std::vector<std::string>& how,
                                                              const Progress& progress) const {
  using Ids = std::vector<std::string>;
  if (const auto checked = check_queue_ids(ids); !checked) return quota::failed<Ids>(checked.error());
  const auto before = list();
  auto chosen = before.only(ids, from);
  std::erase_if(chosen, [&](const auto& id) {
    return std::any_of(before.files.begin(), before.files.end(), [&](const auto& file) { return file.first.size() > id.size() && file.first.find(id) != std::string::npos; });
  });
  for (std::size_t at = 0; at < chosen.size(); at += ids_of_a_run) {
    const auto some = std::span(chosen).subspan(at, std::min(ids_of_a_run, chosen.size() - at));
    const auto done = run_to_end({.words = words_for(words_, how, some)});
    if (!done) return quota::failed<Ids>(done.error());
    if (progress) progress(at + some.size(), ids.size());
  }
  if (progress) progress(ids.size(), ids.size());
  const auto after = list();
  std::erase_if(chosen, [&](const auto& id) {
    const auto at = after.files.find(id);
    if (at == after.files.end()) return from == State::on_its_way;  // delivered rather than kept back
    return at->second.state == from;
  });
  return chosen;
}

MailQueue::Or<std::size_t> SendmailQueue::hold(std::span<const std::string> ids, const Progress& progress) {
  const auto done = change(ids, State::on_its_way, {reason}, progress);
  if (!done) return quota::failed<std::size_t>(done.error());
  return done->size();
}

MailQueue::Or<std::size_t> SendmailQueue::send(std::span<const std::string> ids, const Progress& progress) {
  const auto done = change(ids, State::held, {"-qQ", "-Q"}, progress);
  if (!done) return quota::failed<std::size_t>(done.error());
  deliver(*done);
  return done->size();
}

void SendmailQueue::deliver(std::span<const std::string> ids) const {
  if (ids.empty() || ids.size() > most_sent_at_once) return;
  static_cast<void>(run_to_end({.words = words_for(words_, {}, ids)}));  // otherwise the next queue run takes them
}

MailQueue::Or<std::size_t> SendmailQueue::remove(std::span<const std::string> ids, const Progress& progress) {
  if (const auto checked = check_queue_ids(ids); !checked) return quota::failed<std::size_t>(checked.error());
  const auto listing = list();
  std::size_t removed = 0, tried = 0;
  for (const auto& id : listing.only(ids, State::held)) {
    if (remove_quarantined(id, listing.folders[listing.files.at(id).folder], listing.folders)) ++removed;
    if (++tried % told_every == 0 && progress) progress(tried, ids.size());
  }
  if (progress) progress(ids.size(), ids.size());
  return removed;
}

MailQueue::Or<std::vector<Notice>> SendmailQueue::notices(std::span<const std::string> ids) {
  if (const auto checked = check_queue_ids(ids); !checked) return quota::failed<std::vector<Notice>>(checked.error());
  return std::vector<Notice>();
}

}  // namespace milter::mail_queue
