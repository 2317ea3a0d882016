#include "quota/store/known_blocks.hpp"

#include "quota/tab_text.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::string_view blocks_magic = "sendquota-known-blocks";
constexpr std::string_view blocks_version = "1";

std::string moment_word(Timestamp moment) { return std::to_string(moment.time_since_epoch().count()); }

std::optional<Timestamp> moment_of(std::string_view word) {
  const auto number = parse_number(word);
  return number ? std::optional(Timestamp{Milliseconds{*number}}) : std::nullopt;
}

std::string first_line(const Known& known) {
  const std::string words[] = {std::string(blocks_magic), std::string(blocks_version), known.history, known.epoch,
                               moment_word(known.read_at)};
  return joined_words(words);
}

void append_block(std::string& lines, const std::string& field, const KnownBlock& known) {
  append_escaped(lines, field);
  lines += '\t';
  append_escaped(lines, known.id);
  lines += '\t';
  if (known.since) lines += moment_word(*known.since);
  lines += known.seen ? "\tseen" : "\t";
  lines += known.marked ? ",marked\t" : "\t";
  append_escaped(lines, known.text);
}

std::optional<KnownBlock> block_of(const std::vector<std::string>& words) {
  if (words.size() != 5) return std::nullopt;
  return KnownBlock{.text = words[4],
                    .block = understood(words[4]),
                    .id = words[1],
                    .since = moment_of(words[2]),
                    .seen = words[3].starts_with("seen"),
                    .marked = words[3].ends_with(",marked")};
}

}  // namespace

Recalled recall_blocks(const std::filesystem::path& path, Timestamp now) {
  Recalled recalled;
  auto& known = recalled.known;
  const auto first = [&known](std::vector<std::string>& words) {
    const auto read_at = words.size() == 5 ? moment_of(words[4]) : std::nullopt;
    if (!read_at) return false;
    known.history = words[2];
    known.epoch = words[3];
    known.read_at = *read_at;
    return known.is_recalled = true;
  };
  const auto entry = [&known](std::vector<std::string>& words) {
    auto block = block_of(words);
    if (!block) return false;
    known.blocked.insert_or_assign(std::move(words.front()), std::move(*block));
    return true;
  };
  const auto complaint = read_state_file(path, {blocks_magic, blocks_version, first, entry});
  if (!complaint) return {{}, {complaint.error() + "; blocks are not known until the store has been read"}};
  if (complaint->empty()) return recalled;
  known.is_recalled = true;
  known.history.clear();
  known.epoch.clear();
  known.read_at = now;
  recalled.notes.push_back(path.native() + " cannot be used as it is: " + *complaint + "; " + std::to_string(known.blocked.size()) +
                           " blocks of it hold; " + set_aside(path, now));
  return recalled;
}

StateText text_of(const Known& known, std::size_t most_bytes) {
  StateDraft draft(first_line(known), most_bytes);
  draft.reserve(known.blocked.size() * 160 + 200);
  for (const auto& entry : known.blocked) draft.add([&entry](std::string& line) { append_block(line, entry.first, entry.second); });
  return std::move(draft).finished();
}

}  // namespace quota
