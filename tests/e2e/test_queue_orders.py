"""Orders about held and queued mail: every host carries them out, with what it has of root, and what cannot be done is said."""

import contextlib
import fcntl
import http.client
import json
import os
import re
import signal
import socket
import time

import pytest

from rig import Daemon, Redis, wait_for
from rig.command import Background
from rig.mail_host import ALICE, DEFERRED, HOLD, Host, order, path_of, states, text_of


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
