"""Blocks: who is stopped, for how long, how it shows, and how a release reaches every node.

Most of it needs no MTA: `play` speaks the milter protocol to the daemon as one would.
"""

import datetime
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rig import Client, Daemon, Postfix, wait_for
from rig.blocks import A_SECOND, ALICE, BLOCKED, RECORD, events, facts, mailbox, moment, send_until_blocked, within_a_second


# Two nodes with a Postfix each

@pytest.fixture
def cluster(running, redis):
    daemons = [running(Daemon({"quota": [mailbox()]}, store=redis.url, name=f"node{index}")) for index in (1, 2)]
    return [(daemon, running(Postfix(f"mx{index}", milters=[daemon.milter]))) for index, daemon in enumerate(daemons, 1)]


def be_blocked(cluster, redis):
    """Over both nodes; returns an open connection to each."""
    clients = [Client(mx.ports["xclient"], xclient="alice") for _, mx in cluster]
    outcomes = [client.send() for _ in range(6) for client in clients]
    assert sum(outcome.accepted for outcome in outcomes) == 5
    wait_for(lambda: ALICE in redis.hash(BLOCKED), "alice is blocked", deadline=5)
    for client in clients:
        within_a_second(lambda client=client: "blocked" in client.send().text, "both nodes know the block")
        refused = client.send(sender="somebody@else.test")
        assert (refused.stage, refused.code) == ("mail", 451)
        assert refused.text.startswith("4.7.1 Sending is blocked (user:alice@example.test); try again at ")
    return clients


@pytest.mark.parametrize("how", ["redis-cli", "sendquota release"])
def test_a_blocked_login_is_refused_at_mail_until_it_is_released_and_then_has_full_buckets_on_both_nodes(cluster, redis, how):
    clients = be_blocked(cluster, redis)
    began = time.monotonic()
    if how == "redis-cli":
        assert redis.cli("HDEL", BLOCKED, ALICE) == "1"
    else:
        assert cluster[0][0].cli("release", "alice@example.test", "--reason", "new password")["released"]
    sent = 0
    for client in clients:
        wait_for(lambda client=client: client.send().accepted, "the node lets alice send", deadline=began + A_SECOND - time.monotonic())
        sent += 1
    outcomes = [client.send() for _ in range(2) for client in clients]
    assert sent + sum(outcome.accepted for outcome in outcomes) == 5, "the buckets were full, and full once"
    (released,) = wait_for(lambda: events(redis, "released", ALICE), "the release is an event")
    assert how == "redis-cli" or (released["by"], released["text"]) == ("root", "new password")


def test_a_block_counts_refusals_on_all_nodes_and_says_why(cluster, redis):
    be_blocked(cluster, redis)
    text = redis.hash(BLOCKED)[ALICE]
    block = facts(text)
    assert (block["action"], block["quota"], block["step"]) == ("tempfail", "mailbox", "1")
    assert moment(block["until"]) - moment(block["since"]) == datetime.timedelta(hours=1)
    assert text.endswith(" refusals in 10m")
    assert redis.hash(RECORD)["block"] == block["id"]
    assert len(events(redis, "blocked", ALICE)) == 1


# A block's life

def test_a_block_that_ends_by_itself_keeps_the_ladder_and_the_spent_buckets(node, redis):
    daemon = node(mailbox("1 messages / 30d", steps=["1s", "3s", "released"]))
    lengths = []
    for step in (1, 2):
        block = facts(send_until_blocked(daemon, redis))
        assert block["step"] == str(step)
        lengths.append((moment(block["until"]) - moment(block["since"])).total_seconds())
        wait_for(lambda: ALICE not in redis.hash(BLOCKED), "the block ends and its field is taken away", deadline=lengths[-1] + A_SECOND)
        wait_for(lambda step=step: len(events(redis, "ended", ALICE)) == step, "the end is an event")
        assert redis.hash(RECORD)["ladder"].startswith(f"{step} ")
        assert daemon.used("alice@example.test") == 1
        answer = daemon.play(user="alice")[0].answer
        assert answer.startswith("451 4.7.1 Sending limit reached"), answer
    assert lengths == [1, 3]
    last = send_until_blocked(daemon, redis)
    assert facts(last)["step"] == "3" and "until" not in facts(last)
    tried = wait_for(lambda: next((tried for tried in daemon.play(user="alice") if "blocked" in tried.answer), None), "seen")
    assert tried.verdict == "reject" and tried.answer == "550 5.7.1 Sending is blocked (user:alice@example.test)"
    redis.cli("HDEL", BLOCKED, ALICE)
    within_a_second(lambda: daemon.play(user="alice")[0].accepted, "released")
    assert facts(send_until_blocked(daemon, redis))["step"] == "1", "a release forgets the ladder"


