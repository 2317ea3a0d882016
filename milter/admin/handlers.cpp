#include "milter/admin/handlers.hpp"

#include <functional>
#include <memory>
#include <utility>

#include "milter/admin/fields.hpp"
#include "milter/admin/order_routes.hpp"
#include "milter/admin/page.hpp"
#include "milter/admin/queue_routes.hpp"
#include "milter/admin/searches.hpp"

namespace milter::admin {
namespace {

/// A GET that the daemon answers from memory.
template <class Look>
Route look(std::string pattern, Reach reach, Look ask) {
  return {"GET", std::move(pattern), with_fields({}, [ask](const Request& request, const Parameters&, const Fields&) { return ask(request.caller); }),
          Role::read, reach, Pace::prompt};
}

/// A GET about one sender.
template <class Look>
Route look_at_sender(Operations& to, std::string pattern, Look ask) {
  return {"GET", std::move(pattern), with_fields({}, [&to, ask](const Request& request, const Parameters& at, const Fields&) {
            if (auto objection = objection_to(to, request.caller, at)) return std::move(*objection);
            return ask(at.at("id"), request.caller);
          }),
          Role::read, Reach::sender};
}

Response to_response(Operations::Answer result) { return answer(std::move(result)); }
Response to_response(Response response) { return response; }

/// What a query says, as typed; what is not there is empty.
struct Query {
  const std::map<std::string, std::string>& all;
  const Caller& caller;
  std::string operator()(const char* name) const {
    const auto found = all.find(name);
    return found == all.end() ? std::string() : found->second;
  }
};

/// A GET whose query has no parameters but `known`.
template <class Ask>
Route look_for(std::string pattern, Names known, Ask ask) {
  return {"GET", std::move(pattern), with_fields({}, [known = std::move(known), ask](const Request& request, const Parameters&, const Fields&) {
            if (auto objection = objection_to(request.query, known)) return std::move(*objection);
            return to_response(ask(Query{request.query, request.caller}));
          }),
          Role::read, Reach::sender};
}

/// Over TCP nobody need show a token for this, so it tells nothing but yes or no.
Response readiness(Operations& to, const Caller& caller) {
  auto ready = to.ready();
  if (!ready && caller.role == Role::none) return error_response(503, "the store has no answer", "");
  return answer(std::move(ready));
}

boost::json::object caller_json(const Caller& caller) {
  return {{"name", caller.user},
          {"role", name(caller.role)},
          {"account", caller.account.empty() ? boost::json::value(nullptr) : boost::json::value(caller.account)},
          {"token", !caller.address.empty()}};
}

/// Who is bound to an account is told how well the service is, and nothing of the cluster.
Response status(Operations& to, const Caller& caller) {
  auto whole = to.status();
  if (!whole) return answer(std::move(whole));
  auto& all = *whole;
  if (!caller.account.empty()) {
    boost::json::object store;
    if (const auto* const full = all.if_contains("store"); full && full->is_object())
      for (const char* const key : {"state", "since"})
        if (const auto* const value = full->as_object().if_contains(key)) store[key] = *value;
    const auto* const version = all.if_contains("version");
    all = {{"version", version ? *version : boost::json::value(nullptr)}, {"store", std::move(store)}};
  }
  all["caller"] = caller_json(caller);
  return answer(std::move(whole));
}

/// Those that the caller may see.
Response own_limits(Operations& to, const Caller& caller) {
  auto whole = to.limits();
  if (whole && !caller.account.empty()) {
    auto& rows = (*whole)["limits"].as_array();
    boost::json::array own;
    for (auto& row : rows)
      if (to.is_of(std::string(row.at("identity").as_string()), caller.account)) own.push_back(std::move(row));
    rows = std::move(own);
    if (auto* const doubt = whole->if_contains("error"); doubt && doubt->is_string()) *doubt = what_accounts_hear;
  }
  return answer(std::move(whole));
}

/// Why the record has no answer may name its server.
Response own_sender(Operations& to, const Caller& caller, const std::string& id) {
  auto whole = to.show(id);
  auto* const error = whole && !caller.account.empty() ? whole->if_contains("history_error") : nullptr;
  if (error && error->is_string()) *error = "the record has no answer";
  return answer(std::move(whole));
}

/// Which other messages have taken an id is not told to who is bound to an account: they may be anybody's. Nor is what a host met.
Response own_mail(Operations& to, const Caller& caller, const std::string& id) {
  auto whole = to.mail(id);
  auto* const orders = whole && !caller.account.empty() ? whole->if_contains("orders") : nullptr;
  if (orders)
    for (auto& order : orders->as_array())
      for (auto& host : order.at("hosts").as_array()) {
        auto& report = host.as_object();
        report["skips"] = boost::json::array();
        auto* const error = report.if_contains("error");
        if (error && error->is_string() && !error->as_string().starts_with("replaced by ")) *error = "an error on that host";
      }
  return answer(std::move(whole));
}

std::vector<Route> health_routes(Operations& to) {
  auto healthy = look("/healthz", Reach::sender, [](const Caller&) { return answer(boost::json::object{{"status", "ok"}}); });
  auto ready = look("/readyz", Reach::sender, [&to](const Caller& caller) { return readiness(to, caller); });
  healthy.least = ready.least = Role::none;
  return {std::move(healthy), std::move(ready),
          look("/metrics", Reach::cluster, [&to](const Caller&) { return Response{.text = to.metrics()}; })};
}

std::vector<Route> look_routes(Operations& to) {
  return {
      look("/v1/status", Reach::sender, [&to](const Caller& caller) { return status(to, caller); }),
      {"GET", "/v1/limits", with_fields({}, [&to](const Request& request, const Parameters&, const Fields&) { return own_limits(to, request.caller); }), Role::read,
       Reach::sender},
      look("/v1/mode", Reach::cluster, [&to](const Caller&) { return answer(to.mode()); }),
      {"GET", "/v1/nodes", with_fields({}, [&to](const Request&, const Parameters&, const Fields&) { return answer(to.nodes()); }), Role::read},
      look_at_sender(to, "/v1/identities/{id}", [&to](const std::string& id, const Caller& caller) { return own_sender(to, caller, id); }),
      {"GET", "/v1/held", with_fields({}, [&to](const Request&, const Parameters&, const Fields&) { return answer(to.held()); }), Role::read},
      look_at_sender(to, "/v1/identities/{id}/mail", [&to](const std::string& id, const Caller& caller) { return own_mail(to, caller, id); }),
      look_at_sender(to, "/v1/identities/{id}/history", [&to](const std::string& id, const Caller&) { return answer(to.history(id)); }),
  };
}

Route of_cluster(Route route) {
  route.reach = Reach::cluster;
  return route;
}

/// Of some events only, the stream may be read to its end.
bool is_search(const Query& at) { return !at("identity").empty() || !at("only").empty() || !at.caller.account.empty(); }

Response events(Operations& to, Searches& searches, const Query& at) {
  const auto ask = [&] { return answer(to.events({at("identity"), at("after"), at("count"), at("since"), at("only"), at.caller.account})); };
  return is_search(at) ? searches.run(at.caller, ask) : ask();
}

Response who(Operations& to, Searches& searches, const Query& at) {
  auto found = searches.run(at.caller, [&] { return answer(to.who({at("name"), at("count"), at.caller.account})); });
  if (at.caller.account.empty()) return found;
  // How many senders the cluster has is not for who is bound to an account.
  if (found.status == 404) found.body["error"] = "no message that is kept of the account's senders bears that";
  if (auto* const senders = found.body.if_contains("senders")) *senders = nullptr;
  return found;
}

std::vector<Route> search_routes(Operations& to) {
  const auto searches = std::make_shared<Searches>();
  return {
      look_for("/v1/top", {"by", "per", "since", "count"},
               [&to](const Query& at) { return to.top({at("by"), at("per"), at("since"), at("count"), at.caller.account}); }),
      look_for("/v1/blocked", {"search", "offset", "count"},
               [&to](const Query& at) { return to.blocked({at("search"), at("offset"), at("count"), at.caller.account}); }),
      look_for("/v1/senders", {"by", "per", "since", "search", "offset", "count"},
               [&to](const Query& at) { return to.senders({at("by"), at("per"), at("since"), at("search"), at("offset"), at("count"), at.caller.account}); }),
      look_for("/v1/store", {}, [&to](const Query&) { return to.ask_store(); }),
      look_for("/v1/totals", {}, [&to](const Query& at) { return to.totals(at.caller.account); }),
      look_for("/v1/events", {"identity", "after", "count", "since", "only"},
               [&to, searches](const Query& at) { return events(to, *searches, at); }),
      of_cluster(look_for("/v1/shelf", {"identity", "fate", "host", "from", "count"},
                          [&to](const Query& at) { return to.shelf({{at("identity"), at("fate"), at("host")}, at("from"), at("count")}); })),
      of_cluster(look_for("/v1/orders", {"host"}, [&to](const Query& at) { return to.orders({at("host"), at.caller}); })),
      look_for("/v1/who", {"name", "count"}, [&to, searches](const Query& at) { return who(to, *searches, at); }),
  };
}

}  // namespace

std::vector<Route> routes_for(Operations& operations) {
  auto routes = page_routes();
  for (auto* more : {&health_routes, &look_routes, &search_routes, &order_routes, &queue_routes})
    for (auto& route : more(operations)) routes.push_back(std::move(route));
  return routes;
}

}  // namespace milter::admin
