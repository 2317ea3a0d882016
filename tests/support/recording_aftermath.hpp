// RecordingAftermath: what followed from verdicts, kept for a test to look at.
#pragma once

#include <string>
#include <vector>

#include "milter/session.hpp"

namespace milter {

class RecordingAftermath final : public Aftermath {
 public:
  struct Happened {
    quota::Event event;
    std::string once_as;
  };

  std::vector<quota::BlockDue> due{};
  std::vector<std::string> counted{};  ///< `IDENTITY QUOTA` for each refusal that no store has counted
  std::vector<Happened> events{};

  void block_due(const quota::BlockDue& one) override { due.push_back(one); }
  void refused(const quota::Identity& identity, const std::string& quota, quota::Milliseconds) override {
    counted.push_back(identity.text() + " " + quota);
  }
  std::vector<quota::Happening> record{};
  std::vector<std::string> scripts{};    ///< that the store is to be asked about
  std::vector<std::string> uncovered_on{};  ///< hosts

  void script_seen(const quota::Identity&, const std::string& script, std::size_t) override { scripts.push_back(script); }
  void uncovered(const quota::Sender&, const std::string& host, const UncoveredRule&, quota::Timestamp) override { uncovered_on.push_back(host); }
  void judged(quota::Happening&& happening) override { record.push_back(std::move(happening)); }
  void happened(quota::Event event, std::string once_as) override { events.push_back({std::move(event), std::move(once_as)}); }
};

}  // namespace milter
