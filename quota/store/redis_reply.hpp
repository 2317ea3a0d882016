// RedisReply: one answer of a Redis server, owned and never changed, and the reader that makes it from bytes.
//
// A reply is looked at through ReplyView; each accessor answers only for its own kind, so a server that answers
// something else than it should is noticed where it is read. Views live as long as the reply they come from.
// The reader trusts nothing: bytes, elements (counted over all levels of a reply) and depth are bounded BEFORE memory
// is taken for them. All of a reply lies in one piece of memory. hiredis parses, and nobody else sees it: its headers are included in redis_reply.cpp alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "quota/result.hpp"
#include "quota/store_error.hpp"

struct redisReader;
struct redisReply;

namespace quota {

/// What an error reply means, by its first word. Inside scripts of Redis 6 the word stands in the text, after ` -`.
enum class ServerErrorCode {
  noscript,
  readonly,
  loading,
  masterdown,
  noreplicas,
  oom,
  misconf,
  busy,
  moved,
  ask,
  tryagain,
  clusterdown,
  crossslot,
  noperm,
  wrongpass,
  noauth,
  wrongtype,
  max_clients,
  other
};

struct ServerError {
  ServerErrorCode code = ServerErrorCode::other;
  std::string_view text;  // all of it, code included
};

[[nodiscard]] ServerErrorCode classify(std::string_view error_text);

/// The same for callers who only want to know whether to wait, to alarm or to give up.
/// An unknown error may come from the middle of a script, so it counts as possibly executed.
[[nodiscard]] StoreError to_store_error(const ServerError& error);

class ReplyView {
 public:
  explicit ReplyView(const redisReply* reply) : reply_(reply) {}

  [[nodiscard]] bool is_nil() const;
  [[nodiscard]] bool is_array() const;
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<std::string_view> text() const;  // a string or a status such as OK
  [[nodiscard]] std::optional<ServerError> error() const;

  /// Elements of an array; 0 for every other kind.
  [[nodiscard]] std::size_t size() const;
  /// Requires: i < size().
  [[nodiscard]] ReplyView operator[](std::size_t i) const;

 protected:
  const redisReply* reply_;
};

class RedisReply : public ReplyView {
 public:
  /// `memory` holds all of `reply`.
  RedisReply(const redisReply* reply, std::unique_ptr<std::pmr::monotonic_buffer_resource> memory) : ReplyView(reply), memory_(std::move(memory)) {}

 private:
  std::unique_ptr<std::pmr::monotonic_buffer_resource> memory_;
};

/// How much one reply may be. Enough for any answer about a message; whoever reads whole tables asks for more.
struct ReplyLimits {
  std::size_t bytes = std::size_t{1} << 20;
  std::size_t elements = 1024;
};

/// Bytes in, replies out. After an error it is useless: the connection is to be closed.
class ReplyReader {
 public:
  ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  void feed(std::string_view bytes);

  /// The next whole reply; empty when more bytes are needed. Errors: why this is no reply that we accept.
  [[nodiscard]] Result<std::optional<RedisReply>, std::string> next(const ReplyLimits& limits);

  /// True when every byte fed was part of a reply already handed out.
  [[nodiscard]] bool empty() const { return pending_ == 0; }

 private:
  struct Budget;
  struct Free {
    void operator()(redisReader* reader) const noexcept;
    void operator()(Budget* budget) const noexcept;
  };

  [[nodiscard]] std::string why_refused() const;
  [[nodiscard]] bool announces_more_than(std::size_t bytes) const;

  std::unique_ptr<Budget, Free> budget_;  // hiredis points to it, so it must not move
  std::unique_ptr<redisReader, Free> reader_;
  std::size_t pending_ = 0;  // bytes fed since the end of the last reply
  bool in_reply_ = false;    // hiredis keeps a part of a reply
};

/// Appends the command in Redis' protocol to `out`.
void append_command(std::string& out, std::span<const std::string_view> arguments);

/// A command's words in Redis' protocol, without its head: written once, word by word, to be sent as they are.
class CommandWords {
 public:
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  void add(std::string_view word);
  void add(std::int64_t number);
  void add(const CommandWords& more);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  std::size_t size_ = 0;
  std::string bytes_;
};

/// Appends the command that consists of `first`, and then of `rest`.
void append_command(std::string& out, std::span<const std::string_view> first, const CommandWords& rest);

}  // namespace quota
