"""Single messages of a real Sendmail's queue: looked at, quarantined, let go, removed, and 300 others untouched."""

import fcntl
import hashlib
import shutil
import time

import pytest

from rig import Client, Sendmail, send_many
from rig.mail_queue import Probe, check_first_four_are_kept_back, check_first_three_are_removed
from rig.stub_milter import CONTINUE, StubMilter, quarantine

ALICE = "alice@example.test"
HELD = quarantine("sendquota: quota mailbox")
QUEUE = "/var/spool/mqueue"
# What is not quarantined waits for a queue run, and there is none.
WAITS = "define(`confDELIVERY_MODE', `queueonly')"
LAYOUTS = {"as installed": (WAITS, ""),
           "several folders with sub-folders": (WAITS + "\ndefine(`QUEUE_DIR', `/var/spool/mqueue/q*')", f"mkdir -p {QUEUE}/q1 {QUEUE}/q2/qf {QUEUE}/q2/df {QUEUE}/q2/xf"),
           "a group of its own": (WAITS + "\nQUEUE_GROUP(`mqueue', `P=/var/spool/mqueue/groups/q*')", f"mkdir -p {QUEUE}/groups/q1 {QUEUE}/groups/q2/qf")}


def queue_of(running, layout="as installed"):
    """A Sendmail, its queue, and the milter that holds what is sent to it or not."""
    options, prepare = LAYOUTS[layout]
    stub = running(StubMilter())
    server = Sendmail(milter=stub.sendmail_milter, options=options)
    server.room.run("sh", "-c", prepare)
    mx = running(server)
    mx.add_user("alice")
    return mx, Probe(mx, "sendmail"), stub


@pytest.fixture(params=LAYOUTS)
def queue(request, running):
    return queue_of(running, request.param)


def send(mx, stub, count=1, at_end=HELD, **message):
    """The queue ids of as many messages, which the milter holds unless told otherwise."""
    stub.at_end = at_end
    with Client(mx.ports["submission"], login="alice") as client:
        outcomes = [client.send(**{"sender": ALICE, **message}) for _ in range(count)]
    return [outcome.text.split(" ")[1] for outcome in outcomes]


def crowd(mx, stub):
    """150 quarantined messages, 150 that wait."""
    for at_end in (HELD, CONTINUE):
        stub.at_end = at_end
        assert all(outcome.accepted for outcome in send_many(mx.ports["local"], 150, connections=3, sender="bob@example.test"))


def files(mx):
    """The sum of each file in the queue, by its name."""
    paths = (mx.room.root / QUEUE[1:]).rglob("[qhdx]f??????????*")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def path_of(mx, name):
    return next((mx.room.root / QUEUE[1:]).rglob(name))


def of(found, ids):
    return {name for name in found if name[2:] in ids}


def without(found, ids):
    return {name: content for name, content in found.items() if name[2:] not in ids}


def test_quarantined_messages_are_looked_at_let_go_and_removed_and_no_other(queue):
    mx, probe, stub = queue
    crowd(mx, stub)
    began = int(time.time())
    ids = send(mx, stub, 6)
    others = without(files(mx), ids)
    assert len(others) == 600
    found = check_first_three_are_removed(probe, ids, strangers=["6ANEbMF4999999"])
    for file in found.values():
        assert (file["mail_from"], file["login"]) == (ALICE, None)
        assert began <= file["arrived_ms"] // 1000 <= time.time()
    assert not of(files(mx), ids[:3])
    assert probe.count("send", ids) == 3
    assert len(mx.wait_for_messages(3)) == 3
    assert without(files(mx), ids) == others
    assert probe("host") == [{"host": mx.hostname}]
    assert probe("notices", ids) == []


def test_waiting_messages_are_kept_back_then_removed(queue):
    mx, probe, stub = queue
    crowd(mx, stub)
    ids = send(mx, stub, 5, at_end=CONTINUE)
    others = without(files(mx), ids)
    check_first_four_are_kept_back(probe, ids)
    assert of(files(mx), ids) == {f"qf{ids[4]}", f"df{ids[4]}"}
    assert without(files(mx), ids) == others
    assert mx.messages() == []


