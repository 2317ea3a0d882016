"""End to end: a private Postfix with no filter, the no-op filter, ours and rspamd."""

import os
import statistics
import time
from contextlib import ExitStack
from pathlib import Path

from lab.filters import Noop, Rspamd, Sendquota
from rig import Postfix

SESSIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")


class Mail:
    """A Postfix whose every client is a login, with at most one filter, for smtp-source to send through."""

    def __init__(self, name, candidate=None):
        self.name = name
        self.candidate = candidate
        self.postfix = Postfix(f"mx{len(name)}{name[0]}", milters=candidate.targets if candidate else (), settings={
            "mynetworks": "127.0.0.0/8", "milter_macro_defaults": "auth_type=LOAD, auth_authen=load@bench.test",
            "milter_default_action": "tempfail", "smtpd_client_message_rate_limit": "0", "anvil_rate_time_unit": "1s"})
        self.postfix.start()

    def send(self, messages):
        """Returns messages a second, and CPU seconds per 1000 of Postfix and of the filter with its store."""
        before = self._cpu()
        begun = time.monotonic()
        self.postfix.room.run("/usr/sbin/smtp-source", "-s", SESSIONS, "-m", messages, "-l", 1000, "-f", "load@bench.test",
                              "-t", "somebody@remote.test", f"127.0.0.1:{self.postfix.ports['outside']}", timeout=300)
        took = time.monotonic() - begun
        after = self._cpu()
        return messages / took, *(1000 * (now - then) / messages for now, then in zip(after, before))

    def _cpu(self):
        own = sum(cpu_seconds(pid, children=True) for pid in self.postfix.room.processes())
        return own, sum(cpu_seconds(pid) for pid in self.candidate.pids().values()) if self.candidate else 0.0

    def close(self):
        self.postfix.close()
        if self.candidate:
            self.candidate.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def cpu_seconds(pid, children=False):
    """User and system time; with `children` also that of its children that have ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(int(word) for word in words[11:15 if children else 13]) / TICKS


def postfix(report, count, seconds):
    """Through Postfix, 16 sessions of one message each: none, no-op, ours, rspamd."""
    messages = int(400 * seconds)
    with ExitStack() as stack:
        mails = [stack.enter_context(mail) for mail in (Mail("none"), Mail("no-op", Noop()), Mail("sendquota", Sendquota()),
                                                        Mail("sendquota, no headers", Sendquota(headers=False)), Mail("rspamd", Rspamd()))]
        for mail in mails:
            mail.send(200)
        taken = {mail.name: [] for mail in mails}
        for turn in range(count):
            for mail in mails[turn % len(mails):] + mails[:turn % len(mails)]:
                taken[mail.name].append(mail.send(messages))
    middle = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in taken.items()}
    none, noop = middle["none"], middle["no-op"]
    report.table("through Postfix, 16 sessions", ["messages/s", "÷ none", "÷ no-op", "Postfix s/1000", "filter s/1000", "added ÷ none"],
                 {name: [speed, speed / none[0], speed / noop[0], own, ours, (own + ours - none[1]) / none[1]]
                  for name, (speed, own, ours) in middle.items()})
    speed, own, ours = middle["sendquota"]
    report.goal("through Postfix: messages/s ÷ no-op", speed / noop[0], 0.98)
    report.goal("through Postfix: added CPU ÷ Postfix's own", (own + ours - none[1]) / none[1], 0.15, at_least=False)
