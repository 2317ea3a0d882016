#include <iostream>
#include <memory>

#include "milter/cli/app.hpp"
#include "milter/cli/http_client.hpp"

namespace {

// Longer than a connection of the daemon can be kept busy by somebody else.
constexpr std::chrono::seconds patience{10};

}  // namespace

int main(int argc, char** argv) {
  using namespace milter::cli;
  Console console{std::cout, std::cerr, view_of_standard_output(),
                  [](const std::string& socket) { return std::make_unique<HttpClient>(socket, patience); },
                  [] { return std::chrono::time_point_cast<quota::Milliseconds>(std::chrono::system_clock::now()); }};
  return static_cast<int>(run(argc, argv, console));
}
