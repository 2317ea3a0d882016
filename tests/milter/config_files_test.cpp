// The files that a configuration names: accounts, passwords and certificates.
#include "tests/milter/config_rig.hpp"

namespace {

using namespace milter::config_rig;

/// The files that a configuration names, in a folder of their own.
struct ConfigFolder {
  test::TemporaryFolder folder{};

  std::string file(const std::string& name, const std::string& text, mode_t mode) const {
    const auto path = folder.path() / name;
    test::write_bytes(path, text);
    fs::permissions(path, static_cast<fs::perms>(mode));
    return path.string();
  }
};

}  // namespace

TEST_CASE("the account file is read from the configuration's own directory") {
  const ConfigFolder dir;
  dir.file("owners", "@acme.example acme gold\n", 0644);
  const auto path = dir.file("sendquota.toml", "[identity]\naccounts = \"owners\"\n", 0644);
  const auto config = milter::load_config(path);
  REQUIRE_MESSAGE(config.has_value(), complaints(config));
  const auto* account = config->policy->parts().accounts.find({quota::Kind::user_domain, "acme.example"});
  REQUIRE(account != nullptr);
  CHECK(account->plan == "gold");
}

TEST_CASE("a password file holds one line, and not everybody may read it") {
  const ConfigFolder dir;
  struct {
    const char* text;
    mode_t mode;
    std::string want;
  } const rows[] = {
      {"s3cret\n", 0640, ""},
      {"with spaces \r\n", 0600, ""},  // only the line's end is cut
      {"s3cret\n", 0644, "everybody on this host may use FILE; run chmod o= on it"},
      {"\n", 0640, "FILE is empty; write the password into its first line"},
      {"one\ntwo\n", 0640, "FILE has several lines; keep the one with the password"},
  };
  for (auto row : rows) {
    const auto file = dir.file("password", row.text, row.mode);
    if (const auto at = row.want.find("FILE"); at != std::string::npos) row.want.replace(at, 4, file);
    const auto result =
        milter::parse_config("[store]\nurl = 'redis://127.0.0.1'\npassword_file = '" + file + "'\n", "test.toml");
    CHECK(complaints(result) == (row.want.empty() ? "" : "test.toml:3: store.password_file: " + row.want + "\n"));
  }
  const auto file = dir.file("password", "with spaces \r\n", 0600);
  CHECK(good("[store]\nurl = 'redis://127.0.0.1'\npassword_file = '" + file + "'\n").store.password == "with spaces ");
}

TEST_CASE("a password stands either in the address or in a file") {
  const ConfigFolder dir;
  const auto file = dir.file("password", "s3cret\n", 0600);
  const auto result =
      milter::parse_config("[store]\nurl = 'redis://:other@127.0.0.1'\npassword_file = '" + file + "'\n", "test.toml");
  CHECK(complaints(result) ==
        "test.toml:3: store.password_file: store.url holds a password already; keep one of the two\n");
}

TEST_CASE("the sentinels have a password of their own") {
  const ConfigFolder dir;
  const auto file = dir.file("password", "s3cret\n", 0600);
  const auto config = good("[store]\nurl = 'redis+sentinel://s1,s2/m'\nsentinel_password_file = '" + file + "'\n");
  CHECK(config.store.sentinel_password == "s3cret");
  CHECK(config.store.password.empty());
  const auto other = dir.file("other", "changed\n", 0600);
  std::filesystem::rename(other, file);
  const auto fresh = good("[store]\nurl = 'redis+sentinel://s1,s2/m'\nsentinel_password_file = '" + file + "'\n");
  CHECK(milter::needs_restart(config, fresh) ==
        std::vector<std::string>{"store.sentinel_password_file (its content)"});
}

TEST_CASE("files for TLS are found beside the configuration, and another path needs a restart") {
  const ConfigFolder dir;
  const auto config_file = dir.file("sendquota.toml", "", 0600);
  (void)dir.file("ca.crt", content_of(source_dir / "tests/config/good/ca.crt"), 0600);
  const auto with = [&](const std::string& line) {
    const auto parsed = milter::parse_config("[store]\nurl = 'rediss://localhost'\n" + line, config_file);
    REQUIRE_MESSAGE(parsed.has_value(), complaints(parsed));
    return *parsed;
  };
  CHECK(with("tls_ca = 'ca.crt'\n").store.tls.ca == fs::path(config_file).replace_filename("ca.crt"));
  CHECK(milter::needs_restart(with(""), with("tls_ca = 'ca.crt'\n")) == std::vector<std::string>{"store.tls_ca"});
}
