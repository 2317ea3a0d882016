"""Our script in redis-benchmark against a bare token bucket: what being exact, readable and general costs in Redis."""

import re
import statistics
import subprocess
from pathlib import Path

from rig import Redis, wait_for
from rig.wait import Folder, socket_answers

SOURCE = Path(__file__).resolve().parents[3] / "quota" / "store" / "take.lua"
BARE = Path(__file__).resolve().parents[1] / "bare_bucket.lua"
DEPTH = 16


def script(report, count, seconds):
    """Scripts a second at depth 16, 50 clients, a unix socket, 100,000 identities; and Redis' instructions for one."""
    with Redis() as redis:
        ours = redis.cli("-x", "SCRIPT", "LOAD", typed=SOURCE.read_text())
        bare = redis.cli("-x", "SCRIPT", "LOAD", typed=BARE.read_text())
        asked = {"bare token bucket": [bare, "1", "bare:{user:s__rand_int__@bench.test}", "1000000000", "86400000", "1"],
                 "ours, 1 limit": take(ours, 1), "ours, 4 limits": take(ours, 4)}
        speeds = {name: [] for name in asked}
        for turn in range(count):
            names = list(asked)
            for name in names[turn % len(names):] + names[:turn % len(names)]:
                speeds[name].append(run(redis, asked[name], seconds))
    middle = {name: statistics.median(found) for name, found in speeds.items()}
    base = middle["bare token bucket"]
    report.table("redis-benchmark, depth 16", ["scripts/s", "÷ bare"], {name: [speed, speed / base] for name, speed in middle.items()})
    counted = {name: instructions(BARE if words[0] == bare else SOURCE, words) for name, words in asked.items()}
    least = counted["bare token bucket"]
    report.table("Redis' instructions for one, which no other load disturbs", ["instructions", "bare ÷ it"],
                 {name: [number, least / number] for name, number in counted.items()})
    report.goal("our script ÷ a bare token bucket, 1 limit", middle["ours, 1 limit"] / base, 0.9)
    report.goal("our script ÷ a bare token bucket, 4 limits", middle["ours, 4 limits"] / base, 0.6)


def take(sha, limits):
    """The words of EVALSHA as the daemon sends them."""
    words = [sha, "1", "sendquota:{user:s__rand_int__@bench.test}", "take", str(limits)]
    for index in range(limits):
        words += [f"mailbox messages/{index + 1}d", "1000000000", "1000000000", str(86400000 * (index + 1)), "625", str(54 * (index + 1)), "1", "e"]
    return words


def run(redis, words, seconds):
    count = int(40000 * seconds)
    done = subprocess.run(["redis-benchmark", "-s", str(redis.socket), "-c", "50", "-P", str(DEPTH), "-n", str(count), "-r", "100000", "--csv",
                           "EVALSHA", *words], capture_output=True, text=True, check=True, timeout=300)
    if "ERR" in done.stderr:
        raise RuntimeError(done.stderr[:500])
    return float(done.stdout.strip().splitlines()[-1].split('","')[1])


def instructions(source, words, calls=8000, identities=400):
    """For one call, by callgrind: what it costs to come, to be answered, and to run."""
    folder = Folder("callgrind")
    socket, out = folder.path / "socket", folder.path / "out"
    server = subprocess.Popen(["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", "redis-server", "--port", "0",
                               "--unixsocket", str(socket), "--save", "", "--dir", str(folder.path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: socket_answers(socket), "Redis under valgrind answers")
        subprocess.run(["redis-cli", "-s", str(socket), "-x", "SCRIPT", "LOAD"], input=source.read_bytes(), stdout=subprocess.DEVNULL, check=True)
        for number, order in ((identities * 5, "--zero"), (calls, "--dump")):
            subprocess.run(["redis-benchmark", "-s", str(socket), "-c", "50", "-P", str(DEPTH), "-n", str(number), "-r", str(identities), "--csv",
                            "EVALSHA", *words], stdout=subprocess.DEVNULL, check=True, timeout=300)
            subprocess.run(["callgrind_control", order, str(server.pid)], stdout=subprocess.DEVNULL, check=True)
        wait_for(lambda: counts_in(folder.path), "callgrind has written what it counted")
        return max(counts_in(folder.path)) / calls
    finally:
        server.terminate()
        server.wait(30)
        folder.remove()


def counts_in(folder):
    return [int(found[1]) for path in folder.glob("out.*") if (found := re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.M))]
