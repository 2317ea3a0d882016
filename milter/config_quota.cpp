#include "milter/config_quota.hpp"

#include <map>

#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

using quota::Allowance;
using quota::BlockRule;
using quota::Kind;
using quota::Milliseconds;
using quota::Quota;
using quota::Result;

constexpr std::size_t most_quotas = 100;
constexpr std::size_t most_steps = 20;
constexpr int default_warn_at = 80;
constexpr Milliseconds default_forget = std::chrono::days{7};
constexpr std::int64_t most_refusals = 1'000'000;
constexpr Bounds<Milliseconds> window_bounds{std::chrono::seconds{1}, std::chrono::days{30}};
constexpr Bounds<Milliseconds> step_bounds{std::chrono::seconds{1}, std::chrono::days{366}};
constexpr Bounds<Milliseconds> forget_bounds{std::chrono::minutes{1}, std::chrono::days{366}};

constexpr Word<quota::Action> action_words[] = {{"tempfail", quota::Action::tempfail},
                                                {"reject", quota::Action::reject},
                                                {"quarantine", quota::Action::quarantine}};
constexpr Word<quota::When> when_words[] = {
    {"any", quota::When::any}, {"smtp", quota::When::smtp}, {"local", quota::When::local}};

constexpr std::string_view placeholders[] = {"{identity}", "{quota}", "{limit}", "{used}", "{retry}", "{contact}"};
constexpr std::string_view all_placeholders = "{identity} {quota} {limit} {used} {retry} {contact}";

Result<Kind, std::string> parse_kind(std::string_view text) {
  if (const auto kind = quota::kind_called(text)) return *kind;
  std::vector<std::string_view> names;
  for (const auto kind : quota::all_kinds) names.push_back(quota::name(kind));
  return failed<Kind>(in_quotes(text) + " is no kind of identity; " + cure(text, names));
}

/// Every outgoing message bears these, so that nothing behind them in `per` is ever charged.
bool is_always_there(Kind kind) { return kind == Kind::sender || kind == Kind::client || kind == Kind::everyone; }

std::vector<Kind> read_per(Section& section) {
  const auto kinds = section.list<Kind>("per", parse_kind);
  if (!kinds) return {};
  if (kinds->empty()) section.problem("per", "the list is empty", "name whose mail is counted, as in per = \"user\"");
  for (std::size_t i = 1; i < kinds->size(); ++i) {
    const auto kind = (*kinds)[i];
    const auto before = (*kinds)[i - 1];
    if (std::find(kinds->begin(), kinds->begin() + static_cast<std::ptrdiff_t>(i), kind) !=
        kinds->begin() + static_cast<std::ptrdiff_t>(i))
      section.problem("per", in_quotes(quota::name(kind)) + " is named twice", "keep one");
    else if (is_always_there(before))
      section.problem("per",
                      in_quotes(quota::name(kind)) + " is never charged: every outgoing message has a " +
                          std::string(quota::name(before)),
                      "write it before " + in_quotes(quota::name(before)) + ", or leave it out");
  }
  return *kinds;
}

struct Refusals {
  std::int64_t count;
  Milliseconds window;
};

Result<Refusals, std::string> parse_after(std::string_view text) {
  const auto parts = quota::split(text, '/');
  auto left = parts.front();
  const auto count = quota::parse_number(quota::next_word(left));
  if (parts.size() != 2 || !count || (left != "refusals" && left != "refusal"))
    return failed<Refusals>(in_quotes(text) +
                            " is no number of refusals in a time; write it as in \"300 refusals / 10m\"");
  if (*count < 1 || *count > most_refusals)
    return failed<Refusals>(std::to_string(*count) + " refusals are out of bounds; write a number from 1 to " +
                            std::to_string(most_refusals));
  const auto window = quota::parse_duration(parts[1]);
  if (!window) return window.error();
  if (*window < window_bounds.least || *window > window_bounds.most)
    return failed<Refusals>("the time '" + std::string(parts[1]) +
                            "' is out of bounds; write a duration from 1s to 30d");
  return Refusals{*count, *window};
}

