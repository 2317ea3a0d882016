"""Quarantined mail of one sender on a real Sendmail: exactly that mail is removed or sent, by a command or by an order."""

import json
import shutil

import pytest

from rig import Client, Daemon, Sendmail, wait_for
from rig.room import BUILD

ALICE, BOB = "alice@example.test", "bob@example.test"
HOLD = {"name": "mailbox", "per": "user", "limits": ["2 messages / 30d"], "action": "quarantine"}
# A quota of its own for whoever sends at the pace of refills.
QUICK = {**HOLD, "limits": ["2 messages / 2s"]}


class Host:
    """A Sendmail with a daemon of its own, and the programs that its root would run."""

    def __init__(self, running, quota=HOLD):
        self.daemon = running(Daemon({"identity": {"default_realm": "example.test"}, "quota": [quota]}))
        self.mta = running(Sendmail(milter=self.daemon.sendmail_milter))
        for user in ("alice", "bob"):
            self.mta.add_user(user)
        for program in ("sendquota", "sendquota-queue"):
            shutil.copy(BUILD / "bin" / program, self.mta.path / program)

    def send(self, count, login="alice"):
        """The queue ids."""
        with Client(self.mta.ports["submission"], login=login) as client:
            return [client.send(sender=f"{login}@example.test").text.split(" ")[1] for _ in range(count)]

    def root(self, *words):
        done = self.mta.room.run(self.mta.path / "sendquota", "--socket", self.daemon.admin, "--json", *words, check=False)
        return json.loads(done.stdout)

    def counts(self, *words):
        host, = self.root(*words)["hosts"]
        return tuple(host["counts"][what] for what in ("total", "done", "gone", "skipped"))

    def serve_once(self):
        return self.mta.room.run(self.mta.path / "sendquota-queue", "--socket", self.daemon.admin, "--once").stderr

    def held(self):
        return sorted(self.mta.quarantined())

    def file(self, kind, queue_id):
        return self.mta.room.root / "var/spool/mqueue" / f"{kind}{queue_id}"


@pytest.fixture
def host(running):
    return Host(running)


def listed(host):
    return [(row["identity"], row["host"], row["count"]) for row in host.daemon.cli("held")["held"]]


def test_held_mail_of_one_sender_is_removed_and_no_other(host):
    mine = host.send(6)[2:]
    others = host.send(5, login="bob")[2:]
    assert sorted(listed(host)) == [(f"user:{ALICE}", "sm1.example.test", 4), (f"user:{BOB}", "sm1.example.test", 3)]
    assert host.counts("held", ALICE, "--delete", "--dry-run") == (4, 4, 0, 0)
    assert host.held() == sorted(mine + others)
    assert host.counts("held", ALICE, "--delete") == (4, 4, 0, 0)
    assert host.held() == sorted(others)
    assert not any(host.file(kind, queue_id).exists() for kind in ("hf", "qf", "df") for queue_id in mine)
    assert listed(host) == [(f"user:{BOB}", "sm1.example.test", 3)] and host.daemon.cli("show", ALICE)["held"] == []


def test_held_mail_of_one_sender_is_sent_at_once(host):
    host.send(5)
    others = host.send(4, login="bob")[2:]
    host.mta.wait_for_messages(4)
    assert host.counts("held", ALICE, "--send", "--at-once") == (3, 3, 0, 0)
    assert len(host.mta.wait_for_messages(7)) == 7
    assert host.held() == sorted(others)


def test_held_mail_goes_out_at_the_senders_own_rate(running):
    host = Host(running, QUICK)
    host.send(8)
    held = host.held()
    assert len(held) >= 3
    assert host.counts("held", ALICE, "--send")[1] == len(held)
    assert host.held() == [] and len(host.mta.wait_for_messages(8)) == 8


def test_an_order_is_carried_out_and_another_message_under_the_id_is_skipped(host):
    mine, reused, gone = host.send(5)[2:]
    bobs, other = host.send(4, login="bob")[2:]
    for kind in ("hf", "df"):
        host.file(kind, bobs).rename(host.file(kind, reused))
        host.file(kind, gone).unlink()
    asked = host.daemon.command("held", ALICE, "--delete", "--all-hosts", "--wait", "1ms", "--json")
    assert "waiting" in asked.stdout
    wait_for(lambda: "done" in host.serve_once(), "the order is carried out", deadline=30)
    told, = host.daemon.cli("held", ALICE)["orders"][0]["hosts"]
    assert told["state"] == "done" and told["skips"] == [f"{reused}: its sender is <{BOB}>, and of the recorded one <{ALICE}>"]
    assert [told["counts"][what] for what in ("done", "gone", "skipped")] == [1, 1, 1]
    assert host.held() == sorted([reused, other])
