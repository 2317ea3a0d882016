// StoreError: why a store has no answer, in the words a caller can decide by.
//
// It says three things: what kind of bad day it is (who must act: nobody, the network's keeper, or the one who wrote
// the configuration), whether the question may have been carried out all the same, and a text for the log. The text
// never holds a password. It may hold words of the server, so whoever prints it makes it safe first.
#pragma once

#include <string>
#include <string_view>

namespace quota {

enum class StoreErrorKind {
  unreachable,    // no connection could be made, or none is tried at the moment
  timed_out,      // the deadline passed
  closed,         // the connection ended or broke while it was in use
  refused,        // the server answered that it will not do it now
  misconfigured,  // the server will not do it until somebody changes the configuration, ours or its own
  nonsense,       // the peer does not speak the protocol, or more of it than we allow
};

// A question that may have been carried out is never asked again: its cost would be charged twice.
enum class Executed { no, possibly };

struct StoreError {
  StoreErrorKind kind = StoreErrorKind::unreachable;
  Executed executed = Executed::no;
  std::string text;
};

/// Whether whatever else is asked now would fail as well.
[[nodiscard]] inline bool is_away(const StoreError& error) {
  return error.kind == StoreErrorKind::unreachable || error.kind == StoreErrorKind::timed_out ||
         error.kind == StoreErrorKind::closed;
}

[[nodiscard]] constexpr std::string_view name_of(StoreErrorKind kind) {
  switch (kind) {
    case StoreErrorKind::unreachable:
      return "unreachable";
    case StoreErrorKind::timed_out:
      return "timed out";
    case StoreErrorKind::closed:
      return "closed";
    case StoreErrorKind::refused:
      return "refused";
    case StoreErrorKind::misconfigured:
      return "misconfigured";
    case StoreErrorKind::nonsense:
      return "nonsense";
  }
  return "unknown";
}

}  // namespace quota
