#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

// Moments are shown in local time; the expected texts are written in UTC.
int main(int argc, char** argv) {
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
  return doctest::Context(argc, argv).run();
}
