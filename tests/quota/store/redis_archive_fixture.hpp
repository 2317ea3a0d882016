// RedisArchiveFixture: a RedisArchive on the servers of a RedisFixture.
#pragma once

#include "quota/store/redis_archive.hpp"
#include "tests/quota/store/redis_fixture.hpp"

namespace quota::test {

template <class Site>
class RedisArchiveFixture {
 public:
  Archive& archive(const HistoryBounds& bounds) {
    if (!archive_) archive_.emplace(site_.context(), bounds);
    return *archive_;
  }
  void set_now(Timestamp now) { site_.set_now(now); }

 private:
  Site site_{};
  std::optional<RedisArchive> archive_{};
};

}  // namespace quota::test
