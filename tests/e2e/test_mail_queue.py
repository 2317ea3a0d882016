"""Single messages of a real Postfix's queue: looked at, kept back, let go, removed, and 300 others untouched."""

import contextlib
import hashlib
import os
import shutil
import threading
import time

import pytest

from rig import Client, Postfix, send_many, wait_for
from rig.mail_queue import Probe, check_first_four_are_kept_back, check_first_three_are_removed
from rig.stub_milter import CONTINUE, StubMilter, quarantine

ALICE, BOB = "alice@example.test", "bob@example.test"
HELD = quarantine("sendquota: quota mailbox")
LAYOUTS = {"as installed": {}, "long ids, everything hashed": {
    "enable_long_queue_ids": "yes", "hash_queue_names": "incoming active deferred defer bounce hold", "hash_queue_depth": "2"}}


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS)
def queue(request, running):
    """A Postfix, its queue, and the milter that holds what is sent to it or not. Mail for example.test stays deferred."""
    return queue_of(running, request.param)


def queue_of(running, settings, **options):
    stub = running(StubMilter())
    mx = running(Postfix(milters=[stub.milter], settings={"transport_maps": "inline:{example.test=smtp:[127.0.0.1]:9}", **settings}, **options))
    for user in ("alice", "bob"):
        mx.add_user(user)
    return mx, Probe(mx), stub


def send(mx, stub, count=1, login="alice", at_end=HELD, **message):
    """The queue ids of as many messages, which the milter holds unless told otherwise."""
    stub.at_end = at_end
    with Client(mx.ports["submission"], login=login) as client:
        outcomes = [client.send(**{"sender": f"{login}@example.test", **message}) for _ in range(count)]
    return [outcome.text.rsplit(" ", 1)[1] for outcome in outcomes]


def crowd(mx, stub):
    """150 held messages of bob, 150 deferred ones."""
    for at_end, queue, recipient in ((HELD, "hold", "dest@remote.test"), (CONTINUE, "deferred", "someone@example.test")):
        stub.at_end = at_end
        before = len(mx.queue(queue))
        send_many(mx.ports["submission"], 150, connections=3, sender=BOB, recipients=[recipient], login="bob")
        wait_for(lambda: len(mx.queue(queue)) == before + 150, f"150 more in {queue}")  # noqa: B023


def files(mx):
    """Queue and content's sum of every message, by its id."""
    found = {}
    for name in ("incoming", "active", "deferred", "hold"):
        for folder, _, names in os.walk(mx.path / "spool" / name):
            for file in names:
                with open(os.path.join(folder, file), "rb") as content:
                    found[file] = (name, hashlib.sha256(content.read()).hexdigest())
    return found


def path_of(mx, queue_id):
    return next((mx.path / "spool").rglob(queue_id))


def without(found, ids):
    return {queue_id: file for queue_id, file in found.items() if queue_id not in ids}


def test_held_messages_are_looked_at_let_go_and_removed_and_no_other(queue):
    mx, probe, stub = queue
    crowd(mx, stub)
    began = int(time.time())
    ids = send(mx, stub, 6)
    others = without(files(mx), ids)
    assert len(others) == 300
    arrivals = {entry["queue_id"]: entry["arrival_time"] for entry in mx.queue("hold")}
    found = check_first_three_are_removed(probe, ids, strangers=["0123456789AB", "zzzzzzzzzzzzzzz"])
    for queue_id, file in found.items():
        assert (file["mail_from"], file["login"]) == (ALICE, ALICE)
        assert file["arrived_ms"] // 1000 == arrivals[queue_id] >= began
    assert probe.count("send", ids) == 3
    for queue_id in ids[3:]:
        mx.wait_for_log(f"{queue_id}: to=<dest@remote.test>.*status=sent")
    wait_for(lambda: files(mx) == others, "the others are there as they were, and nothing else")
    assert probe("host") == [{"host": mx.hostname}]


def test_deferred_messages_are_kept_back_then_removed(queue):
    mx, probe, stub = queue
    crowd(mx, stub)
    ids = send(mx, stub, 5, at_end=CONTINUE, recipients=["someone@example.test"])
    wait_for(lambda: len(mx.queue("deferred")) == 155, "they could not be delivered")
    others = without(files(mx), ids)
    check_first_four_are_kept_back(probe, ids)
    assert sorted(without(files(mx), others)) == [ids[4]]
    assert without(files(mx), ids) == others


