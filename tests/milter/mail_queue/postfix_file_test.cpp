#include "milter/mail_queue/postfix_file.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <random>

#include "milter/admin/file_descriptor.hpp"

using namespace milter::mail_queue;
using milter::admin::FileDescriptor;
using namespace std::chrono_literals;

namespace {

/// A record as Postfix writes it.
std::string record(char type, const std::string& content) {
  std::string out(1, type);
  for (auto length = content.size();; length >>= 7) {
    const bool is_last = length < 128;
    out += static_cast<char>((length & 0x7f) | (is_last ? 0 : 0x80));
    if (is_last) break;
  }
  return out + content;
}

const std::string begin = record('C', "            416             795               2               0             416               0") +
                          record('T', "1795444214 643810") + record('A', "create_time=1795444214");
const std::string smtp = record('A', "log_ident=95EE8ADE042") + record('A', "rewrite_context=local") + record('A', "sasl_method=PLAIN") +
                         record('A', "sasl_username=alice@example.test");
const std::string from_alice = record('S', "alice@example.test") + record('p', "              0");
const std::string from_net = record('A', "log_client_name=unknown") + record('A', "log_message_origin=unknown[127.0.0.1]");
const std::string rest = record('R', "bob@remote.test") + record('p', "              0") + record('M', "") + record('N', "Subject: x") +
                         record('N', "sender: root") + record('w', "000000") + record('N', "") + record('L', "a long ") + record('N', "line") +
                         record('X', "") + record('E', "");

FileDescriptor file_of(const std::string& bytes) {
  FileDescriptor file(::memfd_create("test", MFD_CLOEXEC));
  REQUIRE(::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return file;
}

std::optional<PostfixEnvelope> envelope_of(const std::string& bytes) { return read_envelope(file_of(bytes).get()); }

}  // namespace

TEST_CASE("a message's time, sender and login are read from its queue file") {
  const auto envelope = envelope_of(begin + smtp + from_alice + from_net + rest);
  REQUIRE(envelope);
  CHECK(envelope->arrived == quota::Timestamp(1795444214s + 643ms));
  CHECK(envelope->mail_from == "alice@example.test");
  CHECK(envelope->login == "alice@example.test");
  CHECK_FALSE(envelope->is_by_postfix);
}

TEST_CASE("what a sender typed is no record, whatever it looks like") {
  const std::string forged = "x\nsender: root\nS\x04root\n*** MESSAGE CONTENTS hold/X ***\nnamed_attribute: sasl_username=root";
  const struct {
    std::string what, bytes, mail_from, login;
  } rows[] = {
      {"a full name", begin + record('F', forged) + from_alice + rest, "alice@example.test", ""},
      {"a sender", begin + record('S', forged) + rest, forged, ""},
      {"an ENVID", begin + record('A', "envelope_id=" + forged) + from_alice + rest, "alice@example.test", ""},
      {"a second sender", begin + from_alice + record('S', "root") + rest, "alice@example.test", ""},
      {"a second login", begin + smtp + record('A', "sasl_username=root") + from_alice + rest, "alice@example.test", "alice@example.test"},
      {"a second time", begin + record('T', "1 1") + smtp + from_alice + rest, "alice@example.test", "alice@example.test"},
      {"the null sender", begin + record('S', "") + rest, "", ""},
      {"a zero byte", begin + record('S', std::string("a\0b", 3)) + rest, std::string("a\0b", 3), ""},
      {"an attribute without a value", begin + record('A', "sasl_username") + from_alice + rest, "alice@example.test", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto envelope = envelope_of(row.bytes);
    REQUIRE(envelope);
    CHECK(envelope->mail_from == row.mail_from);
    CHECK(envelope->login == row.login);
    CHECK(envelope->arrived == quota::Timestamp(1795444214s + 643ms));
  }
}

TEST_CASE("only what Postfix made itself says that it comes from nowhere") {
  const auto is_by_postfix = [](const std::string& attributes) { return envelope_of(begin + attributes + record('S', "") + rest)->is_by_postfix; };
  CHECK(is_by_postfix(record('A', "log_message_origin=local") + record('A', "trace_flags=0")));
  CHECK_FALSE(is_by_postfix(""));  // pickup
  CHECK_FALSE(is_by_postfix(from_net));
  CHECK_FALSE(is_by_postfix(from_net + record('A', "log_message_origin=local")));
  CHECK_FALSE(is_by_postfix(record('F', "x\nA\x18log_message_origin=local")));
}

TEST_CASE("a sender that a filter has changed is the new one, and pointers do not lead astray") {
  const auto at = [](std::size_t place) { return std::to_string(place); };
  const auto padded = [](std::string number) { return std::string(15 - number.size(), ' ') + number; };
  const auto pointer_size = record('p', padded("0")).size();
  const auto before = begin + smtp;
  const auto after = before.size() + pointer_size;                    // where the old sender's place ends
  const auto end = after + rest.size();                               // where the new one is
  const auto changed = before + record('p', padded(at(end))) + rest + record('S', "new@example.test") + record('p', padded(at(after)));
  REQUIRE(envelope_of(changed));
  CHECK(envelope_of(changed)->mail_from == "new@example.test");
  for (const auto& target : {at(before.size()), at(begin.size()), std::string("999999999"), std::string("-1"), std::string("x"), std::string("99999999999999999999")}) {
    CAPTURE(target);
    CHECK_FALSE(envelope_of(before + record('p', target) + rest));  // circles, behind the end, no number
  }
}

TEST_CASE("the text of a message is its lines, without what was taken out of it") {
  const auto bytes = begin + from_alice + rest;
  CHECK(read_content(file_of(bytes).get(), 1000) == "Subject: x\nsender: root\n\na long line\n");
  CHECK(read_content(file_of(bytes).get(), 5) == "Subje");
  CHECK_FALSE(read_content(file_of("From: x\n\nhello\n").get(), 1000));
}

TEST_CASE("a file that is no queue file, or not whole, is not believed") {
  const auto whole = begin + smtp + from_alice + from_net + rest;
  const auto content = (begin + smtp + from_alice + from_net + record('R', "bob@remote.test") + record('p', "              0") + record('M', "")).size();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(envelope_of(whole.substr(0, size)).has_value() == (size >= content));
  }
  for (const auto& bytes : {std::string("T"), record('T', "1795444214") + from_alice + rest, begin + rest, record('C', "1") + from_alice + rest,
                            begin + record('T', "x") + rest, begin + "S\xff\xff\xff\xff\xff\xff" + rest, begin + "S\xff\xff\x7f" + rest,
                            record('C', "1") + record('T', "999999999999999999 1") + from_alice + rest}) {
    CAPTURE(bytes);
    CHECK_FALSE(envelope_of(bytes));
  }
  CHECK(envelope_of(record('C', "1") + record('T', "1795444214") + from_alice + rest)->arrived == quota::Timestamp(1795444214s));
}

TEST_CASE("no damage of a queue file does harm") {
  const auto whole = begin + smtp + from_alice + from_net + rest;
  std::mt19937 random(4711);
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = whole;
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto file = file_of(bytes);
    static_cast<void>(read_envelope(file.get()));
    const auto text = read_content(file.get(), 100);
    CHECK((!text || text->size() <= 100));
  }
}
