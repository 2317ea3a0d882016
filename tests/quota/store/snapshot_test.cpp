#include "quota/store/snapshot.hpp"

#include <doctest/doctest.h>

#include "tests/support/full_disk.hpp"
#include "tests/support/temporary_folder.hpp"

namespace quota {
namespace {

using test::bytes_of;
using test::write_bytes;

const SnapshotHeader header{Timestamp{Milliseconds{1'763'790'000'000}}, "history1", {"17", "64"}};

Result<void, std::string> write_snapshot(const std::filesystem::path& path, const std::vector<std::string>& lines) {
  auto writer = SnapshotWriter::create(path, header);
  if (!writer) return writer.error();
  for (const auto& line : lines) writer->add(line + "\n");
  return writer->commit();
}

std::vector<std::vector<std::string>> lines_of(const std::filesystem::path& path) {
  std::vector<std::vector<std::string>> lines;
  read_snapshot(path, [&](std::vector<std::string> words) { lines.push_back(std::move(words)); });
  return lines;
}

}  // namespace

TEST_CASE("a snapshot gives back its lines in order") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "snapshot";
  CHECK(find_snapshot(path).state == SnapshotState::absent);
  REQUIRE(write_snapshot(path, {"record\tuser:alice\t1\tmailbox messages/1h\t1/1 0 1 2", "event\ta\\tb"}).has_value());
  const auto found = find_snapshot(path);
  CHECK(found.state == SnapshotState::whole);
  CHECK(found.header == header);
  const std::vector<std::vector<std::string>> want{{"record", "user:alice", "1", "mailbox messages/1h", "1/1 0 1 2"}, {"event", "a\tb"}};
  CHECK(lines_of(path) == want);
}

TEST_CASE("a snapshot that was cut off or changed anywhere is not used") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "snapshot";
  REQUIRE(write_snapshot(path, {"record\tuser:alice\t1", "record\tuser:bob\t2"}).has_value());
  const auto whole = bytes_of(path);
  for (std::size_t at = 0; at + 1 < whole.size(); ++at) {
    CAPTURE(at);
    write_bytes(path, whole.substr(0, at));
    CHECK(find_snapshot(path).state == SnapshotState::damaged);
    auto changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write_bytes(path, changed);
    CHECK(find_snapshot(path).state == SnapshotState::damaged);
  }
  write_bytes(path, whole + "record\tuser:mallory\t3\n");
  CHECK(find_snapshot(path).state == SnapshotState::damaged);
}

TEST_CASE("a snapshot that cannot be finished leaves the one before") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "snapshot";
  REQUIRE(write_snapshot(path, {"record\tuser:alice\t1"}).has_value());
  const auto before = bytes_of(path);
  {
    const test::FullDisk full(before.size());
    const auto written = write_snapshot(path, {std::string(1000, 'x')});
    REQUIRE_FALSE(written.has_value());
    CHECK(written.error().find("File too large") != std::string::npos);
  }
  CHECK_FALSE(write_snapshot(folder.path() / "no such folder" / "snapshot", {}).has_value());
  CHECK(bytes_of(path) == before);
  CHECK_FALSE(std::filesystem::exists(path.native() + ".new"));
}

}  // namespace quota