def test_messages_that_move_from_queue_to_queue_meanwhile_are_found(running):
    mx, probe, stub = queue_of(running, {})
    ids = send(mx, stub, 20)
    mx.stop()
    with moved(mx, ids):
        for _ in range(50):
            assert sorted(probe.look(ids)) == sorted(ids)


@contextlib.contextmanager
def moved(mx, ids):
    """Each of these held messages goes to incoming and back again and again, as a queue run does to those of deferred."""
    is_over = threading.Event()
    places = [path_of(mx, queue_id) for queue_id in ids]
    def move():
        while not is_over.is_set():
            for place in places:
                os.rename(place, mx.path / "spool" / "incoming" / place.name)
                time.sleep(0.0005)
            for place in places:
                os.rename(mx.path / "spool" / "incoming" / place.name, place)
                time.sleep(0.0005)
    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_an_id_that_another_message_has_now_is_shown_as_that_message(queue):
    mx, probe, stub = queue
    (mine,) = send(mx, stub)
    first = probe.look([mine])[mine]
    (other,) = send(mx, stub, login="bob", sender="ceo@bank.test")
    os.replace(path_of(mx, other), path_of(mx, mine))
    again = probe.look([mine, other])
    assert list(again) == [mine]
    assert (again[mine]["mail_from"], again[mine]["login"]) == ("ceo@bank.test", BOB)
    assert again[mine]["arrived_ms"] > first["arrived_ms"]


def test_a_message_that_is_not_whole_or_twice_there_is_not_shown(running):
    mx, probe, stub = queue_of(running, {})
    unready, twice, good = send(mx, stub, 3)
    path_of(mx, unready).chmod(0o600)
    (mx.path / "spool" / "deferred" / twice[0]).mkdir(exist_ok=True)
    shutil.copy2(path_of(mx, twice), mx.path / "spool" / "deferred" / twice[0] / twice)
    assert list(probe.look([unready, twice, good])) == [good]
    path_of(mx, good).write_bytes(b"From: alice\n\nhello\n")
    assert probe("look", [good]) == "none of 1 queue files below /var/spool/postfix is as Postfix's are"


def test_nothing_a_sender_types_is_taken_for_a_record(running):
    mx, probe, stub = queue_of(running, {})
    stub.at_end = HELD
    mx.sendmail("-f", "script@example.test", "-F", f"x\nsender: {BOB}\n*** MESSAGE CONTENTS hold/X ***\nnamed_attribute: sasl_username={BOB}",
                "-V", "x", "dest@remote.test", text=f"sender: {BOB}\nSubject: x\n\nnamed_attribute: sasl_username={BOB}\n")
    (local,) = wait_for(lambda: mx.queue("hold"), "it is held")
    assert f"\nsender: {BOB}\n" in mx.room.run("postcat", "-eq", local["queue_id"]).stdout, "postcat shows the sender's own line"
    (smtp,) = send(mx, stub, sender='"x\\" sender: y"@example.test', text=f"sender: {BOB}\r\n\r\nsender: {BOB}\r\n")
    (null,) = send(mx, stub, sender="")
    found = probe.look([local["queue_id"], smtp, null])
    assert [(found[queue_id]["mail_from"], found[queue_id]["login"]) for queue_id in (local["queue_id"], smtp, null)] == [
        ("script@example.test", ""), ('x" sender: y@example.test', ALICE), ("", ALICE)]


