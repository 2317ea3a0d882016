"""Blocks and the administrator's handles: who is stopped, how it shows, and how one redis-cli command undoes it everywhere.

Most of it needs no MTA: `play` speaks the milter protocol to the daemon as one would.
"""

import datetime
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rig import Client, Daemon, Postfix, Redis, wait_for

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


@pytest.fixture
def redis(running):
    return running(Redis())


@pytest.fixture
def node(running, redis):
    """node(QUOTAS…, tables) is one daemon on the Redis."""
    def start(*quotas, **tables):
        return running(Daemon({"quota": list(quotas) or [mailbox()], **tables}, store=redis.url))
    return start


def within_a_second(fact, what):
    return wait_for(fact, f"{what}, within a second", deadline=A_SECOND)


def send_until_blocked(daemon, redis, refusals=5, **options):
    """Alice spends her quota and goes on until she is blocked; returns the text of her block."""
    while daemon.play(**(options or {"user": "alice"}))[0].accepted:
        pass
    daemon.play(refusals - 1, **(options or {"user": "alice"}))
    return wait_for(lambda: redis.hash(BLOCKED).get(ALICE), "alice is blocked", deadline=5)


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


# The redis-cli handles, one by one

def test_handle_who_is_blocked_and_why(node, redis):
    daemon = node()
    send_until_blocked(daemon, redis)
    block = facts(redis.cli("HGET", BLOCKED, ALICE))
    assert {"id", "since", "until", "action", "quota", "step"} <= block.keys()
    assert redis.hash(BLOCKED)[ALICE].endswith("refusals in 10m")


def test_handle_release(node, redis):
    daemon = node()
    send_until_blocked(daemon, redis)
    redis.cli("HDEL", BLOCKED, ALICE)
    assert within_a_second(lambda: daemon.play(5, user="alice")[0].accepted, "alice may send")
    record = redis.hash(RECORD)
    assert not {"block", "ladder", "mailbox refusals"} & record.keys()
    assert daemon.used("alice@example.test") == 5
    assert len(wait_for(lambda: events(redis, "released", ALICE), "the event")) == 1


def test_handle_refill_of_a_sender_who_is_not_blocked(node, redis):
    daemon = node()
    assert [tried.accepted for tried in daemon.play(7, user="alice")] == [True] * 5 + [False] * 2
    redis.cli("DEL", RECORD)
    within_a_second(lambda: daemon.play(user="alice")[0].accepted, "alice may send")


def test_handle_block_until_released(node, redis):
    daemon = node()
    redis.cli("HSET", BLOCKED, ALICE, "password stolen, ticket 4711")
    tried = within_a_second(lambda: [tried for tried in daemon.play(user="alice") if not tried.accepted], "alice is blocked")[0]
    assert (tried.verdict, tried.stage, tried.answer) == ("reject", "MAIL", "550 5.7.1 Sending is blocked (user:alice@example.test)")
    text = wait_for(lambda: (text := redis.hash(BLOCKED)[ALICE]) and "id=" in text and text, "the daemon completes the text")
    assert {"id", "since"} <= facts(text).keys() and text.endswith(" password stolen, ticket 4711")
    assert wait_for(lambda: redis.hash(RECORD).get("block"), "the record is marked") == facts(text)["id"]
    (event,) = wait_for(lambda: events(redis, "blocked", ALICE), "the event")
    assert event["by"] == "by hand" and "password stolen" in event["text"]


def test_handle_block_until_a_time(node, redis):
    daemon = node(mailbox("1 messages / 30d"))
    daemon.play(3, user="alice")
    wait_for(lambda: redis.hash(RECORD)["mailbox refusals"].startswith("2 "), "both refusals are counted")
    redis.cli("HSET", BLOCKED, ALICE, f"until={in_seconds(3)} password stolen")
    within_a_second(lambda: "blocked" in daemon.play(user="alice")[0].answer, "alice is blocked")
    wait_for(lambda: ALICE not in redis.hash(BLOCKED), "the block ends by itself", deadline=4 + A_SECOND)
    wait_for(lambda: events(redis, "ended", ALICE), "the event")
    assert daemon.used("alice@example.test") == 1 and redis.hash(RECORD)["mailbox refusals"].startswith("2 ")
    assert events(redis, "released") == []


def test_handle_block_with_another_action(node, redis):
    daemon = node()
    redis.cli("HSET", BLOCKED, ALICE, "action=quarantine being watched")
    tried = within_a_second(lambda: [tried for tried in daemon.play(user="alice") if not tried.accepted], "alice is blocked")[0]
    assert (tried.verdict, tried.stage) == ("quarantine", "END-OF-MESSAGE")


