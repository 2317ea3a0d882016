"""Queued mail of one sender on a real Postfix: exactly that mail is kept back, let go again or removed."""

import json

import pytest

from rig import wait_for
from rig.mail_host import ALICE, BOB, DEFERRED, HOLD, Host, aged, listed


@pytest.fixture
def slow(running):
    """A host where mail for slow.test stays in the queue."""
    return Host(running, "mx1", quota=({**HOLD, "limits": ["500 messages / 1h"]},), settings=DEFERRED)


def test_queued_mail_of_one_sender_is_kept_back_or_removed(slow):
    slow.send(3)
    mine = slow.send(330, recipients=["a@slow.test"])
    bobs = slow.send(5, login="bob", recipients=["a@slow.test"])
    wait_for(lambda: len(slow.mx.queue("deferred")) == 335, "all are deferred")
    assert slow.counts("queue", "--of", ALICE, "--hold", "--dry-run") == (333, 330, 3, 0)
    assert slow.held() == []
    aged(slow, mine[7], +3600)
    assert slow.counts("queue", "--of", ALICE, "--hold") == (333, 329, 3, 1)
    assert slow.held() == sorted(set(mine) - {mine[7]})
    assert slow.counts("queue", "--of", ALICE, "--delete")[1] == 329
    assert {entry["queue_id"] for entry in slow.mx.queue()} == {*bobs, mine[7]}


def test_what_was_kept_back_is_let_go_again_and_nothing_else(slow):
    mine = slow.send(3, recipients=["a@slow.test"])
    slow.send(2, login="bob", recipients=["a@slow.test"])
    wait_for(lambda: len(slow.mx.queue("deferred")) == 5, "all are deferred")
    slow.counts("queue", "--of", ALICE, "--hold")
    bobs = slow.send(1, login="bob", recipients=["a@slow.test"])
    slow.mx.room.run("postsuper", "-h", bobs[0])
    assert slow.held() == sorted([*mine, *bobs])
    assert slow.counts("queue", "--of", ALICE, "--send", "--dry-run") == (3, 3, 0, 0)
    assert slow.counts("queue", "--of", ALICE, "--send") == (3, 3, 0, 0)
    assert slow.held() == bobs
    assert slow.counts("queue", "--of", ALICE, "--delete") == (3, 3, 0, 0)
    assert slow.held() == bobs and len(slow.mx.queue()) == 3


def test_a_message_that_was_reused_while_it_was_being_kept_back_goes_on(slow):
    mine, other = slow.send(2, recipients=["a@slow.test"])
    wait_for(lambda: len(slow.mx.queue("deferred")) == 2, "both are deferred")
    aged(slow, other, +3600)
    assert slow.counts("queue", "--of", ALICE, "--delete") == (2, 1, 0, 1)
    assert [entry["queue_name"] for entry in slow.mx.queue()] == ["deferred"]


def test_non_delivery_notices_go_too(running):
    host = Host(running, "mx1", quota=({**HOLD, "limits": ["500 messages / 1h"]},), settings={
        "transport_maps": "inline:{example.test=smtp:[127.0.0.1]:9}"})
    # What is sent elsewhere comes back to a door that relays for nobody.
    host.mx.reload(settings={"default_transport": f"smtp:[127.0.0.1]:{host.mx.ports['outside']}", "smtp_helo_name": "relay.test"})
    host.send(4, recipients=["a@bounce.test"])
    host.send(2, login="bob", recipients=["a@bounce.test"])
    def notices():
        return [entry for entry in host.mx.queue("deferred") if entry["sender"] == "MAILER-DAEMON"]
    wait_for(lambda: len(notices()) == 6, "all were bounced to their senders")
    def bounces(act):
        return host.root("queue", "--of", ALICE, act, "--with-bounces")["hosts"][0]["counts"]["bounces"]
    assert (bounces("--hold"), bounces("--hold"), bounces("--send")) == (4, 0, 4) and host.held() == []
    wait_for(lambda: len(notices()) == 6, "none of them can be delivered")
    assert bounces("--hold") == 4
    assert len(host.held()) == 4
    done = host.root("queue", "--of", ALICE, "--delete", "--with-bounces")["hosts"][0]["counts"]
    assert (done["bounces"], done["gone"]) == (4, 4), done
    assert [entry["recipients"][0]["address"] for entry in notices()] == [BOB, BOB]


def test_held_mail_that_was_sent_and_waits_for_delivery_is_known_and_removed(running):
    host = Host(running, "mx1", settings=DEFERRED)
    mine = host.send(5, recipients=["a@slow.test"])
    bobs = host.send(1, login="bob", recipients=["a@slow.test"])
    wait_for(lambda: len(host.held()) == 3, "three of them are held")
    assert host.counts("held", ALICE, "--send", "--at-once")[1] == 3 and listed(host) == []
    wait_for(lambda: len(host.mx.queue("deferred")) == 6, "all wait for delivery")
    assert host.counts("queue", "--of", ALICE, "--delete") == (5, 5, 0, 0)
    assert [entry["queue_id"] for entry in host.mx.queue()] == bobs
    assert host.daemon.cli("who", mine[4])["found"][0]["identity"] == f"user:{ALICE}"


def test_held_mail_of_who_is_blocked_is_not_sent_unless_at_once(running):
    host = Host(running, "mx1", settings=DEFERRED)
    host.send(3, recipients=["a@slow.test"])
    wait_for(lambda: len(host.held()) == 1, "one is held")
    host.daemon.cli("block", ALICE, "--reason", "stolen")
    refused = host.mx.room.run(host.mx.path / "sendquota", "--socket", host.daemon.admin, "held", ALICE, "--send", check=False)
    assert refused.returncode == 69 and f"user:{ALICE} is blocked: its mail is sent after a release" in refused.stderr, refused
    assert len(host.held()) == 1
    assert host.counts("held", ALICE, "--send", "--at-once")[1] == 1 and host.held() == []


@pytest.mark.parametrize("words", [(), ("--all-hosts", "--wait", "20s")], ids=["here", "by the service"])
def test_the_mail_of_a_uid_is_that_of_all_its_scripts(running, words):
    host = Host(running, "mx1", quota=({"name": "script", "per": "script", "limits": ["500 messages / 1h"]},), settings=DEFERRED)
    for uid, script in ((1000, "mail.php"), (1000, "form.php"), (1001, "shop.php")):
        for _ in range(2):
            host.mx.sendmail("a@slow.test", text=f"X-PHP-Originating-Script: {uid}:{script}\nSubject: x\n\nx\n")
    wait_for(lambda: len(host.mx.queue("deferred")) == 6, "all wait for delivery")
    (script, *_) = [row["identity"] for row in host.daemon.cli("top", "--per", "script")["top"] if "1000" in row["identity"]]
    uid = "uid:" + script.removeprefix("script:").rsplit(":", 1)[0]
    serving = host.mx.room.popen(host.mx.path / "sendquota-queue", "--socket", host.daemon.admin) if words else None
    done = host.mx.room.run(host.mx.path / "sendquota", "--socket", host.daemon.admin, "--json", "queue", "--of", uid, "--delete", *words)
    if serving:
        serving.terminate()
        serving.wait(20)
    counts = [json.loads(line)["hosts"][0]["counts"] for line in done.stdout.splitlines()]
    assert [(each["total"], each["done"]) for each in counts] == [(2, 2), (2, 2)]
    assert len(host.mx.queue()) == 2
