#include "milter/config_problem.hpp"

namespace milter {
namespace {

std::string printable(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f)
      out += c;
    else
      out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  }
  return out;
}

}  // namespace

std::string format(const Problem& problem) {
  auto text = problem.file;
  if (problem.line != 0) text += ":" + std::to_string(problem.line);
  text += ": " + problem.what;
  if (!problem.instead.empty()) text += "; " + problem.instead;
  return printable(text);
}

std::string format(std::span<const Problem> problems) {
  std::string text;
  for (const auto& problem : problems) text += format(problem) + "\n";
  return text;
}

}  // namespace milter
