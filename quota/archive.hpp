// The port to where histories live: written by one background thread, read by administrators' commands. No message waits for it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "quota/history.hpp"
#include "quota/message_name.hpp"
#include "quota/queue_order.hpp"
#include "quota/result.hpp"
#include "quota/store_error.hpp"

namespace quota {

/// All that is kept of one identity.
struct Chronicle {
  History history{};
  std::vector<PastMessage> messages{};  ///< the newest first
};

/// The mail of one identity on one host that may still lie there, by its fate: `held`, or `sent` for what was let through.
struct Shelf {
  std::string identity{};  ///< `kind:value`
  std::string host{};      ///< as the MTA calls itself
  Fate fate = Fate::held;
  auto operator<=>(const Shelf&) const = default;
};
struct ShelfCount {
  Shelf shelf{};
  std::int64_t count = 0;
  Timestamp oldest{};
};
/// A page of a shelf, the oldest first. What was let through and is among the last messages comes on a page before, and cannot be taken
/// away: what is pushed out of these meanwhile is told of twice, rather than not at all.
struct ShelfPage {
  struct Row {
    std::string place{};  ///< for take_away(); empty: cannot be
    QueuedMail mail{};
  };
  std::vector<Row> rows{};
  std::string next{};  ///< what to ask for, to go on; empty: this was the last
};

/// Where the shelf itself begins, after those that are among the last messages.
inline constexpr const char* shelf_begin = "0";
[[nodiscard]] ShelfPage page_of_last(const std::string& host, std::vector<QueuedMail> last);
/// Adds them to the shelves of their hosts.
void add_last_sent(std::vector<ShelfCount>& counts, const std::string& identity, std::span<const QueuedMail> last);

using SteadyMoment = std::chrono::steady_clock::time_point;

/// By what senders are ranked.
enum class Measure : std::uint8_t { messages, recipients, refused, networks, held };
inline constexpr std::array all_measures{Measure::messages, Measure::recipients, Measure::refused, Measure::networks, Measure::held};
[[nodiscard]] std::string_view name(Measure measure);
[[nodiscard]] std::optional<Measure> measure_called(std::string_view name);

/// What a tally counts by one measure; networks are not in it: `networks`.
[[nodiscard]] std::int64_t measured(const Tally& tally, std::int64_t networks, Measure measure);

/// The hours since 1970 of which the top is asked, both included; what is not kept any longer is left out.
struct TopQuestion {
  Kind kind = Kind::user;
  Measure measure = Measure::messages;
  std::int64_t first_hour = 0;
  std::int64_t last_hour = 0;
  std::size_t count = 20;
};
/// Of several hours: the sum, of networks the most in one of them. An hour may remember only Archive::ranked_of_hour of a kind, so
/// who was never among these may be missing. Networks are counted up to HistoryBounds::networks.
struct Ranked {
  std::string identity{};  ///< `kind:value`
  std::int64_t amount = 0;
  bool operator==(const Ranked&) const = default;
};
/// The greatest first; of equal ones by name.
[[nodiscard]] std::vector<Ranked> merged(const std::vector<std::vector<Ranked>>& hours, Measure measure, std::size_t count);

/// Messages that were sought, the newest first.
struct Search {
  struct Found {
    std::string identity{};  ///< `kind:value`
    PastMessage message{};
  };
  /// Each once: held mail stands on two shelves.
  void add(Found one);

  std::vector<Found> found{};
  std::size_t senders = 0;   ///< whose messages were looked at
  bool is_complete = true;   ///< false: there was no time for all
};
/// What is behind the kind of `kind:value`.
[[nodiscard]] std::string_view value_in(std::string_view identity);
/// Keeps the newest.
void sort_newest(std::vector<Search::Found>& found, std::size_t most);

/// Threads: any.
class Archive {
 public:
  static constexpr std::size_t ranked_of_hour = 100;

  Archive() = default;
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;
  virtual ~Archive() = default;

  /// Returns how many notes were surely not written, and what went wrong first; empty where nothing did. Begins nothing more
  /// after `until`.
  struct Unwritten {
    std::size_t notes;
    StoreError why;
  };
  [[nodiscard]] virtual std::optional<Unwritten> write(std::span<const Note> notes, SteadyMoment until) = 0;

  /// An identity that nothing is kept of has an empty one.
  [[nodiscard]] virtual Result<Chronicle, StoreError> read(const Identity& identity) = 0;

  [[nodiscard]] virtual Result<std::vector<Ranked>, StoreError> top(const TopQuestion& question) = 0;

  /// The histories of a few senders, `read_together` at most, in their order.
  static constexpr std::size_t read_together = 100;
  [[nodiscard]] virtual Result<std::vector<History>, StoreError> histories(std::span<const Identity> identities) = 0;

  /// Looks through the last messages of everybody for those that bear the name, the newest `most`, and where there is none, through the shelves for that
  /// queue id: of such a message not all is known. Begins nothing more after `until`.
  [[nodiscard]] virtual Result<Search, StoreError> find(const MessageName& name, std::size_t most, SteadyMoment until) = 0;

  static constexpr std::size_t most_of_page = 1000;

  /// The shelves of one identity that anything is on; without one, those of everybody that are known to be long: all held mail, the
  /// ones with the latest mail first, `most_shelves` at most.
  static constexpr std::size_t most_shelves = 1000;
  [[nodiscard]] virtual Result<std::vector<ShelfCount>, StoreError> shelves(const std::optional<Identity>& identity) = 0;

  /// `from`: empty for the first page, or what the one before says is next. Requires: count <= most_of_page.
  [[nodiscard]] virtual Result<ShelfPage, StoreError> page(const Shelf& shelf, const std::string& from, std::size_t count) = 0;
  /// What is at these places of it. Requires: most_of_page places at most.
  [[nodiscard]] virtual Result<std::vector<QueuedMail>, StoreError> mail_at(const Shelf& shelf, std::span<const std::string> places) = 0;
  /// What is not in the queue any more. Requires: most_of_page places at most, of that shelf.
  [[nodiscard]] virtual Result<void, StoreError> take_away(const Shelf& shelf, std::span<const std::string> places) = 0;

  /// Which hosts asked for orders within `host_seen_for`, the latest of them.
  static constexpr Milliseconds host_seen_for = std::chrono::minutes{1};
  static constexpr std::size_t most_hosts_seen = 1000;
  [[nodiscard]] virtual Result<void, StoreError> see_host(const std::string& host) = 0;
  [[nodiscard]] virtual Result<std::vector<std::string>, StoreError> hosts_seen() = 0;

  /// Adds an order; false: there are `most_orders` that are not over. Returns after it is kept.
  [[nodiscard]] virtual Result<bool, StoreError> give(const QueueOrder& order) = 0;
  /// The oldest first. What drop_passed() takes out is forgotten.
  [[nodiscard]] virtual Result<std::vector<OrderStatus>, StoreError> orders() = 0;
  /// What one host says of an order is kept as merged() says, at once: of several that write, none takes back that it has ended.
  /// Returns what is kept of it now; empty where the report counts for nothing, or the order is not known.
  [[nodiscard]] virtual Result<std::optional<OrderReport>, StoreError> report(const std::string& order, const std::string& host, const OrderReport& report) = 0;
};

}  // namespace quota
