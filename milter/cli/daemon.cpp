#include "milter/cli/daemon.hpp"

namespace milter::cli {

ExitCode exit_code_of(Failure::Kind kind) {
  switch (kind) {
    case Failure::Kind::denied:
      return ExitCode::no_permission;
    case Failure::Kind::garbled:
      return ExitCode::software;
    case Failure::Kind::unreachable:
    case Failure::Kind::late:
      return ExitCode::unavailable;
  }
  return ExitCode::software;
}

ExitCode exit_code_of(unsigned status) {
  if (status < 400) return ExitCode::ok;
  switch (status) {
    case 400:
    case 413:
    case 431:
      return ExitCode::usage;
    case 422:
      return ExitCode::config;
    case 403:
      return ExitCode::no_permission;
    case 503:
      return ExitCode::unavailable;
    default:
      return status < 500 ? ExitCode::no : ExitCode::software;
  }
}

}  // namespace milter::cli
