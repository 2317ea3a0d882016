#include "quota/upkeep.hpp"

#include <algorithm>

#include "quota/encoding.hpp"
#include "quota/time_text.hpp"
#include "quota/upkeep_draft.hpp"

namespace quota {
namespace upkeep {

void Draft::wake_at(std::optional<Timestamp> moment) {
  if (!moment || *moment <= now.now) return;
  plan.wake_at = plan.wake_at ? std::min(*plan.wake_at, *moment) : *moment;
}

void Draft::end(Table table, const TableEntry& entry, Event event) {
  changes.push_back(Change{.table = table, .field = entry.field, .expected = entry.text, .event = std::move(event)});
}

void Draft::complain(Table table, const TableEntry& entry, std::string_view complaint, const std::string& identity) {
  if (is_error_text(entry.text)) return;
  Event event{"error", "warning", identity, "", "", ""};
  event.text = "table " + std::string(name(table)) + ", field " + percent_encoded(entry.field.substr(0, 200)) + ": " +
               std::string(complaint);
  changes.push_back(Change{.table = table,
                           .field = entry.field,
                           .expected = entry.text,
                           .desired = error_text(complaint, entry.text),
                           .event = std::move(event)});
}

void Draft::remove(Table table, const TableEntry& entry) {
  changes.push_back(Change{.table = table, .field = entry.field, .expected = entry.text});
}

std::string has_entry_already(const std::string& canonical) {
  return canonical + " has an entry already, which holds; change or remove that one, and remove this";
}

namespace {

constexpr std::size_t names_in_event = 10;

std::string epoch_in(const TablesText& now) {
  const auto found =
      std::find_if(now.blocked.begin(), now.blocked.end(), [](const auto& entry) { return entry.first == epoch_field; });
  return found == now.blocked.end() ? std::string() : std::string(found->second);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), names_in_event); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > names_in_event) text += " and " + std::to_string(names.size() - names_in_event) + " more";
  return text;
}

void announce_loss(Draft& draft) {
  const bool has_no_epoch = draft.plan.after.epoch.empty();
  if (!draft.is_lost || (draft.put_back.empty() && !has_no_epoch)) return;
  Event event{"lost", "error", "", "", "", ""};
  event.text = has_no_epoch ? "the table of blocks was emptied" : "the store's data is not the one known before";
  event.text += draft.put_back.empty()
                    ? "; no block was known"
                    : "; put back: " + listed(draft.put_back) + "; a release made in the last seconds must be repeated";
  event.text += "; live limits and accounts are taken as found";
  draft.announcements.push_back(
      Announce{"lost:" + draft.now.history + ":" + draft.before.epoch, std::chrono::minutes{10}, std::move(event)});
}

void ensure_epoch(Draft& draft) {
  if (!draft.plan.after.epoch.empty()) return;
  draft.changes.insert(
      draft.changes.begin(),
      Change{.table = Table::blocked, .field = std::string(epoch_field), .desired = draft.means.new_id()});
}

Draft begun(Known before, const TablesText& now, const Means& means) {
  const auto epoch = epoch_in(now);
  const bool is_same_run = before.history == now.history;
  const bool is_intact = is_same_run && !epoch.empty() && before.epoch == epoch;
  const bool is_lost = !before.history.empty() && (!is_same_run || (!before.epoch.empty() && before.epoch != epoch));
  const bool is_outdated = before.is_recalled && !epoch.empty() && now.now - before.read_at > recalled_for;
  Draft draft{.before = std::move(before),
              .now = now,
              .means = means,
              .is_intact = is_intact,
              .is_lost = is_lost,
              .is_outdated = is_outdated};
  draft.names = means.names();
  draft.plan.after.spelling = draft.names.spelling;
  draft.plan.after.reading = draft.before.reading + 1;
  draft.plan.after.history = now.history;
  draft.plan.after.epoch = epoch;
  draft.plan.after.read_at = now.now;
  draft.plan.after.accounts = now.accounts;
  // What stands there unchanged stays as it is; all else is taken out, and put in if it still counts.
  draft.plan.tables = std::move(draft.before.tables);
  draft.plan.tables.override_errors.clear();
  for (const auto& key : draft.before.borrowed) draft.plan.tables.remove_override(key);
  draft.has_accounts = draft.before.is_settled && draft.before.accounts == now.accounts && draft.before.spelling == draft.names.spelling;
  if (!draft.has_accounts) draft.plan.tables.accounts = {};
  return draft;
}

Plan finished(Draft draft) {
  auto& steps = draft.plan.steps;
  for (auto* part : {&draft.releases, &draft.changes, &draft.announcements, &draft.marks})
    std::move(part->begin(), part->end(), std::back_inserter(steps));
  // What is listed as not understood is not known, so that its going away would not be seen.
  draft.plan.after.is_settled = steps.empty() && draft.plan.tables.override_errors.empty();
  draft.plan.after.wake_at = draft.plan.wake_at;
  draft.plan.tables.note_next_end(draft.plan.wake_at);
  draft.plan.after.tables = draft.plan.tables;
  return std::move(draft.plan);
}

