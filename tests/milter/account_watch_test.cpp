#include "milter/account_watch.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/must.hpp"
#include "tests/support/scripted_ledger.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace milter;
using namespace std::chrono_literals;
using quota::eventually;

namespace {

const quota::Identity alice{quota::Kind::user, "alice@example.com"};

/// A daemon's configuration with a file of accounts, and what the watch did with it.
struct Host {
  explicit Host(quota::Milliseconds every = 1h) {
    write("user:alice acme gold\n");
    std::ofstream(folder.path() / "sendquota.toml") << "[identity]\ndefault_realm = \"example.com\"\naccounts = \"accounts\"\n"
                                                       "[[quota]]\nname = \"mailbox\"\nper = \"user\"\nlimits = \"5 messages / 1h\"\n";
    auto loaded = load_config((folder.path() / "sendquota.toml").string());
    REQUIRE(loaded.has_value());
    running = std::make_shared<const Config>(std::move(*loaded));
    watch.emplace(AccountWatchTools{.reloading = reloading,
                                    .running = [this] { return running; },
                                    .take = [this](std::shared_ptr<const Config> fresh) { running = std::move(fresh), ++taken; },
                                    .refuse = [this](const std::vector<Problem>& problems) { refused.push_back(format(problems)); },
                                    .every = every});
  }
  void write(const std::string& text) const { std::ofstream(path()) << text; }
  /// As an editor does: another file in its place.
  void replace(const std::string& text) const {
    const auto fresh = folder.path() / "accounts.new";
    std::ofstream(fresh) << text;
    std::filesystem::rename(fresh, path());
  }
  [[nodiscard]] std::filesystem::path path() const { return folder.path() / "accounts"; }
  [[nodiscard]] std::string account() const {
    const auto* found = running->policy->parts().accounts.find(alice);
    return found ? found->name + " " + found->plan : "none";
  }

  test::TemporaryFolder folder{};
  std::mutex reloading;
  std::shared_ptr<const Config> running;
  int taken = 0;
  std::vector<std::string> refused;
  std::optional<AccountWatch> watch;
};

}  // namespace

TEST_CASE("changed accounts are taken, and nothing else of the configuration") {
  Host host;
  CHECK(host.account() == "acme gold");
  host.watch->look();
  CHECK(host.taken == 0);
  host.replace("user:alice acme silver\n");
  std::ofstream(host.folder.path() / "sendquota.toml") << "nonsense";
  host.watch->look();
  host.watch->look();
  CHECK(host.taken == 1);
  CHECK(host.account() == "acme silver");
  CHECK(host.running->policy->find("mailbox"));
  host.write("@example.com other\n");  // in place: another size
  host.watch->look();
  CHECK(host.account() == "none");
  CHECK(host.taken == 2);
  CHECK(host.refused.empty());
}

TEST_CASE("accounts that cannot be used leave the known ones, and are told once for each change") {
  Host host;
  const auto file = host.path().string();
  const struct {
    const char* why;
    const char* text;  // null: no file
    std::string want;
  } rows[] = {
      {"two mistakes", "user:alice acme\nbob acme\n\nuser:alice other\n",
       file + ":2: 'bob' is no identity: write kind:value, as in user:alice@example.com or script:mx1.example.com/1000:form.php\n" + file +
           ":4: user:alice@example.com has an account already; keep one line\n"},
      {"no file", nullptr,
       file + ": cannot be read: No such file or directory; write the path of a file with lines like 'user:alice@example.com acme gold'\n"},
      {"another mistake", "user:alice\n", file + ":1: '' is no account: write ACCOUNT or ACCOUNT PLAN\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    host.refused.clear();
    if (row.text)
      host.replace(row.text);
    else
      std::filesystem::remove(host.path());
    for (int i = 0; i < 3; ++i) host.watch->look();
    CHECK(host.refused == std::vector{row.want});
    CHECK(host.account() == "acme gold");
  }
  CHECK(host.taken == 0);
  host.replace("user:alice cured\n");
  host.watch->look();
  CHECK(host.account() == "cured ");
}

TEST_CASE("a file that was away and is back as it was, and away again, is told twice") {
  Host host;
  const auto aside = host.folder.path() / "aside";
  for (std::size_t i = 1; i <= 2; ++i) {
    std::filesystem::rename(host.path(), aside);
    host.watch->look();
    CHECK(host.refused.size() == i);
    std::filesystem::rename(aside, host.path());
    host.watch->look();
  }
  CHECK(host.taken == 0);
}

TEST_CASE("without a file of accounts nothing is looked at") {
  Host host;
  auto config = *host.running;
  config.accounts_file.clear();
  host.running = std::make_shared<const Config>(config);
  host.replace("user:alice other\n");
  host.watch->look();
  CHECK(host.taken == 0);
}

TEST_CASE("the watch looks by itself, and stops at once") {
  Host host(5ms);
  host.replace("user:alice other\n");
  CHECK(eventually([&] {
    const std::lock_guard lock(host.reloading);
    return host.account() == "other ";
  }));
  host.watch->stop();
  Host patient(1h);
  const auto begun = std::chrono::steady_clock::now();
  patient.watch->stop();
  CHECK(std::chrono::steady_clock::now() - begun < 10s);
}
