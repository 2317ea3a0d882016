#include "quota/node_memory.hpp"

#include <algorithm>
#include <chrono>

namespace quota {

void NodeMemory::read(const NodeList& list) {
  if (is_lost(list))
    for (const auto& one : listed_) awaited_.insert_or_assign(one.first, one.second);
  listed_.clear();
  for (const auto& node : list.nodes) listed_.emplace(node.name, node.seen);
  forget(list);
}

/// Lines are written in whole seconds.
bool NodeMemory::is_lost(const NodeList& list) const {
  if (!own_) return false;
  const auto found = std::ranges::find(list.nodes, own_->name, &Node::name);
  return found == list.nodes.end() || found->seen < std::chrono::floor<std::chrono::seconds>(own_->seen);
}

void NodeMemory::forget(const NodeList& list) {
  std::erase_if(awaited_, [&](const auto& one) {
    const bool is_itself = own_ && one.first == own_->name;
    return is_itself || listed_.contains(one.first) || std::chrono::abs(list.now - one.second) > gone_after;
  });
  while (awaited_.size() > most_awaited)
    awaited_.erase(std::ranges::min_element(awaited_, {}, [](const auto& one) { return one.second; }));
}

}  // namespace quota
