#include "milter/subject.hpp"

#include <doctest/doctest.h>

#include "quota/text.hpp"

using milter::readable_header;

TEST_CASE("a subject is shown as a person reads it") {
  const struct {
    std::string raw, want;
  } rows[] = {
      {"Hello", "Hello"},
      {"", ""},
      {"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"},
      {"=?ISO-8859-1?Q?Gr=FC=DFe?=", "Grüße"},
      {"=?UTF-8?Q?one?=\r\n =?UTF-8?Q?_two?=", "one two"},
      {"=?ISO-2022-JP?B?GyRCNV4kLRsoQg==?=", "急き"},
      {"folded\r\n\tonce", "folded once"},
      {"grüße without a charset", "grüße without a charset"},
      {"=?UTF-8?B?broken", "=?UTF-8?B?broken"},
      {"an escape \x1b[31m and a bell \x07", "an escape [31m and a bell"},
      {"=?UTF-8?Q?hidden=0D=0Aline=1B?=", "hidden line"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.raw);
    CHECK(readable_header(row.raw, 80) == row.want);
  }
}

TEST_CASE("a long one is cut between characters") {
  std::string many;
  for (int i = 0; i < 100; ++i) many += "ü";
  const auto cut = readable_header(many, 80);
  CHECK(cut.size() == 160);
  CHECK(quota::is_utf8(cut));
}

TEST_CASE("any bytes become text") {
  for (int byte = 1; byte < 256; ++byte)
    for (const auto* around : {"%c", "=?x-unknown?B?%c?=", "=?utf-8?Q?=%c=?=", "=?%c?Q?a?="}) {
      std::string raw(around);
      raw.replace(raw.find("%c"), 2, 1, static_cast<char>(byte));
      CHECK(quota::is_utf8(readable_header(raw, 80)));
    }
}
