// The scripts that run inside Redis, each under the name of its file; what they take and answer stands at their top.
#pragma once

#include "quota/store/redis_script.hpp"

namespace quota::scripts {

[[nodiscard]] const RedisScript& take();
[[nodiscard]] const RedisScript& refuse();
[[nodiscard]] const RedisScript& hold();
[[nodiscard]] const RedisScript& unhold();
[[nodiscard]] const RedisScript& mark();
[[nodiscard]] const RedisScript& release();
[[nodiscard]] const RedisScript& replace();
[[nodiscard]] const RedisScript& probe();
[[nodiscard]] const RedisScript& note();
[[nodiscard]] const RedisScript& keep();
[[nodiscard]] const RedisScript& rank();
[[nodiscard]] const RedisScript& find();
[[nodiscard]] const RedisScript& shelve();
[[nodiscard]] const RedisScript& report();
[[nodiscard]] const RedisScript& learn();
[[nodiscard]] const RedisScript& tell();

}  // namespace quota::scripts
