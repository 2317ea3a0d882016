#include "milter/uncovered_watch.hpp"

#include <fmt/format.h>

#include "quota/time_text.hpp"

namespace milter {

std::optional<quota::Event> UncoveredWatch::seen(const quota::Sender& sender, const std::string& host, const UncoveredRule& rule, quota::Timestamp now) {
  {
    const std::lock_guard lock(mutex_);
    count_ = quota::counted(count_, now, rule.within, 1);
    if (count_->count < rule.messages) return std::nullopt;
  }
  std::string last;
  for (const auto& identity : sender.identities)
    if (identity.kind != quota::Kind::everyone) last += (last.empty() ? "; the last is of " : ", ") + identity.text();
  return quota::Event{"many_uncovered", "warning", "",
                      fmt::format("{} sent {} messages within {} that no quota covers{}", host, rule.messages, quota::format_duration(rule.within), last), "sendquotad", host};
}

}  // namespace milter