Result<std::optional<Milliseconds>, std::string> parse_step(std::string_view text) {
  using Step = std::optional<Milliseconds>;
  if (text == "released") return Step{};
  const auto duration = quota::parse_duration(text);
  if (!duration) return failed<Step>(in_quotes(text) + " is no step; write a duration, as in \"6h\", or \"released\"");
  if (*duration < step_bounds.least || *duration > step_bounds.most)
    return failed<Step>(in_quotes(text) + " is out of bounds; write a duration from 1s to 366d, or \"released\"");
  return Step{*duration};
}

void read_steps(Section& section, BlockRule& rule) {
  const auto steps = section.list<std::optional<Milliseconds>>("for", parse_step);
  if (!section.has("for"))
    section.sentence("for", "for is missing",
                     "write how long each block lasts, as in for = [\"1h\", \"6h\", \"released\"]");
  if (!steps) return;
  rule.steps = *steps;
  const auto released = std::find(steps->begin(), steps->end(), std::nullopt);
  if (steps->empty())
    section.problem("for", "the list is empty", "write at least one step, as in for = [\"1h\", \"released\"]");
  else if (steps->size() > most_steps)
    section.problem("for", std::to_string(steps->size()) + " steps are too many",
                    "write at most " + std::to_string(most_steps));
  else if (released != steps->end() && released + 1 != steps->end())
    section.problem("for", "no step can follow \"released\", which lasts until an administrator acts",
                    "write \"released\" last");
}

BlockRule read_block(Section section) {
  BlockRule rule;
  rule.forget = default_forget;
  if (const auto after = section.text("after")) {
    const auto refusals = parse_after(*after);
    if (!refusals)
      section.problem("after", refusals.error());
    else
      rule.refusals = refusals->count, rule.window = refusals->window;
  } else if (!section.has("after")) {
    section.sentence("after", "after is missing",
                     "write how many refusals lead to a block, as in after = \"300 refusals / 10m\"");
  }
  read_steps(section, rule);
  rule.forget = section.duration("forget", forget_bounds).value_or(rule.forget);
  section.word("action", rule.action, action_words);
  section.note_unknown_keys();
  return rule;
}

std::optional<int> read_warn_at(Section& section) {
  const auto text = section.text("warn_at");
  if (!text) return default_warn_at;
  if (*text == "off") return std::nullopt;
  const auto percent = text->ends_with('%')
                           ? quota::parse_number<int>(quota::trim(std::string_view(*text).substr(0, text->size() - 1)))
                           : std::nullopt;
  if (percent && *percent >= 1 && *percent <= 100) return *percent;
  section.problem("warn_at", in_quotes(*text) + " is no share of the burst", "write \"1%\" to \"100%\", or \"off\"");
  return std::nullopt;
}

std::string complaint_about(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    return "SMTP replies are ASCII; write the text without other letters";
  if (text.size() > 400) return "the text is longer than 400 bytes; shorten it";
  const bool has_code =
      text.size() >= 4 && text.find_first_not_of("0123456789") == 3 && (text[3] == ' ' || text[3] == '-');
  if (has_code)
    return "the text begins with a reply code; leave " + in_quotes(text.substr(0, 3)) +
           " out, sendquota puts the right one";
  for (std::size_t at = 0; (at = text.find_first_of("{}", at)) != std::string_view::npos;) {
    const auto end = text[at] == '{' ? text.find('}', at) : std::string_view::npos;
    const auto word = text.substr(at, end == std::string_view::npos ? 1 : end - at + 1);
    if (std::find(std::begin(placeholders), std::end(placeholders), word) == std::end(placeholders))
      return in_quotes(word) + " is no placeholder; known are " + std::string(all_placeholders);
    at = end + 1;
  }
  return "";
}

std::string reply_text(Section& section, std::string_view key) {
  auto text = section.text(key).value_or("");
  if (auto wrong = complaint_about(text); !wrong.empty()) section.problem(key, std::move(wrong));
  return text;
}

