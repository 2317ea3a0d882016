// Preloaded into a server, moves its wall clock: by as many seconds as the file named by SENDQUOTA_CLOCK_SHIFT holds, a
// native double at its begin that may change at any moment. Clocks that only count (monotonic ones) stay as they are.
//
// It asks the kernel itself, and maps the file before main(): a server's allocator may ask for the time before anything works.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

namespace {

const volatile double* shift = nullptr;

__attribute__((constructor)) void map_shift() {
  const char* path = std::getenv("SENDQUOTA_CLOCK_SHIFT");
  const int file = path ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void* mapped = ::mmap(nullptr, sizeof(double), PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (mapped != MAP_FAILED) shift = static_cast<const volatile double*>(mapped);
}

timespec moved(timespec time) {
  if (shift != nullptr) time.tv_sec += static_cast<time_t>(*shift);
  return time;
}

timespec wall_clock() {
  timespec time{};
  ::syscall(SYS_clock_gettime, CLOCK_REALTIME, &time);
  return moved(time);
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = ::syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) *time = moved(*time);
  return static_cast<int>(result);
}

int gettimeofday(timeval* __restrict time, void* __restrict) noexcept {
  const auto now = wall_clock();
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) noexcept {
  const auto now = wall_clock().tv_sec;
  if (out != nullptr) *out = now;
  return now;
}

}
