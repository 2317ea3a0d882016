"""What root does by hand about a sender's mail on this host: `sendquota held` and `sendquota queue` without --all-hosts."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from rig import wait_for
from rig.mail_host import Host

ALICE = "user:alice@example.test"
NOBODY = "user:nobody@example.test"


@pytest.fixture
def host(running):
    return Host(running, "mx1")


@pytest.mark.parametrize("words", [("held", NOBODY, "--delete"), ("held", NOBODY, "--send", "--dry-run"), ("queue", "--of", NOBODY, "--delete"), ("queue", "--of", NOBODY, "--hold")])
def test_of_whom_nothing_is_known_the_answer_is_no(host, words):
    here = host.by_hand(*words)
    assert here.returncode == 1 and "is known" in here.stderr and "mx1" in here.stderr and here.stdout == "", here
    if "--dry-run" not in words:
        everywhere = host.by_hand(*words, "--all-hosts")
        assert everywhere.returncode == 1 and "is known" in everywhere.stderr, everywhere


def test_an_act_about_nobody_is_no_look_at_everybody(host):
    host.send(3)
    for words in ([], ["--all-hosts"], [""], ["", "--all-hosts"]):
        done = host.by_hand("held", *words, "--delete")
        assert done.returncode == 64 and done.stdout == "", done
    assert len(host.held()) == 1


def test_a_mail_server_that_there_is_none_of_is_wrong_usage(host):
    done = host.by_hand("held", ALICE, "--delete", "--mta", "exim")
    assert done.returncode == 64 and "postfix" in done.stderr, done
    done = host.mx.room.run(host.mx.path / "sendquota-queue", "--socket", host.daemon.admin, "--once", "--mta", "exim", check=False)
    assert done.returncode == 64 and "postfix" in done.stderr, done


def the_program(pid):
    """The sendquota among the children of a command of the room, which may have some of its own."""
    if Path(f"/proc/{pid}/comm").read_text().strip() == "sendquota":
        return pid
    return the_program(int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("reason", ["", "ticket 4711"])
def test_what_was_done_until_an_interruption_is_told(running, number, reason):
    host = Host(running, "mx1", quota=({"name": "mailbox", "per": "user", "limits": ["2 messages / 8s"], "action": "quarantine"},))
    host.send(7)
    held = len(host.held())
    command = host.mx.room.popen(host.mx.path / "sendquota", "--socket", host.daemon.admin, "--json", "held", ALICE, "--send", *(["--reason", reason] if reason else []), stdout=subprocess.PIPE, text=True)
    wait_for(lambda: len(host.held()) < held, "some were sent")
    os.kill(the_program(command.pid), number)
    told = json.loads(command.communicate(timeout=20)[0])
    assert command.returncode in (-number, 128 + number)
    counts, = (one["counts"] for one in told["hosts"])
    assert (told["over"], counts["done"], counts["total"]) == (False, held - len(host.held()), held)
    event = host.daemon.cli("events")["events"][0]
    assert (event["event"], event["text"]) == ("mail_done", f"mx1.example.test, send: {counts['done']} done, 0 gone, 0 skipped: interrupted" + (f": {reason}" if reason else "")), event
    assert host.counts("held", ALICE, "--delete") == (len(host.held()) or held - counts["done"], held - counts["done"], 0, 0)  # the rest is as it was
