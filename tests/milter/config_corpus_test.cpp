// Whole configurations: the corpus of good and bad ones, the reference configuration, and what becomes of it by mutation.
#include "tests/milter/config_rig.hpp"

#include <algorithm>
#include <random>

namespace {

using namespace milter::config_rig;

std::vector<fs::path> files_in(const fs::path& dir) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(dir))
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// The corpus names files of its own by relative paths.
class InDirectory {
 public:
  explicit InDirectory(const fs::path& dir) : before_(fs::current_path()) { fs::current_path(dir); }
  ~InDirectory() { fs::current_path(before_); }
  InDirectory(const InDirectory&) = delete;
  InDirectory& operator=(const InDirectory&) = delete;

 private:
  fs::path before_;
};

}  // namespace

TEST_CASE("every broken configuration of the corpus is refused with exactly its text") {
  const auto dir = source_dir / "tests/config/bad";
  const auto files = files_in(dir);
  CHECK(files.size() >= 70);
  const InDirectory there(dir);
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    CHECK(complaints(milter::load_config(file.filename().string())) ==
          content_of(fs::path(file).replace_extension(".want")));
  }
}

TEST_CASE("every good configuration of the corpus is taken") {
  for (const auto& file : files_in(source_dir / "tests/config/good"))
    CHECK(complaints(milter::load_config(file.string())) == "");
}

TEST_CASE("the reference configuration holds every key") {
  const auto text = content_of(source_dir / "conf/sendquota.toml");
  for (const auto& path : milter::known_config_keys()) {
    const auto key = path.substr(path.rfind('.') + 1);
    const auto part = path.substr(0, path.size() - std::min(path.size(), key.size() + 1));
    const auto header = part.empty() ? 0
                                     : text.find(part == "quota" || part == "quota.override" || part == "admin.token" ? "\n[[" + part + "]]"
                                                                                             : "\n[" + part + "]");
    CAPTURE(path);
    REQUIRE(header != std::string::npos);
    const auto body = text.substr(header, text.find("\n[", header + 2) - header);
    const auto line = body.find("\n" + key);
    const bool is_key =
        line != std::string::npos && body.find_first_not_of(' ', line + 1 + key.size()) == body.find('=', line + 1);
    const bool is_section =
        text.find("\n[" + path + "]") != std::string::npos || text.find("\n[[" + path + "]]") != std::string::npos;
    CHECK((is_key || is_section));
  }
}

TEST_CASE("the reference configuration holds every key with its true default") {
  const auto reference = milter::load_config((source_dir / "conf/sendquota.toml").string());
  REQUIRE_MESSAGE(reference.has_value(), complaints(reference));
  const auto defaults = good("");
  CHECK(reference->mode == quota::Mode::observe);  // the one difference, which the file states
  CHECK(reference->milter == defaults.milter);
  CHECK(reference->store == defaults.store);
  CHECK(reference->accounts_file == defaults.accounts_file);
  CHECK(reference->hold == defaults.hold);
  CHECK(reference->admin == defaults.admin);
  CHECK(reference->log == defaults.log);
  CHECK(reference->notify == defaults.notify);
  CHECK(
      (reference->reply.over + reference->reply.blocked + reference->reply.too_big + reference->reply.contact).empty());
  const auto& identity = reference->policy->parts().identity;
  const auto& default_identity = defaults.policy->parts().identity;
  CHECK(identity.default_realm == default_identity.default_realm);
  CHECK(identity.recipient_delimiter == default_identity.recipient_delimiter);
  CHECK(identity.our_networks == default_identity.our_networks);
  CHECK(identity.trusted_relays == default_identity.trusted_relays);
  CHECK(identity.local_daemon_names == default_identity.local_daemon_names);
  CHECK(identity.max_scripts_per_uid == default_identity.max_scripts_per_uid);
  const auto& exempt = reference->policy->parts().exempt;
  CHECK((exempt.users.empty() && exempt.clients.empty() && exempt.senders.empty() && exempt.recipients.empty()));
}

TEST_CASE("the first quota of the reference configuration holds the true defaults of a quota") {
  const auto reference = milter::load_config((source_dir / "conf/sendquota.toml").string());
  REQUIRE(reference.has_value());
  const auto bare = good(
      "[[quota]]\nname = 'a'\nper = 'user'\nlimits = '1 message / 1s'\n[quota.block]\nafter = '300 refusals / "
      "10m'\nfor = '1h'\n");
  const auto& written = reference->policy->parts().quotas.front();
  const auto& implied = bare.policy->parts().quotas.front();
  CHECK(written.action == implied.action);
  CHECK(written.when == implied.when);
  CHECK(written.mode == implied.mode);
  CHECK(written.warn_at == implied.warn_at);
  CHECK(written.block->forget == implied.block->forget);
  CHECK(written.block->action == implied.block->action);
  CHECK((written.reply.over + written.reply.blocked + written.reply.too_big + written.reply.contact).empty());
}

TEST_CASE("no mutation of a good configuration crashes the reader, and each refusal says something") {
  const auto seed = content_of(source_dir / "conf/sendquota.toml");
  std::minstd_rand random(20261122);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random()) % bound; };
  const std::string_view pieces[] = {"[",
                                     "]",
                                     "[[",
                                     "\"",
                                     "'",
                                     "=",
                                     "\n",
                                     "{",
                                     "}",
                                     "#",
                                     "0",
                                     "-1",
                                     "99999999999999999999",
                                     "1e400",
                                     "\\",
                                     "\xff",
                                     "inf",
                                     "[[quota]]\n",
                                     "1979-05-27",
                                     "true",
                                     ",",
                                     "."};
  for (int round = 0; round < 1500; ++round) {
    auto text = seed;
    for (auto edits = 1 + below(4); edits > 0; --edits) {
      const auto at = below(text.size());
      switch (below(4)) {
        case 0:
          text.erase(at, 1 + below(20));
          break;
        case 1:
          text.insert(at, pieces[below(std::size(pieces))]);
          break;
        case 2:
          text[at] = static_cast<char>(below(256));
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(200)));
      }
    }
    const auto result = milter::parse_config(text, "test.toml");
    if (result)
      CHECK(result->policy != nullptr);
    else
      CHECK(!complaints(result).empty());
  }
}
