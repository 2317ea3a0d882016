// RedisScript: a Lua script and the name under which a server remembers it.
#pragma once

#include <string>

namespace quota {

class RedisScript {
 public:
  explicit RedisScript(std::string source);

  [[nodiscard]] const std::string& source() const { return source_; }
  /// SHA-1 of the source in lower-case hexadecimal digits, as EVALSHA wants it.
  [[nodiscard]] const std::string& sha() const { return sha_; }

 private:
  std::string source_;
  std::string sha_;
};

}  // namespace quota
