#include "quota/store/tls_context.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/certificates.hpp"

using namespace quota;

namespace {

using File = TlsContext::Problem::File;

}  // namespace

TEST_CASE("files that cannot serve are told by name, with what to do") {
  test::Certificates authority;
  const auto ours = authority.issue("DNS:mail.example.test");
  const auto other = authority.issue("DNS:mail.example.test");
  const auto nonsense = authority.write("nonsense", "-----BEGIN NONSENSE-----\n");
  const auto open_to_all = authority.write("open.key", "", 0604);
  authority.openssl("ecparam -genkey -name prime256v1 | openssl ec -aes128 -passout pass:secret -out locked.key");
  authority.openssl("genrsa -out rsa.key 2048");
  const auto directory = std::filesystem::path(authority.ca()).parent_path().string();
  const auto locked = directory + "/locked.key";
  const auto rsa = directory + "/rsa.key";
  const auto none = directory + "/none";
  ::chmod(rsa.c_str(), 0600);

  struct {
    TlsFiles files;
    File file;
    std::string text;
  } const rows[] = {
      {{none, "", ""},
       File::ca,
       none + " cannot be read: No such file or directory; write the path of a file in PEM format"},
      {{directory, "", ""}, File::ca, directory + " is no file; write the path of a file in PEM format"},
      {{nonsense, "", ""}, File::ca, nonsense + " holds no certificate of an authority in PEM format"},
      {{ours.key, "", ""}, File::ca, ours.key + " holds no certificate of an authority in PEM format"},
      {{"", none, ours.key}, File::cert, none + " cannot be read: No such file or directory"},
      {{"", nonsense, ours.key}, File::cert, nonsense + " holds no certificate in PEM format"},
      {{"", ours.cert, none}, File::key, none + " cannot be read: No such file or directory"},
      {{"", ours.cert, open_to_all},
       File::key,
       "everybody on this host may use " + open_to_all + "; run chmod o= on it"},
      {{"", ours.cert, nonsense}, File::key, nonsense + " holds no private key in PEM format"},
      {{"", ours.cert, other.key}, File::key, other.key + " is not the key of the certificate in " + ours.cert},
      {{"", ours.cert, rsa}, File::key, rsa + " is not the key of the certificate in " + ours.cert},
      {{"", ours.cert, locked}, File::key, locked + " is locked with a passphrase; write it without one"},
  };
  for (const auto& row : rows) {
    const auto opened = TlsContext::open(row.files);
    CAPTURE(row.text);
    REQUIRE(opened.has_error());
    CAPTURE(opened.error().text);
    CHECK(opened.error().file == row.file);
    CHECK(opened.error().text.starts_with(row.text));
  }
  CHECK(TlsContext::open({}).has_value());
  CHECK(TlsContext::open({authority.ca(), ours.cert, ours.key}).has_value());
}

TEST_CASE("renewed files serve from then on, and files that became useless change nothing") {
  test::Certificates authority;
  const auto first = authority.issue("DNS:mail.example.test");
  const auto second = authority.issue("DNS:mail.example.test");
  const auto context = *TlsContext::open({authority.ca(), first.cert, first.key});
  const auto before = context->current();
  std::filesystem::copy(second.cert, first.cert, std::filesystem::copy_options::overwrite_existing);
  const auto half_way = context->renew();
  REQUIRE(half_way.has_error());
  CHECK(half_way.error().file == File::key);
  CHECK(context->current() == before);
  std::filesystem::copy(second.key, first.key, std::filesystem::copy_options::overwrite_existing);
  REQUIRE(context->renew().has_value());
  CHECK(context->current() != before);
}
