// TopologyRig: a topology as a daemon has it, with a budget of 100 ms, and what it reported.
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "quota/store/redis_topology.hpp"

namespace quota::test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

inline int milliseconds_since(Clock::time_point begun) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun).count());
}

template <class Condition>
bool comes_true(Condition condition, std::chrono::milliseconds within = 2s) {
  for (const auto end = Clock::now() + within; Clock::now() < end; std::this_thread::sleep_for(1ms))
    if (condition()) return true;
  return condition();
}

class TopologyRig {
 public:
  explicit TopologyRig(const std::string& url, std::chrono::milliseconds budget = 100ms)
      : budget_(budget),
        topology(*RedisAddress::parse(url), resolver_, {.timeout = budget, .report = [this](const std::string& error) { note(error); }, .tell = [this](const RedisNews& news) { note(news); }}),
        is_well(topology.wait_for_first_look(Clock::now() + 5s)) {}

  /// The key is the second word.
  Result<RedisReply, StoreError> ask(const Command& words) { return topology.ask(words.at(1), words, Clock::now() + budget_); }

  Result<RedisReply, StoreError> try_add(std::string_view key, std::int64_t number) {
    static const RedisScript script("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    const auto text = std::to_string(number);
    const std::string_view keys[] = {key};
    const std::string_view arguments[] = {text};
    return topology.eval(script, keys, arguments, Clock::now() + budget_);
  }
  /// The sum, or −1 where there was no answer.
  std::int64_t add(std::string_view key, std::int64_t number) {
    const auto reply = try_add(key, number);
    return reply && reply->integer() ? *reply->integer() : -1;
  }

  [[nodiscard]] std::vector<std::string> reports() const {
    const std::lock_guard lock(mutex_);
    return reports_;
  }

  /// `server_fails 127.0.0.1:7001`, `master_changed 127.0.0.1:7001 127.0.0.1:7004`, …
  [[nodiscard]] std::vector<std::string> news() const {
    const std::lock_guard lock(mutex_);
    return news_;
  }

 private:
  void note(const std::string& error) {
    const std::lock_guard lock(mutex_);
    reports_.push_back(error);
  }
  void note(const RedisNews& news) {
    static constexpr const char* names[] = {"discovery_fails", "discovery_works", "server_fails", "server_works", "master_changed"};
    std::string text = names[static_cast<std::size_t>(news.what)];
    for (const auto& word : {news.server, news.successor}) text += word.empty() ? "" : " " + word;
    const std::lock_guard lock(mutex_);
    news_.push_back(text);
  }

  const std::chrono::milliseconds budget_;
  mutable std::mutex mutex_;
  std::vector<std::string> reports_;
  std::vector<std::string> news_;
  Resolver resolver_;

 public:
  RedisTopology topology;
  const bool is_well;
};

/// Adds to a counter again and again, on some threads, until it is ended.
class Load {
 public:
  Load(TopologyRig& rig, std::string key, int threads = 4) : key_(std::move(key)) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this, &rig] { run(rig); });
  }
  ~Load() { end(); }
  void end() {
    is_over_ = true;
    threads_.clear();
  }

  std::atomic<int> answered = 0;
  std::atomic<int> possibly = 0;  // without an answer, but possibly executed
  std::atomic<int> refused = 0;
  std::atomic<int> longest_ms = 0;

 private:
  void run(TopologyRig& rig) {
    while (!is_over_) {
      const auto begun = Clock::now();
      const auto reply = rig.try_add(key_, 1);
      const auto took = milliseconds_since(begun);
      ++(reply ? answered : reply.error().executed == Executed::possibly ? possibly : refused);
      for (auto seen = longest_ms.load(); seen < took && !longest_ms.compare_exchange_weak(seen, took);) {
      }
      std::this_thread::sleep_for(1ms);
    }
  }

  const std::string key_;
  std::atomic<bool> is_over_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace quota::test
