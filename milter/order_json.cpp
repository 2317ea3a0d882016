#include "milter/order_json.hpp"

#include "milter/api_json.hpp"
#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace milter {
namespace {

namespace json = boost::json;
using quota::OrderReport;

json::string valid(const std::string& text) { return json::string(quota::valid_utf8(text)); }

json::object report_json(const std::string& host, const OrderReport* report) {
  json::array skips;
  if (report)
    for (const auto& skip : report->skips) skips.push_back(valid(skip));
  const auto none = OrderReport{};
  const auto& counts = report ? *report : none;
  return {{"host", valid(host)},
          {"state", report ? json::string(name(report->state)) : json::string("waiting")},
          {"at", report ? json::value(quota::format_moment(report->at)) : json::value(nullptr)},
          {"counts", json::object{{"total", counts.total}, {"done", counts.done}, {"gone", counts.gone}, {"skipped", counts.skipped}, {"bounces", counts.bounces}}},
          {"error", text_json(quota::valid_utf8(counts.error))},
          {"skips", std::move(skips)}};
}

}  // namespace

json::object order_json(const quota::OrderStatus& status) {
  const auto& order = status.order;
  json::array hosts;
  for (const auto& host : order.hosts) {
    const auto report = status.reports.find(host);
    hosts.push_back(report_json(host, report == status.reports.end() ? nullptr : &report->second));
  }
  return {{"order", valid(order.id)},
          {"identity", valid(order.identity)},
          {"fate", json::string(name(order.fate))},
          {"act", json::string(name(order.act))},
          {"with_bounces", order.with_bounces},
          {"at_once", order.at_once},
          {"at", quota::format_moment(order.at)},
          {"by", valid(order.by)},
          {"reason", valid(order.reason)},
          {"over", status.is_over()},
          {"hosts", std::move(hosts)}};
}

}  // namespace milter
