#include "milter/log.hpp"

#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace milter {
namespace {

using Target = LogSettings::Target;
constexpr const char* program = "sendquotad";

/// systemd names in JOURNAL_STREAM, as `DEVICE:INODE`, the stream to the journal that it gave us. Programs hand the variable on
/// to what they start elsewhere, so it counts only if standard error still is that stream.
bool is_stderr_the_journal() {
  const char* named = std::getenv("JOURNAL_STREAM");
  struct stat opened {};
  if (!named || fstat(STDERR_FILENO, &opened) != 0) return false;
  return std::to_string(opened.st_dev) + ":" + std::to_string(opened.st_ino) == named;
}

/// Under systemd the journal's own protocol, which keeps the level.
Target resolved(Target target) {
  if (target != Target::automatic) return target;
  return is_stderr_the_journal() ? Target::journal : Target::standard_error;
}

spdlog::sink_ptr sink_for(Target target) {
  if (target == Target::journal) return std::make_shared<spdlog::sinks::systemd_sink_mt>(program);
  if (target == Target::syslog) return std::make_shared<spdlog::sinks::syslog_sink_mt>(program, LOG_PID, LOG_MAIL, true);
  return std::make_shared<spdlog::sinks::stderr_sink_mt>();
}

/// The sink of the process's one logger, made with the first call. spdlog's default logger cannot be replaced while others
/// write through it, so a reload changes what is behind this sink instead, under its lock.
spdlog::sinks::dist_sink_mt& outlet() {
  static const auto sink = [] {
    auto made = std::make_shared<spdlog::sinks::dist_sink_mt>();
    auto logger = std::make_shared<spdlog::logger>(program, made);
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
    return made;
  }();
  return *sink;
}

spdlog::level::level_enum level_of(LogSettings::Level level) {
  switch (level) {
    case LogSettings::Level::debug: return spdlog::level::debug;
    case LogSettings::Level::info: return spdlog::level::info;
    case LogSettings::Level::warning: return spdlog::level::warn;
    case LogSettings::Level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void set_up_log(const LogSettings& settings) {
  const auto target = resolved(settings.target);
  auto sink = sink_for(target);
  // Journal and syslog add time, name and level themselves. spdlog's %P would ask the kernel for each line.
  sink->set_pattern(target == Target::standard_error ? "%Y-%m-%dT%H:%M:%S.%e%z sendquotad[" + std::to_string(::getpid()) + "]: %l: %v" : "%v");
  outlet().set_sinks({std::move(sink)});
  spdlog::default_logger_raw()->set_level(level_of(settings.level));
}

}  // namespace milter
