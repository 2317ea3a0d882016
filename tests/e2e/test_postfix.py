"""A real Postfix, held to its senders' quotas by a real daemon: SMTP AUTH, whatever a sender tries."""

import re

import pytest

from rig import Client, Daemon, Postfix, Redis, send_many

OVER = re.compile(r"4\.7\.1 Sending limit reached: 250 of 250 (messages|recipients) \(quota mailbox, user:alice@example\.test\); "
                  r"try again at (\d{4}-\d\d-\d\d )?\d\d:\d\d [+-]\d{4}")
SPELLINGS = ["alice", "ALICE", "Alice@Example.Test", "alice@example.test.", "+20alice@example.test", "alice@example.test+20"]


@pytest.fixture(params=["memory", "redis"])
def store(request, running):
    return "memory:" if request.param == "memory" else running(Redis()).url


def mailbox(limit):
    return {"quota": [{"name": "mailbox", "per": "user", "limits": [limit]}]}


@pytest.fixture
def limited(running, store):
    """limited(LIMIT) is a daemon and a Postfix with the mailboxes alice and bob, each with this limit."""
    def start(limit):
        daemon = running(Daemon(mailbox(limit), store=store))
        mx = running(Postfix(milters=[daemon.milter]))
        for user in ("alice", "bob"):
            mx.add_user(user)
        return daemon, mx
    return start


def disguises(mx):
    """Arguments of Client and of send() for one login in many shapes."""
    for mechanism in ("PLAIN", "LOGIN"):
        for login in ("alice", "alice@example.test"):
            yield {"port": mx.ports["submission"], "login": login, "mechanism": mechanism}, {}
    for spelling in SPELLINGS:
        yield {"port": mx.ports["xclient"], "xclient": spelling}, {}
    yield {"port": mx.ports["submission"], "login": "alice", "source": "127.0.0.77"}, {}
    for address in ("192.0.2.7", "198.51.100.9", "203.0.113.200"):
        yield {"port": mx.ports["xclient"], "xclient": f"alice ADDR={address}"}, {}
    for sender in ("", "bob@example.test", "bob+news@example.test", "ceo@bank.test"):
        yield {"port": mx.ports["submission"], "login": "alice"}, {"sender": sender}
    yield ({"port": mx.ports["submission"], "login": "alice"},
           {"text": "From: bob@example.test\r\nSender: bob@example.test\r\nX-Sasl: bob\r\n\r\nhello\r\n"})
    yield {"port": mx.ports["submission"], "login": "alice"}, {"options": ["AUTH=<bob@example.test>"]}


def assert_over(outcome):
    assert (outcome.code, outcome.stage in ("mail", "eom")) == (451, True), outcome
    assert OVER.fullmatch(outcome.text), outcome


def test_the_251st_message_of_a_login_is_refused_whatever_it_looks_like(limited):
    daemon, mx = limited("250 messages / 30d")
    shapes = list(disguises(mx))
    for client, message in shapes:
        with Client(**client) as connection:
            assert connection.send(**message).accepted, (client, message)
    rest = 250 - len(shapes)
    outcomes = send_many(mx.ports["submission"], rest + 20, connections=4, login="alice")
    assert sum(outcome.accepted for outcome in outcomes) == rest
    for outcome in outcomes:
        assert outcome.accepted or assert_over(outcome) is None
    for client, message in shapes:
        with Client(**client) as connection:
            assert_over(connection.send(**message))
    assert daemon.used("alice@example.test") == 250
    assert len(daemon.verdicts(verdict="accept")) == 250


def test_another_login_is_not_affected(limited):
    daemon, mx = limited("2 messages / 30d")
    with Client(mx.ports["submission"], login="alice") as alice, Client(mx.ports["submission"], login="bob") as bob:
        assert [alice.send().accepted for _ in range(4)] == [True, True, False, False]
        assert [bob.send(sender="alice@example.test").accepted for _ in range(3)] == [True, True, False]
    assert daemon.used("bob@example.test") == 2


