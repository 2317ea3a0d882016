// The schemes of `store.url`, as redis_address reads and prints them.
#pragma once

#include <string_view>

#include "quota/store/redis_address.hpp"

namespace quota {

struct RedisScheme {
  std::string_view text;
  RedisAddress::Topology topology;
  bool is_tls;
};

inline constexpr RedisScheme redis_schemes[] = {
    {"redis", RedisAddress::Topology::single, false},
    {"rediss", RedisAddress::Topology::single, true},
    {"redis+sentinel", RedisAddress::Topology::sentinel, false},
    {"rediss+sentinel", RedisAddress::Topology::sentinel, true},
    {"redis+cluster", RedisAddress::Topology::cluster, false},
    {"rediss+cluster", RedisAddress::Topology::cluster, true},
};

}  // namespace quota
