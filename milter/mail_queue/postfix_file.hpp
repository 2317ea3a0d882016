// PostfixFile: a message in Postfix's queue, read from its queue file.
//
// The file is a row of records: a letter, the length (seven bits a byte, the low ones first), the content. It has been so since Postfix
// 1.0, and Postfix's qshape reads it too; the program for people, postcat, writes the same records as lines, among which a local user
// can put his own: the sender's full name (`sendmail -F`) and the ENVID may hold line ends, and come before the sender.
// Of several records of a kind the first counts, as for Postfix's queue manager.
#pragma once

#include <optional>
#include <string>

#include "quota/units.hpp"

namespace milter::mail_queue {

struct PostfixEnvelope {
  quota::Timestamp arrived{};
  std::string mail_from{};    ///< as Postfix keeps it: without brackets and without quotes; empty: the null sender
  std::string login{};        ///< empty: none
  bool is_by_postfix = false; ///< made by Postfix itself: a notice. Neither a client nor a local user can make one that says so.
};

/// Reads from `file`, a descriptor at any place. Returns nothing if it is no complete queue file.
[[nodiscard]] std::optional<PostfixEnvelope> read_envelope(int file);

/// The header and the body as text, cut to `most` bytes. Returns nothing if it is no queue file.
[[nodiscard]] std::optional<std::string> read_content(int file, std::size_t most);

}  // namespace milter::mail_queue
