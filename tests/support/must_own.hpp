// must_own(result): must() for what cannot be copied.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "quota/result.hpp"

namespace quota {

template <class T>
[[nodiscard]] T must_own(Result<T, std::string> result) {
  if (!result) FAIL(result.error());
  return std::move(*result);
}

}  // namespace quota
