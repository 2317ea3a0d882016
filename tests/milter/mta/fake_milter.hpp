// A listener that says to its one client, after the first packet, what a test wants it to say, and then either hangs up
// or keeps silent until the client leaves. For what libmilter would never say.
#pragma once

#include <string>
#include <thread>

#include "tests/milter/mta/temporary_directory.hpp"

class FakeMilter {
 public:
  enum class Then { hang_up, keep_silent };
  enum class Network { unix_path, inet, inet6 };

  FakeMilter(std::string says, Then then, Network network = Network::unix_path);
  ~FakeMilter();
  FakeMilter(const FakeMilter&) = delete;
  FakeMilter& operator=(const FakeMilter&) = delete;

  /// In libmilter's notation; the port is the system's choice.
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  void listen_on(Network network);
  void serve(const std::string& says, Then then) const;

  TemporaryDirectory directory_;
  std::string address_;
  int listener_ = -1;
  std::thread thread_;
};
