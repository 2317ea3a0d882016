#include "milter/cli/identity_argument.hpp"

#include <doctest/doctest.h>

using milter::cli::identity_from;

TEST_CASE("a bare address means user:, and everything else says its kind") {
  struct {
    std::string typed, want, want_error;
  } const cases[] = {
      {"alice@example.com", "user:alice@example.com", ""},
      {"alice", "user:alice", ""},
      {"user:alice@example.com", "user:alice@example.com", ""},
      {"script:mx1/1000:form.php", "script:mx1/1000:form.php", ""},
      {"sender:null", "sender:null", ""},
      {"client:2001:db8::/64", "client:2001:db8::/64", ""},
      {"user_domain:example.com", "user_domain:example.com", ""},
      {"usr:alice", "usr:alice", ""},                       // unknown kinds are the daemon's to refuse
      {"a.b:c@example.com", "user:a.b:c@example.com", ""},  // no kind has a dot
      {"", "", R"("" is no identity; write for example alice@example.com)"},
      {"user:", "", R"("user:" has no value after its kind; write for example user:alice@example.com)"},
      {"192.0.2.1", "", R"("192.0.2.1" has no kind; write client:192.0.2.1)"},
      {"2001:db8::/64", "", R"("2001:db8::/64" has no kind; write client:2001:db8::/64)"},
      {"@example.com", "", R"("@example.com" is a domain; write user_domain:example.com)"},
      {"*", "", R"("*" means everybody, in limits only; name one sender)"},
      {"cafe", "user:cafe", ""},  // hex digits alone are a name
  };
  for (const auto& row : cases) {
    const auto& [typed, want, want_error] = row;
    CAPTURE(row.typed);
    const auto identity = identity_from(typed);
    CHECK(identity.has_value() == want_error.empty());
    CHECK((identity.has_value() ? *identity : identity.error().what) == want + want_error);
  }
}
