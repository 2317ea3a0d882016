#include "milter/mail_queue/notice.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace milter::mail_queue;
using namespace std::chrono_literals;

namespace {

const std::string head =
    "Received: by mx1.example.test (Postfix)\n\tid 24698AAA110; Mon, 23 Nov 2026 14:42:59 +0000 (UTC)\n"
    "From: Mail Delivery System <MAILER-DAEMON@example.test>\nSubject: Undelivered Mail Returned to Sender\nTo: alice@example.test\n"
    "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n";
const std::string report_type = "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"12916AAA0C2.1795444979/mx1.example.test\"\n";
const std::string edge = "--12916AAA0C2.1795444979/mx1.example.test";
const std::string said =
    edge + "\nContent-Description: Notification\nContent-Type: text/plain; charset=utf-8\n\n"
    "This is the mail system at host mx1.example.test.\n\n<a@remote.test>: host 127.0.0.1[127.0.0.1] said: 554 5.7.1\n"
    "    X-Postfix-Queue-ID: FORGED0001\n\n";
const std::string status = edge + "\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n";
const std::string fields =
    "Reporting-MTA: dns; mx1.example.test\nX-Postfix-Queue-ID: 12916AAA0C2\nX-Postfix-Sender: rfc822; alice@example.test\n"
    "Arrival-Date: Mon, 23 Nov 2026 16:43:38 +0200 (EET)\n\n"
    "Final-Recipient: rfc822; a@remote.test\nX-Postfix-Queue-ID: FORGED0002\nAction: failed\nStatus: 5.7.1\n"
    "Diagnostic-Code: smtp; 554 5.7.1 X-Postfix-Queue-ID: FORGED0003\n\n";
const std::string original =
    edge + "\nContent-Description: Undelivered Message\nContent-Type: message/rfc822\n\n"
    "X-Postfix-Queue-ID: FORGED0004\nContent-Type: multipart/report; boundary=in\n\n"
    "--in\nContent-Type: message/delivery-status\n\nX-Postfix-Queue-ID: FORGED0005\n\n--in--\n\n";
const std::string end = edge + "--\n";

std::string about(const std::string& message, const std::string& mail_name = "Postfix") {
  const auto report = read_report(message, mail_name);
  return report ? report->about : "";
}

}  // namespace

TEST_CASE("a notice tells which message it is about") {
  const auto report = read_report(head + report_type + "\n" + said + status + fields + original + end, "Postfix");
  REQUIRE(report);
  CHECK(report->about == "12916AAA0C2");
  CHECK(report->mail_from == "alice@example.test");
  CHECK(report->arrived == quota::Timestamp(1795445018s));
}

TEST_CASE("only the report itself is believed") {
  const std::string plain = "Content-Type: text/plain\n";
  const std::string mixed = "Content-Type: multipart/mixed; boundary=\"12916AAA0C2.1795444979/mx1.example.test\"\n";
  const struct {
    std::string what, message, want;
  } rows[] = {
      {"no report in it", head + report_type + "\n" + said + original + end, ""},
      {"a report within the original only", head + report_type + "\n" + original + end, ""},
      {"not a report at all", head + plain + "\nX-Postfix-Queue-ID: FORGED0006\n", ""},
      {"in its header", "X-Postfix-Queue-ID: FORGED0007\n" + head + plain + "\n", ""},
      {"another multipart", head + mixed + "\n" + said + status + fields + end, ""},
      {"two reports: the first", head + report_type + "\n" + said + status + fields + status + "X-Postfix-Queue-ID: FORGED0008\n\n" + end, "12916AAA0C2"},
      {"the field twice: the first", head + report_type + "\n" + status + "X-Postfix-Queue-ID: 12916AAA0C2\nX-Postfix-Queue-ID: FORGED0009\n\n" + end, "12916AAA0C2"},
      {"in another group", head + report_type + "\n" + status + "Reporting-MTA: dns; x\n\nX-Postfix-Queue-ID: FORGED0010\n\n" + end, ""},
      {"no queue id", head + report_type + "\n" + status + "X-Postfix-Queue-ID: ../../x\n\n" + end, ""},
      {"a folded field", head + report_type + "\n" + status + "x-postfix-queue-id:\n 12916AAA0C2\n\n" + end, "12916AAA0C2"},
      {"cut off", head + report_type + "\n" + said + status + fields.substr(0, 100), "12916AAA0C2"},
      {"empty", "", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    CHECK(about(row.message) == row.want);
  }
}

TEST_CASE("the fields are named after the parameter mail_name, and the MIME type may be that of RFC 6533") {
  const auto global = edge + "\nContent-Type: message/global-delivery-status\n\n";
  CHECK(about(head + report_type + "\n" + said + global + "X-Mail-Queue-ID: 12916AAA0C2\nX-Mail-Sender: utf-8; \xc3\xa4@x\n\n" + end, "Mail") == "12916AAA0C2");
  CHECK(about(head + report_type + "\n" + said + status + fields + end, "Mail").empty());
}

TEST_CASE("the sender is as Postfix keeps it in the queue") {
  const std::array<std::array<std::string, 2>, 5> rows{{{"rfc822; alice@example.test", "alice@example.test"},
                                                        {"rfc822; \"x y: z\"@example.test", "x y: z@example.test"},
                                                        {"rfc822; \"a\\\"b\\\\c\"@x", "a\"b\\c@x"},
                                                        {"alice@example.test", "alice@example.test"},
                                                        {"", ""}}};
  for (const auto& row : rows) {
    CAPTURE(row[0]);
    const auto report = read_report(head + report_type + "\n" + status + "X-Postfix-Queue-ID: 12916AAA0C2\nX-Postfix-Sender: " + row[0] + "\n\n" + end, "Postfix");
    REQUIRE(report);
    CHECK(report->mail_from == row[1]);
    CHECK(report->arrived == quota::Timestamp());
  }
}
