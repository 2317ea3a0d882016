#include "quota/store/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "quota/tab_text.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::string_view journal_magic = "sendquota-journal";
constexpr std::string_view journal_version = "1";

std::string line_of(const JournalEntry& entry) {
  std::vector<std::string> words{std::to_string(entry.number), format_moment(entry.at)};
  words.insert(words.end(), entry.words.begin(), entry.words.end());
  return sealed_line(joined_words(words));
}

std::string header_of(const std::string& history) {
  return sealed_line(joined_words(std::vector<std::string>{std::string(journal_magic), std::string(journal_version), history}));
}

std::optional<JournalEntry> entry_of(std::vector<std::string> words) {
  if (words.size() < 3) return std::nullopt;
  const auto number = parse_number<std::uint64_t>(words[0]);
  const auto at = parse_moment(words[1]);
  if (!number || !at) return std::nullopt;
  words.erase(words.begin(), words.begin() + 2);
  return JournalEntry{*number, *at, std::move(words)};
}

/// Gathers what the lines say and how many say nothing.
struct JournalReading {
  JournalContent content{};
  std::size_t damaged = 0;
  bool is_other_version = false;

  void add(std::string_view sealed) {
    const auto line = unsealed_line(sealed);
    auto words = line ? split_words(*line) : std::vector<std::string>{};
    if (words.size() == 3 && words[0] == journal_magic) {
      is_other_version = words[1] != journal_version;
      content.history = std::move(words[2]);
    } else if (auto entry = entry_of(std::move(words))) {
      content.entries.push_back(std::move(*entry));
    } else {
      ++damaged;
    }
  }
};

/// A second name keeps what the rewrite will replace; a rename would leave a moment without any journal.
std::string keep_aside(const std::filesystem::path& path, Timestamp now) {
  const auto aside = path.native() + ".damaged-" + format_moment(std::chrono::floor<std::chrono::seconds>(now));
  std::error_code error;
  std::filesystem::remove(aside, error);
  std::filesystem::create_hard_link(path, aside, error);
  if (error) std::filesystem::copy_file(path, aside, error);  // a file system without links
  return error ? "it could not be kept aside: " + error.message() : "the damaged file is kept as " + aside;
}

}  // namespace

Result<JournalContent, std::string> Journal::read(Timestamp now) {
  std::error_code error;
  if (!std::filesystem::exists(path_, error) && !error) return JournalContent{};
  std::ifstream file(path_, std::ios::binary);
  std::ostringstream bytes;
  if (!(bytes << file.rdbuf()) && file.bad()) return system_complaint("read", path_);
  if (!file.is_open()) return system_complaint("open", path_);
  const auto text = std::move(bytes).str();
  JournalReading reading;
  std::string_view rest = text;
  for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    reading.add(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  whole_ = text.size() - rest.size();
  if (reading.is_other_version)
    return path_.native() + " was written by another version of sendquotad; use that one, or move the file away";
  if (!rest.empty())
    reading.content.notes.push_back(path_.native() +
                                    ": its last line was not finished when the daemon stopped, and is dropped");
  if (reading.damaged > 0)
    reading.content.notes.push_back(path_.native() + ": " + std::to_string(reading.damaged) +
                                    " damaged lines are left out, all others count; " + keep_aside(path_, now));
  return std::move(reading.content);
}

Result<void, std::string> Journal::open() {
  file_ = FileHandle{::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)};
  const auto size = file_.is_open() ? ::lseek(file_.get(), 0, SEEK_END) : -1;
  if (size < 0) return system_complaint("open", path_);
  size_ = size_at_rewrite_ = static_cast<std::uintmax_t>(size);
  return {};
}

Result<void, std::string> Journal::rewrite(const std::string& history, const std::vector<JournalEntry>& entries) {
  auto file = DurableFile::create(path_);
  if (!file) return file.error();
  file->write(header_of(history));
  for (const auto& entry : entries) file->write(line_of(entry));
  const auto committed = file->commit();
  const auto opened = open();  // after a failure too: only the last step of it may have failed
  if (!committed) return committed.error();
  if (opened) is_spoilt_ = false;
  return opened;
}

Result<void, std::string> Journal::open_as_it_is() {
  const auto opened = open();
  if (!opened) return opened.error();
  if (::ftruncate(file_.get(), static_cast<off_t>(whole_)) != 0) return system_complaint("shorten", path_);
  size_ = whole_;
  return {};
}

StoreError Journal::undone(std::string complaint) {
  // The line, or a part of it, must not be found at the next start. Where even that fails nothing may follow it.
  const bool is_gone = ::ftruncate(file_.get(), static_cast<off_t>(size_)) == 0 && ::fsync(file_.get()) == 0;
  is_spoilt_ = !is_gone;
  return {StoreErrorKind::refused, is_gone ? Executed::no : Executed::possibly, std::move(complaint)};
}

Result<void, StoreError> Journal::append(const JournalEntry& entry) {
  if (is_spoilt_)
    return StoreError{StoreErrorKind::refused, Executed::no,
                      path_.native() + " could not be mended after a failed write"};
  const auto line = line_of(entry);
  if (!write_all(file_, line)) return undone(system_complaint("write", path_));
  if (::fdatasync(file_.get()) != 0) return undone(system_complaint("sync", path_));
  size_ += line.size();
  return {};
}

}  // namespace quota
