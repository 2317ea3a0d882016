#include "quota/store/journal.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "quota/tab_text.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota {
namespace {

using test::bytes_of;
using test::write_bytes;

constexpr Timestamp now{Milliseconds{1'763'790'000'000}};

std::vector<JournalEntry> some_entries() {
  return {{1, now, {"put", "blocked", "user:alice@example.com", "password stolen, ticket 4711"}},
          {2, now + Milliseconds{1}, {"put", "override", "* *", "observe"}},
          {3, now, {"del", "blocked", "user:alice@example.com"}},
          {4, now, {"put", "account", "uid:web1/1000", "tab\t, line\n\r, nul\0 and \\x41 \xc3\xbc"}},
          {5, now, {"empty", ""}}};
}

JournalContent read(const std::filesystem::path& path) {
  auto content = Journal(path).read(now);
  REQUIRE(content.has_value());
  return std::move(*content);
}

/// A journal of `entries`, the last ones appended.
void write_journal(const std::filesystem::path& path, const std::vector<JournalEntry>& entries) {
  Journal journal(path);
  REQUIRE(journal.rewrite("history1", {entries.begin(), entries.begin() + 2}).has_value());
  for (std::size_t i = 2; i < entries.size(); ++i) REQUIRE(journal.append(entries[i]).has_value());
}

std::size_t lines_in(const std::string& bytes) { return static_cast<std::size_t>(std::ranges::count(bytes, '\n')); }

bool has_aside(const std::filesystem::path& folder) {
  return std::ranges::any_of(std::filesystem::directory_iterator(folder), [](const auto& entry) {
    return entry.path().filename().native().starts_with("journal.damaged-");
  });
}

}  // namespace

TEST_CASE("a journal gives back what was written, whatever bytes it holds") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  CHECK(read(path).entries.empty());
  CHECK(read(path).history.empty());
  write_journal(path, some_entries());
  const auto content = read(path);
  CHECK(content.entries == some_entries());
  CHECK(content.history == "history1");
  CHECK(content.notes.empty());
}

TEST_CASE("a journal can be read by people") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  write_journal(path, some_entries());
  const auto bytes = bytes_of(path);
  CHECK(bytes.find("\t1\t2025-11-22T05:40:00Z\tput\tblocked\tuser:alice@example.com\tpassword stolen, ticket 4711\n") != std::string::npos);
  CHECK(lines_in(bytes) == 6);
}

TEST_CASE("a journal cut off at any byte keeps every line before it, and goes on") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  const auto entries = some_entries();
  write_journal(path, entries);
  const auto whole = bytes_of(path);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    CAPTURE(size);
    const auto part = whole.substr(0, size);
    const auto kept = lines_in(part) > 0 ? lines_in(part) - 1 : 0;  // the first line is the header
    write_bytes(path, part);
    Journal journal(path);
    const auto content = journal.read(now);
    REQUIRE(content.has_value());
    CHECK(content->entries == std::vector(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(kept)));
    CHECK(content->history == (lines_in(part) > 0 ? "history1" : ""));
    CHECK(content->notes.size() == (part.empty() || part.back() == '\n' ? 0U : 1U));
    if (lines_in(part) == 0) continue;
    REQUIRE(journal.open_as_it_is().has_value());
    REQUIRE(journal.append({99, now, {"empty", "x"}}).has_value());
    CHECK(read(path).entries.back().number == 99);
    CHECK(read(path).entries.size() == kept + 1);
    CHECK(read(path).notes.empty());
  }
  CHECK_FALSE(has_aside(folder.path()));
}

TEST_CASE("one damaged byte costs one line, and the damaged file is kept aside") {
  const auto entries = some_entries();
  const test::TemporaryFolder first;
  write_journal(first.path() / "journal", entries);
  const auto whole = bytes_of(first.path() / "journal");
  for (std::size_t at = 0; at + 1 < whole.size(); ++at) {
    CAPTURE(at);
    const test::TemporaryFolder folder;
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    write_bytes(folder.path() / "journal", damaged);
    const auto content = read(folder.path() / "journal");
    // A line end that is gone joins two lines.
    const bool is_joint = whole[at] == '\n';
    const bool is_header = at <= whole.find('\n');
    const auto lost = is_header && !is_joint ? 0U : is_header ? 1U : is_joint ? 2U : 1U;
    CHECK(content.entries.size() >= entries.size() - lost);
    for (const auto& entry : content.entries) CHECK(std::ranges::find(entries, entry) != entries.end());
    CHECK(content.notes.size() == 1);
    CHECK(has_aside(folder.path()));
  }
}

