// Searches: questions that read much of the store, which takes seconds. Over TCP each token has one of them at a time, and all together
// have two, so that some workers of the port are left for everybody else; those beyond are answered 429. The unix socket has workers of
// its own and is for administrators, who are not counted. Threads: any, at once.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "milter/admin/request.hpp"
#include "milter/admin/response.hpp"

namespace milter::admin {

class Searches {
 public:
  static constexpr std::size_t most_at_once = 2;
  static constexpr std::chrono::seconds longest_search{5};  // who() looks no longer

  /// The answer of `search`, which runs here; or 429.
  [[nodiscard]] Response run(const Caller& caller, const std::function<Response()>& search);

 private:
  std::mutex mutex_{};
  // Guarded by mutex_.
  std::set<std::string> tokens_{};  // whose searches are under way
};

}  // namespace milter::admin
