#include "quota/store/redis_reply.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace quota;
using namespace std::string_view_literals;

namespace {

RedisReply read_whole(std::string_view bytes, const ReplyLimits& limits = {}) {
  ReplyReader reader;
  reader.feed(bytes);
  auto reply = reader.next(limits);
  REQUIRE(reply.has_value());
  REQUIRE(reply->has_value());
  CHECK(reader.empty());
  return std::move(**reply);
}

std::string why_refused(std::string_view bytes, const ReplyLimits& limits = {}) {
  ReplyReader reader;
  reader.feed(bytes);
  const auto reply = reader.next(limits);
  return reply ? "" : reply.error();
}

}  // namespace

TEST_CASE("each accessor answers only for its own kind of reply") {
  CHECK(read_whole("+OK\r\n").text() == "OK");
  CHECK(read_whole("$3\r\na\0b\r\n"sv).text() == "a\0b"sv);
  CHECK(read_whole(":-7\r\n").integer() == -7);
  CHECK(read_whole("$-1\r\n").is_nil());
  CHECK(read_whole("*-1\r\n").is_nil());
  CHECK(!read_whole(":7\r\n").text());
  CHECK(!read_whole("+7\r\n").integer());
  CHECK(!read_whole("+ERR\r\n").error());
  CHECK(!read_whole("-ERR x\r\n").text());
  CHECK(read_whole(":7\r\n").size() == 0);
  const auto array = read_whole("*3\r\n:1\r\n$1\r\nx\r\n*1\r\n$-1\r\n");
  CHECK(array.is_array());
  REQUIRE(array.size() == 3);
  CHECK(array[0].integer() == 1);
  CHECK(array[1].text() == "x");
  CHECK(array[2][0].is_nil());
}

TEST_CASE("an error reply is known by its first word, or by the word after a dash where a script of Redis 6 hides it") {
  using enum ServerErrorCode;
  struct {
    std::string_view text;
    ServerErrorCode want;
  } const rows[] = {
      {"NOSCRIPT No matching script. Please use EVAL.", noscript},
      {"READONLY You can't write against a read only replica.", readonly},
      {"LOADING Redis is loading the dataset in memory", loading},
      {"MASTERDOWN Link with MASTER is down", masterdown},
      {"NOREPLICAS Not enough good replicas to write.", noreplicas},
      {"OOM command not allowed when used memory > 'maxmemory'. script: 0a, on @user_script:1.", oom},
      {"MISCONF Errors writing to the AOF file: No space left on device", misconf},
      {"BUSY Redis is busy running a script.", busy},
      {"BUSYGROUP Consumer Group name already exists", other},
      {"MOVED 3999 127.0.0.1:6381", moved},
      {"ASK 3999 127.0.0.1:6381", ask},
      {"TRYAGAIN Multiple keys request during rehashing of slot", tryagain},
      {"CLUSTERDOWN The cluster is down", clusterdown},
      {"CROSSSLOT Keys in request don't hash to the same slot", crossslot},
      {"NOPERM this user has no permissions to run the 'get' command", noperm},
      {"ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
       noperm},
      {"WRONGPASS invalid username-password pair or user is disabled.", wrongpass},
      {"NOAUTH Authentication required.", noauth},
      {"WRONGTYPE Operation against a key holding the wrong kind of value", wrongtype},
      {"ERR max number of clients reached", max_clients},
      {"ERR Error running script (call to f_0a): @user_script:1: @user_script: 1: -OOM command not allowed", oom},
      {"ERR Error running script (call to f_0a): @user_script:1: -READONLY You can't write", readonly},
      {"ERR a number such as -1, or -UNKNOWN word", other},
      {"ERR unknown command", other},
      {"OOM", oom},
      {"", other},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(classify(row.text) == row.want);
  }
}

