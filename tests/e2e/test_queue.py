"""Held mail of one sender on a real Postfix: exactly that mail is listed, sent or removed."""

import shutil
import time

from rig import send_many, wait_for
from rig.mail_host import ALICE, BOB, HOLD, Host, aged, listed, order, path_of, states, text_of


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


def test_the_same_sender_with_another_login_is_another_message(host):
    host.send(2)
    host.send(2, login="bob")
    mine, = host.send(1)
    bobs, = host.send(1, login="bob", sender=ALICE)
    shutil.move(path_of(host, bobs), path_of(host, mine))
    done = host.root("held", ALICE, "--delete")["hosts"][0]
    assert done["counts"]["skipped"] == 1 and f"its login is {BOB}" in done["skips"][0], done
    assert host.held() == [mine]


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
