// The folder `state_dir`: one daemon at a time writes in it.
#pragma once

#include "quota/store/durable_file.hpp"

namespace quota {

/// Makes the folder where it is absent and takes its file `lock`, which is held until the handle goes and names our process.
/// Errors: a sentence for the administrator, who may be running another daemon in it.
[[nodiscard]] Result<FileHandle, std::string> lock_state_folder(const std::filesystem::path& folder);

}  // namespace quota
