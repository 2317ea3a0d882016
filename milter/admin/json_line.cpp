#include "milter/admin/json_line.hpp"

#include "quota/text.hpp"

namespace milter::admin {

// Outside of texts JSON is ASCII, so what is no UTF-8 lies within one, and its end is found all the same.
std::string json_line(const boost::json::value& document) {
  return quota::valid_utf8(boost::json::serialize(document)) + "\n";
}

}  // namespace milter::admin
