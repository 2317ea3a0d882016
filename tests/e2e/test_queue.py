"""Held and queued mail of one sender on real mail servers: exactly that mail is sent, removed or kept back, on every host."""

import contextlib
import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from rig import Client, Daemon, Redis, send_many, wait_for
from rig.mail_host import HOLD, Host, path_of
from rig.room import BUILD

ALICE, BOB = "alice@example.test", "bob@example.test"


@pytest.fixture
def host(running):
    return Host(running, "mx1")


def listed(host, *words):
    return [(row["identity"], row["host"], row["count"]) for row in host.daemon.cli("held", *words)["held"]]


def test_held_mail_is_listed_by_sender_and_host(host):
    assert listed(host) == []
    ids = host.send(5)
    host.send(3, login="bob")
    assert sorted(listed(host)) == [(f"user:{ALICE}", "mx1.example.test", 3), (f"user:{BOB}", "mx1.example.test", 1)]
    shelf, = host.daemon.cli("held", ALICE)["shelves"]
    assert [mail["queue_id"] for mail in shelf["mail"]] == ids[2:]
    assert {mail["from"] for mail in shelf["mail"]} == {ALICE} and {mail["login"] for mail in shelf["mail"]} == {ALICE}
    shelf, = host.daemon.cli("queue", "--of", ALICE)["shelves"]
    assert [mail["queue_id"] for mail in shelf["mail"]] == ids[:2]
    for words in ("held",), ("held", ALICE), ("queue", "--of", ALICE):
        text = host.daemon.command(*words).stdout
        assert "mx1.example.test" in text and max(map(len, text.splitlines())) <= 80, text


def test_held_mail_is_removed_or_sent_and_no_other(host):
    ids = host.send(6)
    others = host.send(5, login="bob")[2:]
    assert host.counts("held", ALICE, "--delete", "--dry-run") == (4, 4, 0, 0)
    assert host.held() == sorted(ids[2:] + others)
    assert host.counts("held", ALICE, "--delete") == (4, 4, 0, 0)
    assert host.held() == sorted(others)
    assert listed(host) == [(f"user:{BOB}", "mx1.example.test", 3)]
    assert host.daemon.cli("show", ALICE)["held"] == []
    before = len(host.mx.wait_for_messages(4))
    assert host.counts("held", BOB, "--send", "--at-once") == (3, 3, 0, 0)
    host.mx.wait_for_messages(before + 3)
    assert host.held() == [] and listed(host) == []
    events = [event["event"] for event in host.daemon.cli("events")["events"]]
    assert events.count("mail_done") == 2


def aged(host, queue_id, seconds):
    """Moves the arrival of a message, in its queue file."""
    path = path_of(host, queue_id)
    content = path.read_bytes()
    arrival = re.search(rb"T.(\d{10}) \d+", content)
    path.write_bytes(content[:arrival.start(1)] + str(int(arrival[1]) + seconds).encode() + content[arrival.end(1):])


def test_another_message_under_a_recorded_queue_id_is_skipped_and_listed(host):
    host.send(2)
    mine, later, earlier, gone, right = host.send(5)
    bobs, = host.send(3, login="bob")[2:]
    shutil.move(path_of(host, bobs), path_of(host, mine))
    aged(host, later, +3600)
    aged(host, earlier, -2 * 3600)
    path_of(host, gone).unlink()
    done = host.root("held", ALICE, "--delete")["hosts"][0]
    assert [done["counts"][what] for what in ("total", "done", "gone", "skipped")] == [5, 1, 1, 3], done
    assert any(skip.startswith(f"{mine}: its sender is <{BOB}>") for skip in done["skips"]), done
    assert sum(" it came at " in skip for skip in done["skips"]) == 2, done
    assert host.held() == sorted([mine, later, earlier])
    assert "skipped mx1.example.test" in text_of(host, "held", ALICE, "--delete")


def test_held_mail_that_is_not_in_its_place_yet_is_not_forgotten(host):
    """A filter is asked before the message is put among the held ones; a sender at full speed has some on the way at any moment."""
    host.send(2)
    queue_id, = host.send(1)
    held = path_of(host, queue_id)
    arriving = host.mx.path / "spool" / "incoming" / queue_id
    shutil.move(held, arriving)
    arriving.chmod(0o600)  # as long as it is being written
    order(host, "delete")
    assert "running" in host.serve_once()
    assert listed(host) == [(f"user:{ALICE}", "mx1.example.test", 1)]
    arriving.chmod(0o700)
    shutil.move(arriving, held)
    host.serve_once()
    assert host.held() == [] and listed(host) == []


