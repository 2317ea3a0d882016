"""What grows with the senders, the quotas and the time."""

import subprocess
import time
from contextlib import ExitStack

from lab.filters import GENEROUS, Sendquota, resident_bytes
from lab.load import measure
from lab.rounds import rounds
from rig import Redis
from rig.room import BUILD

SENDERS = (10**3, 10**4, 10**5, 10**6)
# A bucket that is full again is no longer kept: these are not for hours.
KEPT = [{"name": "mailbox", "per": "user", "limits": ["250 messages / 30d"], "warn_at": "off"}]


def quotas(report, count, seconds):
    """1, 4 and 16 quotas on a message."""
    numbers = (1, 4, 16)
    with ExitStack() as stack:
        candidates = {(store, number): stack.enter_context(Sendquota(f"{store}, {number}", store=store, headers=True, quotas=[
            {"name": f"mailbox-{index}", "per": "user", "limits": [GENEROUS], "warn_at": "off"} for index in range(number)]))
            for store in ("redis", "memory") for number in numbers}
        found = rounds(list(candidates.values()), count, lambda one: measure(one, seconds=seconds))
    report.speeds("quotas on a message, 64 kept connections", found, "redis, 1")
    speeds = {store: [found[f"{store}, {number}"].per_second for number in numbers] for store in ("redis", "memory")}
    report.plot("quotas", "Messages a second by quotas on a message", "quotas", "messages/s", {store: (numbers, ys) for store, ys in speeds.items()})
    report.goal("16 quotas ÷ 1 quota, messages/s", speeds["redis"][-1] / speeds["redis"][0], 0.6)


def senders(report, count, seconds):
    """1,000 to 1,000,000 senders, both stores: messages a second."""
    speeds, costs = {}, {}
    for store in ("redis", "memory"):
        with ExitStack() as stack:
            candidates = []
            for number in SENDERS:
                one = stack.enter_context(Sendquota(f"{store}, {number:,}", store=store))
                one.senders = number
                fill(one, number)
                candidates.append(one)
            found = rounds(candidates, count, lambda one: measure(one, senders=one.senders, seconds=seconds))
        report.speeds(f"senders, {store}", found, candidates[0].name)
        speeds[store] = [one.per_second for one in found.values()]
        costs[store] = [1000 * one.cpu for one in found.values()]
        report.goal(f"10⁶ senders ÷ 10³ senders, messages/s, {store}", speeds[store][-1] / speeds[store][0], 0.85)
    report.plot("senders", "Messages a second by senders", "senders", "messages/s", {store: (SENDERS, ys) for store, ys in speeds.items()})
    report.plot("cost", "CPU of a message by senders, the store's included", "senders", "µs", {store: (SENDERS, ys) for store, ys in costs.items()})


def record(report, count, seconds):
    """What it costs to keep who sent what: messages a second, and Redis' memory."""
    with ExitStack() as stack:
        candidates = [stack.enter_context(Sendquota(f"{store}, record {where}", store=store, config={"record": {"url": where}}))
                      for store in ("redis", "memory") for where in ("off", "store")]
        found = rounds(candidates, count, lambda one: measure(one, seconds=seconds))
    report.speeds("with the record of 1,000 senders and without", found, "redis, record off")
    for store in ("redis", "memory"):
        report.goal(f"messages/s with the record ÷ without, {store}", found[f"{store}, record store"].per_second / found[f"{store}, record off"].per_second, 0.95)
    sizes = {name: archived_bytes(number, *words) for name, number, words in (("20 messages a day for 30 days", 500, ("20", "30")), ("everything full", 300, ("full",)))}
    table = {name: [size, ids, ranks / 1e6, (size + ids) / 10 + ranks / 1e6] for name, (size, ids, ranks) in sizes.items()}
    report.table("Redis' memory for the record", ["B/sender", "B/sender queue ids", "MB rankings", "MB/100,000"], table)
    report.goal("MB for 100,000 senders with 20 messages a day for 30 days", table["20 messages a day for 30 days"][3], 500, at_least=False)
    report.goal("bytes of a sender with everything full", table["everything full"][0], 40_000, at_least=False)


def archived_bytes(senders, *words):
    """What one sender's keys take in Redis, its queue ids, and all rankings, after bench_archive has written what so many senders would leave there."""
    with Redis() as redis:
        subprocess.run([str(BUILD / "bin" / "bench_archive"), redis.url, str(senders), *words], check=True, timeout=900)

        def used(pattern):
            return sum(int(redis.cli("MEMORY", "USAGE", key, "SAMPLES", "0")) for key in redis.cli("--scan", "--pattern", pattern).split())
        return ((used("sendquota:history:*") + used("sendquota:messages:*")) / senders, (used("sendquota:sent:*") + used("sendquota:held:*")) / senders,
                used("sendquota:top:*") + used("sendquota:*shelves*"))


def fill(candidate, number):
    """One message from each."""
    measure(candidate, senders=number, in_turn=True, messages=number, warm_up=0, seconds=600)


def memory(report, _rounds, _seconds):
    """Bytes per sender in Redis and in the memory store, the daemon's size, and how long a snapshot takes."""
    columns = ["Redis B/sender", "daemon MB", "memory store B/sender", "snapshot s", "snapshot B/sender", "start s"]
    rows = {}
    for number in SENDERS:
        in_redis, daemon = redis_bytes(number)
        rows[f"{number:,}"] = [in_redis, daemon / 1e6, *memory_store(number)]
    report.table("per sender, one limit, 24-byte identity", columns, rows)
    most = rows[f"{SENDERS[-1]:,}"]
    report.goal("Redis bytes per active sender", most[0], 220, at_least=False)
    report.goal("daemon bytes per sender, memory store", most[2], 160, at_least=False)
    report.plot("bytes", "Bytes per sender", "senders", "bytes", {name: (SENDERS, [row[column] for row in rows.values()])
                                                                  for column, name in ((0, "in Redis"), (2, "in the memory store"))})
    report.plot("resident", "The daemon's memory, with Redis", "senders", "MB", {"sendquotad": (SENDERS, [row[1] for row in rows.values()])})
    report.plot("snapshot", "A stop with its snapshot, and the start after it", "senders", "seconds",
                 {"stop": (SENDERS, [row[3] for row in rows.values()]), "start": (SENDERS, [row[5] for row in rows.values()])})


def redis_bytes(number):
    with Sendquota("redis", headers=False, quotas=KEPT) as one:
        measure(one, senders=1, messages=1, warm_up=0, seconds=5)

        def used():
            return int(next(line for line in one.redis.cli("INFO", "memory").splitlines() if line.startswith("used_memory:")).split(":")[1])

        before = used()
        fill(one, number)
        return (used() - before) / number, resident_bytes(one.daemons[0].process.pid)


def memory_store(number):
    with Sendquota("memory", store="memory", headers=False, quotas=KEPT) as one:
        daemon = one.daemons[0]
        measure(one, senders=100, first_sender=9_000_000, messages=1000, warm_up=0, seconds=5)
        before = resident_bytes(daemon.process.pid)
        fill(one, number)
        grown = (resident_bytes(daemon.process.pid) - before) / number
        begun = time.monotonic()
        daemon.stop()
        stopped = time.monotonic()
        size = int(subprocess.run(["du", "-sb", str(daemon.path / "state")], capture_output=True, text=True, check=True).stdout.split()[0])
        again = time.monotonic()
        daemon.start()
        return grown, stopped - begun, size / number, time.monotonic() - again
