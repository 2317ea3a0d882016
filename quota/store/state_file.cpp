#include "quota/store/state_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "quota/tab_text.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr int gap_per_write = 10;
constexpr std::size_t chunk = 1 << 16;

/// What reading a file line by line finds.
class StateReading {
 public:
  explicit StateReading(const StateReader& reader) : reader_(reader) {}

  void take(std::string_view sealed) {
    ++lines_;
    const auto line = unsealed_line(sealed);
    if (!line || !take_words(split_words(*line))) ++damaged_;
  }

  [[nodiscard]] std::string complaint() const {
    if (is_foreign_) return "it is of another version";
    if (damaged_ > 0) return std::to_string(damaged_) + " of its " + std::to_string(lines_) + " lines are damaged";
    if (!is_begun_) return "its first line is missing";
    return is_ended_ ? "" : "its end is missing";
  }

 private:
  [[nodiscard]] bool take_words(std::vector<std::string> words) {
    if (words.front() == reader_.magic) {
      is_foreign_ = words.size() < 2 || words[1] != reader_.version;
      is_begun_ = !is_foreign_ && reader_.first(words);
      return is_foreign_ || is_begun_;
    }
    if (words.front() == "end" && words.size() == 2) {
      is_ended_ = parse_number<std::size_t>(words[1]) == entries_;
      return true;
    }
    const bool is_understood = reader_.entry(words);
    entries_ += is_understood ? 1 : 0;
    return is_understood;
  }

  const StateReader& reader_;
  std::size_t lines_ = 0;
  std::size_t damaged_ = 0;
  std::size_t entries_ = 0;
  bool is_begun_ = false;
  bool is_ended_ = false;
  bool is_foreign_ = false;
};

}  // namespace

Result<std::string, std::string> read_state_file(const std::filesystem::path& path, const StateReader& reader) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return {boost::system::in_place_value, ""};
  std::ifstream file(path, std::ios::binary);
  if (!file) return {boost::system::in_place_error, system_complaint("open", path)};
  StateReading reading(reader);
  for (std::string line; std::getline(file, line);) reading.take(line);
  return {boost::system::in_place_value, reading.complaint()};
}

std::string set_aside(const std::filesystem::path& path, Timestamp now) {
  const auto aside = path.native() + ".damaged-" + format_moment(std::chrono::floor<std::chrono::seconds>(now));
  std::error_code error;
  std::filesystem::rename(path, aside, error);
  return error ? "it could not be kept aside: " + error.message() : "the file is kept as " + aside;
}

StateFile::StateFile(StateFileOptions options)
    : options_(std::move(options)),
      folder_(options_.folder ? options_.folder : std::make_shared<StateFolder>(options_.path.parent_path())) {
  thread_ = std::thread([this] { run(); });
}

StateFile::~StateFile() { stop(); }

void StateFile::changed() {
  const std::lock_guard lock(mutex_);
  if (is_behind_) return;
  is_behind_ = knows_anything_ = true;
  woken_.notify_all();
}

void StateFile::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    woken_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void StateFile::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool is_due = woken_.wait_for(lock, options_.refresh_every, [this] { return stopping_ || is_behind_; });
    if (stopping_ || (!is_due && !knows_anything_)) continue;
    is_behind_ = false;
    lock.unlock();
    const auto began = Steady::now();
    const bool is_kept = write_and_report();
    const auto took = std::chrono::ceil<Milliseconds>(Steady::now() - began);
    lock.lock();
    is_behind_ = is_behind_ || !is_kept;
    const auto gap = std::min(took * gap_per_write, std::max(took, options_.written_within - 2 * took));
    const auto pause = is_kept ? std::max(gap, options_.shortest_gap) : options_.retry_after;
    woken_.wait_for(lock, pause, [this] { return stopping_; });
  }
  const bool is_last_due = knows_anything_;
  lock.unlock();
  if (is_last_due) write_and_report();
}

bool StateFile::write_and_report() try {
  std::unique_lock lock(place_mutex_);
  const auto since = absences_;
  lock.unlock();
  const auto text = options_.text();
  const auto written = write(text, since);
  if (!written)
    note(written.error());
  else if (text.left_out > 0)
    note(options_.path.native() + ": " + std::to_string(text.left_out) + " " + options_.things + " found no room");
  else
    note("");
  return written.has_value();
} catch (const std::bad_alloc&) {
  note(options_.path.native() + ": not enough memory to write it");
  return false;
}

void StateFile::note(std::string problem) {
  if (problem.empty() != problem_.empty() && options_.report) options_.report(problem);
  problem_ = std::move(problem);
}

Result<void, std::string> StateFile::write(const StateText& text, std::uint64_t since) {
  if (auto locked = folder_->lock(); !locked) return locked;
  if (text.lines.empty()) {
    const std::lock_guard lock(place_mutex_);
    return take_away();
  }
  auto file = DurableFile::create(options_.path, 0600);
  if (!file) return file.error();
  std::string sealed;
  for (std::string_view rest = text.lines; !rest.empty();) {
    const auto end = rest.find('\n');
    sealed += sealed_line(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    if (sealed.size() < chunk && !rest.empty()) continue;
    file->write(sealed);
    sealed.clear();
  }
  const std::lock_guard lock(place_mutex_);
  if (is_absent_ || since != absences_) return {};  // end_absence() has it written anew
  may_be_there_ = true;
  return file->commit();
}

std::string StateFile::begin_absence() {
  const auto locked = folder_->lock();
  const std::lock_guard lock(place_mutex_);
  is_absent_ = true;
  if (!locked) return locked.error();
  const auto taken = take_away();
  return taken ? "" : taken.error();
}

void StateFile::end_absence() {
  {
    const std::lock_guard lock(place_mutex_);
    is_absent_ = false;
    ++absences_;
  }
  changed();
}

/// Requires: place_mutex_ is held, and the folder locked.
Result<void, std::string> StateFile::take_away() {
  if (!may_be_there_) return {};
  if (::unlink(options_.path.c_str()) != 0 && errno != ENOENT) {
    const auto problem = system_complaint("remove", options_.path);
    // In a folder that is not ours to change it can at least be emptied.
    const FileHandle file{::open(options_.path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC)};
    if (!file.is_open() || ::fsync(file.get()) != 0) return problem;
  } else if (auto synced = sync_folder(options_.path.parent_path()); !synced) {
    return synced;
  }
  may_be_there_ = false;
  return {};
}

}  // namespace quota