def test_mail_from_outside_is_neither_charged_nor_refused_nor_uncovered(limited):
    daemon, mx = limited("1 messages / 30d")
    with Client(mx.ports["submission"], login="alice") as alice:
        assert [alice.send().accepted for _ in range(2)] == [True, False]
    with Client(mx.ports["outside"]) as outside:
        for sender in ("someone@else.test", "alice@example.test", ""):
            for options in ([], ["AUTH=<alice@example.test>"]):
                assert outside.send(sender, ["bob@example.test", "alice@example.test"], options=options).accepted
    mail = daemon.cli("status")["mail"]
    assert (mail["inbound"], mail["uncovered"], mail["accepted"], mail["tempfailed"]) == (6, 0, 1, 1)
    assert daemon.used("alice@example.test") == 1
    assert len(daemon.verdicts()) == 2
    assert daemon.cli("show", "sender:someone@else.test")["limits"] == []


def test_recipients_are_counted_and_the_251st_is_refused(limited):
    daemon, mx = limited("250 recipients / 30d")
    many = [f"r{number}@remote.test" for number in range(40)]
    with Client(mx.ports["submission"], login="alice") as alice:
        assert all(alice.send(recipients=many).accepted for _ in range(6))
        too_many = alice.send(recipients=many[:11])
        assert (too_many.stage, too_many.code) == ("eom", 451)
        assert too_many.text.startswith("4.7.1 Sending limit reached: 240 of 250 recipients (quota mailbox, user:alice@example.test)")
        assert alice.send(recipients=many[:10]).accepted, "what was refused has cost nothing"
    for client, message in disguises(mx):
        with Client(**client) as connection:
            assert_over(connection.send(**message))
    with Client(mx.ports["submission"], login="bob") as bob:
        assert bob.send(recipients=many).accepted
    with Client(mx.ports["outside"]) as outside:
        assert outside.send(recipients=["alice@example.test", "bob@example.test"]).accepted
    assert (daemon.used("alice@example.test"), daemon.used("bob@example.test")) == (250, 40)


def test_a_message_with_more_recipients_than_can_ever_fit_is_rejected_for_good(limited):
    _, mx = limited("5 recipients / 30d")
    with Client(mx.ports["submission"], login="alice") as alice:
        outcome = alice.send(recipients=[f"r{number}@remote.test" for number in range(6)])
        assert (outcome.stage, outcome.code) == ("eom", 550)
        assert re.match(r"5\.5\.3 Message exceeds its sending limit: 6 recipients in one message, at most 5 .*split it", outcome.text)
        assert alice.send(recipients=[f"r{number}@remote.test" for number in range(5)]).accepted


def test_what_is_given_up_before_its_end_costs_nothing(limited):
    daemon, mx = limited("3 messages / 30d")
    with Client(mx.ports["submission"], login="alice") as alice:
        for _ in range(5):
            alice.smtp.mail("alice@example.test")
            alice.smtp.rcpt("dest@remote.test")
            alice.smtp.rset()
        assert [alice.send().accepted for _ in range(4)] == [True, True, True, False]
    assert daemon.used("alice@example.test") == 3


def test_the_log_line_of_each_message_names_what_postfix_names(limited):
    daemon, mx = limited("1 messages / 30d")
    with Client(mx.ports["submission"], login="alice") as alice:
        accepted = alice.send(recipients=["a@remote.test", "b@remote.test"])
        assert not alice.send().accepted
    (first,) = daemon.verdicts(verdict="accept")
    assert f"queued as {first['id']}" in accepted.text
    assert (first["sasl_username"], first["from"], first["nrcpt"]) == ("alice@example.test", "<alice@example.test>", "2")
    (second,) = daemon.verdicts(verdict="tempfail")
    assert (second["quota"], second["identity"], second["limit"], second["used"]) == (
        "mailbox", "user:alice@example.test", "1 messages / 30d", "1")
    mx.wait_for_log(f"{second['id']}: milter-reject: END-OF-MESSAGE")


def test_a_macro_list_without_the_login_does_no_harm(running):
    """The daemon asks for the macros that it needs, and Postfix obeys it rather than the administrator's shorter list."""
    daemon = running(Daemon(mailbox("1 messages / 30d")))
    mx = running(Postfix(milters=[daemon.milter], settings={"milter_mail_macros": "i"}))
    assert [outcome.accepted for outcome in send_many(mx.ports["xclient"], 3, xclient="alice")] == [True, False, False]
    assert daemon.cli("status")["signals"]["without_login"] == 0
