#include "milter/record_book.hpp"

#include <spdlog/spdlog.h>

#include "milter/log_line.hpp"
#include "milter/subject.hpp"
#include "quota/store/memory_archive.hpp"
#include "quota/store/redis_archive.hpp"

namespace milter {
namespace {

using quota::Result;
constexpr std::chrono::milliseconds fresh_within{500};
constexpr std::chrono::seconds search_at_most{5};
constexpr std::size_t most_characters = 80;

/// What ends by it is lost for ever: a clock that has jumped ahead is not believed.
quota::Timestamp earlier_clock(StoreSetup& setup) { return std::min(setup.store().now(), quota::SystemClock().now()); }

/// Off the message path.
void make_readable(quota::PastMessage& message) {
  message.mark = quota::message_mark(message.mark);
  message.subject = readable_header(message.subject, most_characters);
  for (auto& [name, value] : message.headers) value = readable_header(value, most_characters);
}

}  // namespace

Result<std::unique_ptr<RecordBook>, std::string> RecordBook::open(const Config& config, StoreSetup& setup) {
  const auto& settings = config.record;
  std::unique_ptr<RecordBook> book(new RecordBook);
  if (!settings.is_on()) return book;
  if (settings.url == "store" && config.store.url == "memory:") {
    book->archive_ = std::make_unique<quota::MemoryArchive>(setup.clock(), settings.bounds);
  } else {
    if (const auto opened = book->open_redis(config); !opened) return opened.error();
    book->archive_ = std::make_unique<quota::RedisArchive>(*book->context_, settings.bounds, [&setup] { return earlier_clock(setup); });
  }
  quota::ChroniclerOptions options{.bounds = settings.bounds, .write_every = settings.write_every, .prepare = make_readable};
  options.report = [self = book.get()](const std::string& problem) { self->note(problem); };
  book->chronicler_ = std::make_unique<quota::Chronicler>(*book->archive_, std::move(options));
  return book;
}

Result<void, std::string> RecordBook::open_redis(const Config& config) {
  auto address = config.record.url == "store" ? store_address(config.store) : quota::RedisAddress::parse(config.record.url);
  if (!address) return {boost::system::in_place_error, "record.url: " + address.error()};
  quota::RedisTopologyOptions options{.prefix = config.store.prefix, .timeout = config.store.timeout};
  if (address->is_tls) {
    auto tls = quota::TlsContext::open(config.store.tls);
    if (!tls) return {boost::system::in_place_error, "record.url: " + tls.error().text};
    options.tls = tls_ = std::move(*tls);
  }
  resolver_ = std::make_unique<quota::Resolver>();
  topology_ = std::make_unique<quota::RedisTopology>(*address, *resolver_, std::move(options));
  context_ = std::make_unique<quota::RedisContext>(*topology_, quota::RedisStoreOptions{config.store.prefix, config.store.timeout});
  return {};
}

Result<void, std::string> RecordBook::renew_tls() {
  if (!tls_) return {};
  if (const auto renewed = tls_->renew(); !renewed) return {boost::system::in_place_error, "store.tls, of the record: " + renewed.error().text};
  return {};
}

void RecordBook::add(quota::Happening&& happening) {
  if (chronicler_) chronicler_->add(std::move(happening));
}

std::optional<Result<quota::Chronicle, quota::StoreError>> RecordBook::read(const quota::Identity& identity) {
  if (!archive_) return std::nullopt;
  chronicler_->flush(fresh_within);
  return archive_->read(identity);
}

std::optional<Result<std::vector<quota::Ranked>, quota::StoreError>> RecordBook::top(const quota::TopQuestion& question) {
  if (!archive_) return std::nullopt;
  chronicler_->flush(fresh_within);
  return archive_->top(question);
}

std::optional<Result<std::vector<quota::History>, quota::StoreError>> RecordBook::histories(std::span<const quota::Identity> identities) {
  if (!archive_) return std::nullopt;
  return archive_->histories(identities);
}

std::optional<Result<quota::Search, quota::StoreError>> RecordBook::find(std::string_view name, std::size_t most) {
  if (!archive_) return std::nullopt;
  chronicler_->flush(fresh_within);
  return archive_->find(quota::MessageName(name), most, std::chrono::steady_clock::now() + search_at_most);
}

quota::Archive* RecordBook::shelves() {
  if (archive_) chronicler_->flush(fresh_within);
  return archive_.get();
}

void RecordBook::note(const std::string& problem) {
  {
    const std::lock_guard lock(mutex_);
    problem_ = problem;
  }
  if (problem.empty())
    spdlog::warn("the record of who sent what is written again");
  else
    spdlog::error("{}", readable(about_record(problem)));
}

RecordBook::Health RecordBook::health() const {
  const std::lock_guard lock(mutex_);
  return {chronicler_ != nullptr, problem_, chronicler_ ? chronicler_->dropped() : 0};
}

void RecordBook::stop() {
  if (chronicler_) chronicler_->stop();
}

std::string about_record(const std::string& error) { return "the record of who sent what cannot be written, and has gaps: " + error; }

}  // namespace milter
