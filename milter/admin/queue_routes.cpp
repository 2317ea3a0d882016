// Bodies here hold lists and numbers as well.
#include "milter/admin/queue_routes.hpp"

#include <algorithm>

#include "milter/admin/api.hpp"
#include "milter/admin/fields.hpp"
#include "milter/admin/order_routes.hpp"

namespace milter::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t most_listed = 1000;
constexpr std::size_t longest_listed = 1024;

Problem unreadable(std::string what) { return {.kind = Problem::Kind::bad_request, .what = std::move(what), .hint = ""}; }

bool is_readable(std::string_view text, std::size_t most) {
  return text.size() <= most && std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// Takes fields out of a body; what is not there is empty. The first mistake is kept.
class Body {
 public:
  explicit Body(const json::object& body) : left_(body) {}

  std::string text(const char* key) {
    const auto value = take(key);
    if (value.is_null()) return {};
    if (value.is_string() && is_readable(value.as_string(), max_reason_bytes)) return std::string(value.as_string());
    complain(std::string("\"") + key + "\" is no text of one line and at most 500 bytes");
    return {};
  }

  bool truth(const char* key) {
    const auto value = take(key);
    if (!value.is_null() && !value.is_bool()) complain(std::string("\"") + key + "\" is neither true nor false");
    return value.is_bool() && value.as_bool();
  }

  std::vector<std::string> texts(const char* key) {
    std::vector<std::string> all;
    for (const auto& value : list(key)) {
      if (value.is_string() && is_readable(value.as_string(), longest_listed))
        all.emplace_back(value.as_string());
      else
        complain(std::string("\"") + key + "\" holds something else than texts of one line");
    }
    return all;
  }

  std::vector<std::int64_t> numbers(const char* key) {
    std::vector<std::int64_t> all;
    for (const auto& value : list(key)) all.push_back(number(key, value));
    return all;
  }

  std::map<std::string, std::int64_t> numbers_by_name(const char* key) {
    std::map<std::string, std::int64_t> all;
    const auto value = take(key);
    if (!value.is_null() && (!value.is_object() || value.as_object().size() > most_listed)) complain(std::string("\"") + key + "\" is no object of numbers");
    if (!value.is_object()) return all;
    for (const auto& [name, one] : value.as_object()) {
      if (!is_readable(name, max_reason_bytes)) complain(std::string("\"") + key + "\" has a name that is no text of one line");
      all.emplace(name, number(key, one));
    }
    return all;
  }

  /// What is wrong, if anything is; after all fields were taken.
  std::optional<Problem> problem() const {
    if (!problem_.empty()) return unreadable(problem_);
    if (!left_.empty()) return unreadable("unknown field \"" + std::string(left_.begin()->key()) + "\"");
    return std::nullopt;
  }

 private:
  json::value take(const char* key) {
    const auto* const found = left_.if_contains(key);
    if (!found) return nullptr;
    auto value = *found;
    left_.erase(key);
    return value;
  }

  json::array list(const char* key) {
    const auto value = take(key);
    if (value.is_null()) return {};
    if (value.is_array() && value.as_array().size() <= most_listed) return value.as_array();
    complain(std::string("\"") + key + "\" is no list of at most 1000");
    return {};
  }

  std::int64_t number(const char* key, const json::value& value) {
    constexpr std::int64_t most = std::int64_t{1} << 53;
    if (value.is_int64() && value.as_int64() >= 0 && value.as_int64() <= most) return value.as_int64();
    complain(std::string("\"") + key + "\" holds something else than whole numbers");
    return 0;
  }

  void complain(std::string what) {
    if (problem_.empty()) problem_ = std::move(what);
  }

  json::object left_;
  std::string problem_{};
};

/// A handler that makes an order of body and path, and asks for it to be done.
template <class Read, class Act>
Handler with_body(Read read, Act act) {
  return [read, act](const Request& request, const Parameters& at) {
    for (const auto& [name, value] : at)
      if (!is_readable(value, max_reason_bytes)) return to_response(unreadable("the " + name + " cannot be read"));
    Body body(request.body);
    auto order = read(body, request, at);
    if (const auto problem = body.problem()) return to_response(*problem);
    return answer(act(order));
  };
}

MailOrder read_order(Body& body, const Request& request, const Parameters& at) {
  return {at.at("id"), body.text("fate"), body.text("act"), body.truth("with_bounces"), body.truth("at_once"), body.text("reason"), request.caller};
}

GoneOrder read_gone(Body& body, const Request&, const Parameters& at) {
  return {{at.at("id"), body.text("fate"), body.text("host")}, body.texts("places"), body.numbers_by_name("held_for"), body.truth("let_go")};
}

DoneOnHost read_done(Body& body, const Request& request, const Parameters& at) {
  return {{at.at("id"), body.text("fate"), body.text("host")}, body.text("act"), body.numbers_by_name("counts"), body.text("reason"), request.caller};
}

HostReport read_report(Body& body, const Request&, const Parameters& at) {
  return {at.at("order"), at.at("host"), body.text("state"), body.numbers_by_name("counts"), body.text("error"), body.texts("skips")};
}

}  // namespace

std::vector<Route> queue_routes(Operations& to) {
  const auto give = with_body(read_order, [&to](const MailOrder& order) { return to.order(order); });
  const auto order = [&to, give](const Request& request, const Parameters& at) {
    if (auto objection = objection_to_order(to, request.caller, at)) return std::move(*objection);
    const auto* const act = request.body.if_contains("act");
    if (request.caller.role < Role::admin && act && *act == "delete") return forbidden("mail is removed by the role admin only", R"(the role support may send it, or hold it)");
    return give(request, at);
  };
  return {
      {"POST", "/v1/identities/{id}/orders", order, Role::support, Reach::sender},
      {"POST", "/v1/identities/{id}/gone", with_body(read_gone, [&to](const GoneOrder& gone) { return to.gone(gone); })},
      {"POST", "/v1/identities/{id}/grant",
       with_body([](Body& body, const Request&, const Parameters& at) { return GrantQuestion{at.at("id"), body.numbers("recipients"), body.text("held_for")}; },
                 [&to](const GrantQuestion& question) { return to.grant(question); })},
      {"POST", "/v1/identities/{id}/told", with_body(read_done, [&to](const DoneOnHost& done) { return to.told(done); })},
      {"PUT", "/v1/orders/{order}/hosts/{host}", with_body(read_report, [&to](const HostReport& report) { return to.report(report); })},
  };
}

}  // namespace milter::admin
