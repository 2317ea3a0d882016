#include <map>
#include <set>

#include "quota/time_text.hpp"
#include "quota/upkeep_draft.hpp"

namespace quota::upkeep {
namespace {

/// The rest follows from the next reading: between two of them there is not time for more.
constexpr std::size_t most_marks_at_once = 4'000;

Event ended_event(const Identity& identity, const Block& block) {
  return {"ended", "info", identity.text(), "the block ended by itself at " + format_moment(*block.until), "", ""};
}

Release release_of(const Draft& draft, const Identity& identity, const KnownBlock& known) {
  std::string text =
      "released; the block was: " + (known.block.reason.empty() ? "without a reason" : known.block.reason);
  const auto telling = draft.before.is_recalled ? Release::Telling::if_done : Release::Telling::once;
  Event event{"released", "info", identity.text(), std::move(text), "by hand", ""};
  return {.identity = identity,
          .id = known.id,
          .event = std::move(event),
          .telling = telling,
          .words = release_claims(identity, known.block).words};
}

Marking marking_of(const Draft& draft, const Identity& identity, const Block& block) {
  return {identity, mark_of(block, block.is_by_hand() ? Milliseconds{0} : draft.means.forget(block.quota))};
}

void publish(Draft& draft, const std::string& field, const Block& block) {
  draft.plan.tables.block(field, block);
  draft.wake_at(block.until);
}

Block completed(const Draft& draft, Block block, const std::string& known_id,
                const std::optional<Timestamp>& known_since) {
  if (block.id.empty()) block.id = known_id.empty() ? draft.means.new_id() : known_id;
  if (!block.since) block.since = known_since.value_or(draft.now.now);
  return block;
}

/// What `text` means where `known` stood before.
KnownBlock followed(Draft& draft, const Identity& identity, KnownBlock known, const std::string& text) {
  if (known.text == text) {
    const bool is_marked = known.marked && !draft.is_lost;
    if (known.seen && known.marked == is_marked) ++draft.as_before;
    known.seen = true;
    known.marked = is_marked;
    return known;
  }
  draft.has_changed = true;
  KnownBlock entry{.text = text, .block = understood(text), .seen = true};
  const auto id = id_of(entry.block);
  entry.id = id.empty() ? known.id : id;
  entry.since = entry.block.since ? entry.block.since : known.since;
  // With another end the record is to be kept for another time.
  entry.marked = known.marked && entry.id == known.id && entry.block.until == known.block.until && !draft.is_lost;
  const bool is_another = !known.id.empty() && entry.id != known.id && !entry.block.is_error && !known.block.is_error;
  if (is_another && draft.is_intact && known.seen && known.block.holds_at(draft.latest()))
    draft.releases.push_back(release_of(draft, identity, known));
  return entry;
}

void rewrite_as_error(Draft& draft, const Identity& identity, const TableEntry& entry, const Block& block) {
  draft.changes.push_back(
      Change{.table = Table::blocked,
             .field = entry.field,
             .expected = entry.text,
             .desired = block.reason,
             .marking = marking_of(draft, identity, block),
             .event = Event{"error", "warning", identity.text(),
                            "blocked until released: the entry cannot be understood: " + block.reason, "", ""}});
}

void complete(Draft& draft, const Identity& identity, const KnownBlock& entry) {
  const auto block = completed(draft, entry.block, entry.id, entry.since);
  draft.changes.push_back(Change{.table = Table::blocked,
                                 .field = identity.text(),
                                 .expected = entry.text,
                                 .desired = format(block),
                                 .marking = marking_of(draft, identity, block),
                                 .event = blocked_event(identity, block)});
}

void read_block(Draft& draft, const Identity& identity, const TableEntry& read) {
  if (draft.plan.after.blocked.contains(read.field)) return;  // a scan may give a field twice
  auto node = draft.before.blocked.extract(read.field);
  auto entry = followed(draft, identity, node.empty() ? KnownBlock{} : std::move(node.mapped()), read.text);
  entry.is_obeyed = entry.block.holds_at(draft.now.now);
  if (!entry.is_obeyed) {
    draft.end(Table::blocked, read, ended_event(identity, entry.block));
  } else {
    publish(draft, read.field, entry.block);
    if (entry.block.is_error && !is_error_text(read.text))
      rewrite_as_error(draft, identity, read, entry.block);
    else if (!entry.block.is_error && (entry.block.id.empty() || !entry.block.since))
      complete(draft, identity, entry);
    else if (!entry.marked && draft.marks.size() < most_marks_at_once)
      draft.marks.push_back(Mark{read.text, marking_of(draft, identity, entry.block)});
  }
  draft.plan.after.blocked.emplace(read.field, std::move(entry));
}

/// Most of a large table is as it was: kept without looking further. Returns whether it was.
bool keep_unchanged_block(Draft& draft, std::string_view field, std::string_view text) {
  if (draft.is_lost || draft.before.spelling != draft.names.spelling) return false;
  const auto found = draft.before.blocked.find(field);
  if (found == draft.before.blocked.end()) return false;
  auto& known = found->second;
  if (known.text != text || !known.is_obeyed || known.block.id.empty() || !known.block.since || !known.block.holds_at(draft.now.now)) return false;
  if (std::exchange(known.reading, draft.plan.after.reading) == draft.plan.after.reading) return true;  // a scan may give a field twice
  if (!known.marked && draft.marks.size() < most_marks_at_once) {
    const auto identity = parse_identity(field);
    if (identity) draft.marks.push_back(Mark{known.text, marking_of(draft, *identity, known.block)});
  }
  if (known.seen) ++draft.as_before;
  known.seen = true;
  draft.wake_at(known.block.until);
  return true;
}

void put_back(Draft& draft, const Identity& identity, KnownBlock known) {
  const auto field = identity.text();
  if (!known.seen && !known.marked) ++draft.as_before;
  known.seen = known.marked = false;
  Change change{.table = Table::blocked, .field = field, .desired = known.text};
  if (!known.id.empty()) {
    auto block = known.block;
    if (!block.is_error) block.id = known.id;
    change.marking = marking_of(draft, identity, block);
  }
  draft.changes.push_back(std::move(change));
  draft.put_back.push_back(field);
  publish(draft, field, known.block);
  draft.plan.after.blocked.insert_or_assign(field, std::move(known));
}

/// Canonical fields and the texts that stand under another spelling of them.
using Renamings = std::set<std::pair<std::string_view, std::string_view>>;

void read_missing(Draft& draft, const Renamings& renamings) {
  std::map<std::string_view, KnownBlock&> missing;  // in an order that everybody can follow
  for (auto& [field, known] : draft.before.blocked) missing.emplace(field, known);
  for (auto& [field, known] : missing) {
    draft.plan.tables.unblock(field);
    const auto identity = parse_identity(field);
    if (!identity || !known.block.holds_at(draft.now.now)) continue;
    if (known.id.empty() && renamings.contains({field, known.text})) continue;  // it was never there: still to be renamed
    const bool was_taken_away = draft.is_intact && known.seen;
    if (was_taken_away && known.block.holds_at(draft.latest()))
      draft.releases.push_back(release_of(draft, *identity, known));
    else if (!was_taken_away && !draft.is_outdated)
      put_back(draft, *identity, std::move(known));
  }
}

bool lasts_longer(const Block& one, const Block& other) {
  return other.until && (!one.until || *one.until > *other.until);
}

bool says_the_same(const Block& one, const Block& other) {
  return one.until == other.until && one.action == other.action && one.quota == other.quota &&
         one.reason == other.reason;
}

/// Another spelling beside its canonical field, whose block is `holding`.
void read_second(Draft& draft, const Identity& identity, const OtherSpelling& other, KnownBlock& holding) {
  const auto block = understood(other.entry.text);
  if (!block.is_error && says_the_same(block, holding.block)) return draft.remove(Table::blocked, other.entry);
  if (block.is_error || !lasts_longer(block, holding.block))
    return draft.complain(Table::blocked, other.entry, has_entry_already(other.canonical), other.canonical);
  auto longer = block;
  longer.id = holding.id.empty() ? block.id : holding.id;
  const auto text = completed(draft, longer, holding.id, holding.since);
  publish(draft, other.canonical, text);
  holding.is_obeyed = false;
  draft.changes.push_back(Change{.table = Table::blocked,
                                 .field = other.canonical,
                                 .expected = holding.text,
                                 .desired = format(text),
                                 .marking = marking_of(draft, identity, text),
                                 .other_spelling = other.entry,
                                 .event = blocked_event(identity, text)});
}

void read_other_spelling_of_block(Draft& draft, const Identity& identity, const OtherSpelling& other, const Texts& texts) {
  if (is_error_text(other.entry.text)) return;
  const auto holding = draft.plan.after.blocked.find(other.canonical);
  const auto text = texts.find(other.canonical);
  if (holding != draft.plan.after.blocked.end() && holding->second.block.holds_at(draft.now.now))
    return read_second(draft, identity, other, holding->second);
  auto block = understood(other.entry.text);
  if (!block.holds_at(draft.now.now)) return draft.end(Table::blocked, other.entry, ended_event(identity, block));
  // Known from now on, so that a release before the next reading is seen as one. Without an id: another daemon's may win.
  draft.plan.after.blocked.insert_or_assign(
      other.canonical, KnownBlock{.text = other.entry.text, .block = block, .since = block.since, .seen = true});
  if (!block.is_error) block = completed(draft, std::move(block), "", {});
  publish(draft, other.canonical, block);
  draft.changes.push_back(Change{.table = Table::blocked,
                                 .field = other.canonical,
                                 .expected = text,
                                 .desired = format(block),
                                 .marking = marking_of(draft, identity, block),
                                 .other_spelling = other.entry,
                                 .event = blocked_event(identity, block)});
}

/// Whom an entry is about. What a daemon has blocked did send mail, however it looks; `user:@example.com` by hand is a mistake.
Result<Identity, std::string> identity_of(const Draft& draft, const std::string& field, const std::string& text) {
  auto meant = parse_identity(field, draft.names.spelling);
  if (meant) return meant;
  auto plain = parse_identity(field);
  const auto block = plain ? parse_block(text) : Block{};
  return block && !block->is_by_hand() && plain->text() == field ? plain : meant;
}

}  // namespace

void read_blocked(Draft& draft) {
  std::vector<std::pair<Identity, OtherSpelling>> others;
  for (const auto& entry : draft.now.blocked) {
    if (entry.first == epoch_field || keep_unchanged_block(draft, entry.first, entry.second)) continue;
    const std::string field(entry.first), text(entry.second);
    if (!draft.plan.after.blocked.contains(field)) draft.plan.tables.unblock(field);
    const auto identity = identity_of(draft, field, text);
    auto canonical = identity ? identity->text() : "";
    if (identity && canonical == field) {
      read_block(draft, *identity, {field, text});
      continue;
    }
    draft.before.blocked.erase(field);  // canonical until the configuration changed, and not missing
    if (identity)
      others.emplace_back(*identity, OtherSpelling{{field, text}, std::move(canonical)});
    else
      draft.complain(Table::blocked, {field, text}, identity.error(), "");
  }
  sort_out(draft.before.blocked, draft.plan.after.blocked, draft.plan.after.reading);
  Renamings renamings;
  for (const auto& [identity, other] : others) renamings.emplace(other.canonical, other.entry.text);
  read_missing(draft, renamings);
  if (others.empty()) return;
  const Texts texts(draft.now.blocked);
  for (const auto& [identity, other] : others) read_other_spelling_of_block(draft, identity, other, texts);
}

}  // namespace quota::upkeep
