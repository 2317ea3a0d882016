#include "tests/faults/load_plan.hpp"

#include <algorithm>
#include <sstream>

namespace faults {
namespace {

using Done = quota::Result<void, std::string>;

Done wrong(const std::string& what) { return {boost::system::in_place_error, what}; }

/// Sets one `key=value` of a group; false for an unknown key.
bool set(Group& group, const std::string& key, const std::string& value) {
  if (key == "limit") group.limit = std::stoull(value);
  else if (key == "milter") group.milter = std::stoull(value);
  else if (key == "recipients") group.recipients = std::stoull(value);
  else if (key == "start") group.start = std::stod(value);
  else if (key == "domain") group.domain = value;
  else return false;
  return true;
}

Done add_group(Plan& plan, std::istringstream& words) {
  Group group;
  std::string pace;
  if (!(words >> group.name >> group.senders >> pace)) return wrong("a group needs a name, a number of senders and a pace");
  if (pace != "max") group.per_second = std::stod(pace);
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || !set(group, word.substr(0, equals), word.substr(equals + 1))) return wrong("unknown: " + word);
  }
  plan.groups.push_back(std::move(group));
  return {};
}

}  // namespace

Group* Plan::find(const std::string& name) {
  const auto found = std::ranges::find(groups, name, &Group::name);
  return found == groups.end() ? nullptr : &*found;
}

quota::Result<void, std::string> add_line(Plan& plan, const std::string& line) try {
  std::istringstream words(line);
  std::string what;
  words >> what;
  if (what == "group") return add_group(plan, words);
  if (what == "milter") return words >> plan.milters.emplace_back() ? Done() : wrong("a milter needs an address");
  if (what == "connections") return words >> plan.connections ? Done() : wrong("how many connections?");
  return wrong("unknown: " + line);
} catch (const std::exception&) {
  return wrong("no number: " + line);
}

}  // namespace faults
