// Turn: of the programs that change an MTA's queue on this host, one at a time. It is a lock of a folder that only the MTA and root can open,
// so nobody else can keep us from it; the MTA itself locks no folder. It ends with the program, however that ends.
#pragma once

#include <string>

#include "milter/admin/file_descriptor.hpp"
#include "quota/result.hpp"
#include "quota/units.hpp"

namespace milter::mail_queue {

using Turn = admin::FileDescriptor;

/// Errors: a sentence, that there is no such folder, or that another program has not ended its turn within `at_most`.
[[nodiscard]] quota::Result<Turn, std::string> take_turn(const std::string& folder, quota::Milliseconds at_most);

/// How long one waits for the others.
inline constexpr quota::Milliseconds patience_for_turn = std::chrono::seconds{10};

}  // namespace milter::mail_queue
