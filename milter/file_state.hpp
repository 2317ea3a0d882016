// FileState: what tells one content of a file from another without reading it.
#pragma once

#include <cstdint>
#include <string>

namespace milter {

/// Equal for the same content, as far as a file system tells. Known limit: what is written twice within one tick of the
/// kernel's clock, at the same size and in place, looks the same.
struct FileState {
  bool exists = false;
  std::int64_t modified_ns = 0;
  std::int64_t size = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileState&) const = default;
};

[[nodiscard]] FileState state_of(const std::string& path);

}  // namespace milter
