#include "milter/admin/access.hpp"

#include <openssl/crypto.h>

#include <array>

#include "quota/encoding.hpp"

namespace milter::admin {

std::string_view name(Role role) {
  constexpr std::array<std::string_view, 4> names{"none", "read", "support", "admin"};
  return names[static_cast<std::size_t>(role)];
}

const Token* find_token(const Access& access, std::string_view secret) {
  if (secret.size() < least_token_bytes) return nullptr;
  const auto hash = quota::sha256_hex(secret);
  const Token* found = nullptr;
  for (const auto& token : access.tokens)
    if (token.sha256.size() == hash.size() && CRYPTO_memcmp(token.sha256.data(), hash.data(), hash.size()) == 0) found = &token;
  return found;
}

}  // namespace milter::admin
