// Result<T, E>: a value, or the reason why there is none. The one way in which a bad day travels through this program.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <utility>

namespace quota {

template <class T, class E>
using Result = boost::system::result<T, E>;

/// No T, and why; also where T is a text itself.
template <class T>
[[nodiscard]] Result<T, std::string> failed(std::string why) {
  return {boost::system::in_place_error, std::move(why)};
}

}  // namespace quota