def test_notices_about_messages_are_found_and_forged_ones_are_not(running):
    mx, probe, stub = queue_of(running, {"notify_classes": "bounce"})
    # What is sent elsewhere comes back to a door that relays for nobody, and bounces.
    mx.reload(settings={"default_transport": f"smtp:[127.0.0.1]:{mx.ports['outside']}", "smtp_helo_name": "relay.test"})
    crowd(mx, stub)
    (bounced,) = send(mx, stub, at_end=CONTINUE, sender='"a b"@example.test', text="X-Postfix-Queue-ID: 0123456789AB\r\n\r\nhello\r\n")
    (another,) = send(mx, stub, at_end=CONTINUE)
    mx.wait_for_log(f"{bounced}: postmaster non-delivery notification")
    mx.wait_for_log(f"{another}: postmaster non-delivery notification")
    own = [line.rsplit(" ", 1)[1] for line in mx.maillog(f"{bounced}: (sender|postmaster) non-delivery notification")]
    wait_for(lambda: set(own) <= set(files(mx)), "the notices are in the queue")
    text = mx.room.run("postcat", "-bhq", own[0]).stdout
    forged = send(mx, stub, sender="", text=text.replace("\n", "\r\n"))
    mx.sendmail("-f", "", "dest@remote.test", text=text)
    wait_for(lambda: len(mx.queue("hold")) == 152, "both forged notices are held")
    notices = probe("notices", [bounced, "0123456789AB", *forged])
    assert sorted(notice["id"] for notice in notices) == sorted(own)
    assert {(notice["about"], notice["mail_from"]) for notice in notices} == {(bounced, "a b@example.test")}
    assert all(abs(notice["arrived_ms"] / 1000 - time.time()) < 60 for notice in notices)
    assert len(probe("notices", [bounced, another])) == 4


def test_a_notice_of_delay_is_a_notice(running):
    mx, probe, stub = queue_of(running, {"delay_warning_time": "1s"})
    (late,) = send(mx, stub, at_end=CONTINUE, recipients=["someone@example.test"])
    wait_for(lambda: mx.room.run("postqueue", "-i", late) and mx.maillog(f"{late}: sender delay notification"), "it is late", pause=0.5)
    assert [(notice["about"], notice["mail_from"]) for notice in wait_for(lambda: probe("notices", [late]), "it is in the queue")] == [(late, ALICE)]


def test_two_thousand_held_messages_of_one_sender_among_others_are_removed(running):
    mx, probe, stub = queue_of(running, {})
    crowd(mx, stub)
    others = files(mx)
    (one,) = send(mx, stub)
    ids = [one, *copies(mx, one, 1999)]
    assert len(probe.look(ids)) == 2000
    assert probe.count("remove", ids) == 2000
    assert files(mx) == others


def copies(mx, queue_id, count):
    """So many further messages like a held one, in queues that are not hashed."""
    source = path_of(mx, queue_id)
    owner, content = source.stat(), source.read_bytes()
    ids = [f"{number:05X}F{number:07X}" for number in range(count)]
    for copy in ids:
        descriptor = os.open(source.with_name(copy), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        os.write(descriptor, content)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.close(descriptor)
    return ids


@pytest.mark.parametrize("mta, config, said", [
    ("exim", "", '"exim" is no MTA; write postfix or sendmail, or leave it out'),
    ("postfix", "etc/postfix", 'the folder of main.cf is to be an absolute path, not "etc/postfix"'),
    ("postfix", "/nonexistent", "/usr/sbin/postconf: ended with 1; it said: /usr/sbin/postconf: fatal: open /nonexistent/main.cf: No such file or directory"),
])
def test_what_is_not_there_is_said(running, mta, config, said):
    mx = running(Postfix())
    assert Probe(mx, mta, config)("host") == said


def test_ids_that_are_none_are_refused_before_anything_is_done(running):
    mx, probe, stub = queue_of(running, {})
    (held,) = send(mx, stub)
    for what in ("look", "hold", "send", "remove", "notices"):
        assert "is no queue id" in probe(what, [held, "ALL"])
    assert list(files(mx)) == [held]


def test_a_postfix_that_is_told_by_its_folder_and_a_stopped_one_are_served(running):
    mx, probe, stub = queue_of(running, {"maillog_file": ""})
    kept, gone, freed = send(mx, stub, 3)
    mx.room.run("cp", "-a", "/etc/postfix", "/etc/postfix-two")
    mx.room.run("sh", "-c", "echo alternate_config_directories = /etc/postfix-two >>/etc/postfix/main.cf; rm /etc/postfix/master.cf")
    mx.stop()
    second = Probe(mx, "postfix", "/etc/postfix-two")
    assert second.count("remove", [gone]) == 1
    assert second.count("send", [freed]) == 1
    assert {queue_id: file["is_held"] for queue_id, file in probe.look([kept, gone, freed]).items()} == {kept: True, freed: False}