def test_twenty_daemons_that_see_one_release_refill_the_buckets_once_and_log_it_once(running, redis):
    daemons = [Daemon({"quota": [mailbox()]}, store=redis.url, name=f"n{index}") for index in range(20)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(running, daemons))

    def all_see(blocked):
        with ThreadPoolExecutor(4) as pool:
            return all(pool.map(lambda daemon: bool(daemon.cli("blocked")["blocked"]) == blocked, daemons))

    assert len(daemons[0].play(5, user="alice")) == 5
    redis.cli("HSET", BLOCKED, ALICE, "password stolen")
    wait_for(lambda: all_see(True) and "id=" in redis.hash(BLOCKED)[ALICE], "all see the block, one has completed it")
    redis.cli("HDEL", BLOCKED, ALICE)
    wait_for(lambda: events(redis, "released"), "it is released")
    within_a_second(lambda: not daemons[7].cli("blocked")["blocked"], "this daemon sees it")
    assert all(tried.accepted for tried in daemons[7].play(2, user="alice"))
    wait_for(lambda: all_see(False), "all see the release")
    # Each has done what followed from the release before it reads of the next block.
    redis.cli("HSET", BLOCKED, ALICE, "once more")
    wait_for(lambda: all_see(True), "all see the second block")
    assert daemons[3].used("alice@example.test") == 2, "no daemon came late and refilled again"
    assert [event["event"] for event in events(redis, identity=ALICE) if event["event"] in ("released", "blocked")] == [
        "blocked", "released", "blocked"]


def test_an_exempt_envelope_sender_does_not_free_a_stolen_login(node, redis):
    daemon = node(mailbox("2 messages / 30d"), exempt={"senders": ["newsletter@example.test"]})
    newsletter = {"user": "alice", "sender": "newsletter@example.test"}
    assert [tried.accepted for tried in daemon.play(3, **newsletter)] == [True, True, False]
    send_until_blocked(daemon, redis, **newsletter)
    wait_for(lambda: "blocked" in daemon.play(**newsletter)[0].answer, "the block holds for it too")


def test_a_blocked_login_reaches_exempt_recipients_and_nobody_else(running, redis):
    daemon = running(Daemon({"quota": [mailbox()], "exempt": {"recipients": ["postmaster@example.test"]}}, store=redis.url))
    mx = running(Postfix(milters=[daemon.milter]))
    daemon.cli("block", "alice@example.test", "--reason", "public: call us")
    with Client(mx.ports["xclient"], xclient="alice") as alice:
        within_a_second(lambda: daemon.cli("blocked")["blocked"], "the daemon knows the block")
        refused = alice.send(recipients="dest@remote.test")
        assert (refused.stage, refused.code) == ("rcpt", 550)
        assert refused.text == "5.7.1 Sending is blocked (user:alice@example.test): call us"
        assert alice.send(recipients="postmaster@example.test").accepted
        alice.smtp.mail("alice@example.test")
        codes = [alice.smtp.rcpt(address)[0] for address in ("dest@remote.test", "Postmaster@Example.Test", "x@example.test")]
        assert codes == [550, 250, 550]
        assert alice.smtp.data("Subject: help\r\n\r\nhelp\r\n")[0] == 250
    assert daemon.used("alice@example.test") == 0


def test_a_block_by_command_says_who_made_it(node, redis):
    daemon = node()
    daemon.cli("block", "alice@example.test", "--for", "1h", "--reason", "ticket 4711")
    text = redis.hash(BLOCKED)[ALICE]
    assert facts(text)["by"] == "root" and text.endswith(" ticket 4711")
    within_a_second(lambda: daemon.play(user="alice")[0].verdict == "reject", "it holds")
    assert [(event["by"], event["identity"]) for event in events(redis, "blocked")] == [("root", ALICE)]
    (row,) = daemon.cli("blocked")["blocked"]
    assert (row["identity"], row["reason"], row["by_hand"]) == (ALICE, "ticket 4711", True)


def test_an_emptied_redis_does_not_release_anybody(node, redis):
    daemon = node()
    send_until_blocked(daemon, redis)
    within_a_second(lambda: "blocked" in daemon.play(user="alice")[0].answer, "known")
    redis.cli("FLUSHALL")
    within_a_second(lambda: ALICE in redis.hash(BLOCKED), "the block is put back")
    assert "blocked" in daemon.play(user="alice")[0].answer
    assert len(wait_for(lambda: events(redis, "lost"), "the event")) == 1