/// Whether the entries but `apart` are those of `before`, each once: a scan may give a field twice, and leave out one that went.
template <class Value>
bool are_as_known(const ByText<Value>& before, const TableText& now, std::string_view apart) {
  std::vector<const Value*> found;
  found.reserve(before.size());
  for (const auto& [field, text] : now) {
    if (field == apart) continue;
    const auto known = before.find(field);
    if (known == before.end() || known->second.text != text) return false;
    found.push_back(&known->second);
  }
  std::sort(found.begin(), found.end());
  return found.size() == before.size() && std::adjacent_find(found.begin(), found.end()) == found.end();
}

bool are_all_seen(const ByText<KnownBlock>& blocked) {
  return std::all_of(blocked.begin(), blocked.end(), [](const auto& entry) { return entry.second.seen; });
}

}  // namespace
}  // namespace upkeep

bool is_as_known(const Known& before, const TablesText& now) {
  if (!before.is_settled || before.history != now.history || (before.wake_at && now.now >= *before.wake_at)) return false;
  return !before.epoch.empty() && upkeep::epoch_in(now) == before.epoch && upkeep::are_all_seen(before.blocked) &&
         upkeep::are_as_known(before.blocked, now.blocked, epoch_field) && upkeep::are_as_known(before.overrides, now.overrides, "") &&
         before.accounts == now.accounts;
}

Plan plan(Known before, const TablesText& now, const Means& means) {
  auto draft = upkeep::begun(std::move(before), now, means);
  const auto blocks_before = draft.before.blocked.size();
  upkeep::read_blocked(draft);
  upkeep::read_overrides(draft);
  upkeep::read_accounts(draft);
  upkeep::ensure_epoch(draft);
  upkeep::announce_loss(draft);
  const auto& after = draft.plan.after;
  draft.plan.has_news = draft.before.is_recalled || draft.before.history != after.history || draft.before.epoch != after.epoch ||
                        after.blocked.size() != blocks_before || draft.as_before != blocks_before || draft.has_changed;
  return upkeep::finished(std::move(draft));
}

Block understood(const std::string& text) {
  auto block = parse_block(text);
  if (block) return std::move(*block);
  return Block{.reason = error_text(block.error(), text), .is_error = true};
}

namespace {
constexpr std::string_view error_id = "error-";
}

std::string id_of(const Block& block) {
  if (block.is_error) return std::string(error_id) + sha256_hex(block.reason).substr(0, 12);
  return block.id;
}

BlockMark mark_of(const Block& block, Milliseconds forget) {
  BlockMark mark{.id = id_of(block), .ladder = {}, .quota = block.quota, .until = block.until};
  if (!block.is_by_hand() && block.step > 0 && (block.until || block.since))
    mark.ladder = Ladder{block.step, block.until ? *block.until + forget : *block.since + endless_block_kept_for};
  return mark;
}

Event blocked_event(const Identity& identity, const Block& block) {
  std::string text = "blocked until " + (block.until ? format_moment(*block.until) : std::string("released"));
  text += ", action " + std::string(name(block.action));
  text += block.is_by_hand() ? ", by hand" : ", quota " + block.quota + ", step " + std::to_string(block.step);
  if (!block.reason.empty()) text += ": " + block.reason;
  const auto by = block.by.empty() && block.is_by_hand() ? std::string("by hand") : block.by;
  return {"blocked", "warning", identity.text(), std::move(text), by, ""};
}

namespace {

Event event_about(const OverrideKey& key, const Override& entry, std::string text) {
  const bool is_mode = std::holds_alternative<Mode>(entry.value);
  return {is_mode ? "mode" : "limit",
          is_mode ? "warning" : "info",
          key.identity ? key.identity->text() : "",
          std::move(text),
          entry.by.empty() ? "by hand" : entry.by,
          ""};
}

std::string said(const Override& entry) {
  return format(Override{.value = entry.value, .since = {}, .until = entry.until, .by = {}});
}

}  // namespace

Event override_event(const OverrideKey& key, const Override& entry) {
  return event_about(key, entry, "live limit '" + key.text() + "' is now: " + said(entry));
}

Event override_removed_event(const OverrideKey& key, const Override& entry) {
  return event_about(key, entry, "live limit '" + key.text() + "' was removed; it was: " + said(entry));
}

namespace {

/// As long as all daemons need to notice. Two errors in the same words are the same block to everybody.
constexpr Milliseconds error_claims_last = std::chrono::seconds{30};

std::string digest(std::string_view text) { return sha256_hex(text).substr(0, 16); }

/// What a block says, without what completing it adds.
std::string words_of(const Block& block) {
  return format(Block{.until = block.until, .action = block.action, .reason = block.reason, .is_error = block.is_error});
}

}  // namespace

GoneClaims release_claims(const std::string& block_id, std::string words) {
  GoneClaims claims{.words = std::move(words)};
  if (!block_id.empty()) claims.exact = "released:" + digest(block_id);
  if (block_id.starts_with(error_id)) claims.lasting = error_claims_last;
  return claims;
}

GoneClaims release_claims(const Identity& identity, const Block& block) {
  return release_claims(id_of(block), "released-words:" + digest(identity.text() + "\n" + words_of(block)));
}

GoneClaims removal_claims(const OverrideKey& key, const Override& entry) {
  const auto words = key.text() + "\n" + said(entry);
  GoneClaims claims{.words = "limit-removed-words:" + digest(words)};
  if (entry.since) claims.exact = "limit-removed:" + digest(words + "\n" + format_moment(*entry.since));
  return claims;
}

}  // namespace quota
