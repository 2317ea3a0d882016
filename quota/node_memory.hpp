// NodeMemory: the daemons that one of them has seen in the table of nodes, kept while a table that was lost fills again. Pure.
//
// A table that holds this daemon's own line is believed: who is not in it was taken away. One without that line, or with an
// older one, was emptied, or came from an older copy: who stood in the table before is awaited, and counts until it is back or
// a day has passed since it was seen, as lines of the table do.
// Known limit: a daemon that starts after the loss has seen nobody, and counts the table alone. Of more than `most_awaited` the
// longest unseen are forgotten.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "quota/nodes.hpp"

namespace quota {

class NodeMemory {
 public:
  /// As many as `store.nodes` can say.
  static constexpr std::size_t most_awaited = 1000;

  /// `own`, this daemon's line, stands in the table: the store has confirmed it.
  void wrote(const Node& own) { own_ = own; }

  /// This is the table just now, as it was read before this daemon wrote its line again.
  void read(const NodeList& list);

  /// How many daemons are to come back yet: none of them is in the table that was read last.
  [[nodiscard]] std::size_t awaited() const { return awaited_.size(); }

 private:
  [[nodiscard]] bool is_lost(const NodeList& list) const;
  void forget(const NodeList& list);

  using Seen = std::map<std::string, Timestamp>;
  std::optional<Node> own_{};  // as it was confirmed last
  Seen listed_{};              // the table that was read last
  Seen awaited_{};
};

}  // namespace quota
