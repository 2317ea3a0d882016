"""What an administrator asks while the store has no answer: what is known is shown, said to be old, and nobody waits as long as mail may."""

import contextlib
import signal
import time

import pytest

from rig import Daemon, Redis, wait_for
from rig.tokens import ask, tcp_daemon, token

ALICE = "alice@example.test"
QUOTA = [{"name": "mailbox", "per": "user", "limits": ["100 messages / 1h"]}]
KNOWN = {"blocked": "user:alice@example.test", "limits": "5000 messages", "mode": "observe everywhere", "nodes": "normal"}


@contextlib.contextmanager
def hanging(redis):
    redis.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        redis.process.send_signal(signal.SIGCONT)


@pytest.fixture
def redis(running):
    return running(Redis())


@pytest.fixture
def daemon(running, redis):
    """Mail may wait for the store as long as it can be made to."""
    one = running(Daemon({"quota": QUOTA, "store": {"timeout": "5s"}}, store=redis.url))
    one.cli("block", ALICE)
    one.cli("limit", "bob@example.test", "mailbox", "5000 messages / 1d")
    one.cli("mode", "observe")
    return one


def in_time(daemon, *words):
    begin = time.monotonic()
    done = daemon.command(*words)
    took = time.monotonic() - begin
    assert took < 2, (words, took)  # 700 ms and what the machine needs
    return done


def test_what_is_known_is_shown_and_said_to_be_old(daemon, redis):
    for words in KNOWN:
        assert "the store has no answer" not in daemon.command(words).stdout and daemon.cli(words)["error"] is None
    with hanging(redis):
        for words, known in KNOWN.items():
            done = in_time(daemon, words)
            assert done.returncode == 0 and known in done.stdout and "the store has no answer, this is what was read last: " in done.stdout.replace("\n  ", " "), (words, done)
            assert daemon.cli(words)["error"]
    wait_for(lambda: daemon.cli("blocked")["error"] is None, "the store answers again")


def test_who_is_bound_to_an_account_hears_nothing_of_the_servers(running, redis):
    daemon = running(tcp_daemon({"quota": QUOTA}, store=redis.url, token=[token("acme", "read", account="acme"), token("read", "read")]))
    with hanging(redis):
        for path in ("/v1/blocked", "/v1/limits"):
            assert "redis" in ask(daemon, path, token="read").body["error"]
            assert ask(daemon, path, token="acme").body["error"] == "see the administrator"


def test_what_only_the_store_knows_is_asked_for_no_longer_than_a_person_waits(daemon, redis):
    with hanging(redis):
        for words in (["show", ALICE], ["incident", ALICE], ["events"]):
            done = in_time(daemon, *words)
            assert done.returncode == 69 and "mail goes on" in done.stderr and "ordered" not in done.stderr, (words, done.stderr)


def test_of_an_order_it_is_said_that_it_may_have_been_done(running):
    redis = Redis()
    daemon = running(Daemon({"quota": QUOTA}, store=redis.url))
    redis.close()
    done = daemon.command("block", ALICE)
    assert done.returncode == 69 and "may have been done in part" in done.stderr.replace("\n  ", " "), done.stderr
