// Answers to orders, and errors: a sentence each.
#include "milter/cli/json_reading.hpp"
#include "milter/cli/render.hpp"
#include "milter/cli/wording.hpp"

namespace milter::cli {
namespace {

using boost::json::object;

// `file:line: what; what to write instead` stays on its line, as compilers write them.
std::string problems(const object& error) {
  std::string text;
  for (const auto& value : array_at(error, "problems"))
    if (value.is_string()) text += printable(value.get_string()) + "\n";
  return text;
}

}  // namespace

std::string render_doubt(const object& answer, const View& view) {
  const auto error = text_at(answer, "error");
  return error.empty() ? "" : sentence("the store has no answer, this is what was read last: " + error, Style::bad, view);
}

std::string render_missing(const object& answer, std::string_view key, std::string_view what, const View& view) {
  const auto error = text_at(object_at(answer, "errors"), key);
  return error.empty() ? "" : "\n" + sentence(std::string(what) + " cannot be shown: " + error, Style::warning, view);
}

std::string render_warnings(const object& answer, const View& view) {
  std::string text;
  for (const auto& value : array_at(answer, "warnings"))
    if (value.is_string()) text += sentence("warning: " + std::string(value.get_string()), Style::warning, view);
  return text;
}

std::string render_released(const object& answer, const View& view) {
  const auto who = text_at(answer, "identity");
  const std::string full = flag_at(answer, "refilled") ? "; its quotas are full again" : "";
  if (!flag_at(answer, "released")) return sentence(who + " was not blocked" + full, Style::plain, view);
  const auto& block = object_at(answer, "block");
  const auto since = text_at(block, "since"), reason = text_at(block, "reason");
  std::string text = sentence(who + " is released" + full, Style::good, view);
  if (!since.empty())
    text +=
        sentence("it was blocked " + when_text(since, view) + (reason.empty() ? "" : ": " + reason), Style::plain, view);
  return text;
}

std::string render_block(const object& block, const View& view) {
  const auto reason = text_at(block, "reason");
  const auto what = text_at(block, "identity") + " is blocked " + until_text(block, "until released", view) +
                    ", action " + text_at(block, "action");
  return sentence(what + (reason.empty() ? "" : ": " + reason), Style::plain, view);
}

std::string render_limit(const object& limit, const View& view) {
  const auto quota = text_at(limit, "quota");
  return sentence(text_at(limit, "identity") + ", " + (quota == "*" ? "every quota" : "quota " + quota) + ": " +
                  text_at(limit, "limit") + " " + until_text(limit, "until it is changed", view),
              Style::plain, view);
}

std::string render_limit_removed(const object& answer, const View& view) {
  const auto where = text_at(answer, "identity") + ", quota " + text_at(answer, "quota");
  return sentence(where + (flag_at(answer, "removed") ? ": the live limit is removed" : ": there was no live limit"),
              Style::plain, view);
}

std::string render_reloaded(const object& answer, const View& view) {
  const auto quotas = number_at(answer, "quotas").value_or(0);
  return sentence("reloaded " + text_at(answer, "file") + ", quotas: " + std::to_string(quotas), Style::good, view) +
         render_warnings(answer, view);
}

std::string render_error(const object& error, const View& view) {
  const auto hint = text_at(error, "hint");
  return sentence("sendquota: " + text_at(error, "error"), Style::bad, view) +
         problems(error) +
         (hint.empty() ? std::string() : sentence("hint: " + hint, Style::plain, view));
}

}  // namespace milter::cli
