#include "milter/log.hpp"

#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>

#include <cstdlib>

namespace milter {
namespace {

using Target = LogSettings::Target;
constexpr const char* program = "sendquotad";

Target resolved(Target target) {
  if (target != Target::automatic) return target;
  // systemd says by this variable that stderr leads to the journal; its own protocol keeps the level.
  return std::getenv("JOURNAL_STREAM") ? Target::journal : Target::standard_error;
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
  // Journal and syslog add time, name and level themselves.
  sink->set_pattern(target == Target::standard_error ? "%Y-%m-%dT%H:%M:%S.%e%z sendquotad[%P]: %l: %v" : "%v");
  outlet().set_sinks({std::move(sink)});
  spdlog::default_logger_raw()->set_level(level_of(settings.level));
}

}  // namespace milter
