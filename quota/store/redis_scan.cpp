#include "quota/store/redis_scan.hpp"

namespace quota {
namespace {

constexpr ReplyLimits scan_limits{.bytes = std::size_t{4} << 20, .elements = 20'000};

}  // namespace

Result<std::vector<std::string>, StoreError> next_keys(RedisContext& context, const std::string& key_there, std::string_view pattern, std::string_view type,
                                                       std::string& cursor, Deadline deadline) {
  const std::string_view words[] = {"SCAN", cursor, "MATCH", pattern, "COUNT", "500", "TYPE", type};
  const auto reply = context.topology().ask(key_there, Command(words, words + std::size(words)), deadline, scan_limits);
  if (!reply) return reply.error();
  const auto next = reply->size() == 2 ? (*reply)[0].text() : std::nullopt;
  if (!next) return StoreError{StoreErrorKind::nonsense, Executed::possibly, "the store answered something else than SCAN"};
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < (*reply)[1].size(); ++i) keys.emplace_back((*reply)[1][i].text().value_or(""));
  cursor = *next;
  return keys;
}

}  // namespace quota
