"""How fast, against libmilter alone and against the peers."""

from contextlib import ExitStack

from lab.filters import Noop, Rspamd, Sendquota, core_count
from lab.load import measure
from lab.policies import PolicydRateLimit, Postfwd
from lab.rounds import rounds


def closed_loop(report, count, seconds):
    """64 kept connections that send all the time: messages a second and CPU per message, with all peers."""
    with ExitStack() as stack:
        candidates = [stack.enter_context(one) for one in (
            Noop(), Noop("no-op, no headers", headers=False), Sendquota(store="redis"), Sendquota(store="memory"),
            Sendquota("sendquota, redis, no headers", headers=False), Rspamd(), PolicydRateLimit(), Postfwd())]
        found = rounds(candidates, count, lambda one: measure(one, seconds=seconds))
    report.speeds("closed loop, 64 kept connections, 1,000 senders", found, "no-op")
    ours, memory, noop, rspamd = found["sendquota, redis"], found["sendquota, memory"], found["no-op"], found["rspamd"]
    floor(report, ours, memory, noop, rspamd)
    report.goal("messages/s ÷ no-op, Redis", ours.per_second / noop.per_second, 0.80)
    report.goal("messages/s ÷ no-op, memory store", memory.per_second / noop.per_second, 0.95)
    for name, wanted in (("rspamd", 10), ("policyd-rate-limit", 15), ("postfwd", 7)):
        report.goal(f"messages/s ÷ {name}", ours.per_second / found[name].per_second, wanted)
    report.goal("messages/s without headers ÷ with", found["sendquota, redis, no headers"].per_second / ours.per_second, 1.6)
    report.goal("CPU per message, Redis included, ÷ rspamd", ours.cpu / rspamd.cpu, 0.15, at_least=False)
    report.goal("CPU per message, Redis included, ÷ no-op", ours.cpu / noop.cpu, 1.4, at_least=False)


def floor(report, ours, memory, noop, rspamd):
    """What a message's CPU time is made of, and what would be left of each goal if our own code cost nothing at all."""
    redis = ours.by_process["redis"]
    own = ours.cpu - noop.cpu - redis
    report.table("CPU µs of a message", ["µs", "of all"], {name: [1000 * value, f"{value / ours.cpu:.0%}"] for name, value in (
        ("libmilter (the no-op filter)", noop.cpu), ("Redis", redis), ("sendquotad itself, waiting included", own), ("all", ours.cpu))})
    load = core_count() * 1000 / noop.per_second - noop.cpu
    report.table("with a daemon that costs nothing beside libmilter and Redis", ["ratio"], {
        "messages/s ÷ no-op": [(noop.cpu + load) / (noop.cpu + load + redis)],
        "messages/s ÷ rspamd": [core_count() * 1000 / (noop.cpu + load + redis) / rspamd.per_second],
        "CPU ÷ no-op": [(noop.cpu + redis) / noop.cpu],
        "CPU ÷ rspamd": [(noop.cpu + redis) / rspamd.cpu],
        "memory store: sendquotad itself, of all": [1 - noop.cpu / memory.cpu]})


def open_loop(report, count, seconds):
    """1,000 messages a second on 64 connections, whatever the filter does: the times of one message."""
    with ExitStack() as stack:
        candidates = [stack.enter_context(one) for one in (Noop(), Sendquota(store="redis"), Sendquota(store="memory"), Rspamd())]
        found = rounds(candidates, count, lambda one: measure(one, rate=1000, seconds=seconds))
    report.speeds("open loop, 1,000/s, 64 connections", found, "no-op")
    report.table("the answer to the end of message", ["p50 µs", "p99 µs"],
                 {name: [one.answer_p50, one.answer_p99] for name, one in found.items()})
    ours, noop = found["sendquota, redis"], found["no-op"]
    report.goal("open loop: p50 ÷ no-op", ours.p50 / noop.p50, 1.25, at_least=False)
    report.goal("open loop: p99 ÷ no-op", ours.p99 / noop.p99, 1.5, at_least=False)


def longest(report, count, _):
    """The longest of 60,000 messages at 1,000 a second."""
    with ExitStack() as stack:
        candidates = [stack.enter_context(one) for one in (Noop(), Sendquota(store="redis"))]
        found = rounds(candidates, min(count, 3), lambda one: measure(one, rate=1000, seconds=60))
    report.speeds("open loop, 1,000/s, 64 connections, 60 s", found, "no-op")
    report.goal("longest message at 1,000/s ÷ no-op", found["sendquota, redis"].longest / found["no-op"].longest, 1.5, at_least=False)


def connections(report, count, seconds):
    """Messages a second with 1 to 1,000 connections, kept and new for each message."""
    numbers = (1, 16, 64, 256, 1000)
    lines = {}
    with ExitStack() as stack:
        candidates = [stack.enter_context(one) for one in (Noop(), Sendquota(store="redis"), Sendquota(store="memory"))]
        for new in (False, True):
            table = {}
            for number in numbers:
                found = rounds(candidates, min(count, 3), lambda one, number=number: measure(one, connections=number, new=new, seconds=min(seconds, 3)))
                for name, one in found.items():
                    table.setdefault(name, []).append(one.per_second)
            report.table(f"messages/s by connections, {'new for each message' if new else 'kept'}", numbers, table)
            lines |= {f"{name}, {'new' if new else 'kept'}": (numbers, speeds) for name, speeds in table.items()}
    report.plot("connections", "Messages a second by connections", "connections", "messages/s", lines)
