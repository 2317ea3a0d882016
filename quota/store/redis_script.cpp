#include "quota/store/redis_script.hpp"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace quota {
namespace {

std::string sha1_hex(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  // Only where somebody has removed SHA-1 from the system's OpenSSL; then nothing can be stored in Redis by script.
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1)
    throw std::runtime_error("OpenSSL has no SHA-1");
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex.append({digits[digest[i] >> 4], digits[digest[i] & 15]});
  return hex;
}

}  // namespace

RedisScript::RedisScript(std::string source) : source_(std::move(source)), sha_(sha1_hex(source_)) {}

}  // namespace quota