def order(host, act, identity=ALICE, fate="held"):
    """Gives it, and does not wait for the hosts."""
    done = subprocess.run([BUILD / "bin" / "sendquota", "--socket", host.daemon.admin, "--json", *(["queue", "--of"] if fate == "sent" else ["held"]), identity,
                           f"--{act}", "--all-hosts", "--wait", "1ms"], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def states(host, identity=ALICE):
    """What became of each order."""
    return [each["state"] + (f": {each['error']}" if each["error"] else "")
            for given in host.daemon.cli("held", identity)["orders"] for each in given["hosts"]]


def test_of_two_orders_about_the_same_mail_the_later_one_counts_also_where_a_host_is_at_work(host):
    host.send(5)
    first = order(host, "delete")["order"]
    later = order(host, "send")["order"]
    over, waiting = sorted(states(host))
    assert (over, waiting) == (f"failed: replaced by the order {later}", "waiting")
    # What a host that is at work says now: it is told that it is over, and the order stays over.
    told = put(host, f"/v1/orders/{first}/hosts/mx1.example.test", {"state": "running", "counts": {"done": 1}})
    assert told == 409 and sorted(states(host)) == [over, waiting]
    assert put(host, f"/v1/orders/{later}/hosts/elsewhere.test", {"state": "done"}) == 409
    assert put(host, f"/v1/orders/{later}/hosts/mx1.example.test", {"state": "running"}) == 200


def put(host, path, body):
    """The status."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(host.daemon.admin))
        connection.request("PUT", path, json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse().status


def test_what_a_sender_typed_keeps_no_order_from_its_end(host):
    host.send(2)
    ids = host.send(3)
    for queue_id, forged in zip(ids, (b"\xff\xfe\xfd\xfc\xfb@example.test", b'"\\\\\\"@example.test', b"\xc2\x9b\x1b[2@example.test")):
        path = path_of(host, queue_id)
        path.write_bytes(path.read_bytes().replace(b"S\x12" + ALICE.encode(), b"S\x12" + forged))
    given = order(host, "delete")
    assert not given["over"]
    assert "3 skipped" in host.serve_once()
    assert states(host) == ["done"] and host.held() == sorted(ids)


@contextlib.contextmanager
def opened(folder):
    number = os.open(folder, os.O_RDONLY)
    try:
        yield number
    finally:
        os.close(number)


def test_one_program_at_a_time_works_on_a_queue(host):
    host.send(4)
    with opened(host.mx.path / "spool" / "hold") as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        done = host.mx.room.run(host.mx.path / "sendquota", "--socket", host.daemon.admin, "held", ALICE, "--delete", check=False)
    assert done.returncode == 69 and "another sendquota or sendquota-queue is at work in this queue" in done.stderr
    assert host.counts("held", ALICE, "--delete") == (2, 2, 0, 0)


def test_2000_held_messages_of_one_sender_among_500_others(running, redis):
    host = Host(running, "mx1", store=redis.url, quota=({**HOLD, "limits": ["1 messages / 30d"]},))
    for login, count in (("alice", 2001), ("bob", 501)):
        sent = send_many(host.mx.ports["submission"], count, connections=8, login=login, sender=f"{login}@example.test")
        assert all(outcome.accepted for outcome in sent)
    wait_for(lambda: len(host.held()) == 2500, "all others than the first ones are held")
    bobs = {entry["queue_id"] for entry in host.mx.queue("hold") if entry["sender"] == BOB}
    assert len(bobs) == 500
    assert host.counts("held", ALICE, "--delete", "--dry-run") == (2000, 2000, 0, 0)
    given = order(host, "delete")
    assert not given["over"]
    said = serve_until_its_first_removal(host)
    assert "delete mail of user:alice@example.test: running, 1000 of 2000" in said and len(host.held()) == 1500, said
    host.serve_once()
    assert states(host) == ["done"] and set(host.held()) == bobs
    assert listed(host) == [(f"user:{BOB}", "mx1.example.test", 500)]
    assert host.daemon.cli("show", ALICE)["held"] == [] and host.daemon.cli("show", BOB)["held"][0]["count"] == 500
    assert host.counts("held", BOB, "--delete") == (500, 500, 0, 0)
    assert host.held() == [] and listed(host) == []


def serve_until_its_first_removal(host):
    """The service is told to end while the real postsuper works for it."""
    real, wrapped = host.mx.path / "real" / "postsuper", host.mx.path / "wrapped"
    real.parent.mkdir()
    host.mx.room.run("cp", "/usr/sbin/postsuper", real)
    wrapped.write_text(f'#!/bin/sh\n{real} "$@"\nended=$?\nkill -TERM $PPID\nexit $ended\n')
    wrapped.chmod(0o755)
    served = f"mount --bind {wrapped} /usr/sbin/postsuper; exec timeout 60 {host.mx.path}/sendquota-queue --socket {host.daemon.admin}"
    done = host.mx.room.run("unshare", "--mount", "sh", "-ec", served)
    return done.stdout + done.stderr


def text_of(host, *words):
    return host.mx.room.run(host.mx.path / "sendquota", "--socket", host.daemon.admin, *words, check=False).stdout


def test_the_same_sender_with_another_login_is_another_message(host):
    host.send(2)
    host.send(2, login="bob")
    mine, = host.send(1)
    bobs, = host.send(1, login="bob", sender=ALICE)
    shutil.move(path_of(host, bobs), path_of(host, mine))
    done = host.root("held", ALICE, "--delete")["hosts"][0]
    assert done["counts"]["skipped"] == 1 and f"its login is {BOB}" in done["skips"][0], done
    assert host.held() == [mine]


DEFERRED = {"transport_maps": "inline:{slow.test=smtp:[127.0.0.1]:9}"}


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


def test_held_mail_goes_out_at_the_senders_own_rate(running):
    host = Host(running, "mx1", quota=({**HOLD, "limits": ["4 messages / 2s"]},))
    host.send(4)
    ids = host.send(6)
    held = host.held()
    assert set(held) <= set(ids) and len(held) >= 4
    began = time.monotonic()
    done = host.root("held", ALICE, "--send")
    assert done["hosts"][0]["counts"]["done"] == len(held) and host.held() == []
    # The bucket holds 4 at most and refills by 2 a second.
    assert time.monotonic() - began > (len(held) - 4) / 2 - 1
    assert host.daemon.used(ALICE) >= 1


def test_mail_that_was_held_for_somebody_elses_limit_waits_for_that_limit(running):
    """Listed under the login, held for its domain: sent as the domain's quota refills, not as the login's, which has none."""
    host = Host(running, "mx1", quota=({"name": "domain", "per": "user_domain", "limits": ["2 messages / 4s"], "action": "quarantine"},))
    host.send(2)
    ids = host.send(5)
    held = host.held()
    assert set(held) <= set(ids) and len(held) >= 4
    began = time.monotonic()
    assert host.counts("held", ALICE, "--send")[1] == len(held)
    assert host.held() == [] and time.monotonic() - began > (len(held) - 2) * 2 - 2
    assert listed(host) == [] and host.daemon.cli("show", "user_domain:example.test")["held"] == []


def test_an_order_is_carried_out_on_every_host_and_a_host_that_was_down_follows(running, redis):
    hosts = [Host(running, f"mx{number}", store=redis.url) for number in (1, 2, 3)]
    one, two, three = hosts
    mine = {host: host.send(4)[-2:] for host in hosts}
    bobs = {host: host.send(3, login="bob")[-1:] for host in hosts}
    for host in (one, two):
        host.serve_once()  # is seen to ask for orders
    three.root("held", ALICE)  # has written what it knows, and is down
    asked = running(Background(one.daemon, "held", ALICE, "--delete", "--all-hosts", "--wait", "20s", "--reason", "ticket 4711"))
    wait_for(lambda: one.daemon.cli("held", ALICE)["orders"], "the order is given")
    one.serve_once()
    two.serve_once()
    order, = one.daemon.cli("held", ALICE)["orders"]
    assert {host["host"]: host["state"] for host in order["hosts"]} == {"mx1.example.test": "done", "mx2.example.test": "done", "mx3.example.test": "waiting"}
    assert not order["over"] and "mx3.example.test" in text_of(one, "held", ALICE)
    three.serve_once()
    assert asked.result()["over"]
    for host in hosts:
        assert not set(mine[host]) & set(host.held()) and set(bobs[host]) <= set(host.held())
    events = [event for event in one.daemon.cli("events")["events"] if event["event"].startswith("mail_")]
    assert [event["event"] for event in events] == ["mail_done"] * 3 + ["mail_order"] and "ticket 4711" in events[-1]["text"]


@pytest.mark.parametrize("words, held, deferred", [
    (("held", ALICE, "--delete"), 0, 2), (("held", ALICE, "--send", "--at-once"), 0, 4),
    (("queue", "--of", ALICE, "--hold"), 4, 0), (("queue", "--of", ALICE, "--delete"), 2, 0)])
def test_an_order_is_carried_out_with_what_the_unit_leaves_of_root(running, words, held, deferred):
    host = Host(running, "mx1", settings=DEFERRED)
    host.send(4, recipients=["a@slow.test"])
    wait_for(lambda: len(host.mx.queue("deferred")) == 2 and len(host.held()) == 2, "two are deferred, two held")
    asked = running(Background(host.daemon, *words, "--all-hosts", "--wait", "20s"))
    wait_for(lambda: host.daemon.cli("held", ALICE)["orders"], "the order is given")
    said = host.serve_once_shut_in()
    assert asked.result()["hosts"][0]["counts"]["done"] == 2, said
    wait_for(lambda: (len(host.held()), len(host.mx.queue("deferred"))) == (held, deferred), "the queue is as ordered")


class Background:
    """A command that runs while the test goes on."""

    def __init__(self, daemon, *words):
        self.process = subprocess.Popen([BUILD / "bin" / "sendquota", "--socket", daemon.admin, "--json", *words], stdout=subprocess.PIPE, text=True)

    def result(self):
        return json.loads(self.process.communicate(timeout=60)[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def test_a_release_deals_with_the_held_mail_as_well(host):
    host.send(5)
    others = host.send(3, login="bob")[2:]
    host.daemon.cli("block", ALICE)
    asked = Background(host.daemon, "release", ALICE, "--held", "delete", "--reason", "password changed")
    with asked:
        wait_for(lambda: host.daemon.cli("held", ALICE)["orders"], "the order is given")
        host.serve_once()
        assert asked.result()["over"]
    assert host.held() == sorted(others)
    assert host.daemon.cli("blocked")["blocked"] == []
    assert host.daemon.cli("release", ALICE, "--held", "send")["order"] is None


def test_held_mail_of_who_was_never_blocked_goes_by_itself_where_the_configuration_says_so(running):
    rule = {"after": "3 refusals / 10m", "for": ["1h"]}
    host = Host(running, "mx1", quota=({**HOLD, "limits": ["2 messages / 4s"], "block": rule},), hold={"release": "auto"})
    host.send(2)
    mine = host.send(2)
    host.send(2, login="bob")
    host.send(6, login="bob")   # held until she is blocked, then refused
    assert set(mine) & set(host.held())
    wait_for(lambda: host.daemon.cli("blocked")["blocked"], "bob is blocked")
    before = set(host.held())
    def served():
        host.serve_once()
        return not set(mine) & set(host.held())
    wait_for(served, "alice's mail has gone", deadline=30)
    assert set(host.held()) == before - set(mine)


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


@pytest.mark.parametrize("words, code, said", [
    (("held", ALICE, "--delete", "--all-hosts"), 1, "no mail of user:alice@example.test is known to be held"),
    (("held", ALICE, "--send", "--delete"), 64, "excludes"),
    (("queue",), 64, "--of"),
    (("held", ALICE, "--at-once"), 64, "--send"),
    (("held", "user:"), 64, "user"),
    (("release", ALICE, "--held", "burn"), 64, "burn"),
    (("held", ALICE, "--delete", "--all-hosts", "--wait", "soon"), 64, "soon")])
def test_what_cannot_be_done_is_said(running, words, code, said):
    daemon = running(Daemon({"quota": [HOLD]}))
    done = daemon.command(*words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize("words", [("held",), ("held", ALICE), ("queue", "--of", ALICE), ("top",), ("top", "--since", "30d"), ("who", "4Xy1"), ("report",), ("show", ALICE),
                                   ("incident", ALICE), ("events",), ("release", ALICE)])
def test_a_store_that_hangs_is_said_within_a_second(running, words):
    redis = running(Redis())
    daemon = running(Daemon({"quota": [HOLD], "store": {"timeout": "100ms"}}, store=redis.url))
    daemon.play(4, user=ALICE)
    daemon.cli("show", ALICE)  # what was played is recorded
    pid = int(re.search(r"process_id:(\d+)", redis.cli("INFO", "server"))[1])
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        done = daemon.command(*words)
        took = time.monotonic() - began
    finally:
        os.kill(pid, signal.SIGCONT)
    assert done.returncode == 69 and "no answer" in done.stderr, done
    assert took < 1, took


def test_a_host_says_that_no_orders_can_be_had(host, running):
    host.daemon.stop()
    assert "no orders can be had" in host.serve_once()
