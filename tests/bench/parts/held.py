"""What an administrator waits for who removes the held mail of one sender."""

import json
import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from rig import Client, Daemon, Postfix, Redis, wait_for
from rig.room import BUILD

MINE, OTHERS = 100_000, 5_000
CONNECTIONS = 16
MOST_ROUNDS = 3
ALICE, BOB = "alice@example.test", "bob@example.test"
SPOOL = "/run/spool"  # in memory, so that no disk is measured
PROGRAMS = ("sendquota", "sendquota-queue")


class Held:
    """A Postfix whose queue holds that mail, with the record of it in Redis; back() undoes what was done."""

    def __init__(self):
        self.redis = Redis()
        self.daemon = self.mx = None

    def __enter__(self):
        self.daemon = Daemon({"hold": {"max": 2 * MINE}, "record": {"queue_ids": 2 * MINE},
                              "quota": [{"name": "mailbox", "per": "user", "limits": ["1 messages / 30d"], "action": "quarantine"}]}, store=self.redis.url)
        self.daemon.start()
        self.mx = Postfix("mx1", milters=[self.daemon.milter], settings={"queue_directory": SPOOL})
        self.mx.room.run("cp", "-a", "/var/spool/postfix", SPOOL)
        self.mx.start()
        for program in PROGRAMS:
            shutil.copy(BUILD / "bin" / program, self.mx.path / program)
        return self

    def __exit__(self, *_):
        for one in (self.mx, self.daemon, self.redis):
            if one:
                one.close()

    def fill(self):
        """Both senders at once, so that their messages are mixed."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for done in [pool.submit(self._send, share) for share in range(CONNECTIONS)]:
                done.result()
        wait_for(lambda: len(self.ids()) == MINE + OTHERS, "all but the first ones are held", deadline=60)
        self.mine = sorted(mail["queue_id"] for mail in self.mx.queue("hold") if mail["sender"] == ALICE)
        self.others = self.ids() - set(self.mine)
        assert (len(self.mine), len(self.others)) == (MINE, OTHERS)
        wait_for(lambda: self.listed() == {f"user:{ALICE}": MINE, f"user:{BOB}": OTHERS}, "all are recorded", deadline=60)
        self.mx.room.run("cp", "-a", f"{SPOOL}/hold", "/run/hold.before", timeout=300)
        self._copy_keys("sendquota:", "kept:sendquota:")

    def _send(self, share):
        for login, count in ((ALICE, MINE + 1), (BOB, OTHERS + 1)):
            with Client(self.mx.ports["xclient"], xclient=login) as client:
                for _ in range(share, count, CONNECTIONS):
                    assert client.send(sender=login).accepted

    def ids(self):
        return {path.name for path in (self.mx.room.root / SPOOL[1:] / "hold").iterdir()}

    def listed(self):
        return {row["identity"]: row["count"] for row in self.daemon.cli("held")["held"]}

    def back(self):
        """The queue and the record are again as they were before."""
        self.mx.room.run("sh", "-ec", f"cd {SPOOL}/hold && find . -type f -delete && cp -a /run/hold.before/. .", timeout=300)
        self._copy_keys("kept:sendquota:", "sendquota:")

    def _copy_keys(self, of, to):
        for key in self.redis.cli("--scan", "--pattern", of + "*").splitlines():
            self.redis.cli("COPY", key, to + key.removeprefix(of), "REPLACE")

    def run(self, program, *words, **options):
        return self.mx.room.run(self.mx.path / program, "--socket", self.daemon.admin, *words, timeout=600, **options)

    def took(self, act):
        """Seconds; afterwards the right ones and only they are gone."""
        begun = time.monotonic()
        act()
        seconds = time.monotonic() - begun
        assert self.ids() == self.others, "not exactly that sender's mail is gone"
        return seconds


def by_postsuper(held):
    held.mx.room.run("postsuper", "-d", "-", stdin="".join(f"{queue_id}\n" for queue_id in held.mine), timeout=600)


def by_command(held):
    host, = json.loads(held.run("sendquota", "--json", "held", ALICE, "--delete").stdout)["hosts"]
    assert (host["counts"]["done"], host["counts"]["skipped"]) == (MINE, 0), host


def by_order(held):
    held.run("sendquota", "--json", "held", ALICE, "--delete", "--all-hosts", "--wait", "1ms", check=False)
    held.run("sendquota-queue", "--once")
    order = held.daemon.cli("held", ALICE)["orders"][-1]
    assert order["over"] and order["hosts"][0]["counts"]["done"] == MINE, order


CANDIDATES = {"postsuper -d of the same ids": by_postsuper, "sendquota held ID --delete": by_command, "by order, sendquota-queue": by_order}


def held(report, count, seconds):
    """100,000 held messages of one sender among 5,000 others: removed by the command, by an order, by postsuper; the queue in memory."""
    del seconds
    with Held() as queue:
        begun = time.monotonic()
        queue.fill()
        print(f"{MINE + OTHERS:,} messages were held in {time.monotonic() - begun:.0f} s", flush=True)
        taken = {name: [] for name in CANDIDATES}
        for _ in range(min(count, MOST_ROUNDS)):
            for name, act in CANDIDATES.items():
                taken[name].append(queue.took(lambda act=act: act(queue)))
                if act is not by_postsuper:
                    assert queue.listed() == {f"user:{BOB}": OTHERS}
                queue.back()
    middle = {name: statistics.median(all_of_it) for name, all_of_it in taken.items()}
    alone = middle["postsuper -d of the same ids"]
    report.table(f"{MINE:,} held messages of one sender among {OTHERS:,} others are removed", ["seconds", "÷ postsuper", "messages/s"],
                 {name: [took, took / alone, MINE / took] for name, took in middle.items()})
