#include <iostream>
#include <memory>

#include "milter/admin/api.hpp"
#include "milter/cli/app.hpp"
#include "milter/cli/http_client.hpp"

int main(int argc, char** argv) {
  using namespace milter::cli;
  Console console{std::cout, std::cerr, view_of_standard_output(),
                  [](const std::string& socket) { return std::make_unique<HttpClient>(socket, milter::admin::command_patience); },
                  [] { return std::chrono::time_point_cast<quota::Milliseconds>(std::chrono::system_clock::now()); }};
  return static_cast<int>(run(argc, argv, console));
}
