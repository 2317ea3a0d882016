#include "quota/script_memory.hpp"

#include <algorithm>

namespace quota {
namespace {

bool is_forgotten(const KnownScripts::Seen& seen, Timestamp now) { return now - seen.last >= forgotten_after; }

void make_room(std::map<std::string, KnownScripts::Seen>& scripts, std::size_t most, Timestamp now) {
  std::erase_if(scripts, [now](const auto& one) { return is_forgotten(one.second, now); });
  while (scripts.size() >= std::clamp<std::size_t>(most, 1, most_scripts_remembered))
    scripts.erase(std::min_element(scripts.begin(), scripts.end(), [](const auto& one, const auto& other) { return one.second.last < other.second.last; }));
}

}  // namespace

ScriptNews learn(KnownScripts& known, const ScriptSight& sight, Timestamp now) {
  now = std::chrono::floor<std::chrono::seconds>(now);
  if (known.scripts.empty() && known.first == Timestamp{}) known.first = now;
  ScriptNews news{.uid_since = known.first};
  const auto found = known.scripts.find(sight.script);
  const bool is_repeated = found != known.scripts.end() && found->second.token == sight.token;
  if (found != known.scripts.end() && !is_repeated && !is_forgotten(found->second, now)) {
    found->second = {now, ""};
    return news;
  }
  if (is_repeated) known.scripts.erase(found);
  make_room(known.scripts, sight.most, now);
  news.what = now - known.first < learning_lasts ? ScriptNews::What::learnt : ScriptNews::What::is_new;
  news.others = static_cast<std::int64_t>(known.scripts.size());
  known.scripts[sight.script] = {now, sight.token};
  return news;
}

}  // namespace quota
