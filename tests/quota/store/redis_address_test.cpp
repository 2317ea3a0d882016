#include "quota/store/redis_address.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace quota;

TEST_CASE("an address is read into server and login") {
  struct {
    std::string_view url;
    RedisAddress want;
    std::string_view printable;
  } const rows[] = {
      {"redis://localhost", {TcpServer{"localhost", 6379}, {}}, "redis://localhost:6379/0"},
      {"redis://10.0.0.1:7000/3",
       {TcpServer{"10.0.0.1", 7000}, {.user = "", .password = "", .database = 3}},
       "redis://10.0.0.1:7000/3"},
      {"redis://localhost/", {TcpServer{"localhost", 6379}, {}}, "redis://localhost:6379/0"},
      {"redis://[::1]:1/16383",
       {TcpServer{"::1", 1}, {.user = "", .password = "", .database = 16383}},
       "redis://[::1]:1/16383"},
      {"redis://[fe80::1%25eth0]", {TcpServer{"fe80::1%eth0", 6379}, {}}, "redis://[fe80::1%25eth0]:6379/0"},
      {"redis://:secret@r_1.example:65535",
       {TcpServer{"r_1.example", 65535}, {.user = "", .password = "secret"}},
       "redis://r_1.example:65535/0"},
      // What separates in an address stands for itself when it is encoded, and in a password an @ even when it is not.
      {"redis://al%3Aice:p%40s%2Fs%25@h/1",
       {TcpServer{"h", 6379}, {.user = "al:ice", .password = "p@s/s%", .database = 1}},
       "redis://al:ice@h:6379/1"},
      {"redis://u:p@ss:w@h", {TcpServer{"h", 6379}, {.user = "u", .password = "p@ss:w"}}, "redis://u@h:6379/0"},
      {"unix:/run/redis.sock", {UnixServer{"/run/redis.sock"}, {}}, "unix:/run/redis.sock"},
      {"unix:///run/redis.sock", {UnixServer{"/run/redis.sock"}, {}}, "unix:/run/redis.sock"},
      {"unix:/a%20b%3F?db=2&user=u%26&password=p%3D",
       {UnixServer{"/a b?"}, {.user = "u&", .password = "p=", .database = 2}},
       "unix:/a%20b%3F?db=2&user=u%26"},
      {"unix:/s?password=p", {UnixServer{"/s"}, {.user = "", .password = "p"}}, "unix:/s"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.url);
    const auto read = RedisAddress::parse(row.url);
    REQUIRE(read.has_value());
    CHECK(*read == row.want);
    CHECK(read->printable() == row.printable);
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
      {"rediss://:hunter2@h", "rediss:// is not known to this version; write memory:, redis://"},
      {"redis+sentinel://a,b/m/0", "redis+sentinel:// is not known"},
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
      {"redis://h,i", "is no host name"},
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
