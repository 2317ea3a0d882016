#include "quota/store/redis_reply.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <memory>
#include <new>

namespace quota {
namespace {

constexpr std::size_t deepest = 7;
constexpr std::size_t longest_error_text = 256;
constexpr std::size_t first_room = 512;  // for one answer about a message

struct NamedCode {
  std::string_view word;
  ServerErrorCode code;
};
constexpr std::array<NamedCode, 17> codes{{
    {"NOSCRIPT", ServerErrorCode::noscript},
    {"READONLY", ServerErrorCode::readonly},
    {"LOADING", ServerErrorCode::loading},
    {"MASTERDOWN", ServerErrorCode::masterdown},
    {"NOREPLICAS", ServerErrorCode::noreplicas},
    {"OOM", ServerErrorCode::oom},
    {"MISCONF", ServerErrorCode::misconf},
    {"BUSY", ServerErrorCode::busy},
    {"MOVED", ServerErrorCode::moved},
    {"ASK", ServerErrorCode::ask},
    {"TRYAGAIN", ServerErrorCode::tryagain},
    {"CLUSTERDOWN", ServerErrorCode::clusterdown},
    {"CROSSSLOT", ServerErrorCode::crossslot},
    {"NOPERM", ServerErrorCode::noperm},
    {"WRONGPASS", ServerErrorCode::wrongpass},
    {"NOAUTH", ServerErrorCode::noauth},
    {"WRONGTYPE", ServerErrorCode::wrongtype},
}};

std::optional<ServerErrorCode> code_at(std::string_view text) {
  const auto word = text.substr(0, text.find(' '));
  for (const auto& named : codes)
    if (named.word == word) return named.code;
  return {};
}

}  // namespace

ServerErrorCode classify(std::string_view text) {
  if (const auto code = code_at(text)) return *code;
  if (text.starts_with("ERR max number of clients")) return ServerErrorCode::max_clients;
  // A key or command that the ACL refuses to a script is reported as a plain ERR.
  if (text.starts_with("ERR The user executing the script can't")) return ServerErrorCode::noperm;
  for (auto dash = text.find(" -"); dash != text.npos; dash = text.find(" -", dash + 1))
    if (const auto code = code_at(text.substr(dash + 2))) return *code;
  return ServerErrorCode::other;
}

StoreError to_store_error(const ServerError& error) {
  StoreError said{StoreErrorKind::refused, Executed::no,
                  "the server said: " + std::string(error.text.substr(0, longest_error_text))};
  switch (error.code) {
    case ServerErrorCode::crossslot:
    case ServerErrorCode::noperm:
    case ServerErrorCode::wrongpass:
    case ServerErrorCode::noauth:
    case ServerErrorCode::wrongtype:
      said.kind = StoreErrorKind::misconfigured;
      break;
    case ServerErrorCode::other:
      said.executed = Executed::possibly;
      break;
    default:
      break;
  }
  return said;
}

bool ReplyView::is_nil() const { return reply_->type == REDIS_REPLY_NIL; }

bool ReplyView::is_array() const { return reply_->type == REDIS_REPLY_ARRAY; }

std::optional<std::int64_t> ReplyView::integer() const {
  if (reply_->type != REDIS_REPLY_INTEGER) return {};
  return reply_->integer;
}

std::optional<std::string_view> ReplyView::text() const {
  if (reply_->type != REDIS_REPLY_STRING && reply_->type != REDIS_REPLY_STATUS) return {};
  return std::string_view(reply_->str, static_cast<std::size_t>(reply_->len));
}

std::optional<ServerError> ReplyView::error() const {
  if (reply_->type != REDIS_REPLY_ERROR) return {};
  const std::string_view text(reply_->str, static_cast<std::size_t>(reply_->len));
  return ServerError{classify(text), text};
}

std::size_t ReplyView::size() const { return is_array() ? reply_->elements : 0; }

ReplyView ReplyView::operator[](std::size_t i) const {
  assert(i < size());
  return ReplyView(reply_->element[i]);
}

// hiredis makes the objects of a reply through a table of functions. Ours take them from the reply's own memory, because a reply
// may have thousands; and an array's size is asked of the budget before it is made. That size is an int in hiredis 0.14 and a
// size_t since 1.0.
struct ReplyReader::Budget {
  redisReplyObjectFunctions ours{};
  std::unique_ptr<std::pmr::monotonic_buffer_resource> memory{};  // of the reply that is being read
  std::size_t elements_left = 0;
  const char* refusal = nullptr;

  Budget();

  static Budget& of(const redisReadTask* task) { return *static_cast<Budget*>(task->privdata); }

  bool grants(const redisReadTask* task, std::size_t elements) {
    std::size_t depth = 1;
    for (const auto* parent = task->parent; parent != nullptr; parent = parent->parent) ++depth;
    if (depth > deepest)
      refusal = "its arrays are nested too deep";
    else if (elements > elements_left)
      refusal = "it announces too many elements";
    else
      elements_left -= elements;
    return refusal == nullptr;
  }

  /// Room for `count` of these, empty.
  template <class T>
  T* room(std::size_t count) {
    if (!memory) memory = std::make_unique<std::pmr::monotonic_buffer_resource>(first_room);
    auto* const place = static_cast<T*>(memory->allocate(std::max(count, std::size_t{1}) * sizeof(T), alignof(T)));
    std::uninitialized_value_construct_n(place, count);
    return place;
  }

