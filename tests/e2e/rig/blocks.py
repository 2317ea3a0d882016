"""What tests of blocks share: alice, the tables, and what the daemons wrote there."""

import datetime
import json

from .wait import wait_for

ALICE = "user:alice@example.test"
RECORD = f"sendquota:{{{ALICE}}}"
BLOCKED, OVERRIDE, ACCOUNT = "sendquota:blocked", "sendquota:override", "sendquota:account"
A_SECOND = 1.0   # the contract's bound for every change of a table


def mailbox(limit="5 messages / 30d", after="5 refusals / 10m", steps=("1h", "6h", "released"), **more):
    return {"name": "mailbox", "per": "user", "limits": [limit], "block": {"after": after, "for": list(steps)}, **more}


def events(redis, what=None, identity=None):
    """The event stream, oldest first, as dicts."""
    entries = json.loads(redis.cli("--json", "XRANGE", "sendquota:events", "-", "+"))
    found = [dict(zip(fields[::2], fields[1::2])) for _, fields in entries]
    return [event for event in found if what in (None, event["event"]) and identity in (None, event["identity"])]


def facts(text):
    """The leading key=value words of a block's text."""
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def in_seconds(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def within_a_second(fact, what):
    return wait_for(fact, f"{what}, within a second", deadline=A_SECOND)


def send_until_blocked(daemon, redis, refusals=5, **options):
    """Alice spends her quota and goes on until she is blocked; returns the text of her block."""
    while daemon.play(**(options or {"user": "alice"}))[0].accepted:
        pass
    daemon.play(refusals - 1, **(options or {"user": "alice"}))
    return wait_for(lambda: redis.hash(BLOCKED).get(ALICE), "alice is blocked", deadline=5)
