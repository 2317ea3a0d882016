// The admin API, version 1: HTTP/1.1 and JSON over the admin unix socket. Scripts may rely on it: keys are added,
// never renamed or given another meaning, so a reader ignores the keys it does not know.
//
// Conventions. Times are RFC 3339 text in UTC, durations in requests are text as in the configuration (`1h`), numbers
// carry their unit as a suffix (`uptime_ms`). What is absent is null. An identity is `kind:value`; in a path every
// byte outside [A-Za-z0-9._~-] may be percent-encoded, and '/' and '%' must be:
// /v1/identities/script%3Amx1%2F1000%3Aform.php
//
//   GET    /v1/status                            → Status
//   GET    /v1/identities/{id}                   → Identity; one that never sent is full, not unknown
//   GET    /v1/blocked                           → {"blocked": [Block…]}
//   GET    /v1/limits                            → {"limits": [LiveLimit…]}: the table of overrides
//   GET    /v1/mode                              → Mode
//   PUT    /v1/mode                              {"mode": "observe|enforce", "for"?} → Mode
//   DELETE /v1/mode                              → Mode: again what the configuration says
//   POST   /v1/identities/{id}/release           {"reason"?} → {"identity", "released": bool, "refilled": bool,
//   "block": Block|null} POST   /v1/identities/{id}/block             {"for"?, "reason"?} → Block PUT
//   /v1/identities/{id}/limits/{quota}    {"limit", "for"?} → LiveLimit; id and quota may be `*` DELETE
//   /v1/identities/{id}/limits/{quota}    → {"identity", "quota", "removed": bool} POST   /v1/reload → {"file",
//   "loaded": time, "quotas": n, "warnings": [text…]}
//
// Status    {"version", "host", "pid", "started": time, "uptime_ms",
//            "config": {"file", "loaded": time, "quotas": n},
//            "mode": Mode,
//            "store": {"url" (without a password), "state": "ok|degraded", "since": time|null, "error": text|null},
//            "mail": {"accepted", "tempfailed", "rejected", "held", "discarded", "observed", "inbound", "uncovered"}:
//            since the start, "blocked": n, "live_limits": n, "warnings": [text…]}
// Mode      {"live": "observe|enforce"|null, "since": time|null, "until": time|null, "by": text|null,
//            "quotas": [{"quota", "mode": as configured, "effective": as applied}…]}
// Identity  {"identity", "account": text|null, "exempt": text|null, "blocked": Block|null, "limits": [Limit…],
//            "refusals": [{"quota", "count", "of", "window": "10m", "since": time}…],
//            "ladder": {"step", "forget_at": time}|null, "held": [{"host", "count", "max"}…]}
// Block     {"identity", "id", "since": time, "until": time|null (until released), "action":
// "tempfail|reject|quarantine",
//            "by_hand": bool, "quota": text|null, "step": n|null, "reason": text, "error": text|null (cannot be
//            understood)}
// Limit     {"quota", "limit": "250 messages / 15m", "unit": "messages", "amount": 250, "period": "15m"|"message"|null,
// "burst": 250,
//            "used": 33|null, "full_at": time|null (is full), "observed": bool,
//            "source": "quota|config override|live override|exemption"}
//            `unlimited` and `none` are a limit's whole text: amount, period, burst, used are null then.
// LiveLimit {"identity", "quota", "limit", "since": time|null, "until": time|null, "by": text|null, "error": text|null}
//
// Errors    {"error": what happened, "hint"?: what to do, "problems"?: [a line each]}
//           400 cannot be understood · 404 no such thing or path · 405 not this method · 409 refused · 413, 431 too
//           large 422 the configuration has problems, the old one goes on · 500 a bug · 503 the store has no answer
#pragma once

#include <chrono>
#include <cstddef>

namespace milter::admin {

inline constexpr const char* default_socket_path = "/run/sendquota/admin.sock";
inline constexpr std::size_t max_body_bytes = 64 * 1024;
inline constexpr std::size_t max_header_bytes = 8 * 1024;
inline constexpr std::size_t max_reason_bytes = 500;

}  // namespace milter::admin
