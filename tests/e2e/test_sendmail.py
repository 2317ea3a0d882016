"""Sendmail is held to the same quotas as Postfix: logins at its submission port, scripts through its local one."""

import re

from rig import Client, Daemon, Php, Sendmail, wait_for

LOCAL = {"local_daemon_names": [Sendmail.local_daemon_name], "default_realm": "example.test"}
MAILBOX = {"name": "mailbox", "per": "user", "limits": ["3 messages / 30d"]}
WEB = {"name": "web", "per": ["script", "sender"], "when": "local", "limits": ["2 messages / 30d"], "action": "quarantine"}
ALL_LOCAL = {"name": "all-local", "per": "client", "when": "local", "limits": ["100 messages / 30d"], "action": "quarantine"}


def server(running, *quotas, users=("alice", "bob"), **sections):
    """A daemon with these quotas, and a Sendmail whose logins it judges."""
    daemon = running(Daemon({"identity": LOCAL, **sections, "quota": list(quotas)}))
    mta = running(Sendmail(milter=daemon.sendmail_milter))
    for user in users:
        mta.add_user(user)
    return daemon, mta




def test_a_login_is_stopped_after_its_last_message(running):
    daemon, mta = server(running, MAILBOX)
    with Client(mta.ports["submission"], login="alice") as client:
        assert client.send().accepted
        assert client.send(sender="other@elsewhere.test").accepted
    with Client(mta.ports["submission"], login="alice", mechanism="LOGIN", source="127.0.0.5") as client:
        assert client.send(sender="").accepted
        refused = client.send(sender="third@example.test")
    assert (refused.stage, refused.code) == ("eom", 451)
    assert re.fullmatch(r"4\.7\.1 Sending limit reached: 3 of 3 messages \(quota mailbox, user:alice@example\.test\); "
                        r"try again at 20\d\d-\d\d-\d\d \d\d:\d\d [+-]\d{4}", refused.text)
    with Client(mta.ports["submission"], login="alice") as client:
        again = client.send()
    assert (again.stage, again.code) == ("mail", 451) and "3 of 3 messages (quota mailbox, user:alice@example.test)" in again.text
    with Client(mta.ports["submission"], login="bob") as client:
        assert client.send().accepted
    assert len(mta.wait_for_messages(4)) == 4
    assert [line["verdict"] for line in daemon.verdicts(sasl_username="alice")] == ["accept"] * 3 + ["tempfail"] * 2


def test_recipients_are_counted(running):
    daemon, mta = server(running, {**MAILBOX, "limits": ["5 recipients / 30d"]})
    with Client(mta.ports["submission"], login="alice") as client:
        assert client.send(recipients=["a@remote.test", "b@remote.test", "c@remote.test"]).accepted
        refused = client.send(recipients=["a@remote.test", "b@remote.test", "c@remote.test"])
        assert refused.code == 451 and "3 of 5 recipients" in refused.text
        assert client.send(recipients=["a@remote.test", "b@remote.test"]).accepted
    assert daemon.cli("show", "alice@example.test")["limits"][0]["used"] == 5


def test_a_percent_sign_reaches_the_client_once(running):
    _, mta = server(running, {**MAILBOX, "limits": ["none"]}, reply={"contact": "https://example.test/?a=%20b%s"})
    with Client(mta.ports["submission"], login="alice") as client:
        assert client.send().text.endswith("contact https://example.test/?a=%20b%s")


def test_mail_that_is_not_ours_passes_untouched(running):
    """From a port without a login, to a user of the host: neither charged nor refused nor uncovered."""
    daemon = running(Daemon({"identity": {}, "quota": [{**MAILBOX, "limits": ["none"]}]}))
    mta = running(Sendmail(milter=daemon.sendmail_milter))
    with Client(mta.ports["local"]) as client:      # here no name makes this port a local one
        for _ in range(5):
            assert client.send(sender="someone@else.test").accepted
    mail = daemon.cli("status")["mail"]
    assert (mail["inbound"], mail["uncovered"], mail["tempfailed"], mail["rejected"]) == (5, 0, 0, 0)
    assert daemon.verdicts() == []


def test_what_a_client_says_of_its_author_is_not_believed(running):
    daemon = running(Daemon({"identity": {}, "quota": [MAILBOX]}))
    mta = running(Sendmail(milter=daemon.sendmail_milter))
    with Client(mta.ports["local"]) as client:
        for _ in range(4):
            assert client.send(options=["AUTH=alice@example.test"]).accepted
    assert daemon.cli("status")["mail"]["inbound"] == 4
    assert daemon.cli("show", "alice@example.test")["limits"][0]["used"] == 0


