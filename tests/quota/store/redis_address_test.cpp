#include "quota/store/redis_address.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace quota;

namespace {

using Topology = RedisAddress::Topology;

RedisAddress single(RedisServerName server, RedisLogin login = {}) {
  return {.seeds = {std::move(server)}, .login = std::move(login)};
}

RedisLogin login(std::string user, std::string password, unsigned database = 0) {
  return {.user = std::move(user), .password = std::move(password), .database = database};
}

}  // namespace

TEST_CASE("the address of one server is read into server and login") {
  struct {
    std::string_view url;
    RedisAddress want;
    std::string_view printable;
  } const rows[] = {
      {"redis://localhost", single(TcpServer{"localhost", 6379}), "redis://localhost:6379/0"},
      {"redis://10.0.0.1:7000/3", single(TcpServer{"10.0.0.1", 7000}, login("", "", 3)), "redis://10.0.0.1:7000/3"},
      {"redis://localhost/", single(TcpServer{"localhost", 6379}), "redis://localhost:6379/0"},
      {"redis://[::1]:1/16383", single(TcpServer{"::1", 1}, login("", "", 16383)), "redis://[::1]:1/16383"},
      {"redis://[fe80::1%25eth0]", single(TcpServer{"fe80::1%eth0", 6379}), "redis://[fe80::1%25eth0]:6379/0"},
      {"redis://:secret@r_1.example:65535", single(TcpServer{"r_1.example", 65535}, login("", "secret")),
       "redis://r_1.example:65535/0"},
      // What separates in an address stands for itself when it is encoded, and in a password an @ even when it is not.
      {"redis://al%3Aice:p%40s%2Fs%25@h/1", single(TcpServer{"h", 6379}, login("al:ice", "p@s/s%", 1)),
       "redis://al:ice@h:6379/1"},
      {"redis://u:p@ss:w@h", single(TcpServer{"h", 6379}, login("u", "p@ss:w")), "redis://u@h:6379/0"},
      {"redis://u:p?w@h", single(TcpServer{"h", 6379}, login("u", "p?w")), "redis://u@h:6379/0"},
      {"unix:/run/redis.sock", single(UnixServer{"/run/redis.sock"}), "unix:/run/redis.sock"},
      {"unix:///run/redis.sock", single(UnixServer{"/run/redis.sock"}), "unix:/run/redis.sock"},
      {"unix:/a%20b%3F?db=2&user=u%26&password=p%3D", single(UnixServer{"/a b?"}, login("u&", "p=", 2)),
       "unix:/a%20b%3F?db=2&user=u%26"},
      {"unix:/s?password=p", single(UnixServer{"/s"}, login("", "p")), "unix:/s"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.url);
    const auto read = RedisAddress::parse(row.url);
    REQUIRE(read.has_value());
    CHECK(*read == row.want);
    CHECK(read->printable() == row.printable);
  }
  auto tls = RedisAddress::parse("rediss://u:p@h:1/2");
  REQUIRE(tls.has_value());
  CHECK(tls->printable() == "rediss://u@h:1/2");
  CHECK(tls->is_tls);
  tls->is_tls = false;
  CHECK(*tls == single(TcpServer{"h", 1}, login("u", "p", 2)));
}

TEST_CASE("the address of several servers is read into seeds, and what is special to their kind") {
  const std::vector<RedisServerName> sentinels{TcpServer{"a", 26379}, TcpServer{"::1", 26379}, TcpServer{"c", 7}};
  const std::vector<RedisServerName> nodes{TcpServer{"a", 6379}, TcpServer{"::1", 6379}, TcpServer{"c", 7}};
  struct {
    std::string_view url;
    RedisAddress want;
    std::string_view printable;
  } const rows[] = {
      {"redis+sentinel://a,[::1],c:7/mymaster",
       {.topology = Topology::sentinel, .seeds = sentinels, .master_name = "mymaster"},
       "redis+sentinel://a:26379,[::1]:26379,c:7/mymaster/0"},
      {"rediss+sentinel://u:p@a/my%20master/3",
       {.topology = Topology::sentinel,
        .is_tls = true,
        .seeds = {TcpServer{"a", 26379}},
        .master_name = "my master",
        .login = login("u", "p", 3)},
       "rediss+sentinel://u@a:26379/my%20master/3"},
      // The login of the data servers is not shown to the sentinels.
      {"redis+sentinel://:p@a/m/?sentinel_user=w%26&sentinel_password=q%3D",
       {.topology = Topology::sentinel,
        .seeds = {TcpServer{"a", 26379}},
        .master_name = "m",
        .login = login("", "p"),
        .sentinel_login = login("w&", "q=")},
       "redis+sentinel://a:26379/m/0?sentinel_user=w%26"},
      {"redis+sentinel://a/m?sentinel_password=q",
       {.topology = Topology::sentinel,
        .seeds = {TcpServer{"a", 26379}},
        .master_name = "m",
        .sentinel_login = login("", "q")},
       "redis+sentinel://a:26379/m/0"},
      {"redis+cluster://a,[::1],c:7",
       {.topology = Topology::cluster, .seeds = nodes},
       "redis+cluster://a:6379,[::1]:6379,c:7"},
      {"rediss+cluster://u:p%40@a/0",
       {.topology = Topology::cluster, .is_tls = true, .seeds = {TcpServer{"a", 6379}}, .login = login("u", "p@")},
       "rediss+cluster://u@a:6379"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.url);
    const auto read = RedisAddress::parse(row.url);
    REQUIRE(read.has_value());
    CHECK(*read == row.want);
    CHECK(read->printable() == row.printable);
    const auto again = RedisAddress::parse(read->printable());
    CHECK((again && again->seeds == read->seeds && again->master_name == read->master_name));
  }
}

