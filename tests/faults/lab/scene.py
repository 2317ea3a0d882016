"""Daemons, a store and 64 connections that send all the time; something is broken meanwhile; then the promises are checked.

Who sends (SENDERS below): innocents at 40 % of what their node may give, heavy ones that have used up their limit before the
fault, late ones that come to their limit during it, blocked ones, and a bulk that keeps all connections busy. The limits of
heavy, late and bulk senders refill once in 30 days, so what they may send in a test is a number and not an estimate.

How a busy machine is told from a slow daemon: servers, daemons and load run with real-time priority where that is allowed;
the longest answer of the same load while nothing is broken, and how late a thread of the load's on each core was woken, are
measured in the same run; the longest answer under the fault may exceed `store.timeout` + 50 ms by the larger of the two, and
all three are printed. Where the machine itself stood still (figures.disturbance), promises that are about time are printed and
not judged; what has to hold at any speed always is.
"""

import contextlib
import time

from noise import stolen_and_all, stolen_since
from rig import Daemon, wait_for

from . import account, figures
from .load import Load
from .memory import Memory
from .servers import FIRST
from .watch import Watch, store_state

GRACE = 50                 # ms beyond store.timeout
HEAVY_LIMIT = 60
AT_ONCE = 4                # messages that a heavy sender can have under way within store.timeout: 25 a second, and one
CONNECTIONS = 64
BLOCKED = {  # by hand and by a quota, until released and until long after the test
    "user:blocked0@blocked.test": "password stolen, ticket 4711",
    "user:blocked1@blocked.test": "until={later} public: write to abuse@example.test",
    "user:blocked2@blocked.test": "id=3f9c00000000abcd since={now} until={later} action=tempfail quota=mailbox step=1 300 refusals in 10m",
    "user:blocked3@blocked.test": "id=3f9c00000000abce since={now} action=reject quota=mailbox step=3 300 refusals in 10m",
}
SENDERS = [
    "innocent 50 60 domain=innocent.test",   # of 3 a second each may send 1.2
    "heavy 4 100 domain=heavy.test",         # 25 a second each: over after 2.4 s
    "late 4 100 domain=heavy.test start=2",
    "blocked 4 100 domain=blocked.test",
    "bulk 64 480 domain=bulk.test",
]
QUOTA = {"name": "mailbox", "per": "user", "limits": ["30 messages / 10s"], "warn_at": "off", "override": [
    {"match": ["@heavy.test"], "limits": [f"{HEAVY_LIMIT} messages / 30d"]},
    {"match": ["@bulk.test"], "limits": ["1 messages / 30d burst 1000000"]},
]}


def moment(seconds_from_now):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_from_now))