TEST_CASE("what was kept aside is not touched by the rewrite that mends the journal") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  write_journal(path, some_entries());
  auto damaged = bytes_of(path);
  damaged[damaged.find("ticket")] = 'T';
  write_bytes(path, damaged);
  Journal journal(path);
  const auto content = journal.read(now);
  REQUIRE(content.has_value());
  REQUIRE(journal.rewrite(content->history, content->entries).has_value());
  CHECK(bytes_of(folder.path() / "journal.damaged-2025-11-22T05:40:00Z") == damaged);
  CHECK(read(path).notes.empty());
  CHECK(read(path).entries.size() == 4);
}

TEST_CASE("a journal of another version is refused, not damaged") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  // The checksum is that of the rest of the line.
  REQUIRE(Journal(path).rewrite("h", {}).has_value());
  auto bytes = bytes_of(path);
  REQUIRE(bytes.find("\t1\th") != std::string::npos);
  bytes = sealed_line("sendquota-journal\t2\th");
  write_bytes(path, bytes);
  const auto content = Journal(path).read(now);
  REQUIRE_FALSE(content.has_value());
  CHECK(content.error().find("another version") != std::string::npos);
  CHECK(bytes_of(path) == bytes);
}

TEST_CASE("on a full disk an entry is refused whole, and later ones are taken again") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  Journal journal(path);
  REQUIRE(journal.rewrite("h", {}).has_value());
  REQUIRE(journal.append({1, now, {"put", "blocked", "user:alice", "x"}}).has_value());
  const auto before = bytes_of(path);
  for (const std::size_t room : {0U, 1U, 30U}) {
    CAPTURE(room);
    const test::FullDisk full(before.size() + room);
    const auto appended = journal.append({2, now, {"put", "blocked", "user:bob", "a reason that does not fit any more"}});
    REQUIRE_FALSE(appended.has_value());
    CHECK(appended.error().kind == StoreErrorKind::refused);
    CHECK(appended.error().executed == Executed::no);
    CHECK(appended.error().text.find("File too large") != std::string::npos);
    CHECK(bytes_of(path) == before);
  }
  CHECK(journal.append({3, now, {"put", "blocked", "user:carol", "y"}}).has_value());
  CHECK(read(path).entries.size() == 2);
}

TEST_CASE("a rewrite that fails leaves the journal as it was") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  write_journal(path, some_entries());
  const auto before = bytes_of(path);
  Journal journal(path);
  std::ignore = journal.read(now);
  REQUIRE(journal.open_as_it_is().has_value());
  {
    const test::FullDisk full(10);
    CHECK_FALSE(journal.rewrite("history1", some_entries()).has_value());
  }
  CHECK(bytes_of(path) == before);
  CHECK_FALSE(std::filesystem::exists(path.native() + ".new"));
  CHECK(journal.append({9, now, {"empty", "x"}}).has_value());
  CHECK(read(path).entries.size() == 6);
}

TEST_CASE("a journal asks to be rewritten when it has grown by a megabyte and to twice its size") {
  const test::TemporaryFolder folder;
  Journal journal(folder.path() / "journal");
  REQUIRE(journal.rewrite("h", {}).has_value());
  const JournalEntry large{1, now, {"put", "blocked", "user:alice", std::string(300'000, 'x')}};
  int appended = 0;
  for (; !journal.wants_rewrite() && appended < 10; ++appended) REQUIRE(journal.append(large).has_value());
  CHECK(appended == 4);
  REQUIRE(journal.rewrite("h", {large}).has_value());
  CHECK_FALSE(journal.wants_rewrite());
}

}  // namespace quota
