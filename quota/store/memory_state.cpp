#include "quota/store/memory_state.hpp"

#include <algorithm>

#include "quota/store/random_id.hpp"
#include "quota/store/state_folder.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::size_t events_kept = 1000;

std::string moment_word(Timestamp moment) { return std::to_string(moment.time_since_epoch().count()); }

std::optional<Timestamp> moment_of(std::string_view word) {
  const auto number = parse_number(word);
  if (!number) return std::nullopt;
  return Timestamp{Milliseconds{*number}};
}

std::optional<Table> table_called(std::string_view called) {
  for (const Table table : {Table::blocked, Table::override_, Table::account})
    if (name(table) == called) return table;
  return std::nullopt;
}

/// Returns whether `words` change a table.
bool put_back(const std::vector<std::string>& words, MemoryTables& tables) {
  const bool is_put = words[0] == "put" && words.size() == 4;
  const bool is_removal = words[0] == "del" && words.size() == 3;
  if (!is_put && !is_removal) return false;
  const auto table = table_called(words[1]);
  if (table) tables.put(*table, words[2], is_put ? std::optional{words[3]} : std::nullopt);
  return table.has_value();
}

bool is_change_of_record(const std::vector<std::string>& words) { return words[0] == "mark" || words[0] == "empty"; }

std::optional<BlockMark> mark_of(const std::vector<std::string>& words) {
  if (words.size() != 7) return std::nullopt;
  BlockMark mark{words[2], {}, words[6], moment_of(words[3])};
  const auto step = parse_number(words[4]);
  const auto forget_at = moment_of(words[5]);
  if (step && forget_at) mark.ladder = Ladder{*step, *forget_at};
  if (!mark.until) return std::nullopt;
  return mark;
}

void load_record(const std::vector<std::string>& words, MemoryRecords& records, Timestamp now) {
  const auto expires_at = words.size() >= 3 ? moment_of(words[2]) : std::nullopt;
  if (!expires_at || *expires_at <= now) return;
  RecordText fields;
  for (std::size_t i = 3; i + 1 < words.size(); i += 2) fields.emplace_back(words[i], words[i + 1]);
  auto record = parse_record(fields);
  record.expires_at = expires_at;
  records.put(words[1], record);
}

/// The uid, its first time, then each script and when it was last seen.
std::vector<std::string> script_words(const std::string& uid, const KnownScripts& known) {
  std::vector<std::string> words{"scripts", uid, moment_word(known.first)};
  for (const auto& [script, seen] : known.scripts) {
    words.push_back(script);
    words.push_back(moment_word(seen.last));
  }
  return words;
}

void load_scripts(const std::vector<std::string>& words, MemoryScripts& scripts) {
  const auto first = words.size() >= 3 ? moment_of(words[2]) : std::nullopt;
  if (!first) return;
  KnownScripts known{.first = *first};
  for (std::size_t i = 3; i + 1 < words.size(); i += 2)
    if (const auto last = moment_of(words[i + 1])) known.scripts[words[i]] = {*last, ""};
  scripts.restore(words[1], std::move(known));
}

}  // namespace

MemoryState::MemoryState(const std::filesystem::path& folder, FileHandle lock)
    : folder_(folder), lock_(std::move(lock)), snapshot_path_(folder / "snapshot"), journal_(folder / "journal") {}

Result<std::unique_ptr<MemoryState>, std::string> MemoryState::open(const std::filesystem::path& folder,
                                                                    Timestamp now) {
  auto lock = lock_state_folder(folder);
  if (!lock) return lock.error();
  std::unique_ptr<MemoryState> state{new MemoryState(folder, std::move(*lock))};
  auto content = state->journal_.read(now);
  if (!content) return content.error();
  state->snapshot_ = find_snapshot(state->snapshot_path_);
  state->read_ = std::move(content->entries);
  state->notes_ = std::move(content->notes);
  state->history_ = !content->history.empty() ? content->history : state->snapshot_.header.history;
  if (state->history_.empty()) state->history_ = random_id();
  return state;
}

bool MemoryState::Covered::holds(const std::string& identity, std::uint64_t number) const {
  const auto shard = later.find(MemoryRecords::shard_of(identity, shards, seed));
  return number <= (shard == later.end() ? all : shard->second);
}

MemoryState::Covered MemoryState::covered_by(const SnapshotHeader& header) const {
  // Numbers of another history say nothing about this journal's.
  if (header.history != history_ || header.more.size() < 2) return {};
  Covered covered;
  covered.all = parse_number<std::uint64_t>(header.more[0]).value_or(0);
  covered.shards = std::max<std::size_t>(parse_number<std::size_t>(header.more[1]).value_or(1), 1);
  covered.seed = seed();
  return covered;
}

void MemoryState::set_snapshot_aside(Timestamp now) {
  const auto aside =
      snapshot_path_.native() + ".damaged-" + format_moment(std::chrono::floor<std::chrono::seconds>(now));
  std::error_code error;
  std::filesystem::rename(snapshot_path_, aside, error);
  notes_.push_back(snapshot_path_.native() + " cannot be used: " + snapshot_.complaint +
                   "; all senders start with full buckets, blocks hold; " +
                   (error ? "it could not be kept aside: " + error.message() : "the file is kept as " + aside));
}

