// Certificates: an authority of a test's own and what it signs, as PEM files made by the openssl command in a directory
// that goes with this object.
#pragma once

#include <string>

namespace test {

class Certificates {
 public:
  struct Pair {
    std::string cert;
    std::string key;
  };

  explicit Certificates(const std::string& authority = "Authority of a test");
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  [[nodiscard]] std::string ca() const { return file("ca.crt"); }

  /// A certificate and its key. `names` is a subjectAltName such as `DNS:localhost,IP:127.0.0.1`; empty: none. It is
  /// valid for `days`; -1: it was until a moment ago.
  [[nodiscard]] Pair issue(const std::string& names, int days = 30);

  /// A file of the directory with this text.
  [[nodiscard]] std::string write(const std::string& name, const std::string& text, unsigned mode = 0600) const;

  /// `openssl WORDS…`, within the directory; what it cannot do is thrown.
  void openssl(const std::string& words) const;

 private:
  [[nodiscard]] std::string file(const std::string& name) const { return directory_ + '/' + name; }

  std::string directory_;
  int issued_ = 0;
};

}  // namespace test