TEST_CASE(
    "an error reply says whether to wait or to change the configuration, and only an unknown one may have been "
    "executed") {
  const auto told = [](std::string_view text) { return to_store_error({classify(text), text}); };
  CHECK(told("LOADING x").kind == StoreErrorKind::refused);
  CHECK(told("LOADING x").executed == Executed::no);
  CHECK(told("NOPERM x").kind == StoreErrorKind::misconfigured);
  CHECK(told("NOPERM x").executed == Executed::no);
  CHECK(told("ERR @user_script:3: attempt to index nil").executed == Executed::possibly);
  CHECK(told("ERR " + std::string(100'000, 'x')).text.size() < 300);
}

TEST_CASE("replies may come in any pieces") {
  const std::string bytes = "*2\r\n$5\r\nhello\r\n*1\r\n:12\r\n";
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    ReplyReader reader;
    reader.feed(std::string_view(bytes).substr(0, cut));
    auto first = reader.next({});
    REQUIRE(first.has_value());
    CHECK(!first->has_value());
    CHECK(!reader.empty());
    reader.feed(std::string_view(bytes).substr(cut));
    auto second = reader.next({});
    REQUIRE(second.has_value());
    REQUIRE(second->has_value());
    CHECK((**second)[0].text() == "hello");
    CHECK(reader.empty());
  }
}

TEST_CASE("a reply past its bounds is refused before memory is taken for it") {
  std::string nested;
  for (int depth = 0; depth < 7; ++depth) nested += "*1\r\n";
  CHECK(why_refused("*2147483647\r\n").find("too many elements") != std::string::npos);
  CHECK(why_refused("*4294967297\r\n") != "");
  CHECK(why_refused("*9223372036854775807\r\n") != "");
  CHECK(why_refused("*99999999999999999999\r\n") != "");
  CHECK(why_refused("*-2\r\n") != "");
  CHECK(why_refused("*1025\r\n").find("too many elements") != std::string::npos);
  CHECK(why_refused("*1024\r\n") == "");
  // Elements are counted over all levels of a reply.
  CHECK(why_refused("*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n", {.bytes = 999, .elements = 5}).find("too many") !=
        std::string::npos);
  CHECK(why_refused("*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n", {.bytes = 999, .elements = 6}) == "");
  CHECK(why_refused(nested + ":1\r\n") == "");
  CHECK(why_refused(nested + "*1\r\n:1\r\n") != "");
  CHECK(why_refused("$4294967296\r\n").find("longer than 1048576 bytes") != std::string::npos);
  CHECK(why_refused("$99999999999999999999\r\n") != "");
  CHECK(why_refused("$-2\r\n") != "");
  CHECK(why_refused("$1048576\r\nx") == "");
  CHECK(why_refused(std::string("+") + std::string(1 << 20, 'x')) != "");
  CHECK(why_refused("HTTP/1.1 400 Bad Request\r\n") != "");
  CHECK(why_refused(std::string(5, '\0')) != "");
}

TEST_CASE("a reply has its bounds once, in however many pieces it comes") {
  ReplyReader reader;
  const ReplyLimits limits{.bytes = 999, .elements = 3};
  reader.feed("*2\r\n");
  REQUIRE(reader.next(limits).has_value());
  reader.feed("*2\r\n");
  CHECK(reader.next(limits).has_error());
}

TEST_CASE("each reply has the bounds for itself") {
  ReplyReader reader;
  const ReplyLimits limits{.bytes = 16, .elements = 2};
  for (int i = 0; i < 100; ++i) reader.feed("*2\r\n:1\r\n:2\r\n");
  for (int i = 0; i < 100; ++i) {
    auto reply = reader.next(limits);
    REQUIRE(reply.has_value());
    REQUIRE(reply->has_value());
    CHECK((**reply)[1].integer() == 2);
  }
  CHECK(reader.empty());
  reader.feed("*3\r\n:1\r\n:2\r\n:3\r\n");
  CHECK(reader.next(limits).has_error());
}

TEST_CASE("a command is written as the protocol wants it, whatever bytes it holds") {
  std::string out = "before";
  const std::string_view arguments[] = {"SET", "", "\r\n\0$"sv};
  append_command(out, arguments);
  CHECK(out == "before*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\n\r\n\0$\r\n"sv);
}
