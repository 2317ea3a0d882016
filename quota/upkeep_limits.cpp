#include <algorithm>
#include <map>

#include "quota/time_text.hpp"
#include "quota/upkeep_draft.hpp"

namespace quota::upkeep {
namespace {

constexpr Milliseconds reminder_every = std::chrono::hours{1};

std::string identity_text(const OverrideKey& key) { return key.identity ? key.identity->text() : std::string(); }

Event ended_event(const OverrideKey& key, const Override& entry) {
  return {"ended",
          "info",
          identity_text(key),
          "live limit '" + key.text() + "' ended by itself at " + format_moment(*entry.until),
          "",
          ""};
}

void publish(Draft& draft, const std::string& field, const Override& entry) {
  draft.plan.tables.set_override(field, entry);
  draft.wake_at(entry.until);
}

/// Counts for nothing, and is shown to whoever asks for the live limits.
void reject(Draft& draft, const TableEntry& entry, std::string_view complaint, const std::string& identity) {
  const bool is_told = is_error_text(entry.text);
  draft.plan.tables.override_errors.insert_or_assign(entry.field, is_told ? entry.text : error_text(complaint, entry.text));
  draft.complain(Table::override_, entry, complaint, identity);
}

Change written(const Draft& draft, const OverrideKey& key, std::optional<std::string> expected, Override entry) {
  if (!entry.since) entry.since = draft.now.now;
  return {.table = Table::override_,
          .field = key.text(),
          .expected = std::move(expected),
          .desired = format(entry),
          .event = override_event(key, entry)};
}

/// Returns whether nothing at all has changed; then all entries are kept.
bool keep_all_overrides(Draft& draft) {
  auto& before = draft.before;
  const bool is_same = before.plain_overrides.is_copy_of(draft.now.overrides) && before.spelling == draft.names.spelling;
  if (!is_same || (before.first_override_ends && draft.now.now >= *before.first_override_ends)) return false;
  draft.plan.after.overrides = std::move(before.overrides);
  draft.plan.after.plain_overrides = std::move(before.plain_overrides);
  draft.plan.after.first_override_ends = before.first_override_ends;
  draft.wake_at(before.first_override_ends);
  return true;
}

/// Most of a large table is as it was: kept without looking further. Returns whether it was.
bool keep_unchanged_override(Draft& draft, std::string_view field, std::string_view text) {
  auto& before = draft.before.overrides;
  if (draft.before.spelling != draft.names.spelling) return false;
  const auto found = before.find(field);
  if (found == before.end() || found->second.text != text) return false;
  const auto& entry = found->second.entry;
  if (!entry.since || !entry.holds_at(draft.now.now)) return false;
  found->second.reading = draft.plan.after.reading;
  draft.wake_at(entry.until);
  if (auto& first = draft.plan.after.first_override_ends; entry.until) first = first ? std::min(*first, *entry.until) : *entry.until;
  return true;
}

/// Why an entry can have no effect; empty where it can. One that has its since= was taken by a daemon that knows the quota, and
/// this one may only be late to be reloaded.
std::string complaint_about(const Draft& draft, const OverrideKey& key, const Override& entry) {
  const auto& quotas = draft.names.quotas;
  if (!quotas || key.quota.empty() || entry.since || std::find(quotas->begin(), quotas->end(), key.quota) != quotas->end()) return "";
  std::string known;
  for (const auto& one : *quotas) known += (known.empty() ? "" : ", ") + one;
  return "there is no quota '" + key.quota + "'; write " + known + (known.empty() ? "" : " or ") + "* for all";
}

void read_override(Draft& draft, const OverrideKey& key, const TableEntry& read) {
  const auto node = draft.before.overrides.extract(read.field);
  const bool is_known = !node.empty() && node.mapped().text == read.text;
  const auto entry = is_known ? Result<Override, std::string>(node.mapped().entry) : parse_override(key, read.text);
  if (!entry) return reject(draft, read, entry.error(), identity_text(key));
  if (!entry->holds_at(draft.now.now)) return draft.end(Table::override_, read, ended_event(key, *entry));
  if (const auto wrong = complaint_about(draft, key, *entry); !wrong.empty())
    return reject(draft, read, wrong, identity_text(key));
  publish(draft, read.field, *entry);
  draft.plan.after.overrides.insert_or_assign(read.field, KnownOverride{read.text, *entry});
  if (!entry->since) draft.changes.push_back(written(draft, key, read.text, *entry));
}

bool says_the_same(const Override& one, const Override& other) {
  return one.value == other.value && one.until == other.until;
}

void read_other_spelling_of_override(Draft& draft, const OverrideKey& key, const OtherSpelling& other, const Texts& texts) {
  const auto entry = parse_override(key, other.entry.text);
  if (!entry) return reject(draft, other.entry, entry.error(), identity_text(key));
  if (!entry->holds_at(draft.now.now)) return draft.end(Table::override_, other.entry, ended_event(key, *entry));
  if (const auto wrong = complaint_about(draft, key, *entry); !wrong.empty())
    return reject(draft, other.entry, wrong, identity_text(key));
  const auto holding = draft.plan.after.overrides.find(other.canonical);
  if (holding != draft.plan.after.overrides.end()) {
    if (says_the_same(*entry, holding->second.entry)) return draft.remove(Table::override_, other.entry);
    return reject(draft, other.entry, has_entry_already(other.canonical), identity_text(key));
  }
  const auto text = texts.find(other.canonical);  // an ERROR, or one that has ended
  draft.plan.tables.override_errors.erase(other.canonical);
  publish(draft, other.canonical, *entry);
  draft.plan.after.borrowed.push_back(other.canonical);
  auto change = written(draft, key, text, *entry);
  change.other_spelling = other.entry;
  draft.changes.push_back(std::move(change));
}

void read_missing(Draft& draft) {
  for (const auto& [field, known] : draft.before.overrides) draft.plan.tables.remove_override(field);
  if (!draft.is_intact) return;
  std::map<std::string_view, const KnownOverride&> missing;  // in an order that everybody can follow
  for (const auto& [field, known] : draft.before.overrides) missing.emplace(field, known);
  for (const auto& [field, known] : missing) {
    const auto key = parse_override_key(field);
    if (!key || !known.entry.holds_at(draft.latest())) continue;
    auto claims = removal_claims(*key, known.entry);
    draft.announcements.push_back(Announce{.claim = std::move(claims.exact),
                                           .lasting = claims.lasting,
                                           .event = override_removed_event(*key, known.entry),
                                           .words = std::move(claims.words)});
  }
}

/// While the switch says observe, everybody is reminded each hour after it was set.
void remind_of_observing(Draft& draft) {
  const auto* const found = draft.plan.tables.overrides().find(OverrideKey{}.text());
  if (!found || !found->since) return;
  const auto* mode = std::get_if<Mode>(&found->value);
  if (!mode || *mode != Mode::observe) return;
  const auto since = *found->since;
  const std::int64_t hours = (draft.now.now - since) / reminder_every;
  draft.wake_at(since + (hours + 1) * reminder_every);
  draft.plan.after.hours_announced = hours;
  if (hours < 1 || hours == draft.before.hours_announced) return;
  const auto claim = "observing:" + std::to_string(since.time_since_epoch().count()) + ":" + std::to_string(hours);
  draft.announcements.push_back(Announce{
      claim, 2 * reminder_every,
      Event{"mode", "warning", "", "all quotas only observe since " + format_moment(since), found->by, ""}});
}

void read_account(Draft& draft, const Identity& owner, const TableEntry& read) {
  if (is_error_text(read.text)) return;
  const auto account = parse_account(read.text);
  if (!account) return draft.complain(Table::account, read, account.error(), owner.text());
  draft.plan.tables.accounts.set(owner, *account);
}

void read_other_spelling_of_owner(Draft& draft, const Identity& owner, const OtherSpelling& other, const Texts& texts) {
  if (is_error_text(other.entry.text)) return;
  const auto text = texts.find(other.canonical);
  if (text && *text == other.entry.text) return draft.remove(Table::account, other.entry);
  if (text && !is_error_text(*text))
    return draft.complain(Table::account, other.entry, has_entry_already(other.canonical), owner.text());
  const auto account = parse_account(other.entry.text);
  if (!account) return draft.complain(Table::account, other.entry, account.error(), owner.text());
  draft.plan.tables.accounts.set(owner, *account);
  draft.changes.push_back(Change{.table = Table::account,
                                 .field = other.canonical,
                                 .expected = text,
                                 .desired = other.entry.text,
                                 .other_spelling = other.entry});
}

void read_changed_overrides(Draft& draft) {
  std::vector<std::pair<OverrideKey, OtherSpelling>> others;
  bool are_plain = true;
  for (const auto& entry : draft.now.overrides) {
    if (keep_unchanged_override(draft, entry.first, entry.second)) continue;
    are_plain = false;
    const std::string field(entry.first), text(entry.second);
    if (!draft.plan.after.overrides.contains(field)) draft.plan.tables.remove_override(field);
    const auto key = parse_override_key(field, draft.names.spelling);
    auto canonical = key ? key->text() : "";
    if (key && canonical == field) {
      read_override(draft, *key, {field, text});
      continue;
    }
    draft.before.overrides.erase(field);  // canonical until the configuration changed, and not missing
    if (key)
      others.emplace_back(*key, OtherSpelling{{field, text}, std::move(canonical)});
    else
      reject(draft, {field, text}, key.error(), "");
  }
  sort_out(draft.before.overrides, draft.plan.after.overrides, draft.plan.after.reading);
  read_missing(draft);
  if (!others.empty()) {
    const Texts texts(draft.now.overrides);
    for (const auto& [key, other] : others) read_other_spelling_of_override(draft, key, other, texts);
  }
  if (are_plain) draft.plan.after.plain_overrides = draft.now.overrides;
}

}  // namespace

void read_overrides(Draft& draft) {
  if (!keep_all_overrides(draft)) read_changed_overrides(draft);
  remind_of_observing(draft);
}

void read_accounts(Draft& draft) {
  if (draft.has_accounts) return;
  std::vector<std::pair<Identity, OtherSpelling>> others;
  for (const auto& entry : draft.now.accounts) {
    const std::string field(entry.first), text(entry.second);
    const auto owner = parse_account_owner(field, draft.names.spelling);
    if (!owner)
      draft.complain(Table::account, {field, text}, owner.error(), "");
    else if (auto canonical = owner->text(); canonical != field)
      others.emplace_back(*owner, OtherSpelling{{field, text}, std::move(canonical)});
    else
      read_account(draft, *owner, {field, text});
  }
  if (others.empty()) return;
  const Texts texts(draft.now.accounts);
  for (const auto& [owner, other] : others) read_other_spelling_of_owner(draft, owner, other, texts);
}

}  // namespace quota::upkeep
