#include "tests/support/certificates.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace test {
namespace {

constexpr auto new_key = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

}  // namespace

Certificates::Certificates(const std::string& authority) {
  auto pattern = (std::filesystem::temp_directory_path() / "certificates-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  directory_ = pattern;
  openssl(std::string("req -x509") + new_key + " -keyout ca.key -out ca.crt -days 30 -subj '/CN=" + authority + "'");
}

Certificates::~Certificates() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Certificates::Pair Certificates::issue(const std::string& names, int days) {
  const auto name = std::to_string(++issued_);
  openssl(std::string("req") + new_key + " -subj /CN=localhost -keyout " + name + ".key -out request" +
          (names.empty() ? "" : " -addext subjectAltName=" + names));
  openssl("x509 -req -in request -CA ca.crt -CAkey ca.key -copy_extensions copy -days " + std::to_string(days) +
          " -out " + name + ".crt");
  ::chmod(file(name + ".key").c_str(), 0600);
  return {file(name + ".crt"), file(name + ".key")};
}

std::string Certificates::write(const std::string& name, const std::string& text, unsigned mode) const {
  std::ofstream(file(name)) << text;
  ::chmod(file(name).c_str(), mode);
  return file(name);
}

void Certificates::openssl(const std::string& words) const {
  const auto command = "cd '" + directory_ + "' && openssl " + words + " >openssl.log 2>&1";
  if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl " + words + " failed");
}

}  // namespace test
