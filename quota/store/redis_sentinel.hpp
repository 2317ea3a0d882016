// SentinelDiscovery: finds the master that goes by a name, by asking its sentinels.
//
// All known sentinels are asked at once: those of the address and those they name. They agree on a master by an epoch that
// rises with each failover, so the highest counts and not the most votes: right after a failover only the sentinel that led
// it knows. An epoch below one that was seen before is believed of a majority only (the sentinels were set up anew); a
// sentinel that was cut off from the others, or a master that came back and still thinks that it is one, is not. The server
// itself has to say that it is a master. With no sentinel to ask, what was found before goes on to be used.
// During a failover the sentinel that leads it knows which replica it has chosen, and that one is the master from the moment it
// says so itself: up to a second before any sentinel names it, in which the old one would take charges that are lost.
#pragma once

#include "quota/store/redis_discovery.hpp"

namespace quota {

class SentinelDiscovery final : public RedisDiscovery {
 public:
  SentinelDiscovery(const RedisAddress& address, RedisDialer& dialer);

  [[nodiscard]] Result<RedisLayout, StoreError> find(Deadline deadline) override;
  /// Often: after a planned failover the old master takes charges that are lost for as long as nobody has told it, which can
  /// be ten seconds. A sentinel answers three small questions in no time.
  [[nodiscard]] std::optional<std::chrono::milliseconds> interval() const override {
    return std::chrono::milliseconds{is_failing_over_ ? 20 : 250};
  }

 private:
  struct Told {
    std::optional<RedisServerName> master{};  ///< empty: the sentinel knows no such name
    std::uint64_t epoch = 0;
    std::vector<RedisServerName> sentinels{};
    std::optional<RedisServerName> chosen{};  ///< in a failover: the replica that is to be the master
  };
  struct Sentinel {
    RedisServerName server;
    bool is_named = false;  ///< by another one, not by the address
    std::unique_ptr<RedisConnection> connection{};
    Result<Told, StoreError> told = StoreError{};
  };
  struct Choice {
    RedisServerName master;
    std::uint64_t epoch = 0;
    std::size_t votes = 0;
  };

  void ask_all(Deadline deadline);
  [[nodiscard]] Result<Told, StoreError> ask(Sentinel& sentinel, Deadline deadline);
  [[nodiscard]] Result<Told, StoreError> read(std::span<const RedisReply> replies, const RedisServerName& said_by) const;
  [[nodiscard]] std::optional<RedisServerName> chosen_by(RedisConnection& sentinel, Deadline deadline) const;
  [[nodiscard]] std::optional<RedisServerName> promoted(const Choice& named, Deadline deadline);
  [[nodiscard]] bool still_wants(Sentinel& sentinel, const RedisServerName& chosen, Deadline deadline);
  [[nodiscard]] Result<Choice, StoreError> choose() const;
  [[nodiscard]] StoreError why_none() const;
  void learn_sentinels();
  [[nodiscard]] Result<std::string, StoreError> role_of(const RedisServerName& server, Deadline deadline);
  [[nodiscard]] Result<void, StoreError> check_role(const RedisServerName& master, Deadline deadline);

  // Constant after construction.
  const RedisAddress address_;
  RedisDialer& dialer_;

  std::vector<Sentinel> sentinels_;
  std::optional<RedisServerName> master_;  ///< the last that was found
  std::uint64_t highest_epoch_ = 0;
  bool is_failing_over_ = false;
};

}  // namespace quota
