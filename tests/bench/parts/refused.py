"""A sender that is certain to be refused must cost less than one that must be asked for."""

import time
from contextlib import ExitStack

from lab.filters import Sendquota
from lab.load import measure
from lab.rounds import rounds

TIGHT = [{"name": "mailbox", "per": "user", "limits": ["1 messages / 30d"], "warn_at": "off",
          "block": {"after": "1000000 refusals / 30d", "for": ["1h"]}}]


class Refused(Sendquota):
    """Every one of its senders has used its limit up."""

    def __init__(self, name, senders):
        super().__init__(name, quotas=TIGHT)
        self.senders = senders
        measure(self, senders=senders, in_turn=True, messages=2 * senders, seconds=30, warm_up=0)

    def commands(self):
        """Redis commands by name since it started: how often each was called."""
        lines = self.redis.cli("INFO", "commandstats").splitlines()
        return {line.split(":")[0].removeprefix("cmdstat_"): int(line.split("calls=")[1].split(",")[0]) for line in lines if ":calls=" in line}


def refused(report, count, seconds):
    """Senders that are over their limit, 100 of them, against senders that must be asked for."""
    with ExitStack() as stack:
        asked = stack.enter_context(Sendquota("asked"))
        over = stack.enter_context(Refused("refused at MAIL", 100))
        before, begun = over.commands(), time.monotonic()
        found = rounds([asked, over], count, lambda one: measure(one, senders=100, seconds=seconds))
        after, took = over.commands(), time.monotonic() - begun
    report.speeds("senders certain to be refused, 64 kept connections", found, "asked")
    report.goal("a sender certain to be refused ÷ one that must be asked for", found["refused at MAIL"].per_second / found["asked"].per_second, 1.3)
    spent = {name: after[name] - before.get(name, 0) for name in after if after[name] > before.get(name, 0)}
    messages = found["refused at MAIL"].per_second * count * (seconds + 1)
    report.table("Redis commands meanwhile", ["calls"], {name: [calls] for name, calls in sorted(spent.items())})
    report.table("of which", ["calls"], {"scripts a message": [spent.get("evalsha", 0) / messages],
                                         "scripts a second and sender": [spent.get("evalsha", 0) / 100 / took]})
    report.goal("writes a second and refused sender", spent.get("hset", 0) / 100 / took, 1.0, at_least=False)
