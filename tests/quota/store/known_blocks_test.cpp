#include "quota/store/known_blocks.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <ctime>

#include "tests/support/scripted_ledger.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota {
namespace {

using namespace std::chrono_literals;

const Timestamp noon{1'763'812'800'000ms};

KnownBlock known_block(const std::string& text, const std::string& id = "b1") {
  return {.text = text, .block = understood(text), .id = id, .since = noon - 1h, .seen = true, .marked = true};
}

Known example() {
  Known known{.history = "run-1 repl-1", .epoch = "e1", .read_at = noon};
  known.blocked["user:alice@example.com"] = known_block("id=b1 since=2025-11-22T11:00:00Z action=reject stolen");
  known.blocked["user:bob@example.com"] = known_block("tab\t, line\nend, \\ and \"ünï\"; 100 %", "");
  known.blocked["user:bob@example.com"].since.reset();
  known.blocked["user:carol@example.com"] = known_block("until=tomorrow x", "error-1");
  known.blocked["user:carol@example.com"].seen = false;
  known.blocked["client:192.0.2.1"] = known_block("until=2025-12-01T00:00:00Z", "b4");
  known.blocked["client:192.0.2.1"].marked = false;
  return known;
}

/// Writes `known` once, as a daemon does.
void write(const std::filesystem::path& path, const Known& known) {
  std::atomic<int> problems = 0;
  StateFile file({.path = path, .text = [&] { return text_of(known); }, .report = [&](const std::string&) { ++problems; }});
  file.changed();
  file.stop();
  REQUIRE(problems == 0);
}

}  // namespace

TEST_CASE("what is known is recalled exactly, and only its owner can read the file") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "state" / "known-blocks";
  CHECK(recall_blocks(path, noon).known.history.empty());
  write(path, example());
  const auto recalled = recall_blocks(path, noon + 1h);
  CHECK(recalled.notes.empty());
  CHECK(recalled.known.is_recalled);
  CHECK(recalled.known.history == "run-1 repl-1");
  CHECK(recalled.known.epoch == "e1");
  CHECK(recalled.known.read_at == noon);
  CHECK(recalled.known.blocked == example().blocked);
  struct ::stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0600U);
}

TEST_CASE("of a damaged file every whole block holds, nothing counts as released by it, and it is kept aside") {
  const auto edit = [](auto change) {
    return [change](std::string bytes) {
      change(bytes);
      return bytes;
    };
  };
  const struct {
    const char* why;
    std::function<std::string(std::string)> damage;
    std::size_t blocks;
  } rows[] = {
      {"a byte of a block", edit([](auto& bytes) { bytes[bytes.find("stolen")] = 'S'; }), 3},
      {"a byte of the first line", edit([](auto& bytes) { bytes[bytes.find("run-1")] = 'R'; }), 4},
      {"its second half is missing", edit([](auto& bytes) { bytes.resize(bytes.find("user:bob") + 20); }), 2},
      {"its last line is missing", edit([](auto& bytes) { bytes.resize(bytes.rfind('\t') - 12); }), 4},
      {"a line was taken out", edit([](auto& bytes) {
         const auto begin = bytes.find('\n') + 1;
         bytes.erase(begin, bytes.find('\n', begin) + 1 - begin);
       }), 3},
      {"it is empty", edit([](auto& bytes) { bytes.clear(); }), 0},
      {"it is something else", edit([](auto& bytes) { bytes = "\x7f" "ELF\n\n\0\n"; }), 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "known-blocks";
    write(path, example());
    const auto damaged = row.damage(test::bytes_of(path));
    test::write_bytes(path, damaged);
    const auto recalled = recall_blocks(path, noon + 1h);
    CHECK(recalled.known.blocked.size() == row.blocks);
    CHECK(recalled.known.history.empty());
    CHECK(recalled.known.epoch.empty());
    CHECK(recalled.known.read_at == noon + 1h);
    REQUIRE(recalled.notes.size() == 1);
    const auto aside = folder.path() / "known-blocks.damaged-2025-11-22T13:00:00Z";
    CHECK(recalled.notes[0].find(aside.native()) != std::string::npos);
    CHECK(test::bytes_of(aside) == damaged);
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_CASE("what finds no room is said, and the rest is kept") {
  const auto all = text_of(example());
  CHECK(all.left_out == 0);
  const auto some = text_of(example(), all.lines.size() - 60);
  CHECK(some.left_out >= 1);
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "known-blocks";
  std::string problem;
  {
    StateFile file({.path = path, .text = [&] { return some; }, .report = [&](const std::string& text) { problem = text; }});
    file.changed();
  }
  CHECK(problem.find("found no room") != std::string::npos);
  const auto recalled = recall_blocks(path, noon);
  CHECK(recalled.notes.empty());
  CHECK(recalled.known.blocked.size() == 4 - some.left_out);
}

TEST_CASE("a storm of changes costs a bounded number of writes, and the last change is in the file within a second") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "known-blocks";
  std::mutex mutex;
  auto known = example();
  int writes = 0;
  StateFile file({.path = path, .text = [&] {
                      const std::lock_guard lock(mutex);
                      ++writes;
                      return text_of(known);
                    }});
  const auto began = std::chrono::steady_clock::now();
  int changes = 0;
  while (std::chrono::steady_clock::now() - began < 500ms) {
    {
      const std::lock_guard lock(mutex);
      known.epoch = "e" + std::to_string(++changes);
    }
    file.changed();
    std::this_thread::sleep_for(100us);
  }
  CHECK(eventually([&] { return recall_blocks(path, noon).known.epoch == "e" + std::to_string(changes); }, 1s));
  const std::lock_guard lock(mutex);
  CHECK(changes > 10 * writes);
}

TEST_CASE("100,000 blocks are kept and recalled, in so many milliseconds") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "known-blocks";
  Known known{.history = "run-1 repl-1", .epoch = "e1", .read_at = noon};
  for (int i = 0; i < 100'000; ++i)
    known.blocked["user:u" + std::to_string(i) + "@example.com"] = known_block(
        "id=3f9c2a71b0de since=2025-11-22T05:00:00Z until=2025-12-22T05:00:00Z action=tempfail quota=mailbox step=1 300 refusals in 10m");
  // Of the processor's time: the machine may have other work.
  const auto ms = [](std::clock_t from, std::clock_t to) { return (to - from) * 1000 / CLOCKS_PER_SEC; };
  const auto began = std::clock();
  const auto text = text_of(known);
  const auto formatted = std::clock();
  write(path, known);
  const auto written = std::clock();
  const auto recalled = recall_blocks(path, noon);
  const auto read = std::clock();
  CHECK(recalled.known.blocked == known.blocked);
  MESSAGE("100,000 blocks, " << text.lines.size() / 1000 << " kB: the keeper is held up for " << ms(began, formatted) << " ms, written in "
                             << ms(formatted, written) << " ms, recalled in " << ms(written, read) << " ms");
}

}  // namespace quota