def test_a_blocked_login_is_refused_at_mail_and_released(running):
    daemon, mta = server(running, MAILBOX)
    daemon.cli("block", "alice@example.test", "--reason", "public: password stolen")
    wait_for(lambda: daemon.cli("status")["blocked"] == 1, "the block is known")
    with Client(mta.ports["submission"], login="alice") as client:
        refused = client.send()
        assert (refused.stage, refused.code) == ("mail", 550)
        assert "5.7.1" in refused.text and "Sending is blocked (user:alice@example.test): password stolen" in refused.text
        daemon.cli("release", "alice@example.test")
        wait_for(lambda: client.send().accepted, "it sends again")


def test_quarantined_mail_is_visible_with_its_reason_and_can_be_released(running):
    daemon, mta = server(running, {**MAILBOX, "limits": ["1 messages / 30d"], "action": "quarantine"})
    with Client(mta.ports["submission"], login="alice") as client:
        assert client.send().accepted
        held = client.send()
        assert held.accepted
    queue = mta.quarantined()
    assert list(queue.values()) == ["sendquota: quota mailbox, user:alice@example.test, 1 of 1 messages"]
    assert [line["id"] for line in daemon.verdicts(verdict="quarantine")] == list(queue)
    mta.release(next(iter(queue)))
    assert len(mta.wait_for_messages(2)) == 2
    assert mta.quarantined() == {}


def test_php_mail_is_local_and_held_not_refused(running):
    daemon, mta = server(running, MAILBOX, WEB, ALL_LOCAL, users=())
    php = Php(mta)
    script = php.mailer("con tact.php", owner=1234)
    assert php.mail(script, count=4, parameters="-falice@example.test") == [True] * 4
    assert php.mail(php.mailer("other.php", owner=1234)) == [True]
    identity = f"script:{mta.hostname}/1234:con%20tact.php"
    assert len(mta.wait_for_messages(3)) == 3
    assert list(mta.quarantined().values()) == [f"sendquota: quota web, {identity}, 2 of 2 messages"] * 2
    assert mta.client_queue() == []
    assert {line["identity"] for line in daemon.verdicts(verdict="quarantine")} == {identity}
    assert daemon.cli("show", "alice@example.test")["limits"][0]["used"] == 0
    assert daemon.cli("show", f"client:local/{mta.hostname}")["limits"][0]["used"] == 3
    assert daemon.cli("status")["mail"]["held"] == 2


def test_a_forged_header_of_a_script_changes_nothing(running):
    daemon, mta = server(running, WEB, ALL_LOCAL, users=())
    php = Php(mta)
    forger = php.mailer("forge.php", owner=33)
    assert php.mail(forger, count=3, headers=r"X-PHP-Originating-Script: 999:innocent.php") == [True] * 3
    assert php.mail(php.mailer("innocent.php", owner=999)) == [True]
    assert len(mta.wait_for_messages(3)) == 3
    assert list(mta.quarantined().values()) == [f"sendquota: quota web, script:{mta.hostname}/33:forge.php, 2 of 2 messages"]
    assert daemon.cli("status")["signals"]["php_headers_repeated"] == 3


def test_a_blocked_script_is_held(running):
    daemon, mta = server(running, WEB, users=())
    php = Php(mta)
    script = php.mailer("form.php")
    identity = f"script:{mta.hostname}/0:form.php"
    daemon.cli("block", identity)
    wait_for(lambda: daemon.cli("status")["blocked"] == 1, "the block is known")
    assert php.mail(script) == [True]
    assert list(mta.quarantined().values()) == [f"sendquota: {identity} is blocked"]


def test_without_the_daemon_mail_waits(running):
    """F=T: a client is told to come back, local mail stays in the submission queue, and nothing is lost."""
    daemon, mta = server(running, MAILBOX, WEB)
    daemon.stop()
    php = Php(mta)
    assert php.mail(php.mailer("form.php")) == [True]
    assert len(mta.client_queue()) == 1
    daemon.start()
    mta.run_client_queue()
    assert len(mta.wait_for_messages(1)) == 1
    with Client(mta.ports["submission"], login="alice") as client:
        assert client.send().accepted
