#include "milter/app.hpp"

int main(int argc, char** argv) {
  const auto options = milter::parse_options(argc, argv);
  if (const auto* exit_code = std::get_if<int>(&options)) return *exit_code;
  return milter::run(std::get<milter::Options>(options));
}
