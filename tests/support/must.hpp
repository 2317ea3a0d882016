// must(result): the value where there is one; else the test fails and says why.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "quota/result.hpp"

namespace quota {

template <class T>
[[nodiscard]] T must(const Result<T, std::string>& result) {
  if (!result) FAIL(result.error());
  return *result;
}

template <class T>
[[nodiscard]] T must(const std::optional<T>& value) {
  if (!value) FAIL("there is no value");
  return *value;
}

}  // namespace quota
