// ConfigReader: typed reads of the entries of one section. A read leaves the default in place where the key is absent,
// and reports where it is wrong; keys that nobody read are reported at the end. Knows no key by itself.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "milter/config_file.hpp"
#include "quota/result.hpp"
#include "quota/units.hpp"

namespace milter {

/// All that was found wrong in one file, and which keys were looked for.
class Findings {
 public:
  explicit Findings(std::string file_name) : file_name_(std::move(file_name)) {}

  void add(Place place, std::string what, std::string instead = {});
  void add(Problem problem) { problems_.push_back(std::move(problem)); }
  void remember_key(std::string path) { keys_.insert(std::move(path)); }

  /// A key that its section does not know. What it was meant to be can only be said when all sections were read.
  struct UnknownKey {
    Place place;
    std::string shown;  ///< as problems call it
    std::string key;
    std::vector<std::string> known;  ///< in its section
  };
  void add(UnknownKey key) { unknown_.push_back(std::move(key)); }
  void report_unknown_keys();

  [[nodiscard]] const std::string& file_name() const { return file_name_; }
  [[nodiscard]] bool empty() const { return problems_.empty(); }
  [[nodiscard]] const std::set<std::string>& keys() const { return keys_; }
  /// By file, the first one's first, then by line.
  [[nodiscard]] std::vector<Problem> sorted() const;

 private:
  std::string file_name_;
  std::vector<Problem> problems_{};
  std::set<std::string> keys_{};
  std::vector<UnknownKey> unknown_{};
};

/// One of the words that a key may hold.
template <class T>
struct Word {
  std::string_view text;
  T value;
};

template <class T>
struct Bounds {
  T least;
  T most;
};

/// The name that `word` was probably meant to be; empty where none is near.
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string_view> names);

/// `write one, two or three`, or `did you mean "two"?`
[[nodiscard]] std::string cure(std::string_view word, std::span<const std::string_view> names);

/// Threads: one. Lifetime: the entries and the findings outlive it.
class Section {
 public:
  /// What problems call it (`store.`, `quota "mailbox": `), and the path of its keys (`store.`, `quota.block.`).
  struct Label {
    std::string shown;
    std::string path;
  };
  /// An element of a text or of a list of texts.
  struct Text {
    std::string value;
    Place place;
  };
  template <class T>
  using Parse = quota::Result<T, std::string> (*)(std::string_view);

  Section(const Value::Table& entries, Place place, Label label, Findings& findings);

  [[nodiscard]] Findings& findings() { return *findings_; }
  [[nodiscard]] const Label& label() const { return label_; }
  [[nodiscard]] bool has(std::string_view key) const { return entry(key) != nullptr; }
  [[nodiscard]] bool holds_text(std::string_view key) const {
    return has(key) && std::holds_alternative<std::string>(entry(key)->value.content);
  }
  /// Of the key's value; of the section where the key is absent.
  [[nodiscard]] Place place_of(std::string_view key) const;

  void problem(std::string_view key, std::string what, std::string instead = {}) {
    problem_at(place_of(key), key, std::move(what), std::move(instead));
  }
  void problem_at(Place place, std::string_view key, std::string what, std::string instead = {});
  /// A problem that already says which key it is about.
  void sentence(std::string_view key, std::string what, std::string instead = {}) {
    findings_->add(place_of(key), label_.shown + std::move(what), std::move(instead));
  }

  /// Empty: absent, or reported. Texts are at most 2000 bytes without control characters.
  [[nodiscard]] std::optional<std::string> text(std::string_view key);
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view key, Bounds<std::int64_t> bounds);
  [[nodiscard]] std::optional<bool> truth(std::string_view key);
  [[nodiscard]] std::optional<quota::Milliseconds> duration(std::string_view key, Bounds<quota::Milliseconds> bounds);
  /// A text, or a list of texts. Empty: absent, or an element reported. An empty list is a list.
  [[nodiscard]] std::optional<std::vector<Text>> texts(std::string_view key);

  /// A part that has its own header; empty: absent, or reported.
  [[nodiscard]] std::optional<Section> section(std::string_view key, Label label);
  /// Each `[[key]]`; labels are given by number from 1.
  [[nodiscard]] std::vector<Section> sections(std::string_view key,
                                              const std::function<Label(const Value::Table&, std::size_t)>& label);

  /// One of `words`; anything else is reported with the word it was probably meant to be.
  template <class T, std::size_t N>
  void word(std::string_view key, T& into, const Word<T> (&words)[N]) {
    std::string_view names[N];
    for (std::size_t i = 0; i < N; ++i) names[i] = words[i].text;
    const auto chosen = word_index(key, names);
    if (chosen) into = words[*chosen].value;
  }

  /// Each element of a text or list through `parse`. Empty: absent, or at least one reported.
  template <class T>
  [[nodiscard]] std::optional<std::vector<T>> list(std::string_view key, Parse<T> parse) {
    const auto elements = texts(key);
    if (!elements) return std::nullopt;
    std::vector<T> out;
    for (const auto& element : *elements) {
      auto parsed = parse(element.value);
      if (parsed)
        out.push_back(std::move(*parsed));
      else
        problem_at(element.place, key, parsed.error());
    }
    if (out.size() != elements->size()) return std::nullopt;
    return out;
  }

  /// Notes all keys that nobody asked for. Call once, last.
  void note_unknown_keys();

 private:
  [[nodiscard]] const Entry* entry(std::string_view key) const;
  [[nodiscard]] const Value* value(std::string_view key);
  [[nodiscard]] std::optional<std::size_t> word_index(std::string_view key, std::span<const std::string_view> names);
  [[nodiscard]] std::optional<std::string> text_of(const Value& value, std::string_view key);
  void wrong_type(const Value& value, std::string_view key, std::string_view instead);

  const Value::Table* entries_;
  Place place_;
  Label label_;
  Findings* findings_;
  std::vector<std::string> known_{};
};

}  // namespace milter
