// The daemon as the command sees it: questions and answers of the admin API (milter/admin/api.hpp). The port behind
// which http_client talks to a socket and tests answer from a script.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "milter/cli/exit_code.hpp"
#include "quota/result.hpp"

namespace milter::cli {

struct Call {
  std::string method;             // GET
  std::string target;             // /v1/status, already encoded
  boost::json::object body = {};  // sent when it is not empty
};

struct Answer {
  unsigned status = 0;
  std::string text;          // the JSON as it came
  boost::json::object body;  // the same, read
};

/// Why there is no answer.
struct Failure {
  enum class Kind {
    unreachable,  // nobody there
    denied,       // there, and we may not
    late,         // no whole answer before the deadline
    garbled,      // an answer, but not of this API
  };
  Kind kind = Kind::unreachable;
  std::string what;
  std::string hint;
};

class Daemon {
 public:
  Daemon() = default;
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  virtual ~Daemon() = default;

  [[nodiscard]] virtual quota::Result<Answer, Failure> ask(const Call& call) = 0;
};

[[nodiscard]] ExitCode exit_code_of(Failure::Kind kind);

/// The exit code of an answer by its HTTP status.
[[nodiscard]] ExitCode exit_code_of(unsigned status);

}  // namespace milter::cli
