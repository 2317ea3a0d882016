#include "milter/config.hpp"

#include <algorithm>

#include "milter/config_files.hpp"
#include "milter/config_quota.hpp"
#include "milter/config_sections.hpp"
#include "quota/store/redis_address.hpp"

namespace milter {
namespace {

constexpr std::size_t longest_config = 1U << 20U;

/// The section `[name]` through `read`; nothing where it is absent. Its keys are known all the same.
template <class Read>
void read_section(Section& root, std::string_view name, Read read) {
  static const Value::Table no_entries{};
  const Section::Label label{std::string(name) + ".", std::string(name) + "."};
  auto section = root.section(name, label);
  if (!section) section.emplace(no_entries, Place{}, label, root.findings());
  read(*section);
  section->note_unknown_keys();
}

/// What a wrong combination of two sections would do.
void check_sockets(Section& root, const Config& config) {
  const auto path_of = [](const std::string& listen) { return listen.substr(listen.find(':') + 1); };
  if (config.milter.listen.starts_with('i')) return;
  if (path_of(config.milter.listen) == path_of(config.admin.listen))
    root.problem("admin", "listen is the socket of [milter] too", "give each a path of its own");
  if (!config.admin.socket_group.empty() && config.admin.socket_group == config.milter.socket_group)
    root.problem("admin",
                 "socket_group \"" + config.admin.socket_group +
                     "\" is the group of [milter], so the MTA could release and block",
                 "give administrators a group of their own, as in \"sendquota\"");
}

void read_all(Section& root, Config& config) {
  quota::Policy::Parts parts;
  root.word("mode", config.mode, mode_words);
  read_section(root, "milter", [&](Section& one) { read_milter(one, config.milter); });
  read_section(root, "record", [&](Section& one) { read_record(one, config.record); });
  read_section(root, "store", [&](Section& one) { read_store(one, config.store, config.record); });
  read_section(root, "identity", [&](Section& one) { read_identity(one, config, parts); });
  read_section(root, "exempt", [&](Section& one) { read_exempt(one, parts.exempt, parts.identity.spelling()); });
  read_section(root, "reply", [&](Section& one) { config.reply = read_reply(one); });
  read_section(root, "hold", [&](Section& one) { read_hold(one, config.hold); });
  read_section(root, "admin", [&](Section& one) { read_admin(one, config.admin); });
  read_section(root, "log", [&](Section& one) { read_log(one, config.log); });
  read_section(root, "notify", [&](Section& one) { read_notify(one, config.notify); });
  parts.quotas = read_quotas(root, parts.identity.spelling());
  parts.mode = config.mode;
  parts.on_failure = config.store.on_failure;
  root.note_unknown_keys();
  root.findings().report_unknown_keys();
  check_sockets(root, config);
  config.policy = std::make_shared<const quota::Policy>(std::move(parts));
}

void read(std::string_view text, Config& config, Findings& findings) {
  auto file = read_toml(text, findings.file_name());
  for (auto& problem : file.problems) findings.add(std::move(problem));
  if (!file.is_whole) return;
  Section root(file.entries, Place{}, {"", ""}, findings);
  read_all(root, config);
}

std::vector<Problem> about_whole_file(const std::string& path, std::string what, std::string instead) {
  return {Problem{path, 0, 0, std::move(what), std::move(instead)}};
}

}  // namespace

ConfigResult parse_config(std::string_view text, const std::string& file_name) {
  if (text.size() > longest_config)
    return about_whole_file(file_name, "the file is larger than 1 MiB",
                            "put long lists into the table override of the store");
  Config config;
  config.file_name = file_name;
  Findings findings(file_name);
  read(text, config, findings);
  if (!findings.empty()) return findings.sorted();
  return config;
}

ConfigResult load_config(const std::string& path) {
  const auto text = read_file(path, longest_config);
  if (!text)
    return about_whole_file(path, text.error(),
                            "write the path of a configuration, as in /etc/sendquota/sendquota.toml");
  return parse_config(*text, path);
}

Config with_accounts(const Config& config, quota::AccountMap accounts, const FileState& state) {
  auto fresh = config;
  auto parts = config.policy->parts();
  parts.accounts = std::move(accounts);
  fresh.policy = std::make_shared<const quota::Policy>(std::move(parts));
  fresh.accounts_state = state;
  return fresh;
}

std::string store_url_problem(std::string_view url) {
  if (url == "memory:") return "";
  const auto address = quota::RedisAddress::parse(url);
  return address ? "" : address.error();
}

std::vector<std::string> needs_restart(const Config& running, const Config& fresh) {
  std::vector<std::string> keys;
  const auto compare = [&](std::string_view key, const auto& before, const auto& after) {
    if (before != after) keys.emplace_back(key);
  };
  compare("milter.listen", running.milter.listen, fresh.milter.listen);
  compare("milter.socket_mode", running.milter.socket_mode, fresh.milter.socket_mode);
  compare("milter.socket_group", running.milter.socket_group, fresh.milter.socket_group);
  compare("store.url", running.store.url, fresh.store.url);
  compare("store.password_file", running.store.password_file, fresh.store.password_file);
  if (running.store.password_file == fresh.store.password_file)
    compare("store.password_file (its content)", running.store.password, fresh.store.password);
  compare("store.sentinel_password_file", running.store.sentinel_password_file, fresh.store.sentinel_password_file);
  if (running.store.sentinel_password_file == fresh.store.sentinel_password_file)
    compare("store.sentinel_password_file (its content)", running.store.sentinel_password,
            fresh.store.sentinel_password);
  compare("store.tls_ca", running.store.tls.ca, fresh.store.tls.ca);
  compare("store.tls_cert", running.store.tls.cert, fresh.store.tls.cert);
  compare("store.tls_key", running.store.tls.key, fresh.store.tls.key);
  compare("store.prefix", running.store.prefix, fresh.store.prefix);
  compare("store.timeout", running.store.timeout, fresh.store.timeout);
  compare("store.on_failure", running.store.on_failure, fresh.store.on_failure);
  compare("store.nodes", running.store.nodes, fresh.store.nodes);
  compare("store.state_dir", running.store.state_dir, fresh.store.state_dir);
  compare("record.url", running.record.url, fresh.record.url);
  compare("record.hours_for", running.record.bounds.hours_for, fresh.record.bounds.hours_for);
  compare("record.minutes_for", running.record.bounds.fives_for, fresh.record.bounds.fives_for);
  compare("record.messages_for", running.record.bounds.messages_for, fresh.record.bounds.messages_for);
  compare("record.messages", running.record.bounds.messages, fresh.record.bounds.messages);
  compare("record.queue_ids", running.record.bounds.queue_ids, fresh.record.bounds.queue_ids);
  compare("record.held_for", running.record.bounds.held_for, fresh.record.bounds.held_for);
  compare("record.queued_for", running.record.bounds.queued_for, fresh.record.bounds.queued_for);
  compare("record.networks", running.record.bounds.networks, fresh.record.bounds.networks);
  compare("record.write_every", running.record.write_every, fresh.record.write_every);
  compare("admin.listen", running.admin.listen, fresh.admin.listen);
  compare("admin.socket_mode", running.admin.socket_mode, fresh.admin.socket_mode);
  compare("admin.socket_group", running.admin.socket_group, fresh.admin.socket_group);
  compare("admin.tcp", running.admin.tcp, fresh.admin.tcp);
  return keys;
}

std::vector<std::string> known_config_keys() {
  Config config;
  Findings findings("");
  // One of each optional section, so that all keys are asked for; what is missing in them does not matter.
  read("[[quota]]\n[quota.block]\n[quota.reply]\n[[quota.override]]\n[[admin.token]]\n", config, findings);
  return {findings.keys().begin(), findings.keys().end()};
}

}  // namespace milter