std::string read_name(Section& section) {
  const auto name = section.text("name");
  if (!section.has("name"))
    section.sentence("name", "name is missing", "give each [[quota]] one, as in name = \"mailbox\"");
  if (!name) return "";
  if (*name == "held")
    section.problem("name", "\"held\" is taken by the count of held mail", "choose another name");
  else if (!quota::is_quota_name(*name))
    section.problem("name", in_quotes(*name) + " is no name for a quota",
                    "write 1 to 64 of the characters a-z, 0-9 and -");
  return *name;
}

Quota read_quota(Section& section, const quota::Spelling& spelling) {
  Quota quota;
  quota.name = read_name(section);
  if (!section.has("per"))
    section.sentence("per", "per is missing", "write whose mail is counted, as in per = \"user\"");
  quota.per = read_per(section);
  if (!section.has("limits"))
    section.sentence("limits", "limits is missing", "write what is allowed, as in limits = [\"250 messages / 15m\"]");
  const auto limits = read_limits(section);
  if (limits) quota.limits = *limits;
  section.word("action", quota.action, action_words);
  section.word("when", quota.when, when_words);
  section.word("mode", quota.mode, mode_words);
  quota.warn_at = read_warn_at(section);
  const auto label = [&](std::string_view part) {
    return Section::Label{section.label().shown + std::string(part) + ".",
                          section.label().path + std::string(part) + "."};
  };
  if (auto block = section.section("block", label("block"))) quota.block = read_block(std::move(*block));
  if (auto reply = section.section("reply", label("reply"))) {
    quota.reply = read_reply(*reply);
    reply->note_unknown_keys();
  }
  quota.overrides = read_overrides(section, quota, spelling);
  section.note_unknown_keys();
  if (limits && !quota.per.empty()) report_contradictions(section, quota);
  return quota;
}

Section::Label label_of(const Value::Table& entries, std::size_t number) {
  auto name = std::to_string(number);
  for (const auto& entry : entries)
    if (const auto* text = std::get_if<std::string>(&entry.value.content);
        entry.key == "name" && text && !text->empty())
      name = in_quotes(*text);
  return {"quota " + name + ": ", "quota."};
}

}  // namespace

quota::ReplyTexts read_reply(Section& section) {
  return {reply_text(section, "over"), reply_text(section, "blocked"), reply_text(section, "too_big"),
          reply_text(section, "contact")};
}

std::optional<Allowance> read_limits(Section& section) {
  const auto parts = section.list<Allowance>("limits", quota::parse_allowance);
  if (!parts) return std::nullopt;
  if (parts->empty()) {
    section.problem("limits", "the list is empty", "write what is allowed, as in limits = [\"250 messages / 15m\"]");
    return std::nullopt;
  }
  auto all = parts->front();
  for (std::size_t i = 1; i < parts->size(); ++i) {
    auto both = quota::joined(std::move(all), (*parts)[i]);
    if (!both) {
      section.problem("limits", both.error());
      return std::nullopt;
    }
    all = std::move(*both);
  }
  if (all.limits.size() <= 20) return all;
  section.problem("limits", std::to_string(all.limits.size()) + " limits are too many", "write at most 20");
  return std::nullopt;
}

std::vector<Quota> read_quotas(Section& root, const quota::Spelling& spelling) {
  auto sections = root.sections("quota", label_of);
  if (sections.size() > most_quotas)
    root.problem("quota", std::to_string(sections.size()) + " quotas are too many",
                 "write at most " + std::to_string(most_quotas));
  std::vector<Quota> quotas;
  std::map<std::string, std::size_t> lines;
  for (auto& section : sections) {
    quotas.push_back(read_quota(section, spelling));
    const auto& name = quotas.back().name;
    const auto line = section.place_of("name").line;
    const auto [first, is_new] = lines.emplace(name, line);
    if (!is_new && !name.empty())
      section.problem("name", "the quota in line " + std::to_string(first->second) + " has this name already",
                      "choose another");
  }
  return quotas;
}

}  // namespace milter
