#include "milter/cli/queue_match.hpp"

#include <doctest/doctest.h>

using namespace milter::cli;
using namespace std::chrono_literals;
using milter::mail_queue::QueueFile;

namespace {

constexpr quota::Timestamp noon{std::chrono::milliseconds(1'763'812'800'000)};

QueueFile file_of(std::string from, std::string login, quota::Timestamp arrived = noon) { return {"4Xy1", true, arrived, std::move(from), std::move(login), true}; }

RecordedMail recorded(std::string from, std::optional<std::string> login) { return {.at = noon, .queue_id = "4Xy1", .mail_from = std::move(from), .login = std::move(login)}; }

}  // namespace

TEST_CASE("a sender is the same however it is quoted, completed or cut") {
  struct {
    std::string recorded, kept;
    bool is_same;
  } const cases[] = {
      {"alice@example.com", "alice@example.com", true},
      {"Alice@Example.COM", "alice@example.com", true},
      {"alice@example.com", "bob@example.com", false},
      {"\"a b\"@example.com", "a b@example.com", true},
      {"a\\\"b@example.com", "a\"b@example.com", true},
      {"", "", true},
      {"", "alice@example.com", false},                      // the null sender is nobody else
      {"alice@example.com", "", false},
      {"alice", "alice@mx1.example.com", true},              // the MTA completes a bare one
      {"alice", "alice.b@mx1.example.com", false},
      {"alice", "x@alice@mx1.example.com", false},
      {"alice@example.com", "alice", false},                 // and takes nothing away
      {"alice@long.exa…", "alice@long.example.com", true},   // as much as the record keeps
      {"alice@long.exa…", "alice@long.other.com", false},
      {"…", "alice@example.com", false},                     // nothing is left of it to compare
      {"alice@example.com", "alice@example.com.evil.test", false},
  };
  for (const auto& one : cases) {
    CAPTURE(one.recorded);
    CAPTURE(one.kept);
    CHECK(is_same_sender(one.recorded, one.kept) == one.is_same);
  }
}

TEST_CASE("a message is another one where its file came later than it was judged, or long before") {
  struct {
    std::chrono::milliseconds after;
    bool is_it;
  } const cases[] = {{0s, true}, {2s, true}, {2001ms, false}, {-1h, true}, {-1h - 1ms, false}, {24h, false}, {-24h, false}};
  for (const auto& one : cases) {
    CAPTURE(one.after.count());
    const auto why = mismatch(recorded("a@b.test", "a@b.test"), file_of("a@b.test", "a@b.test", noon + one.after), "");
    CHECK(why.empty() == one.is_it);
    CHECK((one.is_it || why.starts_with("it came at ")));
  }
}

TEST_CASE("a message is another one where another login sent it, as far as that is known") {
  struct {
    std::optional<std::string> recorded;
    std::string kept;
    bool has_login;
    std::string why;
  } const cases[] = {
      {"alice@example.com", "alice@example.com", true, ""},
      {"alice@example.com", "ALICE@example.com", true, ""},
      {"alice@example.com", "alice", true, ""},              // the default realm is added
      {"alice@example.com", "alice@other.test", true, "its login is alice@other.test, and of the recorded one alice@example.com"},
      {"alice@example.com", "", true, "its login is none, and of the recorded one alice@example.com"},
      {"", "bob", true, "its login is bob@example.com, and of the recorded one none"},
      {"", "", true, ""},
      {"alice@example.com", "", false, ""},                  // the MTA keeps none
      {std::nullopt, "bob", true, ""},                       // the record knows none
  };
  for (const auto& [was, kept, has_login, why] : cases) {
    auto file = file_of("a@b.test", kept);
    file.has_login = has_login;
    CHECK(mismatch(recorded("a@b.test", was), file, "example.com") == why);
  }
}

TEST_CASE("of several differences the first is said: time, sender, login") {
  CHECK(mismatch(recorded("a@b.test", "a"), file_of("x@b.test", "x", noon + 1h), "").starts_with("it came at "));
  CHECK(mismatch(recorded("a@b.test", "a"), file_of("x@b.test", "x"), "") == "its sender is <x@b.test>, and of the recorded one <a@b.test>");
}