def test_handle_another_limit_for_one_sender(node, redis):
    daemon = node()
    assert [tried.accepted for tried in daemon.play(6, user="alice")] == [True] * 5 + [False]
    redis.cli("HSET", OVERRIDE, f"{ALICE} mailbox", "8 messages / 1d until=2100-12-24T00:00:00Z")
    within_a_second(lambda: daemon.play(user="alice")[0].accepted, "the limit is another")
    assert not any(tried.accepted for tried in daemon.play(4, user="bob")[5:])
    text = wait_for(lambda: (text := redis.hash(OVERRIDE)[f"{ALICE} mailbox"]) and "since=" in text and text, "completed")
    assert text.startswith("8 messages / 1d ") and "until=2100-12-24T00:00:00Z" in text
    (row,) = daemon.cli("limits")["limits"]
    assert (row["identity"], row["quota"], row["limit"]) == (ALICE, "mailbox", "8 messages / 1d")
    assert len(wait_for(lambda: events(redis, "limit", ALICE), "the event")) == 1
    redis.cli("HDEL", OVERRIDE, f"{ALICE} mailbox")
    within_a_second(lambda: daemon.cli("limits")["limits"] == [], "the limit is as before")


def test_handle_a_limit_ends_by_itself(node, redis):
    daemon = node()
    redis.cli("HSET", OVERRIDE, f"{ALICE} mailbox", f"none until={in_seconds(3)}")
    within_a_second(lambda: not daemon.play(user="alice")[0].accepted, "alice may send nothing")
    wait_for(lambda: daemon.play(user="alice")[0].accepted, "as before", deadline=4 + A_SECOND)
    wait_for(lambda: redis.hash(OVERRIDE) == {}, "the field is taken away")


def test_handle_exempt_one_sender_from_everything(node, redis):
    daemon = node()
    daemon.play(6, user="alice")
    redis.cli("HSET", OVERRIDE, f"{ALICE} *", "unlimited")
    within_a_second(lambda: daemon.play(user="alice")[0].accepted, "alice is exempt")
    assert all(tried.accepted for tried in daemon.play(20, user="alice"))


def test_handle_stop_enforcing_everywhere(node, redis):
    one, two = node(), node()
    one.play(7, user="alice")
    redis.cli("HSET", BLOCKED, "user:carol@example.test", "password stolen")
    redis.cli("HSET", OVERRIDE, "* *", "observe")
    for daemon in (one, two):
        within_a_second(lambda daemon=daemon: daemon.play(user="alice")[0].accepted, "nothing is enforced")
        assert daemon.play(user="carol")[0].verdict == "reject", "but a block made by hand holds"
        (line,) = daemon.verdicts(verdict="accept", observed="tempfail")
        assert (line["quota"], line["identity"]) == ("mailbox", ALICE)
    assert len(wait_for(lambda: events(redis, "mode"), "the event")) == 1
    redis.cli("HDEL", OVERRIDE, "* *")
    for daemon in (one, two):
        within_a_second(lambda daemon=daemon: not daemon.play(user="alice")[0].accepted, "enforced again")
    assert len(wait_for(lambda: len(events(redis, "mode")) == 2 and events(redis, "mode"), "its end is one event")) == 2


def test_handle_the_use_of_one_sender(node, redis):
    node().play(3, user="alice")
    used, remainder, amount, at = redis.hash(RECORD)["mailbox messages/30d"].split()
    assert used.split("/")[1] == "5" and amount == "5"
    exact = int(used.split("/")[0]) + int(remainder) / (30 * 86400 * 1000 / 5)
    assert 2.99 < exact <= 3 and abs(int(at) / 1000 - time.time()) < 60
    assert int(redis.cli("PTTL", RECORD)) > 0, "it goes by itself"


def test_handle_what_happened(node, redis):
    daemon = node()
    send_until_blocked(daemon, redis)
    daemon.cli("release", "alice@example.test", "--reason", "new password")
    lines = redis.cli("XREVRANGE", "sendquota:events", "+", "-", "COUNT", "20").splitlines()
    assert "released" in lines and "blocked" in lines and lines.index("released") < lines.index("blocked")
    assert all(event.keys() >= {"event", "severity", "identity", "text", "host", "by"} for event in events(redis))


