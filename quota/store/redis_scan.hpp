// The keys of one Redis server that look like a pattern, a few at a time: for questions of people that no key answers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quota/store/redis_store.hpp"

namespace quota {

/// Those that come after `cursor`, which is "0" at the beginning, and again at the end. A key may come twice. `key_there`: any that lies on the
/// server; `type`: as in TYPE.
[[nodiscard]] Result<std::vector<std::string>, StoreError> next_keys(RedisContext& context, const std::string& key_there, std::string_view pattern, std::string_view type,
                                                                     std::string& cursor, Deadline deadline);

}  // namespace quota
