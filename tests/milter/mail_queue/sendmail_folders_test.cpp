#include "milter/mail_queue/sendmail_folders.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/temporary_folder.hpp"

using namespace milter::mail_queue;
using Paths = std::vector<std::string>;

TEST_CASE("the queue directories are those that sendmail.cf names") {
  const struct {
    std::string what, cf;
    Paths want;
  } rows[] = {
      {"one", "# O QueueDirectory=/no\nO QueueDirectory=/var/spool/mqueue\nO Timeout.queuereturn=5d\n", {"/var/spool/mqueue"}},
      {"in any case, with blanks", "O queuedirectory = /var/spool/mqueue \r\n", {"/var/spool/mqueue"}},
      {"the last one", "O QueueDirectory=/a\nO QueueDirectory=/b", {"/b"}},
      {"many", "O QueueDirectory=/var/spool/mqueue/q*\n", {"/var/spool/mqueue/q*"}},
      {"groups", "O QueueDirectory=/q/main*\nQlists, Path=/q/lists/*, F=f\nQbulk, F=f, P=bulk\nQmain, P=/q/main*, R=2\nQnone, F=f\n", {"/q/main*", "/q/lists/*", "/q/bulk"}},
      {"none", "O QueueLA=8\nSQueueDirectory=/x\nO QueueDirectoryX=/x\n", {}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    CHECK(queue_paths(row.cf) == row.want);
  }
}

TEST_CASE("a path with a star stands for the folders that begin so, and sub-folders for kinds of files are used where they are") {
  const test::TemporaryFolder folder;
  const auto& path = folder.path();
  for (const auto* name : {"q1", "q2/qf", "q2/df", "other", "q2/xf"}) std::filesystem::create_directories(path / name);
  const auto of = [&](const std::string& pattern) {
    Paths found;
    for (const auto& one : folders_of((path / pattern).native())) found.push_back(one.qf.substr(path.native().size()) + " " + one.df.substr(path.native().size()));
    std::sort(found.begin(), found.end());
    return found;
  };
  CHECK(of("q*") == Paths{"/q1 /q1", "/q2/qf /q2/df"});
  CHECK(of("q1") == Paths{"/q1 /q1"});
  CHECK(of("*").size() == 3);
  CHECK(of("none").empty());
  CHECK(of("none/*").empty());
}
