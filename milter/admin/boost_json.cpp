// The one translation unit that compiles Boost.JSON; no libboost-json is needed.
#include <boost/json/src.hpp>
