"""Exact under load: not one message more or less than the limits allow."""

from contextlib import ExitStack

from lab.filters import Sendquota
from lab.load import measure


def exact(report, _rounds, _seconds):
    """20 senders, 250 messages / 30d, 64 connections over two daemons, 8,000 tries."""
    quotas = [{"name": "mailbox", "per": "user", "limits": ["250 messages / 30d"], "warn_at": "off"}]
    with ExitStack() as stack:
        two = stack.enter_context(Sendquota("two daemons", quotas=quotas, daemons=2))
        figures = measure(two, senders=20, in_turn=True, messages=8000, warm_up=0, seconds=120)
    report.table("8,000 tries of 20 senders", ["tries"], {name: [number] for name, number in figures.verdicts.items()})
    accepted = figures.verdicts.get("proceed", 0) + figures.verdicts.get("accept", 0)
    report.goal("accepted of 8,000", accepted, 5000)
    report.goal("accepted of 8,000", accepted, 5000, at_least=False)
