"""The administrator's handles: what one redis-cli command (or one of `sendquota`) does, and what is answered to a typing error."""

import time

import pytest

from rig import wait_for
from rig.blocks import (A_SECOND, ACCOUNT, ALICE, BLOCKED, OVERRIDE, RECORD, events, facts, in_seconds, mailbox, moment,
                        send_until_blocked, within_a_second)


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
    within_a_second(lambda: daemon.play(user="alice")[0].accepted, "alice may send")
    assert all(tried.accepted for tried in daemon.play(4, user="alice"))
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
    within_a_second(lambda: not daemon.play(user="alice")[0].accepted, "alice is blocked")
    (tried,) = daemon.play(user="alice")   # the one before may have been under way when the block came
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
    within_a_second(lambda: not daemon.play(user="alice")[0].accepted, "alice is blocked")
    (tried,) = daemon.play(user="alice")   # the one before may have been under way when the block came
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


def test_a_live_limit_in_bytes_is_measured_where_nothing_else_is(node, redis):
    daemon = node()
    assert daemon.play(user="alice")[0].accepted
    redis.cli("HSET", OVERRIDE, f"{ALICE} mailbox", "10 bytes / 1d")
    within_a_second(lambda: daemon.play(user="alice")[0].answer.startswith("552 5.3.4 "), "the whole message is measured, whatever is declared")
    assert daemon.play(user="bob")[0].accepted


def test_a_block_of_a_script_or_its_owner_needs_no_quota_of_theirs(node, redis):
    daemon = node()
    for identity in ("uid:mail.example.com/1000", "script:mail.example.com/33:mail.php"):
        redis.cli("HSET", BLOCKED, identity, "hacked")
    for script, verdict in (("1000:form.php", "quarantine"), ("33:mail.php", "quarantine"), ("33:other.php", "accept")):
        within_a_second(lambda script=script, verdict=verdict: daemon.play(script=script)[0].verdict == verdict, script)


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
