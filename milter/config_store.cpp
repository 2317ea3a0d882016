// `[store]`: a part of config.cpp in a file of its own.
#include <algorithm>

#include "milter/config_files.hpp"
#include "milter/config_sections.hpp"
#include "quota/store/redis_address.hpp"

namespace milter {
namespace {

using quota::Milliseconds;
using quota::RedisAddress;
using quota::TlsContext;
using Address = quota::Result<RedisAddress, std::string>;

constexpr Bounds<Milliseconds> timeout_bounds{Milliseconds{1}, std::chrono::seconds{10}};
constexpr Bounds<std::int64_t> node_bounds{1, 1000};
constexpr Word<quota::OnFailure> on_failure_words[] = {
    {"local", quota::OnFailure::local}, {"accept", quota::OnFailure::accept}, {"tempfail", quota::OnFailure::tempfail}};

std::string folder_problem(std::string_view text) {
  return text.starts_with('/') ? "" : in_quotes(text) + " is no absolute path; write it from the / on";
}

std::string prefix_problem(std::string_view text) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:";
  const bool is_well = !text.empty() && text.size() <= 64 && text.find_first_not_of(allowed) == std::string_view::npos;
  return is_well ? "" : in_quotes(text) + " cannot begin keys; write 1 to 64 letters, digits and any of _ - . :";
}

/// `"auto"` or a number.
void read_nodes(Section& section, StoreSettings& into) {
  if (!section.holds_text("nodes")) {
    into.nodes = section.number("nodes", node_bounds);
    return;
  }
  if (const auto text = section.text("nodes"); text && *text != "auto")
    section.problem("nodes", in_quotes(*text) + " is no number of nodes",
                    "write \"auto\", or a number from 1 to 1000 without quotes");
}

/// The password in the file that `key` names. `login` is what the address says.
void read_password(Section& section, std::string_view key, const std::string& file, const quota::RedisLogin* login,
                   std::string& into) {
  if (login != nullptr && !login->password.empty()) {
    section.problem(key, "store.url holds a password already", "keep one of the two");
    return;
  }
  auto text = password_in(resolved(file, section.findings().file_name()));
  if (text)
    into = std::move(*text);
  else
    section.problem(key, text.error());
}

void read_data_password(Section& section, StoreSettings& into, const Address& address) {
  if (!into.password_file.empty() && into.url == "memory:")
    section.problem("password_file", "store.url is \"memory:\", which asks for no password",
                    "write \"\", or another store.url");
  else if (!into.password_file.empty())
    read_password(section, "password_file", into.password_file, address ? &address->login : nullptr, into.password);
  // Without naming the user: who forgot a colon wrote the password there.
  else if (address && !address->login.user.empty() && address->login.password.empty())
    section.problem("url", "it names a user and no password",
                    "set password_file, or write user:password before the @ (:password for a server without users)");
}

void read_sentinel_password(Section& section, StoreSettings& into, const Address& address) {
  const auto& file = into.sentinel_password_file;
  const bool has_sentinels = address && address->topology == RedisAddress::Topology::sentinel;
  if (!file.empty() && (address || into.url == "memory:") && !has_sentinels)
    section.problem("sentinel_password_file", "store.url names no sentinels",
                    "write \"\", or a store.url that begins with redis+sentinel://");
  else if (!file.empty())
    read_password(section, "sentinel_password_file", file, address ? &address->sentinel_login : nullptr,
                  into.sentinel_password);
  else if (has_sentinels && !address->sentinel_login.user.empty() && address->sentinel_login.password.empty())
    section.problem("url", "it names a sentinel_user and no password",
                    "set sentinel_password_file, or write &sentinel_password= behind it");
}

struct TlsKey {
  std::string_view name;
  std::string quota::TlsFiles::*file;
  TlsContext::Problem::File kind;
};

constexpr TlsKey tls_keys[] = {{"tls_ca", &quota::TlsFiles::ca, TlsContext::Problem::File::ca},
                               {"tls_cert", &quota::TlsFiles::cert, TlsContext::Problem::File::cert},
                               {"tls_key", &quota::TlsFiles::key, TlsContext::Problem::File::key}};

/// Files that nobody reads are refused, so that nobody believes he has TLS.
void refuse_tls_files(Section& section, const quota::TlsFiles& files) {
  for (const auto& key : tls_keys)
    if (!(files.*key.file).empty())
      section.problem(key.name, "no TLS is spoken with this store.url",
                      "write \"\", or a store.url (or record.url) that begins with rediss");
}

void check_tls_files(Section& section, const quota::TlsFiles& files) {
  if (files.cert.empty() != files.key.empty()) {
    const bool is_key_missing = files.key.empty();
    section.problem(is_key_missing ? "tls_cert" : "tls_key",
                    is_key_missing ? "tls_key is missing" : "tls_cert is missing", "write both, or neither");
    return;
  }
  const auto opened = TlsContext::open(files);
  if (opened) return;
  const auto* key = std::find_if(std::begin(tls_keys), std::end(tls_keys),
                                 [&](const TlsKey& one) { return one.kind == opened.error().file; });
  section.problem(key->name, opened.error().text);
}

void read_tls(Section& section, StoreSettings& into, const Address& address, const RecordSettings& record) {
  for (const auto& key : tls_keys) {
    auto& file = into.tls.*key.file;
    read_text(section, key.name, file, any_text);
    if (!file.empty()) file = resolved(file, section.findings().file_name());
  }
  const auto of_record = RedisAddress::parse(record.url);  // none: "store", "off", or reported
  const bool is_used_by_record = of_record && of_record->is_tls;
  if ((into.url == "memory:" || (address && !address->is_tls)) && !is_used_by_record)
    refuse_tls_files(section, into.tls);
  else if (into.tls != quota::TlsFiles{} || (address && address->is_tls) || is_used_by_record)
    check_tls_files(section, into.tls);
}

}  // namespace

void read_store(Section& section, StoreSettings& into, const RecordSettings& record) {
  read_text(section, "url", into.url, store_url_problem);
  const auto address = RedisAddress::parse(into.url);  // none: "memory:", or reported
  read_text(section, "password_file", into.password_file, any_text);
  read_text(section, "sentinel_password_file", into.sentinel_password_file, any_text);
  read_data_password(section, into, address);
  read_sentinel_password(section, into, address);
  read_tls(section, into, address, record);
  read_text(section, "prefix", into.prefix, prefix_problem);
  into.timeout = section.duration("timeout", timeout_bounds).value_or(into.timeout);
  section.word("on_failure", into.on_failure, on_failure_words);
  read_nodes(section, into);
  read_text(section, "state_dir", into.state_dir, folder_problem);
}

}  // namespace milter
