#include "milter/admin/searches.hpp"

#include "milter/admin/problem.hpp"

namespace milter::admin {

Response Searches::run(const Caller& caller, const std::function<Response()>& search) {
  if (caller.address.empty()) return search();
  {
    const std::lock_guard lock(mutex_);
    if (tokens_.contains(caller.user)) return too_often("a search of the token " + caller.user + " is under way", longest_search);
    if (tokens_.size() >= most_at_once) return too_often("too many searches are under way", longest_search);
    tokens_.insert(caller.user);
  }
  struct End {
    Searches& of;
    const std::string& token;
    ~End() {
      const std::lock_guard lock(of.mutex_);
      of.tokens_.erase(token);
    }
  } const end{*this, caller.user};
  return search();
}

}  // namespace milter::admin
