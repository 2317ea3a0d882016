#include "tests/bench/cpu_time.hpp"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace bench {
namespace {

double seconds(std::uint64_t ticks) { return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK)); }

}  // namespace

double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(')');  // a name may hold spaces
  if (name_end == std::string::npos) return 0;
  std::istringstream words(text.substr(name_end + 1));
  std::string word;
  for (int i = 0; i < 11; ++i) words >> word;  // state … cmajflt
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  words >> user >> system;
  return seconds(user + system);
}

double machine_busy_seconds() {
  std::ifstream file("/proc/stat");
  std::string label;
  std::uint64_t user = 0;
  std::uint64_t nice = 0;
  std::uint64_t system = 0;
  std::uint64_t idle = 0;
  std::uint64_t waiting = 0;
  std::uint64_t irq = 0;
  std::uint64_t soft = 0;
  file >> label >> user >> nice >> system >> idle >> waiting >> irq >> soft;
  return seconds(user + nice + system + irq + soft);
}

}  // namespace bench
