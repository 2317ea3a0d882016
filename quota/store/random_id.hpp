// Random ids: of blocks and of the table's epoch. Long enough that no two of a cluster's life are the same.
#pragma once

#include <string>

namespace quota {

/// 16 hexadecimal digits from the system's random numbers. Threads: any.
[[nodiscard]] std::string random_id();

}  // namespace quota
