// A queue and a record that a QueueRun meets, both in memory. The record answers as a daemon does (milter/admin/api.hpp).
#pragma once

#include <functional>
#include <map>
#include <set>

#include "milter/admin/target.hpp"
#include "milter/cli/daemon.hpp"
#include "milter/mail_queue/mail_queue.hpp"
#include "quota/time_text.hpp"

namespace test {

inline constexpr quota::Timestamp judged{std::chrono::milliseconds(1'763'812'800'000)};
/// How long ago that was by now: what was judged a moment ago is looked at once more.
inline constexpr std::chrono::minutes settled{1};

class MemoryQueue final : public milter::mail_queue::MailQueue {
 public:
  using File = milter::mail_queue::QueueFile;
  using Ids = std::span<const std::string>;
  using Progress = milter::mail_queue::Progress;

  std::map<std::string, File> files{};
  std::vector<milter::mail_queue::Notice> about{};
  std::vector<std::string> sent{}, removed{};
  std::set<std::string> stuck{};            ///< cannot be let go or removed now
  std::set<std::string> worked_on{};        ///< cannot be kept back now
  std::function<void()> before_hold{};
  std::string error{};                      ///< of send and remove, once

  void put(const std::string& id, bool is_held, const std::string& from = "alice@example.com", std::chrono::milliseconds after = {}) {
    files[id] = {id, is_held, judged + after, from, "alice@example.com", true};
  }
  [[nodiscard]] std::set<std::string> held() const {
    std::set<std::string> ids;
    for (const auto& [id, file] : files)
      if (file.is_held) ids.insert(id);
    return ids;
  }

  Or<std::string> host() override { return {boost::system::in_place_value, "mx1"}; }
  Or<milter::mail_queue::Turn> take_turn() override { return milter::mail_queue::Turn{}; }
  Or<std::vector<File>> look(Ids ids, const Progress&) override {
    std::vector<File> found;
    for (const auto& id : ids)
      if (const auto file = files.find(id); file != files.end()) found.push_back(file->second);
    return found;
  }
  Or<std::size_t> hold(Ids ids, const Progress&) override {
    if (before_hold) std::exchange(before_hold, nullptr)();
    std::size_t count = 0;
    for (const auto& id : ids)
      if (const auto file = files.find(id); file != files.end() && !worked_on.contains(id) && !std::exchange(file->second.is_held, true)) ++count;
    return count;
  }
  Or<std::size_t> send(Ids ids, const Progress&) override {
    return take(ids, [this](File& file) {
      file.is_held = false;
      sent.push_back(file.queue_id);
    });
  }
  Or<std::size_t> remove(Ids ids, const Progress&) override {
    return take(ids, [this](File& file) {
      const auto id = file.queue_id;
      removed.push_back(id);
      files.erase(id);
    });
  }
  Or<std::vector<milter::mail_queue::Notice>> notices(Ids) override {
    std::vector<milter::mail_queue::Notice> there;
    for (const auto& notice : about)
      if (files.contains(notice.queue_id)) there.push_back(notice);
    return there;
  }

 private:
  template <class Act>
  Or<std::size_t> take(Ids ids, Act act) {
    if (!error.empty()) return {boost::system::in_place_error, std::exchange(error, "")};
    std::size_t count = 0;
    for (const auto& id : ids) {
      const auto file = files.find(id);
      if (file == files.end() || !file->second.is_held || stuck.contains(id)) continue;
      act(file->second);
      ++count;
    }
    return count;
  }
};

/// Of the host mx1.
class MemoryRecord final : public milter::cli::Daemon {
 public:
  using Row = boost::json::object;

  std::map<std::string, std::vector<Row>> shelves{};  ///< `held user:alice` → rows in their order
  std::map<std::string, std::int64_t> held_for{};     ///< what is not held for it any longer
  std::vector<std::int64_t> grants{};                 ///< answers to come; then all
  std::vector<std::size_t> asked_grants{};
  std::string blocked{};                              ///< who sends nothing
  std::vector<std::string> let_go{};                  ///< places of held mail that was sent
  std::size_t page_size = 1000;

  void put(const std::string& shelf, const std::string& id, std::chrono::seconds after = {}, const std::string& counted_for = "", const std::string& listed = "") {
    shelves[shelf].push_back({{"place", std::to_string(++places_) + "-0"},
                              {"at", quota::format_moment(judged + after)},
                              {"queue_id", id},
                              {"from", "alice@example.com"},
                              {"login", "alice@example.com"},
                              {"recipients", 2},
                              {"held_for", counted_for},
                              {"listed", listed}});
  }
  [[nodiscard]] std::size_t left(const std::string& shelf) { return shelves[shelf].size(); }

  quota::Result<milter::cli::Answer, milter::cli::Failure> ask(const milter::cli::Call& call) override {
    const auto target = *milter::admin::parse_target(call.target);
    if (target.path[1] == "shelf") return said(page(target.query));
    const auto& identity = target.path[2];
    if (target.path[3] == "mail") return said(mail(identity));
    if (target.path[3] == "gone") return said(gone(identity, call.body));
    asked_grants.push_back(call.body.at("recipients").as_array().size());
    const auto granted = grants.empty() ? static_cast<std::int64_t>(asked_grants.back()) : grants.front();
    if (!grants.empty()) grants.erase(grants.begin());
    if (!blocked.empty()) return said({{"granted", 0}, {"retry_ms", 0}, {"blocked", blocked}});
    return said({{"granted", granted}, {"retry_ms", 250}, {"blocked", nullptr}});
  }

 private:
  static milter::cli::Answer said(boost::json::object body) { return {200, boost::json::serialize(body), body}; }

  boost::json::object mail(const std::string& identity) {
    boost::json::object both{{"identity", identity}};
    for (const std::string fate : {"held", "sent"})
      both[fate] = boost::json::array{boost::json::object{{"identity", identity}, {"host", "mx1"}, {"count", left(fate + " " + identity)}}, boost::json::object{{"host", "mx2"}, {"count", 99}}};
    return both;
  }

  /// Places are told after which a page begins.
  boost::json::object page(const std::map<std::string, std::string>& query) {
    boost::json::array rows;
    std::string next;
    const auto from = query.at("from").empty() ? 0 : std::stoll(query.at("from"));
    for (const auto& row : shelves[query.at("fate") + " " + query.at("identity")]) {
      const std::string place(row.at("place").as_string());
      if (!place.empty() && std::stoll(place) <= from) continue;
      if (rows.size() == std::min<std::size_t>(page_size, std::stoull(query.at("count")))) {
        next = rows.back().as_object().at("place").as_string();
        break;
      }
      rows.push_back(row);
    }
    return {{"now", quota::format_moment(judged + settled)}, {"default_realm", "example.com"}, {"next", next}, {"mail", rows}};
  }

  boost::json::object gone(const std::string& identity, const boost::json::object& body) {
    auto& rows = shelves[std::string(body.at("fate").as_string()) + " " + identity];
    if (body.at("let_go").as_bool())
      for (const auto& place : body.at("places").as_array()) let_go.emplace_back(place.as_string());
    for (const auto& place : body.at("places").as_array()) std::erase_if(rows, [&](const Row& row) { return row.at("place") == place; });
    for (const auto& [whom, count] : body.at("held_for").as_object()) held_for[std::string(whom)] += count.as_int64();
    return {{"taken", body.at("places").as_array().size()}};
  }

  std::int64_t places_ = 0;
};

}  // namespace test