TEST_CASE("an address that is wrong is answered with what to write instead, never with a password") {
  struct {
    std::string_view url;
    std::string_view says;
  } const rows[] = {
      {"", "redis://host:6379/0"},
      {"localhost:6379", "redis://host:6379/0"},
      {"memory:", "memory:"},
      {"redis+sentinels://a,b/m/0", "redis+sentinel://host1,host2,host3/mymaster/0"},
      {"rediss:/h", "rediss://host:6379/0"},
      {"redis://", "the host is missing"},
      {"redis://:6379", "the host is missing"},
      {"redis://h:0", "from 1 to 65535, not \"0\""},
      {"redis://h:65536", "from 1 to 65535"},
      {"redis://h:", "from 1 to 65535"},
      {"redis://h:+1", "from 1 to 65535"},
      {"redis://h/16384", "from 0 to 16383"},
      {"redis://h/-1", "from 0 to 16383"},
      {"redis://h/0/1", "from 0 to 16383"},
      {"redis://::1:6379", "in brackets"},
      {"redis://[::1:6379", "between brackets"},
      {"redis://[nonsense]", "between brackets"},
      {"redis://[::1]6379", "after the host"},
      {"redis://a b", "%20"},
      {"redis://h\n", "percent-encoded"},
      {"redis://h,i", "redis+cluster://host1,host2,host3 for several"},
      {"redis://h%", "is no host name"},
      {"redis://h/0?password=hunter2", "a ? stands only after the name of a master"},
      {"redis+sentinel://h?sentinel_password=hunter2", "a ? stands only after the name of a master"},
      {"redis+sentinel://h:1?sentinel_password=hunter2/m", "a ? stands only after the name of a master"},
      {"redis+cluster://h/?password=hunter2", "a ? stands only after the name of a master"},
      {"redis+sentinel://h,i", "after the sentinels stands the name of the master"},
      {"redis+sentinel://h/?sentinel_password=hunter2", "after the sentinels stands the name of the master"},
      {"redis+sentinel://h/m/x", "from 0 to 16383"},
      {"redis+sentinel://h/m/0/1", "from 0 to 16383"},
      {"redis+sentinel://h/m?user=hunter2", "only sentinel_user= and sentinel_password="},
      {"redis+sentinel://h/m?sentinel_password", "sentinel_password= needs a value"},
      {"redis+sentinel://h,,i/m", "the host is missing"},
      {"redis+sentinel://h,i,/m", "the host is missing"},
      {"redis+sentinel://h,i,h:26379/m", "named twice"},
      {"redis+sentinel://:hun/ter2@h/m", "%2F"},
      {"redis+cluster://u:hunter2@h,u:hunter2@i", "stands once, before the first host"},
      {"redis+cluster://h,i/3", "has no databases"},
      {"redis+cluster://h:0", "from 1 to 65535"},
      {"redis://@h", "the password is empty"},
      {"redis://u:@h", "the password is empty"},
      {"redis://u:hunter2%@h", "%25"},
      {"redis://u:hunter2%0@h", "%25"},
      {"redis://u:hunter2%00@h", "not 00"},
      {"redis://u:hunter2%+1@h", "%25"},
      {"redis://:hun/ter2@h", "%2F"},
      {"unix:", "an absolute path"},
      {"unix:run/redis.sock", "an absolute path"},
      {"unix://run/redis.sock", "an absolute path"},
      {"unix:/s?db=x", "from 0 to 16383"},
      {"unix:/s?db", "needs a value"},
      {"unix:/s?pasword=hunter2", "only db=, user= and password="},
  };
  for (const auto& row : rows) {
    CAPTURE(row.url);
    const auto read = RedisAddress::parse(row.url);
    REQUIRE(read.has_error());
    CAPTURE(read.error());
    CHECK(read.error().find(row.says) != std::string::npos);
    CHECK(read.error().find("hun") == std::string::npos);
  }
  CHECK(RedisAddress::parse("unix:/" + std::string(106, 'x')).has_value());
  CHECK(RedisAddress::parse("unix:/" + std::string(107, 'x')).has_error());
}

TEST_CASE("a user may stand alone in the text, where the password comes from a file") {
  for (const auto* url : {"redis://quota@redis.example.com", "unix:/run/redis.sock?user=quota"}) {
    const auto read = RedisAddress::parse(url);
    REQUIRE(read.has_value());
    CHECK(read->login == RedisLogin{.user = "quota", .password = "", .database = 0});
  }
}
