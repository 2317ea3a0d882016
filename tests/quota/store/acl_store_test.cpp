// The contract of a store under the access rules of the examples in conf/, of which nobody refuses anything, on each
// topology.
#include <fstream>
#include <regex>

#include "tests/quota/store/contract_ledger.hpp"
#include "tests/quota/store/order_contract.hpp"
#include "tests/quota/store/redis_archive_fixture.hpp"
#include "tests/quota/store/redis_fixture.hpp"
#include "tests/quota/store/trace.hpp"

namespace quota::test {
namespace {

// The first group of the first line that matches.
std::string line_of(const std::string& example, const std::string& pattern) {
  std::ifstream file(SENDQUOTA_SOURCE_DIR "/conf/" + example);
  std::smatch found;
  for (std::string line; std::getline(file, line);)
    if (std::regex_match(line, found, std::regex(pattern))) return found[1];
  throw std::runtime_error(example + " has no line " + pattern);
}

// What stands behind "user" in the line for the daemons, and what the example adds to it for a topology.
std::string daemons(const std::string& topology = "") {
  auto line = line_of("redis-users.acl.example", "user (sendquotad .*)");
  if (!topology.empty())
    line += " " + line_of("redis-users.acl.example", ".* " + topology + ", add to the line of the daemons: *(.*)");
  return line;
}

std::string with_login(std::string url) { return url.insert(url.find("//") + 2, "sendquotad:CHANGE-ME@"); }

// Begins anew, and says what was refused until then.
void clear_log(::test::RedisServer& server) {
  CHECK(server.ask("ACL LOG") == "*0\r\n");
  server.ask("ACL LOG RESET");
}

struct AclServer {
  ::test::RedisServer server{{"user " + daemons()}};
  [[nodiscard]] std::string url() const { return server.unix_url() + "?user=sendquotad&password=CHANGE-ME"; }
  void clear() {
    server.ask("FLUSHALL");
    clear_log(server);
  }
};

struct AclSentinels {
  AclSentinels() {
    for (std::size_t i = 0; i < 3; ++i)
      servers.sentinel(i).ask("ACL SETUSER " + line_of("redis-sentinel-users.acl.example", "user (sendquotad .*)"));
  }
  ::test::RedisSentinels servers{{"user " + daemons("Behind sentinels")}};
  [[nodiscard]] std::string url() const {
    return with_login(servers.url()) + "?sentinel_user=sendquotad&sentinel_password=CHANGE-ME";
  }
  void clear() {
    servers.data(servers.master()).ask("FLUSHALL");
    for (std::size_t i = 0; i < 3; ++i) {
      clear_log(servers.data(i));
      clear_log(servers.sentinel(i));
    }
  }
};

struct AclCluster {
  ::test::RedisCluster servers{::test::RedisCluster::Replicas::one_each,
                               {::test::RedisCluster::steady, "user " + daemons("In a Cluster")}};
  [[nodiscard]] std::string url() const { return with_login(servers.url()); }
  void clear() {
    servers.clear();
    for (std::size_t i = 0; i < servers.size(); ++i) clear_log(servers.node(i));
  }
};

using AclFixture = RedisFixtureOn<AclServer>;
using AclSentinelFixture = RedisFixtureOn<AclSentinels>;
using AclClusterFixture = RedisFixtureOn<AclCluster>;

}  // namespace

STORE_CONTRACT(AclFixture);
STORE_CONTRACT(AclSentinelFixture);
STORE_CONTRACT(AclClusterFixture);

using AclArchive = RedisArchiveFixture<AclFixture>;
using AclClusterArchive = RedisArchiveFixture<AclClusterFixture>;
ARCHIVE_CONTRACT(AclArchive);
SHELF_CONTRACT(AclArchive);
ARCHIVE_CONTRACT(AclClusterArchive);
SHELF_CONTRACT(AclClusterArchive);
TEST_CASE_TEMPLATE_INVOKE(archive_ended, AclArchive, AclClusterArchive);

TEST_CASE_TEMPLATE("under the access rules of the example redis answers any random trace as the plain arithmetic does",
                   Fixture, AclFixture, AclSentinelFixture, AclClusterFixture) {
  Fixture fixture;
  CHECK(first_difference(fixture, 1, 100) == "");
}

TEST_CASE("under the access rules of the example a change of a table is told") {
  AclFixture fixture;
  REQUIRE(fixture.ledger().tables().has_value());
  AclFixture::server().ask("HSET sendquota:blocked user:alice@example.com stolen");
  const auto begun = std::chrono::steady_clock::now();
  fixture.ledger().wait_for_change(10s);
  CHECK(std::chrono::steady_clock::now() - begun < 5s);
}

TEST_CASE("under the access rules of the example a server that has lost its scripts is told them again") {
  AclFixture fixture;
  AclFixture::server().ask("SCRIPT FLUSH");
  CHECK(take(fixture, {charge(user("alice"), messages(10, 1h, 10), 1)}).enforced_taken);
}

TEST_CASE("under the access rules of the example a key is followed through a migration") {
  AclClusterFixture fixture;
  auto& cluster = AclClusterFixture::site().servers;
  const auto alice = charge(user("alice"), messages(100, 1h, 100), 1);
  const auto reply = cluster.node(0).ask("CLUSTER KEYSLOT sendquota:{user:alice@example.com}");
  const auto slot = static_cast<unsigned>(std::stoul(reply.substr(1)));
  const auto from = ::test::RedisCluster::first_holder(slot);
  REQUIRE(take(fixture, {alice}).enforced_taken);
  cluster.begin_migration(slot, from, (from + 1) % 3);
  cluster.migrate_keys(slot, from, (from + 1) % 3);
  CHECK(take(fixture, {alice}).enforced_taken);
  cluster.end_migration(slot, from, (from + 1) % 3);
  CHECK(take(fixture, {alice}).enforced_taken);
}

TEST_CASE("of all this, nobody has refused anything") {
  AclFixture one;
  AclSentinelFixture sentinels;
  AclClusterFixture cluster;  // making each looks at what was refused until then
}

}  // namespace quota::test
