"""The parts of the benchmark by name: functions of (report, rounds, seconds)."""

from . import exact, growth, held, postfix, refused, script, speed

PARTS = {
    "speed": speed.closed_loop,
    "connections": speed.connections,
    "open": speed.open_loop,
    "longest": speed.longest,
    "script": script.script,
    "refused": refused.refused,
    "quotas": growth.quotas,
    "record": growth.record,
    "senders": growth.senders,
    "memory": growth.memory,
    "postfix": postfix.postfix,
    "held": held.held,
    "exact": exact.exact,
}
