// Result<T, E>: a value, or the reason why there is none. The one way in which a bad day travels through this program.
#pragma once

#include <boost/system/result.hpp>

namespace quota {

template <class T, class E>
using Result = boost::system::result<T, E>;

}  // namespace quota
