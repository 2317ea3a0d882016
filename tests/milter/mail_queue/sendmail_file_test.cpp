#include "milter/mail_queue/sendmail_file.hpp"

#include <doctest/doctest.h>

using namespace milter::mail_queue;
using namespace std::chrono_literals;

namespace {

const std::string begin = "V8\nT1795444642\nK1795444642\nN0\nP60024\n";
const std::string macros = "Fs\n$_localhost [127.0.0.1]\n$rESMTPA\n$sclient.test\n${daemon_flags}EE a\n";
const std::string rest =
    "rRFC822; a@remote.test\nRPFD:<a@remote.test>\nH?P?Return-Path: <\x81g>\nH??Received: from client.test (localhost [127.0.0.1])\n"
    "\t(authenticated bits=0)\n\tby sm1.example.test; Mon, 23 Nov 2026 14:37:22 GMT\nH??Subject: x\nSroot\nT1\n${auth_authen}root\n.\n";

}  // namespace

TEST_CASE("a message's time and sender are read from Sendmail's queue file, its login where Sendmail keeps it") {
  const struct {
    std::string what, text, mail_from;
    std::optional<std::string> login;
  } rows[] = {
      {"as it is", begin + "qsendquota: Sroot\n" + macros + "S<alice@example.test>\nA<>\n" + rest, "alice@example.test", {}},
      {"the null sender", begin + macros + "S<>\n" + rest, "", {}},
      {"without brackets", begin + macros + "Swww-data\n" + rest, "www-data", {}},
      {"quotes stay", begin + macros + "S<\"x y: z\"@example.test>\n" + rest, "\"x y: z\"@example.test", {}},
      {"a login that is kept", begin + macros + "${auth_authen}alice\nS<a@x>\n" + rest, "a@x", "alice"},
      {"the first counts", begin + macros + "${auth_authen}alice\nS<a@x>\nS<b@x>\nT7\n${auth_authen}bob\n" + rest, "a@x", "alice"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto envelope = read_sendmail_file(row.text);
    REQUIRE(envelope);
    CHECK(envelope->arrived == quota::Timestamp(1795444642s));
    CHECK(envelope->mail_from == row.mail_from);
    CHECK(envelope->login == row.login);
  }
}

TEST_CASE("a queue file that is not whole is not believed") {
  const auto whole = begin + macros + "S<alice@example.test>\n" + rest;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(read_sendmail_file(whole.substr(0, size)));
  }
  for (const auto& text : {begin + rest, macros + "S<a@x>\n" + rest, "V8\nTx\nS<a@x>\n" + rest, "V8\nT-1\nS<a@x>\n" + rest,
                           "V8\nT99999999999999999999\nS<a@x>\n" + rest, std::string("V8\n.\n"), std::string("\n.\n")}) {
    CAPTURE(text);
    CHECK_FALSE(read_sendmail_file(text));
  }
}