MemoryState::Covered MemoryState::load_snapshot(MemoryRecords& records, EventRing& events, MemoryScripts& scripts, Timestamp now) {
  if (snapshot_.state == SnapshotState::damaged) set_snapshot_aside(now);
  if (snapshot_.state != SnapshotState::whole) return {};
  auto covered = covered_by(snapshot_.header);
  read_snapshot(snapshot_path_, [&](const std::vector<std::string>& words) {
    if (words[0] == "record") load_record(words, records, now);
    if (words[0] == "scripts") load_scripts(words, scripts);
    if (words[0] == "event" && words.size() == 8)
      if (const auto id = EventId::parse(words[1])) events.restore({*id, {words[2], words[3], words[4], words[5], words[6], words[7]}});
    if (words[0] != "change" || words.size() != 3) return;
    const auto shard = parse_number<std::size_t>(words[1]);
    const auto number = parse_number<std::uint64_t>(words[2]);
    if (shard && number) covered.later.emplace(*shard, *number);
  });
  last_number_ = std::max(last_number_, covered.all);
  for (const auto& [shard, number] : covered.later) last_number_ = std::max(last_number_, number);
  return covered;
}

void MemoryState::replay(const JournalEntry& entry, const Covered& covered, MemoryRecords& records,
                         MemoryTables& tables) {
  const auto& words = entry.words;
  last_number_ = std::max(last_number_, entry.number);
  if (put_back(words, tables)) return;
  const auto mark = words[0] == "mark" ? mark_of(words) : std::nullopt;
  if (!mark && (words[0] != "empty" || words.size() != 2)) {
    notes_.push_back("the journal's change " + std::to_string(entry.number) + " ('" + words[0] +
                     "') is not understood, and is left out");
    return;
  }
  if (covered.holds(words[1], entry.number)) return;
  changes_.push_back(entry);
  if (mark)
    records.mark(words[1], *mark, entry.number);
  else
    records.empty(words[1], entry.number);
}

Result<void, std::string> MemoryState::load(MemoryRecords& records, MemoryTables& tables, EventRing& events,
                                            MemoryScripts& scripts, Timestamp now) {
  const auto covered = load_snapshot(records, events, scripts, now);
  for (const auto& entry : read_) replay(entry, covered, records, tables);
  read_ = {};
  const auto rewritten = rewrite_journal(records, tables, now);
  if (rewritten) return {};
  notes_.push_back(rewritten.error() + "; the journal goes on as it is");
  return journal_.open_as_it_is();
}

MemoryState::Words MemoryState::put_words(Table table, const std::string& field,
                                          const std::optional<std::string>& value) {
  if (!value) return {"del", std::string(name(table)), field};
  return {"put", std::string(name(table)), field, *value};
}

MemoryState::Words MemoryState::mark_words(const std::string& identity, const BlockMark& mark, Timestamp now) {
  const auto until = mark.until.value_or(now + endless_block_kept_for);
  return {"mark",
          identity,
          mark.id,
          moment_word(until),
          mark.ladder ? std::to_string(mark.ladder->step) : "",
          mark.ladder ? moment_word(mark.ladder->forget_at) : "",
          mark.quota};
}

MemoryState::Words MemoryState::empty_words(const std::string& identity) { return {"empty", identity}; }

Result<std::uint64_t, StoreError> MemoryState::append(const Words& words, Timestamp now) {
  const JournalEntry entry{last_number_ + 1, now, words};
  const auto appended = journal_.append(entry);
  if (!appended) return appended.error();
  if (is_change_of_record(words)) changes_.push_back(entry);
  return ++last_number_;
}

Result<void, std::string> MemoryState::rewrite_journal(MemoryRecords& records, const MemoryTables& tables,
                                                       Timestamp now) {
  const auto text = tables.text();
  auto entries = changes_;
  const auto add = [&](const Words& words) { entries.push_back({last_number_, now, words}); };
  const auto add_all = [&](Table table, const TableText& all) {
    for (const auto& [field, value] : all) add(put_words(table, std::string(field), std::string(value)));
  };
  add_all(Table::blocked, text.blocked);
  add_all(Table::override_, text.overrides);
  add_all(Table::account, text.accounts);
  for (const auto& entry : text.blocked) {
    const std::string field(entry.first);
    const auto record = records.read(field);
    if (!record.block.empty()) add(mark_words(field, {record.block, record.ladder, {}, record.expires_at}, now));
  }
  return journal_.rewrite(history_, entries);
}

Result<void, std::string> MemoryState::write_snapshot(MemoryRecords& records, const EventRing& events, const MemoryScripts& scripts,
                                                      std::uint64_t covers, Timestamp now) const {
  const auto shards = records.shard_count();
  auto file = SnapshotWriter::create(snapshot_path_, {now, history_, {std::to_string(covers), std::to_string(shards)}});
  if (!file) return file.error();
  std::string lines;
  for (std::size_t shard = 0; shard < shards; ++shard) {
    const auto last_change = records.write_shard(shard, lines);
    if (last_change > covers) lines += "change\t" + std::to_string(shard) + '\t' + std::to_string(last_change) + '\n';
    file->add(lines);
    lines.clear();
  }
  auto kept = events.newest({.count = events_kept});
  std::ranges::reverse(kept);
  for (const auto& [id, event] : kept)
    file->add(
        joined_words(Words{"event", id.text(), event.what, event.severity, event.identity, event.text, event.by, event.host}) +
        '\n');
  for (const auto& [uid, known] : scripts.all()) file->add(joined_words(script_words(uid, known)) + '\n');
  return file->commit();
}

void MemoryState::forget_changes(std::uint64_t number) {
  std::erase_if(changes_, [number](const JournalEntry& change) { return change.number <= number; });
}

}  // namespace quota
