#include "tests/quota/store/trace_steps.hpp"

#include <algorithm>
#include <array>
#include <sstream>

#include "quota/time_text.hpp"

namespace quota::test {
namespace {

using namespace std::chrono_literals;

/// One field of a record, under each of the limits that it may be written under.
struct Field {
  const char* quota;
  Unit unit;
  Milliseconds period;
  std::array<std::pair<std::int64_t, std::int64_t>, 3> terms;  // amount, burst
};

// A unit of cost takes a minute or longer to come back, so that no record of a store with a real clock dies while a trace plays.
// Reduced and unreduced rates, primes, bursts above and below the amount, one of 2^53 minus little.
constexpr std::array fields{
    Field{"mailbox", Unit::messages, 15min, {{{10, 10}, {7, 12}, {13, 3}}}},
    Field{"mailbox", Unit::recipients, 24h, {{{200, 50}, {200, 60}, {199, 50}}}},
    Field{"mailbox", Unit::bytes, 24h, {{{500'000'000, 500'000'000}, {499'999'993, 104'249'991}, {1'000'000'000, 400'000'000}}}},
    Field{"strict", Unit::messages, 1h, {{{1, 1}, {2, 1}, {1, 2}}}},
    Field{"daily", Unit::messages, 90'061s, {{{97, 40}, {97, 97}, {1000, 20}}}},
    Field{"watched", Unit::messages, 10min, {{{5, 5}, {6, 4}, {3, 9}}}},
};

std::optional<Milliseconds> refusal_window(std::string_view quota) {
  if (quota == "mailbox") return 10min;
  if (quota == "strict") return 2h;
  return std::nullopt;
}

}  // namespace

const std::vector<Identity>& trace_identities() {
  static const std::vector<Identity> all{{Kind::user, "alice@example.com"}, {Kind::user, "bob@example.com"},
                                         {Kind::user_domain, "example.com"}, {Kind::script, "web1/1000:form.php"},
                                         {Kind::everyone, "all"}};
  return all;
}

Identity TraceSource::identity() {
  const auto& all = trace_identities();
  return all[static_cast<std::size_t>(below(static_cast<std::int64_t>(all.size())))];
}

Milliseconds TraceSource::clock_move() {
  switch (below(12)) {
    case 0: return -1ms * (1 + below(10));
    case 1: return -1s * below(7200);
    case 2: return 1h * below(48);
    case 3: return 24h * below(400);
    case 4:
    case 5: return 1min * below(90);
    default: return 1ms * below(60'000);
  }
}

std::int64_t TraceSource::cost(const Limit& limit) {
  const auto grain = std::max<std::int64_t>(limit.burst / 50, 1);
  switch (below(10)) {
    case 0: return 0;
    case 1: return limit.burst + below(2);
    case 2: return grain * (1 + below(limit.burst / grain));
    default: return std::min(limit.burst, grain * (1 + below(3)));
  }
}

std::vector<Charge> TraceSource::charges() {
  std::vector<Charge> charges;
  const auto wanted = 1 + below(6);
  const bool mixes_groups = below(2) == 0;
  for (std::int64_t i = 0; i < wanted; ++i) {
    const auto& field = fields[static_cast<std::size_t>(below(fields.size()))];
    const auto [amount, burst] = field.terms[static_cast<std::size_t>(below(8) < 5 ? 0 : below(3))];
    const auto limit = *Limit::make(field.unit, amount, field.period, burst);
    Charge charge{identity(), field.quota, limit, cost(limit), Group::enforced, refusal_window(field.quota)};
    if (mixes_groups && (charge.quota == "watched" || below(3) == 0)) charge.group = Group::observed;
    const auto is_the_same_bucket = [&](const Charge& other) {
      return other.identity == charge.identity && other.quota == charge.quota && other.limit.unit == limit.unit;
    };
    if (std::ranges::none_of(charges, is_the_same_bucket)) charges.push_back(std::move(charge));
  }
  return charges;
}

BlockMark TraceSource::mark(Timestamp now) {
  BlockMark mark{"block" + std::to_string(below(3)), {}, {}, {}};
  if (below(2) == 0) mark.ladder = Ladder{1 + below(4), now + 1h * (1 + below(200))};
  if (below(2) == 0) mark.quota = "mailbox";
  if (below(3) > 0) mark.until = now + 1min * (5 + below(600));
  return mark;
}

TraceStep TraceSource::next(Timestamp now) {
  const auto kind = below(100);
  if (kind < 35) return MoveClock{clock_move()};
  if (kind < 80) return AskTake{charges()};
  if (kind < 86) return AskPeek{charges()};
  if (kind < 89) return AskHold{identity(), below(2) == 0 ? "mx1" : "mx2", below(4)};
  if (kind < 92) return CountRefusals{{{identity(), "mailbox", 10min, 1 + below(5)}, {identity(), "strict", 2h, 1}}};
  if (kind < 95) return MarkBlocked{identity(), mark(now)};
  if (kind < 98) return Release{identity(), "block" + std::to_string(below(3))};
  return Refill{identity()};
}

namespace {

void describe(std::ostream& out, const std::vector<Charge>& charges) {
  for (const auto& charge : charges)
    out << "\n    " << charge.identity.text() << ' ' << charge.quota << " '" << format(charge.limit) << "' cost " << charge.cost
        << (charge.group == Group::enforced ? " enforced" : " observed");
}

struct Describer {
  std::ostream& out;
  void operator()(const MoveClock& step) const { out << "the clock moves by " << step.by.count() << " ms"; }
  void operator()(const AskTake& step) const { describe(out << "take", step.charges); }
  void operator()(const AskPeek& step) const { describe(out << "peek", step.charges); }
  void operator()(const AskHold& step) const { out << "hold " << step.identity.text() << ' ' << step.host << " most " << step.most; }
  void operator()(const CountRefusals& step) const {
    out << "count refusals";
    for (const auto& batch : step.batches) out << ", " << batch.refusals << " of " << batch.identity.text() << ' ' << batch.quota;
  }
  void operator()(const MarkBlocked& step) const { out << "mark " << step.identity.text() << ' ' << step.mark.id; }
  void operator()(const Release& step) const { out << "release " << step.identity.text() << ' ' << step.block; }
  void operator()(const Refill& step) const { out << "refill " << step.identity.text(); }
};

}  // namespace

std::string described(const TraceStep& step) {
  std::ostringstream out;
  std::visit(Describer{out}, step);
  return out.str();
}

}  // namespace quota::test
