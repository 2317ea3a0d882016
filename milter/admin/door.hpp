// Door: what stands between a request and the routes: who is it, may a browser have been talked into sending it, and does he come too
// often. Knows no route.
//
// Tokens. A caller over TCP is nobody until he shows a token in `Authorization: Bearer …`. There are no cookies and no password
// dialogs: a browser never adds that header by itself, so no foreign page can make it act for its user.
//
// Browsers. The unix socket asks for no token, and `ssh -L 8025:/run/sendquota/admin.sock` brings it into reach of every page that the
// administrator's browser has open. So on both kinds of socket:
//   - a request with an `Origin`, or with a `Sec-Fetch-Site`, of another page is refused (forms and scripts of foreign pages: browsers
//     send these headers, and no page can change them);
//   - the `Host` must be an address, localhost, or listed in admin.hosts: a foreign name that was made to point here (DNS rebinding)
//     would be the same origin to the browser, and is told apart by nothing else;
//   - a body must be declared as JSON, which no form can do.
//
// Rates, over TCP: each token, and each address that shows none, has a token bucket; wrong tokens have a much smaller one, and each is
// a line of trouble for the log. A right token is let in even from an address that has used that up: behind a proxy all callers have one
// address, and nobody guesses 32 characters.
// Threads: any.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>

#include "milter/admin/listener.hpp"
#include "milter/admin/meter.hpp"

namespace milter::admin {

class Door {
 public:
  struct Tools {
    Service inside;                                        // answers who was let in
    std::function<std::shared_ptr<const Access>()> access;  // asked for each request, so that a token that was taken away ends at once
    std::function<quota::Timestamp()> now;                 // of any clock
    TroubleSink trouble;
  };
  explicit Door(Tools tools);

  /// 400, 403, 415, 401 or 429 for who is not let in.
  [[nodiscard]] Response answer(const RawRequest& raw);

 private:
  [[nodiscard]] quota::Result<Caller, Response> known(const RawRequest& raw, const Access& access);
  [[nodiscard]] Response wrong_token(const std::string& address, const std::string& peer);

  const Tools tools_;
  std::mutex mutex_;
  // Guarded by mutex_.
  Meter tokens_;
  Meter strangers_;
  Meter failures_;
};

}  // namespace milter::admin
