// Operations that answer what a test told them to, and remember what they were asked.
#pragma once

#include <string>
#include <vector>

#include "milter/admin/operations.hpp"

namespace test {

using milter::admin::Caller;

class ScriptedOperations : public milter::admin::Operations {
 public:
  Answer next = boost::json::object{{"ok", true}};
  std::vector<std::string> asked;

  Answer status() override { return say("status"); }
  Answer show(const std::string& identity) override { return say("show " + identity); }
  Answer history(const std::string& identity) override { return say("history " + identity); }
  Answer ready() override { return say("ready"); }
  Answer ask_store() override { return say("ask_store"); }
  std::string metrics() override { return "a 1\n"; }
  Answer events(const milter::admin::EventsQuestion& q) override { return say("events identity=" + q.identity + " after=" + q.after + " count=" + q.count + (q.since + q.only == "" ? "" : " since=" + q.since + " only=" + q.only) + of(q.account)); }
  Answer who(const milter::admin::WhoQuestion& q) override { return say("who name=" + q.name + " count=" + q.count + of(q.account)); }
  Answer top(const milter::admin::TopQuestion& q) override { return say("top by=" + q.by + " per=" + q.per + " since=" + q.since + " count=" + q.count + of(q.account)); }
  Answer senders(const milter::admin::SendersQuestion& q) override {
    return say("senders by=" + q.by + " per=" + q.per + " since=" + q.since + " search=" + q.search + " offset=" + q.offset + " count=" + q.count + of(q.account));
  }
  Answer totals(const std::string& account) override { return say("totals" + of(account)); }
  bool is_of(const std::string& identity, const std::string& account) override { return identity.ends_with("@" + account); }
  Answer blocked(const milter::admin::BlockedQuestion& q) override {
    return say("blocked search=" + q.search + " offset=" + q.offset + " count=" + q.count + of(q.account));
  }
  Answer held() override { return say("held"); }
  Answer mail(const std::string& identity) override { return say("mail " + identity); }
  Answer shelf(const milter::admin::ShelfQuestion& q) override { return say("shelf " + named(q.shelf) + " from=" + q.from + " count=" + q.count); }
  Answer gone(const milter::admin::GoneOrder& o) override {
    std::string text = "gone " + named(o.shelf);
    for (const auto& place : o.places) text += " " + place;
    for (const auto& [identity, count] : o.held_for) text += " " + identity + "=" + std::to_string(count);
    if (o.let_go) text += " let_go";
    return say(text);
  }
  Answer grant(const milter::admin::GrantQuestion& q) override {
    std::string text = "grant " + q.identity;
    for (const auto recipients : q.recipients) text += " " + std::to_string(recipients);
    return say(text);
  }
  Answer orders(const milter::admin::OrdersQuestion& q) override { return say("orders host=" + q.host + by(q.by)); }
  Answer order(const milter::admin::MailOrder& o) override {
    return say("order " + o.identity + " " + o.fate + " " + o.act + (o.with_bounces ? " with_bounces" : "") + (o.at_once ? " at_once" : "") + " reason=" + o.reason + by(o.by));
  }
  Answer told(const milter::admin::DoneOnHost& d) override { return say("told " + named(d.shelf) + " " + d.act + " reason=" + d.reason + by(d.by)); }
  Answer report(const milter::admin::HostReport& r) override {
    std::string text = "report " + r.order + " " + r.host + " " + r.state + " error=" + r.error;
    for (const auto& [what, count] : r.counts) text += " " + what + "=" + std::to_string(count);
    for (const auto& skip : r.skips) text += " [" + skip + "]";
    return say(text);
  }
  Answer limits() override { return say("limits"); }
  Answer nodes() override { return say("nodes"); }
  Answer mode() override { return say("mode"); }
  Answer set_mode(const milter::admin::ModeOrder& o) override {
    return say("set_mode " + o.mode + lasting(o.lasting) + by(o.by));
  }
  Answer clear_mode(const Caller& caller) override { return say("clear_mode" + by(caller)); }
  Answer release(const milter::admin::ReleaseOrder& o) override {
    return say("release " + o.identity + (o.held.empty() ? "" : " held=" + o.held) + " reason=" + o.reason + by(o.by));
  }
  Answer block(const milter::admin::BlockOrder& o) override {
    return say("block " + o.identity + lasting(o.lasting) + " reason=" + o.reason + by(o.by));
  }
  Answer limit(const milter::admin::LimitOrder& o) override {
    return say("limit " + o.identity + " " + o.quota + " " + o.limit + lasting(o.lasting) + by(o.by));
  }
  Answer remove_limit(const milter::admin::RemoveLimitOrder& o) override {
    return say("remove_limit " + o.identity + " " + o.quota + by(o.by));
  }
  Answer reload(const Caller& caller) override { return say("reload" + by(caller)); }

 private:
  static std::string named(const milter::admin::ShelfName& shelf) { return shelf.identity + " " + shelf.fate + " " + shelf.host; }
  static std::string lasting(const std::optional<std::string>& text) { return text ? " for=" + *text : ""; }
  static std::string of(const std::string& account) { return account.empty() ? "" : " of=" + account; }
  static std::string by(const Caller& caller) { return " by=" + caller.user; }
  Answer say(std::string call) {
    asked.push_back(std::move(call));
    return next;
  }
};

}  // namespace test
