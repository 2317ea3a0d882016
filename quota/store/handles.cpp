#include "quota/store/handles.hpp"

#include <algorithm>

#include "quota/store/step_runner.hpp"
#include "quota/text.hpp"
#include "quota/upkeep.hpp"

namespace quota {
namespace {

constexpr int most_tries = 5;

HandleError no_answer(const StoreError& error) { return {HandleError::Kind::store, error.text}; }
HandleError somebody_else(const std::string& field) {
  return {HandleError::Kind::busy, "somebody else keeps changing the entry of " + field + "; try again"};
}

/// One line: a table's text is read by people and by line.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return std::string(trim(text));
}

std::optional<Timestamp> end_of(std::optional<Milliseconds> lasting, Timestamp now) {
  return lasting ? std::optional(now + *lasting) : std::nullopt;
}

/// `* *` holds the switch or everybody's limit: no order of one kind ends the other unnoticed.
std::optional<HandleError> objection(const Result<Override, std::string>& holding, std::size_t kind, Timestamp now) {
  if (!holding || holding->value.index() == kind || !holding->holds_at(now)) return std::nullopt;
  const bool is_mode = std::holds_alternative<Mode>(holding->value);
  return HandleError{is_mode ? HandleError::Kind::holds_mode : HandleError::Kind::holds_limit,
                     std::string("the entry '* *' holds ") + (is_mode ? "the mode" : "everybody's limit") + ": " +
                         format(*holding)};
}

}  // namespace

void Handles::tell(Event event, const std::string& by) {
  event.by = by;
  event.host = host_;
  const auto written = ledger_.append(event);
  if (!written && written.error().executed == Executed::no && tell_later_) tell_later_(std::move(event));
}

/// Empties the record that belongs to a block which this call took away, if no keeper was quicker.
Handles::Answer<void> Handles::empty_record(const Identity& identity, const std::string& block_id) {
  if (!block_id.empty()) {
    const auto released = ledger_.release(identity, block_id);
    if (!released) return no_answer(released.error());
    if (*released) return {};
  }
  const auto record = ledger_.record(identity);
  if (!record) return no_answer(record.error());
  if (record->is_empty() || !record->block.empty()) return {};
  if (const auto refilled = ledger_.refill(identity); !refilled) return no_answer(refilled.error());
  return {};
}

/// Takes one entry of `blocked` away, and what its record holds. Returns whether it still stood there.
Handles::Answer<bool> Handles::lift(const Identity& identity, const std::string& field, const std::string& text) {
  const auto block = understood(text);
  const auto id = id_of(block);
  // Before the entry goes: every keeper will see it missing, and none of them knows who did it and why.
  (void)take(ledger_, release_claims(identity, block));
  const auto removed = ledger_.replace(Table::blocked, field, text, std::nullopt);
  if (!removed) return no_answer(removed.error());
  if (!*removed) return false;
  ledger_.wake();
  if (const auto emptied = empty_record(identity, id); !emptied) return emptied.error();
  return true;
}

Handles::Answer<std::optional<Block>> Handles::release(const Identity& identity, const Author& author) {
  Event event{"released", "info", identity.text(), "", "", ""};
  event.text = author.reason.empty() ? "without a reason" : one_line(author.reason);
  for (int i = 0; i < most_tries; ++i) {
    const auto found = ledger_.entry(Table::blocked, identity.text());
    if (!found) return no_answer(found.error());
    const auto& text = found->text;
    if (!text) {
      if (const auto refilled = ledger_.refill(identity); !refilled) return no_answer(refilled.error());
      event.what = "refilled";
      tell(std::move(event), author.by);
      return std::optional<Block>{};
    }
    const auto lifted = lift(identity, identity.text(), *text);
    if (!lifted) return lifted.error();
    if (!*lifted) continue;
    tell(std::move(event), author.by);
    return std::optional(understood(*text));
  }
  return somebody_else(identity.text());
}

Handles::Answer<Block> Handles::block(const Identity& identity, std::optional<Milliseconds> lasting,
                                      const Author& author) {
  for (int i = 0; i < most_tries; ++i) {
    const auto found = ledger_.entry(Table::blocked, identity.text());
    if (!found) return no_answer(found.error());
    const auto& text = found->text;
    Block block{.since = found->now,
                .until = end_of(lasting, found->now),
                .by = author.by,
                .reason = one_line(author.reason)};
    const auto before = text ? understood(*text) : Block{};
    if (text && before.holds_at(found->now)) block.id = id_of(before);
    if (block.id.empty()) block.id = new_id_();
    const auto written = format(block);
    if (const auto back = parse_block(written); !back || *back != block)
      return HandleError{HandleError::Kind::not_understood,
                         "the table could not hold this reason; write it in other words"};
    const auto replaced = ledger_.replace(Table::blocked, identity.text(), text, written);
    if (!replaced) return no_answer(replaced.error());
    if (!*replaced) continue;
    ledger_.wake();
    const auto marked = ledger_.mark_blocked(identity, mark_of(block, Milliseconds{0}));
    tell(blocked_event(identity, block), author.by);
    if (!marked) return no_answer(marked.error());
    return block;
  }
  return somebody_else(identity.text());
}

Handles::Answer<Override> Handles::put(const OverrideKey& key, const Value& value, std::optional<Milliseconds> lasting,
                                       const std::string& by) {
  const auto field = key.text();
  for (int i = 0; i < most_tries; ++i) {
    const auto found = ledger_.entry(Table::override_, field);
    if (!found) return no_answer(found.error());
    const auto& text = found->text;
    if (text)
      if (auto taken = objection(parse_override(key, *text), value.index(), found->now)) return *std::move(taken);
    const Override entry{.value = value, .since = found->now, .until = end_of(lasting, found->now), .by = by};
    const auto replaced = ledger_.replace(Table::override_, field, text, format(entry));
    if (!replaced) return no_answer(replaced.error());
    if (!*replaced) continue;
    ledger_.wake();
    tell(override_event(key, entry), by);
    return entry;
  }
  return somebody_else(field);
}

Handles::Answer<std::optional<Override>> Handles::take_away(const OverrideKey& key, Holds kind, const std::string& by) {
  const auto field = key.text();
  for (int i = 0; i < most_tries; ++i) {
    const auto found = ledger_.entry(Table::override_, field);
    if (!found) return no_answer(found.error());
    const auto& text = found->text;
    if (!text) return std::optional<Override>{};
    const auto entry = parse_override(key, *text);
    if (auto taken = objection(entry, static_cast<std::size_t>(kind), found->now)) return *std::move(taken);
    if (entry && entry->value.index() != static_cast<std::size_t>(kind)) return std::optional<Override>{};  // has ended
    if (entry) (void)take(ledger_, removal_claims(key, *entry));
    const auto removed = ledger_.replace(Table::override_, field, *text, std::nullopt);
    if (!removed) return no_answer(removed.error());
    if (!*removed) continue;
    ledger_.wake();
    if (entry) tell(override_removed_event(key, *entry), by);
    return std::optional(entry ? *entry : Override{});
  }
  return somebody_else(field);
}

}  // namespace quota
