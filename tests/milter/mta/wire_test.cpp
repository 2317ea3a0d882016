#include "milter/mta/wire.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace milter::mta;
using namespace std::string_literals;

TEST_CASE("a packet is its length, its code and its data") {
  std::string bytes;
  append_packet(bytes, 'H', "a\0"s);
  append_packet(bytes, 'N', "");
  CHECK(bytes == "\0\0\0\3Ha\0\0\0\0\1N"s);
}

TEST_CASE("numbers are big endian") {
  std::string bytes;
  append_u16(bytes, 0x1234);
  append_u32(bytes, 0xfedcba98);
  CHECK(bytes == "\x12\x34\xfe\xdc\xba\x98");
}

TEST_CASE("a NUL inside a text cannot begin another field") {
  std::string bytes;
  append_string(bytes, "a\0{auth_authen}"s);
  CHECK(bytes == "a\0"s);
}

TEST_CASE("the decoder finds the same packets however the stream is cut") {
  const std::vector<Packet> want = {{'c', ""}, {'q', "reason\0"s}, {'b', std::string(70000, 'x')}, {'a', ""}};
  std::string stream;
  for (const auto& packet : want) append_packet(stream, packet.code, packet.data);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{4096}, stream.size()}) {
    CAPTURE(piece);
    Decoder decoder;
    std::vector<Packet> got;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      decoder.feed(std::string_view(stream).substr(at, piece));
      for (auto packet = decoder.next(); *packet; packet = decoder.next()) got.push_back(**packet);
    }
    CHECK(got == want);
  }
}

TEST_CASE("the decoder believes lengths from 1 byte to 1 MiB and stays in error after any other") {
  const struct {
    std::string bytes;
    bool believed;
  } cases[] = {
      {"\0\0\0\0"s, false},                                                             // not even a code
      {"\0\0\0\1c"s, true},    {"\0\x10\0\0b"s, true},                                  // 1 MiB: waits for the rest
      {"\0\x10\0\1b"s, false}, {"\xff\xff\xff\xff"s, false}, {"HTTP/1.1 400"s, false},  // another protocol altogether
  };
  for (const auto& row : cases) {
    CAPTURE(row.bytes);
    Decoder decoder;
    decoder.feed(row.bytes);
    CHECK(decoder.next().has_value() == row.believed);
    decoder.feed("\0\0\0\1c"s);
    CHECK(decoder.next().has_value() == row.believed);
  }
}

TEST_CASE("fields end where the data ends") {
  const auto data = "\0\0\1\2name\0rest"s;
  FieldReader fields(data);
  CHECK(fields.u32() == 0x102u);
  CHECK(fields.string() == "name");
  CHECK(fields.string() == std::nullopt);  // no NUL
  CHECK(fields.rest() == "rest");
  CHECK(fields.u32().has_value());
  CHECK(fields.u32() == std::nullopt);
  CHECK(fields.string() == std::nullopt);
}

TEST_CASE("a code that is no character is shown as a number") {
  CHECK(printable('q') == "'q'");
  CHECK(printable('\xe7') == "0xe7");
}
