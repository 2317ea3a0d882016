"""From the trace of a load to the figures of one fault: counted, not estimated."""

from collections import Counter
from typing import NamedTuple


class Window(NamedTuple):
    """From the moment a thing was broken to the moment it answered again."""

    name: str
    begin: float
    end: float


def longest(messages, begin, end):
    """The longest that a message that was under way in this time was held, in milliseconds."""
    return max((message.waited for message in messages if message.began <= end and message.ended >= begin), default=0.0)


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
