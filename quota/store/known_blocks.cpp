#include "quota/store/known_blocks.hpp"

#include <algorithm>
#include <fstream>

#include "quota/store/state_folder.hpp"
#include "quota/store/tab_text.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::string_view blocks_magic = "sendquota-known-blocks";
constexpr std::string_view blocks_version = "1";
constexpr Milliseconds written_within{900};
constexpr int gap_per_write = 10;

std::string moment_word(Timestamp moment) { return std::to_string(moment.time_since_epoch().count()); }

std::optional<Timestamp> moment_of(std::string_view word) {
  const auto number = parse_number(word);
  return number ? std::optional(Timestamp{Milliseconds{*number}}) : std::nullopt;
}

std::string first_line(const Known& known) {
  const std::string words[] = {std::string(blocks_magic), std::string(blocks_version), known.history, known.epoch,
                               moment_word(known.read_at)};
  return joined_words(words);
}

void append_block(std::string& lines, const std::string& field, const KnownBlock& known) {
  append_escaped(lines, field);
  lines += '\t';
  append_escaped(lines, known.id);
  lines += '\t';
  if (known.since) lines += moment_word(*known.since);
  lines += known.seen ? "\tseen" : "\t";
  lines += known.marked ? ",marked\t" : "\t";
  append_escaped(lines, known.text);
  lines += '\n';
}

std::optional<KnownBlock> block_of(const std::vector<std::string>& words) {
  if (words.size() != 5) return std::nullopt;
  return KnownBlock{.text = words[4],
                    .block = understood(words[4]),
                    .id = words[1],
                    .since = moment_of(words[2]),
                    .seen = words[3].starts_with("seen"),
                    .marked = words[3].ends_with(",marked")};
}

/// What reading the file line by line finds.
class BlocksReading {
 public:
  void take(std::string_view sealed) {
    ++lines_;
    const auto line = unsealed_line(sealed);
    if (!line) {
      ++damaged_;
      return;
    }
    auto words = split_words(*line);
    if (words.front() == blocks_magic) return take_first(words);
    if (words.front() == "end" && words.size() == 2) {
      is_ended_ = parse_number<std::size_t>(words[1]) == known_.blocked.size();
      return;
    }
    auto block = block_of(words);
    if (!block)
      ++damaged_;
    else
      known_.blocked.insert_or_assign(std::move(words.front()), std::move(*block));
  }

  [[nodiscard]] Known finished(Timestamp now) {
    known_.is_recalled = true;
    if (complaint().empty()) return std::move(known_);
    known_.history.clear();
    known_.epoch.clear();
    known_.read_at = now;
    return std::move(known_);
  }

  /// Empty for a file that is whole.
  [[nodiscard]] std::string complaint() const {
    if (is_foreign_) return "it is of another version";
    if (damaged_ > 0) return std::to_string(damaged_) + " of its " + std::to_string(lines_) + " lines are damaged";
    if (!is_begun_) return "its first line is missing";
    return is_ended_ ? "" : "its end is missing";
  }

 private:
  void take_first(const std::vector<std::string>& words) {
    is_foreign_ = words.size() < 2 || words[1] != blocks_version;
    const auto read_at = words.size() == 5 ? moment_of(words[4]) : std::nullopt;
    if (is_foreign_ || !read_at) return;
    is_begun_ = true;
    known_.history = words[2];
    known_.epoch = words[3];
    known_.read_at = *read_at;
  }

  Known known_{};
  std::size_t lines_ = 0;
  std::size_t damaged_ = 0;
  bool is_begun_ = false;
  bool is_ended_ = false;
  bool is_foreign_ = false;
};

std::string set_aside(const std::filesystem::path& path, Timestamp now) {
  const auto aside = path.native() + ".damaged-" + format_moment(std::chrono::floor<std::chrono::seconds>(now));
  std::error_code error;
  std::filesystem::rename(path, aside, error);
  return error ? "it could not be kept aside: " + error.message() : "the file is kept as " + aside;
}

}  // namespace

Recalled recall_blocks(const std::filesystem::path& path, Timestamp now) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return {};
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return {{}, {system_complaint("open", path) + "; blocks are not known until the store has been read"}};
  BlocksReading reading;
  for (std::string line; std::getline(file, line);) reading.take(line);
  Recalled recalled;
  const auto complaint = reading.complaint();
  recalled.known = reading.finished(now);
  if (!complaint.empty())
    recalled.notes.push_back(path.native() + " cannot be used as it is: " + complaint + "; " +
                             std::to_string(recalled.known.blocked.size()) + " blocks of it hold; " + set_aside(path, now));
  return recalled;
}

KnownText text_of(const Known& known, std::size_t most_bytes) {
  KnownText text;
  text.lines.reserve(std::min(most_bytes, known.blocked.size() * 160 + 200));
  text.lines = first_line(known) + '\n';
  for (const auto& [field, block] : known.blocked) {
    const auto before = text.lines.size();
    append_block(text.lines, field, block);
    if (text.lines.size() <= most_bytes) continue;
    text.lines.resize(before);
    ++text.left_out;
  }
  text.lines += "end\t" + std::to_string(known.blocked.size() - text.left_out) + '\n';
  return text;
}

KnownBlocks::KnownBlocks(KnownBlocksOptions options) : options_(std::move(options)) {
  thread_ = std::thread([this] { run(); });
}

KnownBlocks::~KnownBlocks() { stop(); }

void KnownBlocks::changed() {
  const std::lock_guard lock(mutex_);
  is_behind_ = knows_anything_ = true;
  woken_.notify_all();
}

void KnownBlocks::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    woken_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void KnownBlocks::run() {
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
    const auto gap = std::min(took * gap_per_write, std::max(took, written_within - 2 * took));
    const auto pause = is_kept ? gap : options_.retry_after;
    woken_.wait_for(lock, pause, [this] { return stopping_; });
  }
  const bool is_last_due = knows_anything_;
  lock.unlock();
  if (is_last_due) write_and_report();
}

bool KnownBlocks::write_and_report() {
  const auto text = options_.text();
  const auto written = write(text);
  if (!written)
    note(written.error());
  else if (text.left_out > 0)
    note(options_.path.native() + ": " + std::to_string(text.left_out) + " blocks found no room");
  else
    note("");
  return written.has_value();
}

void KnownBlocks::note(std::string problem) {
  if (problem.empty() != problem_.empty() && options_.report) options_.report(problem);
  problem_ = std::move(problem);
}

Result<void, std::string> KnownBlocks::write(const KnownText& text) {
  constexpr std::size_t chunk = 1 << 16;
  if (!lock_.is_open()) {
    auto lock = lock_state_folder(options_.path.parent_path());
    if (!lock) return lock.error();
    lock_ = std::move(*lock);
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
  return file->commit();
}

}  // namespace quota
