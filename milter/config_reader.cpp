#include "milter/config_reader.hpp"

#include <numeric>

#include "quota/time_text.hpp"

namespace milter {
namespace {

constexpr std::size_t longest_text = 2000;
constexpr std::size_t longest_list = 10'000;

/// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string joined(std::span<const std::string_view> names, std::string_view last_separator) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text.append(i == 0 ? "" : i + 1 == names.size() ? last_separator : ", ").append(names[i]);
  return text;
}

/// `a, b or c`
std::string either(std::span<const std::string_view> names) { return joined(names, " or "); }

/// Where a key belongs that stands in a section without it; empty where it is known nowhere.
std::string homes_of(std::string_view key, const std::set<std::string>& paths) {
  std::vector<std::string> homes;
  for (const auto& path : paths) {
    if (path == key) return "it belongs to the top of the file, before the first [section]";
    const auto dot = path.rfind('.');
    if (dot != std::string::npos && std::string_view(path).substr(dot + 1) == key)
      homes.push_back("[" + path.substr(0, dot) + "]");
  }
  const std::vector<std::string_view> names(homes.begin(), homes.end());
  return names.empty() ? "" : "it belongs to " + either(names);
}

struct TypeName {
  std::string_view operator()(const std::string&) const { return "a text"; }
  std::string_view operator()(std::int64_t) const { return "a number"; }
  std::string_view operator()(double) const { return "a fraction"; }
  std::string_view operator()(bool) const { return "true or false"; }
  std::string_view operator()(Value::Moment) const { return "a date or time"; }
  std::string_view operator()(const Value::List&) const { return "a list"; }
  std::string_view operator()(const Value::Table&) const { return "a section"; }
};

}  // namespace

void Findings::add(Place place, std::string what, std::string instead) {
  problems_.push_back({file_name_, place.line, place.column, std::move(what), std::move(instead)});
}

std::vector<Problem> Findings::sorted() const {
  auto sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(), [this](const Problem& a, const Problem& b) {
    const auto rank = [this](const Problem& one) {
      return std::tuple(one.file != file_name_, one.file, one.line, one.column);
    };
    return rank(a) < rank(b);
  });
  return sorted;
}

void Findings::report_unknown_keys() {
  for (const auto& one : unknown_) {
    const std::vector<std::string_view> known(one.known.begin(), one.known.end());
    auto instead = "the keys here are " + joined(known, ", ");
    if (const auto meant = nearest(one.key, known); !meant.empty())
      instead = "did you mean " + in_quotes(meant) + "?";
    else if (const auto home = homes_of(one.key, keys_); !home.empty())
      instead = home;
    add(one.place, one.shown + ": this key is not known", std::move(instead));
  }
  unknown_.clear();
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> names) {
  std::string_view best;
  std::size_t least = std::min<std::size_t>(word.size() / 3 + 1, 3);
  for (const auto name : names) {
    // A bound on the work, and on how far-fetched a guess may be.
    if (word.size() > 40) break;
    const auto apart = distance(word, name);
    if (apart > least || (apart == least && !best.empty()) || apart >= name.size()) continue;
    best = name;
    least = apart;
  }
  return best;
}

std::string cure(std::string_view word, std::span<const std::string_view> names) {
  if (const auto meant = nearest(word, names); !meant.empty()) return "did you mean " + in_quotes(meant) + "?";
  return "write " + either(names);
}

Section::Section(const Value::Table& entries, Place place, Label label, Findings& findings)
    : entries_(&entries), place_(place), label_(std::move(label)), findings_(&findings) {}

const Entry* Section::entry(std::string_view key) const {
  const auto found = std::find_if(entries_->begin(), entries_->end(), [&](const Entry& one) { return one.key == key; });
  return found == entries_->end() ? nullptr : &*found;
}

const Value* Section::value(std::string_view key) {
  known_.emplace_back(key);
  findings_->remember_key(label_.path + std::string(key));
  const auto* found = entry(key);
  return found ? &found->value : nullptr;
}

Place Section::place_of(std::string_view key) const {
  const auto* found = entry(key);
  return found ? found->value.place : place_;
}

void Section::problem_at(Place place, std::string_view key, std::string what, std::string instead) {
  findings_->add(place, label_.shown + std::string(key) + ": " + std::move(what), std::move(instead));
}

void Section::wrong_type(const Value& value, std::string_view key, std::string_view instead) {
  problem_at(value.place, key, "this is " + std::string(std::visit(TypeName{}, value.content)), std::string(instead));
}