  /// An object at its place in the array that it is part of; null where memory is short, of which hiredis makes an error.
  template <class Fill>
  static void* make(const redisReadTask* task, Fill fill) noexcept try {
    auto& budget = of(task);
    auto* const object = budget.room<redisReply>(1);
    object->type = task->type;
    fill(budget, *object);
    if (task->parent != nullptr) static_cast<redisReply*>(task->parent->obj)->element[task->idx] = object;
    return object;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
};

ReplyReader::Budget::Budget() {
  ours.createString = [](const redisReadTask* task, char* text, std::size_t size) {
    return make(task, [&](Budget& budget, redisReply& object) {
      object.str = budget.room<char>(size);
      object.len = std::string_view(text, size).copy(object.str, size);
    });
  };
  ours.createArray = [](const redisReadTask* task, auto announced) -> void* {
    const auto elements = static_cast<std::size_t>(announced);
    if (!of(task).grants(task, elements)) return nullptr;
    return make(task, [&](Budget& budget, redisReply& object) {
      object.element = budget.room<redisReply*>(elements);
      object.elements = elements;
    });
  };
  ours.createInteger = [](const redisReadTask* task, long long number) {
    return make(task, [&](Budget&, redisReply& object) { object.integer = number; });
  };
  ours.createNil = [](const redisReadTask* task) { return make(task, [](Budget&, redisReply& object) { object.type = REDIS_REPLY_NIL; }); };
  ours.freeObject = [](void*) {};
  // Kinds that later versions know and that nobody asks for end the connection.
  [](auto& table) {
    if constexpr (requires { table.createDouble; }) table.createDouble = [](const redisReadTask*, auto...) -> void* { return nullptr; };
    if constexpr (requires { table.createBool; }) table.createBool = [](const redisReadTask*, auto...) -> void* { return nullptr; };
  }(ours);
}

void ReplyReader::Free::operator()(redisReader* reader) const noexcept { redisReaderFree(reader); }
void ReplyReader::Free::operator()(Budget* budget) const noexcept { delete budget; }

ReplyReader::ReplyReader() : budget_(new Budget), reader_(redisReaderCreate()) {
  if (!reader_) throw std::bad_alloc();
  reader_->fn = &budget_->ours;
  reader_->privdata = budget_.get();
}

void ReplyReader::feed(std::string_view bytes) {
  if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) == REDIS_OK) pending_ += bytes.size();
}

Result<std::optional<RedisReply>, std::string> ReplyReader::next(const ReplyLimits& limits) {
  if (pending_ == 0) return std::optional<RedisReply>{};
  if (!in_reply_) budget_->elements_left = limits.elements;
  in_reply_ = true;
  void* made = nullptr;
  if (redisReaderGetReply(reader_.get(), &made) != REDIS_OK) return why_refused();
  if (made != nullptr) {
    in_reply_ = false;
    pending_ = reader_->len - reader_->pos;
    return std::optional<RedisReply>(RedisReply(static_cast<const redisReply*>(made), std::move(budget_->memory)));
  }
  if (pending_ > limits.bytes || announces_more_than(limits.bytes))
    return "it is longer than " + std::to_string(limits.bytes) + " bytes";
  return std::optional<RedisReply>{};
}

std::string ReplyReader::why_refused() const {
  return budget_->refusal != nullptr ? std::string(budget_->refusal) : std::string(reader_->errstr);
}

// Where hiredis waits for the rest of a string, its cursor stands behind the $ and before the length. A cursor at the
// buffer's start has lost the $, and then the bytes that come are what is counted.
bool ReplyReader::announces_more_than(std::size_t bytes) const {
  const std::string_view buffer(reader_->buf, reader_->len);
  if (reader_->pos == 0 || buffer[reader_->pos - 1] != '$') return false;
  std::uint64_t length = 0;
  const auto digits = buffer.substr(reader_->pos);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  return error == std::errc::result_out_of_range || (error == std::errc{} && length > bytes);
}

namespace {

/// `$5\r\n`: a type and a number.
void append_head(std::string& out, char type, std::size_t number) {
  std::array<char, 24> text;
  text[0] = type;
  auto* end = std::to_chars(text.data() + 1, text.data() + 22, number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(text.data(), end);
}

void append_word(std::string& out, std::string_view word) {
  append_head(out, '$', word.size());
  out.append(word).append("\r\n");
}

}  // namespace

// hiredis has a function for this, which prints each length with sprintf: a sixth of all that a message costs.
void append_command(std::string& out, std::span<const std::string_view> arguments) { append_command(out, arguments, {}); }

void append_command(std::string& out, std::span<const std::string_view> first, const CommandWords& rest) {
  std::size_t size = 16 + rest.bytes().size();
  for (const auto& word : first) size += word.size() + 16;
  out.reserve(out.size() + size);
  append_head(out, '*', first.size() + rest.size());
  for (const auto& word : first) append_word(out, word);
  out.append(rest.bytes());
}

void CommandWords::add(std::string_view word) {
  append_word(bytes_, word);
  ++size_;
}

void CommandWords::add(std::int64_t number) {
  std::array<char, 24> text;
  add(std::string_view(text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr));
}

void CommandWords::add(const CommandWords& more) {
  bytes_.append(more.bytes_);
  size_ += more.size_;
}

}  // namespace quota
