// The admin API, version 1: HTTP/1.1 and JSON over the admin unix socket and, with tokens, over TCP (admin.tcp). Scripts may rely on it: keys are added,
// never renamed or given another meaning, so a reader ignores the keys it does not know.
//
// Conventions. Times are RFC 3339 text in UTC, durations in requests are text as in the configuration (`1h`), numbers
// carry their unit as a suffix (`uptime_ms`). What is absent is null. Texts are UTF-8; a byte in a table that is none is
// U+FFFD. An identity is `kind:value`; in a path every byte outside [A-Za-z0-9._~-] may be percent-encoded, and '/' and
// '%' must be: /v1/identities/script%3Amx1%2F1000%3Aform.php
//
// Who asks. Over the unix socket whoever its group lets in, as the role admin; over TCP a token, `Authorization: Bearer TOKEN`. Below,
// R, S and A are the least roles (read, support, admin), – is nobody in particular; a * is not for tokens that are bound to an account,
// who find only their own senders in all others, and get 403 for other ones. `support` orders nothing about `*` and everyone; its limits
// need "for", at most 31d, and do not take the place of one without an end. What is refused to browsers: milter/admin/door.hpp.
//
// clang-format off
//   GET    /, /page.css, /parts.js, /mail.js, /page.js, /icon.svg  – the web page, no JSON
//   GET    /healthz                            – → {"status": "ok"}: the daemon lives
//   GET    /readyz                             – → the same while the store answers, else 503
//   GET    /metrics                           R* → Prometheus' text format, no JSON
//   GET    /v1/status                          R → Status; to a token of an account only "version", "caller", and of "store" "state", "since"
//   GET    /v1/store                           R → {"status": "ok"}, after one small question to the store; 503 without an answer
//   GET    /v1/identities/{id}                 R → Identity; one that never sent is full, not unknown
//   GET    /v1/identities/{id}/history         R → WholeHistory
//   GET    /v1/totals                          R → Totals: the last 24 hours of everybody; to a token of an account, of that account
//   GET    /v1/senders?by=&per=&since=&search=&offset=&count=
//                                              R → Senders: those with any of `by` (as Top, or identity) since 24h, page by page, 100 at once at most
//   GET    /v1/top?by=&per=&since=&count=      R → Top: by messages|recipients|refused|held|networks, per a kind, since a duration ago
//   GET    /v1/events?identity=&after=&count=  R → Events: the newest `count`, of one identity, after the event with that id
//                     &since=&only=daily            also since a duration ago, only those that notify.daily names
//   GET    /v1/who?name=&count=                R → Who: whose message bears that queue id, Message-ID, client address, or text in a header
//   GET    /v1/held                           R* → {"held": [Shelf…]}: whose mail is held where, the latest first; 1000 at most
//   GET    /v1/identities/{id}/mail            R → {"identity", "held": [Shelf…], "sent": [Shelf…; of a uid, a domain,
//                                                an account or a host those of its members that sent most within a day], "orders": [Order…]}
//   GET    /v1/shelf?identity=&fate=&host=&from=&count=
//                                             R* → ShelfPage: queue ids, the oldest first; fate held or sent
//   GET    /v1/orders?host=                   R* → Orders: about mail in the queues; of one host those that it has not ended. For A this
//                                                writes: that host is there, and what is ordered within a minute is ordered of it too
//   GET    /v1/blocked?search=&offset=&count=  R → {"blocked": [Block… the newest first, all where no count is typed], "total": n, "error": Doubt}
//   GET    /v1/limits                          R → {"limits": [LiveLimit…], "error": Doubt}: the table of overrides
//   GET    /v1/nodes                          R* → Nodes: the daemons that share the store
//   GET    /v1/mode                           R* → Mode, with "error": Doubt
//   PUT    /v1/mode                           A* {"mode": "observe|enforce", "for"?} → Mode
//   DELETE /v1/mode                           A* → Mode: again what the configuration says
//   POST   /v1/identities/{id}/release         S {"reason"?, "held"?: "send|delete|keep"} → {"identity", "released": bool,
//                                                "refilled": bool, "block": Block|null, "order": Order|null (about held mail)}; A to delete
//   POST   /v1/identities/{id}/orders          S {"fate": "held|sent", "act": "send|delete|hold", "with_bounces"?: bool, "at_once"?: bool,
//                                                "reason"?} → Order: for every host that has such mail; A to delete
//   POST   /v1/identities/{id}/grant          A* {"recipients": [n… of each message], "held_for"?: identity} → {"granted": how many of these
//                                                messages its quotas and those of whom they were held for let go now,
//                                                which are charged, "retry_ms": n, "blocked": identity|null (who sends nothing)}
//   POST   /v1/identities/{id}/gone           A* {"fate", "host", "places": [text…], "held_for": {identity: n…}, "let_go"?: bool (held
//                                              mail that was sent: recorded as such from now on)} → {"taken": n}
//   POST   /v1/identities/{id}/told           A* {"fate", "host", "act", "counts", "reason"?} → {"identity", "host"}: what was done by hand
//   PUT    /v1/orders/{order}/hosts/{host}    A* a Report → {"order", "host"}; the last three are of sendquota-queue(8) and of the command
//   POST   /v1/identities/{id}/block           S {"for"?, "reason"?} → Block
//   PUT    /v1/identities/{id}/limits/{quota}  S {"limit", "for"?} → LiveLimit; id and quota may be `*`
//   DELETE /v1/identities/{id}/limits/{quota}  S → {"identity", "quota", "removed": bool}
//   POST   /v1/reload                         A* → {"file", "loaded": time, "quotas": n, "warnings": [text…]}
//
// The mode and everybody's limit on every quota (both `*`) share one entry: while it holds one, orders about the other are 409.
//
// Status    {"version", "host", "pid", "started": time, "uptime_ms",
//            "config": {"file", "loaded": time, "quotas": n, "fingerprint"},
//            "mode": Mode,
//            "store": {"url" (without a password), "state": "ok|degraded", "since": time|null, "error": text|null,
//                      "tables_error": text|null (the live tables cannot be read, what is known of them holds),
//                      "state_error": text|null (what state_dir must keep is not kept),
//                      "last_outage": {"from": time, "to": time, "error"}|null},
//            "nodes": {"alive": n, "counted": n, "shared_by": n, "setting": "auto"|n, "differ": bool}: as of the last heartbeat,
//            "mail": {"accepted", "tempfailed", "rejected", "held", "discarded", "observed", "inbound", "uncovered"}: since the start,
//            "record": {"on": bool, "error": text|null (it cannot be written, and has gaps), "dropped": messages that are in no history},
//            "signals": Signals, "blocked": n, "live_limits": n, "warnings": [text…],
//            "caller": {"name", "role": "read|support|admin", "account": text|null, "token": bool (false: the unix socket)}}
// Signals   what happened since the start that somebody should look into, or explains other numbers:
//           {"refused_early": at MAIL or RCPT, before the message was there,
//            "store_errors": questions without an answer,
//            "php_headers_ignored": from where none is believed, "php_headers_repeated": of a believed header those after the first,
//            "php_headers_malformed": believed, and no script's, "php_evaluated": eval()'d code,
//            "scripts_over_bound": charged as +others (identity.max_scripts_per_uid),
//            "without_login": authenticated, and the MTA sent no {auth_authen},
//            "not_negotiated": judged without an event that a reload made necessary,
//            "quarantine_failed", "events_dropped": the store took them too slowly,
//            "notifications": that notify.command took, "notifications_failed": that it did not,
//            "never_negotiated": connections that did not speak the milter protocol,
//            "abandoned": outgoing messages that ended before their end,
//            "connections", "open_connections": now}
// Mode      {"live": "observe|enforce"|null, "since": time|null, "until": time|null, "by": text|null,
//            "quotas": [{"quota", "mode": as configured, "effective": as applied}…]}
// Identity  {"identity", "account": text|null, "exempt": text|null, "blocked": Block|null, "limits": [Limit…],
//            "refusals": [{"quota", "count", "of", "window": "10m", "since": time}…],
//            "ladder": {"step", "forget_at": time}|null, "held": [{"host", "count", "max"}…],
//            "history": History|null (nothing is recorded, or history_error), "history_error": text|null, "networks_most": NetworksMost}
// History   {"first": time|null (when it was first seen), "last_hours": [Tally… 24 hours, the oldest first],
//            "networks": [{"network", "last": time, "messages": n}… the newest first], "scripts": [text…],
//            "messages": [Message… the newest first, 20 at most]}; scripts and messages of a uid, a user_domain, an account or a local
//            client are those of its ten scripts or logins that sent most within a day
// WholeHistory  a History with all messages, and {"identity", "hours": [Tally…], "five_minutes": [Tally…]}: those with mail
// Tally     {"at": time (when it began), "sent": n, "refused": n, "held": n, "recipients_sent": n, "recipients_refused": n,
//            "recipients_held": n}
// Message   {"at": time, "verdict": "accept|tempfail|reject|quarantine|discard", "cause", "quota": text|null, "queue_id": text|null, "host",
//            "client": address|null, "from", "script": text|null, "recipients": n, "first_recipients": [text…], "subject",
//            "headers": {name: text…}}; what senders typed is as they typed it
// NetworksMost  n: no more networks of a sender are known (record.networks); as many are as many or more
// Top       {"by", "per", "since": time (of whole hours), "kept_since": time|null (where that is later: record.hours_for),
//           "recorded": bool (false: record.per leaves the kind out), "networks_most": NetworksMost, "top": [{"identity", "amount": n}…]}; who was never among the first 100 of
//           an hour may be missing
// Totals    {"identity", "step": "15m|1h" (how far apart), "tallies": [Tally… 24 hours, the oldest first, those without mail too]}
// Senders   {"by", "per", "since": time (of whole hours), "offset": n, "total": n, "networks_most": NetworksMost, "senders": [{"identity", "sent": n, "refused": n, "held": n,
//            "recipients": n (of what was sent), "networks": n, "first": time|null, "blocked": bool}…]}; who is missing in Top is missing here
// Events    {"events": [{"id", "at": time, "event", "severity": "info|warning|error", "identity": text|null, "text", "by", "host"}…
//            the newest first], "last": id|null (of the newest event there is, of whomever: to go on `after`)}
// Who       {"name", "found": [a Message with "identity"… the newest first], "senders": n|null (looked at; null for a token of an account), "complete": bool (false: there
//            was no time for all of them)}; 404 where there is none
// Shelf     {"identity", "host", "fate": "held|sent", "count": n, "oldest": time}: mail that may lie in a queue. Held mail is under the
//           identity that lists it (login, script, sender or client), and under the one whose limit held it
// ShelfPage {"identity", "host", "fate", "now": time (by the clock of "at"), "default_realm", "next": text|null (what to ask `from`),
//            "mail": [{"place": text|null, "at": time (when it was judged), "queue_id", "from", "login": text|null (not known),
//            "recipients": n, "held_for": identity|null, "listed": identity|null}…]}
// Orders    {"orders": [Order…], "auto": [identity… whose held mail that host is to send as the quotas refill; for A], "default_realm"}
// Order     {"order": id, "identity", "fate", "act", "with_bounces": bool, "at_once": bool, "at": time, "by", "reason", "over": bool,
//            "hosts": [a Report with "host"…]}; a host that has not answered is "waiting"
// Report    {"state": "waiting|running|done|failed", "at": time|null, "counts": {"total", "done", "gone": no longer there,
//            "skipped": another message has the id, "bounces"}, "error": text|null, "skips": [text… the first 100; none for a token of an account, nor what the error was: they tell of others' mail]}
// Block     {"identity", "id", "since": time|null, "until": time|null (until released), "action": "tempfail|reject|quarantine",
//            "by_hand": bool, "by": text|null (who ordered it through the command), "quota": text|null, "step": n|null,
//            "reason": text, "error": text|null (what stands in the table; cannot be understood, and blocks until released)}
// Doubt     text|null: the store has no answer, this is what was known last
// Limit     {"quota", "limit": "250 messages / 15m", "unit": "messages", "amount": 250, "period": "15m"|"message"|null, "burst": 250,
//            "used": 33|null, "full_at": time|null (is full), "observed": bool, "source": "quota|config override|live override"}
//            `unlimited` and `none` are a limit's whole text: unit, amount, period, burst, used are null then.
// Nodes     {"nodes": [Node…], "alive": n, "counted": n (seen within a day), "shared_by": n (the limits while the store is away),
//            "setting": "auto"|n, "error": text|null (the store has no answer; this is what was read last)}
// Node      {"node": host or host/mark, "version", "config": fingerprint, "config_since": time, "seen": time,
//            "state": "normal|degraded|stopped", "since": time, "alive": bool,
//            "differs": bool (from the configuration of most that are alive), "self": bool}
// LiveLimit {"identity", "quota", "limit": text|null, "since": time|null, "until": time|null, "by": text|null,
//            "error": text|null (what stands in the table; cannot be understood, and counts for nothing: limit is null then)}
//            Where the entry's field cannot be understood either, identity is the whole field and quota is null.
//
// Errors    {"error": what happened, "hint"?: what to do, "problems"?: [a line each]}
//           400 cannot be understood · 401 no token, or a wrong one · 403 not for this caller, or sent by another page · 404 no such thing or path · 405 not this method · 409 refused · 413, 431 too large · 415 the
//           body is not declared as JSON · 429 too often, see Retry-After (over TCP also:
//           a token has one search at a time, all tokens two; a search is who, and events of one identity or account, or with only) ·
//           422 the configuration has problems, the old one goes on · 500 a bug · 503 the store has no answer; a token of an account is not told why
//
// With --json the command prints these answers as they came, and of the commands that ask no daemon:
//
// try           {"messages": [{"first": n, "last": n, "verdict": "accept|quarantine|discard|tempfail|reject",
//                 "stage": "CONNECT|HELO|MAIL|RCPT|DATA|HEADER|END-OF-MESSAGE", "answer": text (what the SMTP client was told)}…]}:
//               messages in a row that met the same; after what was played comes "error", "hint"? if it ended early
// check-config  {"grants": [{"title": whom it is for, "notes": [text…], "rows": [Row…]}…], "warnings": [text…]}, or an Error
//   Row         {"what": "250 messages / 15m", "unit": "messages|recipients|bytes", "at_once": n, "in_period": n|null (the worst),
//                "in_hour": n, "in_day": n, "in_month": n}
// incident, report  answers from above in one object, by names that sendquota(1) tells; null is one that could not be had, and
//               "errors": {its name: text…} says why
// --help, --version  {"help": text}, {"version": text}
// clang-format on
#pragma once

#include <chrono>
#include <cstddef>

namespace milter::admin {

inline constexpr const char* default_socket_path = "/run/sendquota/admin.sock";
inline constexpr std::size_t max_body_bytes = 64 * 1024;
inline constexpr std::size_t max_header_bytes = 8 * 1024;
inline constexpr std::size_t max_reason_bytes = 500;

// How long each end waits for the other.
inline constexpr std::chrono::seconds request_timeout{5};    // the daemon for a whole request
inline constexpr std::chrono::seconds response_timeout{5};   // the daemon until its answer is taken
inline constexpr std::chrono::seconds command_patience{15};  // the command for its turn and the whole answer
static_assert(command_patience > request_timeout + response_timeout, "a caller outlasts the one before it");

}  // namespace milter::admin