def test_a_login_is_told_where_sendmail_keeps_it(running):
    mx, probe, stub = queue_of(running)
    mx.options += "\nLOCAL_CONFIG\nC{persistentMacros}{auth_authen}"
    mx.stop()
    mx.start()
    smtp, null = send(mx, stub) + send(mx, stub, sender="")
    stub.at_end = HELD
    with Client(mx.ports["local"]) as client:
        local = client.send(sender='"x y"@example.test').text.split(" ")[1]
    found = probe.look([smtp, null, local])
    assert [(found[queue_id]["mail_from"], found[queue_id]["login"]) for queue_id in (smtp, null, local)] == [
        (ALICE, "alice"), ("", "alice"), ('"x y"@example.test', None)]


def test_an_id_that_another_message_has_now_is_shown_as_that_message(running):
    mx, probe, stub = queue_of(running)
    (mine,) = send(mx, stub)
    (other,) = send(mx, stub, sender="ceo@bank.test")
    for kind in ("hf", "df"):
        path_of(mx, kind + other).rename(path_of(mx, kind + mine))
    found = probe.look([mine, other])
    assert list(found) == [mine] and found[mine]["mail_from"] == "ceo@bank.test"


@pytest.mark.parametrize("lock", [fcntl.flock, fcntl.lockf])
def test_a_message_that_sendmail_works_on_is_not_removed(running, lock):
    mx, probe, stub = queue_of(running)
    busy, free = send(mx, stub, 2)
    with open(path_of(mx, f"hf{busy}"), "r+b") as file:
        lock(file, fcntl.LOCK_EX)
        assert probe.count("remove", [busy, free]) == 1
        assert of(files(mx), [busy]) == {f"hf{busy}", f"df{busy}"}
    assert probe.count("remove", [busy]) == 1


def test_an_id_that_is_a_part_of_another_messages_id_touches_neither(running):
    mx, probe, stub = queue_of(running)
    short, *_ = send(mx, stub)
    for kind in ("hf", "df"):
        shutil.copy2(path_of(mx, kind + short), path_of(mx, kind + short).with_name(f"{kind}{short}7"))
    before = files(mx)
    assert probe.count("send", [short]) == 0
    assert files(mx) == before and mx.messages() == []
    assert probe.count("remove", [short]) == 1
    assert set(files(mx)) == {f"hf{short}7", f"df{short}7"}


def test_a_message_that_is_not_whole_or_twice_there_is_not_shown(running):
    mx, probe, stub = queue_of(running, "several folders with sub-folders")
    unready, twice, good = send(mx, stub, 3)
    path_of(mx, f"hf{unready}").write_bytes(b"")
    path = path_of(mx, f"hf{twice}")
    other = "q2/qf" if path.parent.name == "q1" else "q1"
    shutil.copy2(path, mx.room.root / QUEUE[1:] / other / f"qf{twice}")
    assert list(probe.look([unready, twice, good])) == [good]
    assert probe.count("remove", [twice]) == 0


@pytest.mark.parametrize("mta, config, said", [
    ("postfix", "", "Postfix is not here: no postconf in /usr/sbin, /usr/local/sbin or /usr/bin"),
    ("", "etc/sendmail.cf", 'the path of sendmail.cf is to be absolute, not "etc/sendmail.cf"'),
    ("", "/nonexistent.cf", "Sendmail's /nonexistent.cf cannot be read"),
    ("", "/etc/passwd", "/etc/passwd names no queue directory that can be seen, as in O QueueDirectory=/var/spool/mqueue; run this as root"),
    ("", "", [{"host": "sm1.example.test"}]),
    ("sendmail", "/etc/mail/sendmail.cf", [{"host": "sm1.example.test"}]),
])
def test_sendmail_is_found_where_there_is_no_postfix_and_what_is_wrong_is_said(running, mta, config, said):
    mx = running(Sendmail())
    assert Probe(mx, mta, config)("host") == said


def test_ids_that_are_none_are_refused_before_anything_is_done(running):
    mx, probe, stub = queue_of(running)
    (held,) = send(mx, stub)
    before = files(mx)
    for what in ("look", "hold", "send", "remove", "notices"):
        assert "is no queue id" in probe(what, [held, "*"])
    assert files(mx) == before
