// StateFile: a file in `state_dir` that follows what the daemon knows. A thread of its own writes it; nobody waits for the disk but
// who wants it gone.
//
//   CHECKSUM  MAGIC  VERSION  …        the first line; tabs between the words (tab_text.hpp)
//   CHECKSUM  …                        a line for each entry
//   CHECKSUM  end  ENTRIES
//
// Replaced as a whole or not at all, mode 0600. Between two writes lie ten times as long as the last one took, as far as
// `written_within` allows.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "quota/store/state_folder.hpp"
#include "quota/units.hpp"

namespace quota {

/// The lines of a file, without their checksums. None: there is nothing to keep, and the file goes.
struct StateText {
  std::string lines{};
  std::size_t left_out = 0;  ///< entries without room
};

/// Builds a StateText of at most `most_bytes`, its end aside.
class StateDraft {
 public:
  StateDraft(std::string first_line, std::size_t most_bytes) : most_bytes_(most_bytes), text_{std::move(first_line) + '\n'} {}

  void reserve(std::size_t bytes) { text_.lines.reserve(std::min(most_bytes_, bytes)); }
  /// `append` adds a line without its end; one that finds no room is taken away again, and counted.
  template <class Append>
  void add(Append append) {
    const auto before = text_.lines.size();
    append(text_.lines);
    text_.lines += '\n';
    if (text_.lines.size() <= most_bytes_) {
      ++entries_;
      return;
    }
    text_.lines.resize(before);
    ++text_.left_out;
  }
  [[nodiscard]] bool is_empty() const { return entries_ + text_.left_out == 0; }
  [[nodiscard]] StateText finished() && {
    text_.lines += "end\t" + std::to_string(entries_) + '\n';
    return std::move(text_);
  }

 private:
  const std::size_t most_bytes_;
  StateText text_;
  std::size_t entries_ = 0;
};

/// Who reads a file. Both get a line's words and say whether they are understood.
struct StateReader {
  std::string_view magic;
  std::string_view version;
  std::function<bool(std::vector<std::string>& words)> first;
  std::function<bool(std::vector<std::string>& words)> entry;
};
/// Reads the file at `path`. Returns what is wrong with it: empty for one that is whole, or absent. A line whose checksum does not
/// fit is left out. Errors: it cannot be opened.
[[nodiscard]] Result<std::string, std::string> read_state_file(const std::filesystem::path& path, const StateReader& reader);

/// Keeps a damaged file under another name, for somebody to look at. Returns a clause that says where.
[[nodiscard]] std::string set_aside(const std::filesystem::path& path, Timestamp now);

struct StateFileOptions {
  std::filesystem::path path{};
  std::shared_ptr<StateFolder> folder{};                    ///< null: one of its own, the file's
  std::function<StateText()> text{};                        ///< as it is just now; called on the thread
  std::string things = "entries";                           ///< what found no room
  std::function<void(const std::string& problem)> report{}; ///< once when keeping begins to fail; empty: it works again
  Milliseconds written_within{900};                         ///< of a change
  Milliseconds shortest_gap{0};                             ///< between two writes
  Milliseconds refresh_every = std::chrono::hours{1};       ///< without a change
  Milliseconds retry_after = std::chrono::seconds{1};       ///< a failure
};

class StateFile {
 public:
  /// Starts the thread. Nothing is written before changed().
  explicit StateFile(StateFileOptions options);
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;
  ~StateFile();

  /// The file is behind. Threads: any; never waits for I/O.
  void changed();

  /// As long as one lives the file is gone, even if this machine fails; afterwards it is written anew. One at a time.
  class Absence {
   public:
    explicit Absence(StateFile& file) : file_(file), problem_(file.begin_absence()) {}
    Absence(const Absence&) = delete;
    Absence& operator=(const Absence&) = delete;
    ~Absence() { file_.end_absence(); }
    /// Why it may be there all the same; empty: it is not.
    [[nodiscard]] const std::string& problem() const { return problem_; }

   private:
    StateFile& file_;
    const std::string problem_;
  };

  /// Writes a last time, if anything was ever known, and ends the thread. May be called twice.
  void stop();

 private:
  using Steady = std::chrono::steady_clock;

  void run();
  /// Returns whether the file is as good as it can be.
  bool write_and_report();
  void note(std::string problem);
  [[nodiscard]] Result<void, std::string> write(const StateText& text, std::uint64_t since);
  [[nodiscard]] Result<void, std::string> take_away();
  [[nodiscard]] std::string begin_absence();
  void end_absence();

  // Constant after construction.
  const StateFileOptions options_;
  const std::shared_ptr<StateFolder> folder_;

  // Of the thread alone.
  std::string problem_;

  std::mutex place_mutex_;
  // Guarded by place_mutex_.
  std::uint64_t absences_ = 0;  // a text that was taken before the last one ended is out of date
  bool is_absent_ = false;      // one lives
  bool may_be_there_ = true;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable woken_;
  bool is_behind_ = false;
  bool knows_anything_ = false;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace quota
