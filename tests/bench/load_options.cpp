#include "tests/bench/load_options.hpp"

#include <CLI/CLI.hpp>

namespace bench {

quota::Result<LoadOptions, std::string> parse_load_options(int argc, char** argv) {
  LoadOptions options;
  std::vector<std::string> watched;
  CLI::App app{"bench_load: messages to filters as Postfix 3.7 would tell of them; figures as one line of JSON"};
  app.add_option("target", options.targets, "unix:/path, inet:port@host; several share the connections")->required();
  app.add_option("--protocol", options.protocol)->check(CLI::IsMember({"milter", "policy"}));
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 20000));
  app.add_flag("--new", options.is_new_each, "a connection for each message");
  app.add_option("--senders", options.senders)->check(CLI::Range(1, 10'000'000));
  app.add_option("--first-sender", options.first_sender)->check(CLI::Range(0, 10'000'000));
  app.add_option("--zipf", options.zipf, "exponent; 0 is uniform")->check(CLI::Range(0.0, 4.0));
  app.add_flag("--in-turn", options.in_turn, "senders one after the other");
  app.add_option("--rate", options.rate, "messages a second, open loop; 0 is a closed loop")->check(CLI::Range(0.0, 1e6));
  app.add_option("--warm-up", options.warm_up, "seconds")->check(CLI::Range(0.0, 600.0));
  app.add_option("--seconds", options.seconds)->check(CLI::Range(0.1, 3600.0));
  app.add_option("--messages", options.messages, "at most, warm-up included");
  app.add_option("--headers", options.headers)->check(CLI::Range(1, 100));
  app.add_option("--recipients", options.recipients)->check(CLI::Range(1, 1000));
  app.add_option("--watch", watched, "NAME=PID: tell its CPU time");
  try {
    app.parse(argc, argv);
    for (const auto& one : watched) {
      const auto equals = one.find('=');
      if (equals == std::string::npos) return "--watch " + one + ": write NAME=PID";
      options.watched.emplace_back(one.substr(0, equals), std::stoi(one.substr(equals + 1)));
    }
  } catch (const CLI::Success&) {
    return app.help();
  } catch (const std::exception& error) {
    return std::string(error.what());
  }
  return options;
}

}  // namespace bench