def test_handle_a_live_account(node, redis):
    daemon = node({"name": "customer", "per": "account", "limits": ["2 messages / 30d"]}, mailbox())
    redis.cli("HSET", ACCOUNT, ALICE, "shop7 gold", "user_domain:bob.test", "shop7 gold")
    within_a_second(lambda: daemon.cli("show", ALICE)["account"] == "shop7", "alice belongs to shop7")
    assert daemon.play(user="alice")[0].accepted and daemon.play(user="bob@bob.test")[0].accepted
    refused = daemon.play(user="alice")[0]
    assert refused.answer.startswith("451 4.7.1 Sending limit reached: 2 of 2 messages (quota customer)"), refused
    assert daemon.used("account:shop7", "customer") == 2


def test_the_commands_for_mode_and_limit_do_the_same(node, redis):
    one, two = node(), node()
    one.play(6, user="alice")
    one.cli("mode", "observe")
    for daemon in (one, two):
        within_a_second(lambda daemon=daemon: daemon.play(user="alice")[0].accepted, "observed")
        assert daemon.cli("mode")["live"] == "observe"
    two.cli("mode", "enforce")
    for daemon in (one, two):
        within_a_second(lambda daemon=daemon: not daemon.play(user="alice")[0].accepted, "enforced")
    two.cli("limit", "alice@example.test", "mailbox", "9 messages / 1d", "--for", "1d")
    within_a_second(lambda: one.play(user="alice")[0].accepted, "another limit")
    (row,) = one.cli("limits")["limits"][:1] if one.cli("limits")["limits"][0]["quota"] == "mailbox" else one.cli("limits")["limits"][1:]
    assert row["by"] == "root" and moment(row["until"]) > moment(row["since"])
    assert [event["by"] for event in events(redis, "mode")] == ["root", "root"]


# What was typed wrongly

@pytest.mark.parametrize("table, field, written", [
    (BLOCKED, ALICE, "until=tomorrow password stolen"),
    (BLOCKED, ALICE, "action=explode password stolen"),
    (BLOCKED, "usr:alice@example.test", "password stolen"),
    (OVERRIDE, f"{ALICE} mailbox", "5000 mesages / 1d"),
    (OVERRIDE, f"{ALICE} mailbox", "5000 messages / 1d until=2026-13-01"),
    (OVERRIDE, ALICE, "unlimited"),
    (OVERRIDE, f"{ALICE} mailbox", "observe"),
    (ACCOUNT, ALICE, "two many words"),
    (ACCOUNT, "sender:alice@example.test", "shop7"),
])
def test_a_typing_error_is_answered_in_the_table(node, redis, table, field, written):
    daemon = node()
    redis.cli("HSET", table, field, written)
    text = within_a_second(lambda: (text := redis.hash(table)[field]) != written and text, "the daemon answers")
    assert text.startswith("ERROR: ") and text.endswith(f"({written})")
    assert len(text) > len("ERROR:  ()") + len(written) + 10, "it says what is wrong"
    assert len(wait_for(lambda: events(redis, "error"), "the event")) == 1
    is_block = table == BLOCKED and field == ALICE
    assert daemon.play(user="alice")[0].verdict == ("reject" if is_block else "accept"), "a block blocks, another entry is ignored"
    redis.cli("HDEL", table, field)
    within_a_second(lambda: daemon.play(user="alice")[0].accepted, "taken away, all is as before")
    assert daemon.cli("show", ALICE)["blocked"] is None


@pytest.mark.parametrize("spelling", ["alice@example.test", "user:Alice@Example.Test.", "USER: alice@example.test"])
def test_another_spelling_of_an_identity_is_renamed(node, redis, spelling):
    daemon = node()
    redis.cli("HSET", BLOCKED, spelling, "password stolen")
    within_a_second(lambda: redis.hash(BLOCKED).keys() == {"epoch", ALICE}, "the field is canonical")
    assert daemon.play(user="alice")[0].verdict == "reject"
    redis.cli("HDEL", BLOCKED, ALICE)
    within_a_second(lambda: daemon.play(user="alice")[0].accepted, "released")


def test_an_emptied_redis_does_not_release_anybody(node, redis):
    daemon = node()
    send_until_blocked(daemon, redis)
    within_a_second(lambda: "blocked" in daemon.play(user="alice")[0].answer, "known")
    redis.cli("FLUSHALL")
    within_a_second(lambda: ALICE in redis.hash(BLOCKED), "the block is put back")
    assert "blocked" in daemon.play(user="alice")[0].answer
    assert len(wait_for(lambda: events(redis, "lost"), "the event")) == 1