std::optional<std::string> Section::text_of(const Value& value, std::string_view key) {
  const auto* text = std::get_if<std::string>(&value.content);
  if (!text) {
    const auto* number = std::get_if<std::int64_t>(&value.content);
    wrong_type(value, key,
               number ? "write a text in quotes, as in \"" + std::to_string(*number) + "\"" : "write a text in quotes");
    return std::nullopt;
  }
  const bool has_controls =
      std::any_of(text->begin(), text->end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
  if (has_controls)
    problem_at(value.place, key, "the text holds a control character", "write it in one line without tabs");
  else if (text->size() > longest_text)
    problem_at(value.place, key, "the text is too long", "write at most " + std::to_string(longest_text) + " bytes");
  else
    return *text;
  return std::nullopt;
}

std::optional<std::string> Section::text(std::string_view key) {
  const auto* found = value(key);
  return found ? text_of(*found, key) : std::nullopt;
}

std::optional<std::int64_t> Section::number(std::string_view key, Bounds<std::int64_t> bounds) {
  const auto* found = value(key);
  if (!found) return std::nullopt;
  const auto range = std::to_string(bounds.least) + " to " + std::to_string(bounds.most);
  const auto* number = std::get_if<std::int64_t>(&found->content);
  if (!number)
    wrong_type(*found, key, "write a whole number without quotes, " + range);
  else if (*number < bounds.least || *number > bounds.most)
    problem_at(found->place, key, std::to_string(*number) + " is out of bounds", "write a number from " + range);
  else
    return *number;
  return std::nullopt;
}

std::optional<bool> Section::truth(std::string_view key) {
  const auto* found = value(key);
  if (!found) return std::nullopt;
  if (const auto* truth = std::get_if<bool>(&found->content)) return *truth;
  wrong_type(*found, key, "write true or false, without quotes");
  return std::nullopt;
}

std::optional<quota::Milliseconds> Section::duration(std::string_view key, Bounds<quota::Milliseconds> bounds) {
  if (const auto* number = has(key) ? std::get_if<std::int64_t>(&entry(key)->value.content) : nullptr) {
    wrong_type(*value(key), key, "write it with its unit in quotes, as in \"" + std::to_string(*number) + "ms\"");
    return std::nullopt;
  }
  const auto written = text(key);
  if (!written) return std::nullopt;
  const auto duration = quota::parse_duration(*written);
  if (!duration)
    problem(key, duration.error());
  else if (*duration < bounds.least || *duration > bounds.most)
    problem(
        key, in_quotes(*written) + " is out of bounds",
        "write a duration from " + quota::format_duration(bounds.least) + " to " + quota::format_duration(bounds.most));
  else
    return *duration;
  return std::nullopt;
}

std::optional<std::vector<Section::Text>> Section::texts(std::string_view key) {
  const auto* found = value(key);
  if (!found) return std::nullopt;
  const auto* list = std::get_if<Value::List>(&found->content);
  if (!list && !std::holds_alternative<std::string>(found->content)) {
    wrong_type(*found, key, "write a text in quotes, or a list of texts, as in [\"one\", \"two\"]");
    return std::nullopt;
  }
  const std::span<const Value> values = list ? std::span<const Value>(*list) : std::span<const Value>(found, 1);
  if (values.size() > longest_list) {
    problem(key, "the list has " + std::to_string(values.size()) + " elements",
            "write at most " + std::to_string(longest_list));
    return std::nullopt;
  }
  std::vector<Text> texts;
  for (const auto& one : values)
    if (auto text = text_of(one, key)) texts.push_back({std::move(*text), one.place});
  if (texts.size() != values.size()) return std::nullopt;
  return texts;
}

std::optional<std::size_t> Section::word_index(std::string_view key, std::span<const std::string_view> names) {
  const auto written = text(key);
  if (!written) return std::nullopt;
  const auto found = std::find(names.begin(), names.end(), *written);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  problem(key, in_quotes(*written) + " is not known", cure(*written, names));
  return std::nullopt;
}

std::optional<Section> Section::section(std::string_view key, Label label) {
  const auto* found = value(key);
  if (!found) return std::nullopt;
  if (const auto* table = std::get_if<Value::Table>(&found->content))
    return Section(*table, found->place, std::move(label), *findings_);
  wrong_type(*found, key, "write it as a section: [" + label_.path + std::string(key) + "]");
  return std::nullopt;
}

std::vector<Section> Section::sections(std::string_view key,
                                       const std::function<Label(const Value::Table&, std::size_t)>& label) {
  std::vector<Section> out;
  const auto* found = value(key);
  if (!found) return out;
  const auto header = "write each as a section of its own: [[" + label_.path + std::string(key) + "]]";
  const auto* list = std::get_if<Value::List>(&found->content);
  if (!list) {
    wrong_type(*found, key, header);
    return out;
  }
  for (const auto& one : *list) {
    if (const auto* table = std::get_if<Value::Table>(&one.content))
      out.emplace_back(*table, one.place, label(*table, out.size() + 1), *findings_);
    else
      wrong_type(one, key, header);
  }
  return out;
}

void Section::note_unknown_keys() {
  for (const auto& one : *entries_)
    if (std::find(known_.begin(), known_.end(), one.key) == known_.end())
      findings_->add({one.place, label_.shown + one.key, one.key, known_});
}

}  // namespace milter
