#include "quota/store/kept_shares.hpp"

#include <algorithm>

#include "quota/tab_text.hpp"
#include "quota/text.hpp"

namespace quota {
namespace {

constexpr std::string_view magic = "sendquota-shares";
constexpr std::string_view version = "1";
constexpr std::size_t words_of_share = 7;
constexpr std::string_view judges = "judges";
constexpr std::string_view paid = "paid";

std::string level_word(const Bucket& bucket) { return std::to_string(bucket.used) + " " + std::to_string(bucket.remainder); }

std::optional<Bucket> level_of(std::string_view word, const Limit& limit) {
  const auto used = parse_number(next_word(word));
  const auto remainder = parse_number(word);
  if (!used || !remainder) return std::nullopt;
  return Bucket{*used, *remainder, limit.amount, limit.burst, {}};
}

std::optional<Limit> limit_of(std::string_view word) {
  const auto allowance = parse_allowance(word);
  if (!allowance || allowance->limits.size() != 1 || allowance->recipients_per_message) return std::nullopt;
  return allowance->limits.front();
}

std::optional<Shares::Owed> owed_of(const std::vector<std::string>& words) {
  if (words.size() != words_of_share) return std::nullopt;
  const auto identity = parse_identity(words[0]);
  const auto limit = limit_of(words[2]);
  const auto nodes = parse_number(words[3]);
  if (!identity || !limit || !nodes || (words[6] != judges && words[6] != paid)) return std::nullopt;
  const auto start = level_of(words[4], *limit);
  const auto now = level_of(words[5], *limit);
  if (!start || !now) return std::nullopt;
  return Shares::Owed{*identity, words[1], *limit, *start, *now, *nodes, words[6] == paid};
}

void append_share(std::string& line, const Shares::Owed& owed) {
  append_escaped(line, owed.identity.text());
  line += '\t';
  append_escaped(line, owed.quota);
  line += '\t' + format(owed.limit) + '\t' + std::to_string(owed.nodes) + '\t' + level_word(owed.start) + '\t' + level_word(owed.now) + '\t';
  line += owed.is_handed_back ? paid : judges;
}

}  // namespace

StateText text_of(const EachOwed& each, Timestamp now, std::size_t most_bytes) {
  const std::string first[] = {std::string(magic), std::string(version), std::to_string(now.time_since_epoch().count())};
  StateDraft draft(joined_words(first), most_bytes);
  each([&](const Shares::Owed& owed) { draft.add([&](std::string& line) { append_share(line, owed); }); });
  return draft.is_empty() ? StateText{} : std::move(draft).finished();
}

RecalledShares recall_shares(const std::filesystem::path& path, Timestamp now, Timestamp steady) {
  RecalledShares recalled;
  std::optional<Milliseconds> age;
  const auto first = [&](const std::vector<std::string>& words) {
    const auto saved = words.size() == 3 ? parse_number(words[2]) : std::nullopt;
    if (!saved || *saved >= exact_bound) return false;
    age = std::max(now - Timestamp{Milliseconds{*saved}}, Milliseconds{0});
    return true;
  };
  const auto entry = [&](const std::vector<std::string>& words) {
    auto owed = age ? owed_of(words) : std::nullopt;
    if (!owed) return false;
    owed->start.written = owed->now.written = steady - *age;
    recalled.owed.push_back(std::move(*owed));
    return true;
  };
  const auto complaint = read_state_file(path, {magic, version, first, entry});
  if (!complaint)
    recalled.note = complaint.error() + "; what was sent while the store had no answer is not charged back";
  else if (!complaint->empty())
    recalled.note = path.native() + " cannot be used as it is: " + *complaint + "; what " + std::to_string(recalled.owed.size()) +
                    " of its lines say is charged back; " + set_aside(path, now);
  return recalled;
}

}  // namespace quota
