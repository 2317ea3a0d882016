// What is asked and ordered about mail in the queues of MTAs: values between the routes and the daemon (operations.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "milter/admin/request.hpp"

namespace milter::admin {

/// The mail of one sender on one host: as typed, but for numbers.
struct ShelfName {
  std::string identity;
  std::string fate;  // held | sent
  std::string host;
};

struct ShelfQuestion {
  ShelfName shelf;
  std::string from;   // empty: the first page
  std::string count;  // 1000
};

/// What is not in the queue any more.
struct GoneOrder {
  ShelfName shelf;
  std::vector<std::string> places;
  std::map<std::string, std::int64_t> held_for;  // how many of them counted for whom
  bool let_go = false;                           // it was sent: recorded from now on as what was let through
};

/// How many messages, in this order, may go at the sender's own rate.
struct GrantQuestion {
  std::string identity;
  std::vector<std::int64_t> recipients;  // of each message
  std::string held_for;                  // whose limit held them: theirs are charged as well
};

/// What one host is to do, or, without one, all orders. Where the role admin names a host, that is the host itself.
struct OrdersQuestion {
  std::string host;
  Caller by;
};

struct MailOrder {
  std::string identity;
  std::string fate;  // held | sent
  std::string act;   // send | delete | hold
  bool with_bounces = false;
  bool at_once = false;
  std::string reason;
  Caller by;
};

/// What the command, run by root, has done on one host without an order.
struct DoneOnHost {
  ShelfName shelf;
  std::string act;
  std::map<std::string, std::int64_t> counts;
  std::string reason;
  Caller by;
};

/// How far a host has come (quota/queue_order.hpp).
struct HostReport {
  std::string order;
  std::string host;
  std::string state;  // running | done | failed
  std::map<std::string, std::int64_t> counts;  // total, done, gone, skipped, bounces
  std::string error;
  std::vector<std::string> skips;
};

}  // namespace milter::admin