class Scene:
    """`store` has url, answers(), hash(key) and block(identity, text). `settings` go into the daemons' [store], `hosts` are
    where the daemons run, if not on this machine's own network.
    """

    def __init__(self, store, daemons=1, senders=SENDERS, quotas=(QUOTA,), hosts=(), **settings):
        self.store = store
        self.timeout = int(settings.get("timeout", "100ms").removesuffix("ms"))
        self.windows = []
        self.notes = []
        self._machine = stolen_and_all()
        self.broken = []       # promises, in words
        self.late = []         # the same, of those that a machine which stands still breaks for us
        self._stack = contextlib.ExitStack()
        try:
            self._open(daemons, senders, quotas, hosts, {"nodes": max(1, daemons), "timeout": f"{self.timeout}ms", **settings})
        except BaseException:
            self.close()
            raise

    def _open(self, count, senders, quotas, hosts, settings):
        for identity, text in BLOCKED.items():
            self.store.block(identity, text.format(now=moment(-60), later=moment(6 * 3600)))
        config = {"store": settings, "quota": list(quotas)}
        self.daemons = [Daemon(config, store=self.store.url, name=f"node{index}") for index in range(count)]
        for index, daemon in enumerate(self.daemons):
            self._stack.callback(daemon.close)
            daemon.prefix = [*(hosts[index].prefix if hosts else []), *FIRST]
            daemon.start()
        if isinstance(self.store, Memory):
            self.store.opened(self.daemons)
        # A daemon whose first look at the tables fails serves after 2 s without them: who is blocked it cannot know then.
        wait_for(lambda: all(daemon.cli("status")["blocked"] >= len(BLOCKED) for daemon in self.daemons), "the daemons know who is blocked", pause=0.1)
        if settings["nodes"] == "auto":
            wait_for(lambda: all(daemon.cli("nodes")["shared_by"] == count for daemon in self.daemons), "the daemons have counted themselves",
                     deadline=30, pause=0.1)
        self.states = [self._watch(lambda daemon=daemon: store_state(daemon), 0.02) for daemon in self.daemons]
        self.answers = self._watch(self.store.answers, 0.005)
        self.load = self._stack.enter_context(Load([daemon.milter for daemon in self.daemons], senders, CONNECTIONS))

    def _watch(self, look, every):
        watch = Watch(look, every)
        self._stack.callback(watch.close)
        return watch

    # Phases

    def calm(self, seconds):
        time.sleep(seconds)

    @contextlib.contextmanager
    def fault(self, name):
        """The time from the block's begin until the store answers again after its end."""
        begin = time.monotonic()
        yield
        wait_for(self.store.answers, "the store answers again")
        self.windows.append(account.Window(name, begin, time.monotonic()))

    # The account

    def finish(self, name, bound=0, uncharged=0, slow=None, restarts=False, reached_at_end=False):
        """Ends the load, records a row of figures, and raises with every promise that was not kept.

        `bound` is what one heavy sender may send beyond its limit. `uncharged` is how many of the messages that went through
        may be missing from the store at the end; None where it lost or regained what it had been charged. `slow`, if given, is
        how many may have waited for about `store.timeout`.
        `reached_at_end`: a daemon could not reach the store before the last fault was mended, wherever else it answered.
        `restarts`: daemons were ended on purpose, so that connections and what was on them may be lost.
        """
        self.load.stop()
        summary, messages = self.load.summary, self.load.messages
        row = {"fault": name, "messages": len(messages), "lost": summary["lost"], "twice": summary["unasked"],
               "dropped": len(summary["drops"]), "stolen": 100 * stolen_since(self._machine), **self._times(messages, slow, restarts), **self._verdicts(messages, bound),
               "recovery": self._recovery(reached_at_end), "failovers": getattr(self.store, "failovers", 0)}
        if uncharged is not None:
            row["charges"] = self._charges(messages, uncharged)
        if restarts:
            self.notes.append("lost and dropped: with a daemon that was ended on purpose; the MTA defers these messages")
        else:
            self._check_each_message(row)
        self._check_daemons(None if restarts else len(messages))
        self._settle(row, figures.disturbance(row))
        figures.record(row)
        assert not self.broken, "; ".join(self.broken)
        return row

    def _settle(self, row, disturbance):
        """Judges the promises about time, if that can be done."""
        row["judged"] = not disturbance
        if not disturbance:
            self.broken += self.late
        row["notes"] = [*self.notes, *(f"NOT KEPT: {promise}" for promise in self.broken),
                        *(f"not judged, {disturbance}: {promise}" for promise in self.late if disturbance)]

    def expect(self, fact, promise):
        """At any speed."""
        if not fact:
            self.broken.append(promise)

    def expect_in_time(self, fact, promise):
        if not fact:
            self.late.append(promise)

    def _times(self, messages, most_slow, restarts):
        if restarts:  # what was lost with a daemon that was told to stop is not held: the MTA goes on with its default action
            messages = [message for message in messages if message.fate != "lost"]
        calm = max((message.waited for message in account.quiet(messages, self.windows)), default=0.0)
        oversleeps = self.load.summary["oversleeps"]
        noise = max((by for at, by in oversleeps if self._is_touched(at)), default=0.0)
        slowest = max(account.touched(messages, self.windows), key=lambda message: message.waited, default=None)
        worst = slowest.waited if slowest else 0.0
        slow = sum(message.waited >= 0.8 * self.timeout for message in messages)
        self.expect_in_time(restarts or calm <= self.timeout + GRACE, f"a message was held {calm:.0f} ms while nothing was broken")
        allowed = self.timeout + GRACE + min(max(calm, noise), self.timeout + GRACE)
        self.expect_in_time(worst <= allowed, f"a message was held {worst:.0f} ms, more than {self.timeout} + {GRACE} + {max(calm, noise):.0f}; "
                                              f"{slowest.longest if slowest else 0:.0f} of them for one answer, {self._when([slowest])}")
        self.expect_in_time(most_slow is None or slow <= most_slow,
                            f"{slow} messages waited for a server that did not answer, more than {most_slow}")
        return {"longest": worst, "calm": calm, "noise": max((by for _, by in oversleeps), default=0.0), "slow": slow}

    def _is_touched(self, at):
        return any(window.begin <= at <= window.end + 1.5 for window in self.windows)

    def _verdicts(self, messages, bound):
        refused = [message for message in messages if message.group == "innocent" and message.fate not in ("passed", "lost")]
        blocked = [message for message in messages if message.group == "blocked"]
        let_through = [message for message in blocked if message.fate == "passed"]
        hard = [message for message in messages if message.group in ("innocent", "heavy", "late", "bulk") and message.code >= 500]
        worst, total = account.over(account.accepted(messages, {"heavy", "late"}), HEAVY_LIMIT)
        self.expect(not refused, f"innocents were refused {len(refused)} times, first {self._when(refused)}")
        self.expect(not let_through, f"a blocked sender got {len(let_through)} messages through, first {self._when(let_through)}")
        self.expect(not hard, f"{len(hard)} messages got a 5xx, first {self._when(hard)}")
        # What waited in the connections of a machine that stood still is under way too; more than a limit above it nothing excuses.
        self.expect(worst <= max(bound, HEAVY_LIMIT), f"a sender got {worst} messages beyond its limit, more than a whole one")
        self.expect_in_time(worst <= bound, f"a sender got {worst} messages beyond its limit, all of them {total}; the bound is {bound} each")
        return {"innocents": f"{len(refused)} of {sum(message.group == 'innocent' for message in messages)}",
                "blocked": f"{len(blocked)}/{len(let_through)}", "over": f"{worst}/{bound}",
                "blocked_tried": len(blocked), "blocked_accepted": len(let_through)}

    def _when(self, messages):
        if not messages or messages == [None]:
            return ""
        begin = self.windows[0].begin if self.windows else self.load.summary["began"]
        return f"{messages[0].began - begin:+.3f} s after the begin of the {'fault' if self.windows else 'load'} ({messages[0].fate} at {messages[0].stage})"

    def _recovery(self, reached_at_end):
        """Milliseconds from any moment since the first fault at which the store answers again to the last daemon that uses it."""
        if not self.windows:
            return ""
        returns = [(self.windows[-1].end, time.monotonic())] if reached_at_end else account.spans(self.answers, self.windows[0].begin)
        longest = max((account.lag(watch, *span) for watch in self.states for span in returns), default=0.0) * 1000
        self.expect_in_time(longest <= 1000, f"recovery took {longest:.0f} ms; seconds after the begin of the fault: the store "
                                             + "; ".join([self._told(self.answers), *(f"daemon {self._told(watch)}" for watch in self.states)]))
        return longest

    def _told(self, watch):
        begin = self.windows[0].begin
        return ", ".join(f"{value} {at - begin:+.2f}" for at, value in watch.changes if at >= begin)

    def _charges(self, messages, allowed):
        """Of what the store has been charged, against what went through: never charged, and charged twice."""
        want = {key: count if key[0] == "bulk" else min(count, HEAVY_LIMIT)  # no bucket is charged beyond empty
                for key, count in account.accepted(messages, {"heavy", "late", "bulk"}).items()}
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: not any(self._difference(want)[0:1]), "all is charged", deadline=2.0, pause=0.1)
        missing, twice = self._difference(want)
        self.expect_in_time(twice <= CONNECTIONS * len(self.daemons), f"{twice} messages were charged twice, more than one for each connection and daemon")
        self.expect_in_time(missing <= allowed, f"{missing} of the messages that went through were not charged, more than {allowed}")
        return f"{missing}/{twice}"

    def _difference(self, want):
        used = {key: self.used(*key) for key in want}
        return sum(max(0, want[key] - used[key]) for key in want), sum(max(0, used[key] - want[key]) for key in want)

    def used(self, group, sender):
        domain = "bulk.test" if group == "bulk" else "heavy.test"
        fields = self.store.hash(f"sendquota:{{user:{group}{sender}@{domain}}}")
        level, remainder, *_ = fields.get("mailbox messages/30d", "0/0 0").split()
        return int(level.split("/")[0]) + (remainder != "0")  # what has come back since is a fraction of one message

    def _check_each_message(self, row):
        self.expect(row["lost"] == 0, f"{row['lost']} messages were not answered")
        self.expect(row["twice"] == 0, f"{row['twice']} answers came twice")
        self.expect(row["dropped"] == 0, f"{row['dropped']} connections were dropped")

    def _check_daemons(self, judged):
        for daemon in self.daemons:
            self.expect(daemon.process.poll() is None, f"a daemon ended with {daemon.process.poll()}")
            released = daemon.log(r"event=released.*identity=user:blocked")
            self.expect(not released, f"a release was seen that nobody made: {released[:1]}")
        logged = sum(len(daemon.log(r"\bverdict=")) for daemon in self.daemons)
        self.expect(judged in (None, logged), f"{judged} messages, but {logged} of them in the log")

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
