"""From the trace of a load to the figures of one fault: counted, not estimated."""

import time
from collections import Counter
from typing import NamedTuple


class Window(NamedTuple):
    """From the moment a thing was broken to the moment it answered again."""

    name: str
    begin: float
    end: float


def touched(messages, windows, after=1.5):
    """The messages that were under way during a fault or shortly after."""
    return [message for message in messages
            if any(message.began <= window.end + after and message.ended >= window.begin for window in windows)]


def quiet(messages, windows, after=1.5):
    """The messages that no fault touched: those before the first one (but for the first half second) and well after each."""
    start = min((message.began for message in messages), default=0) + 0.5
    def untouched(message):
        return message.began >= start and all(message.ended < window.begin or message.began > window.end + after for window in windows)
    return [message for message in messages if untouched(message)]


def accepted(messages, groups):
    """How many were let through, by (group, sender)."""
    return Counter((message.group, message.sender) for message in messages if message.group in groups and message.fate == "passed")


def over(counts, limit):
    """What went through beyond the limit: of the worst sender, and in all."""
    beyond = [max(0, count - limit) for count in counts.values()]
    return max(beyond, default=0), sum(beyond)


def spans(answers, since):
    """[(from, to)]: when the store came to answer, and until when it did (now, if it still does); of a Watch that says bool."""
    ends = [at for at, _ in answers.changes[1:]] + [time.monotonic()]
    return [(at, end) for (at, value), end in zip(answers.changes, ends) if value and at >= since]


def lag(daemon, begin, end):
    """How long after `begin` the daemon was `ok`; 0.0 for a span too short to tell, which is one shorter than a second."""
    if daemon.at(begin) == "ok":
        return 0.0
    back = next((at for at, value in daemon.changes if value == "ok" and begin <= at < end), end)
    return back - begin if back < end or end - begin > 1 else 0.0
