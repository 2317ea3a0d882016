"""A mail host whose queue administrators act on: a Postfix, its daemon, and what root runs there."""

import json
import re
import shutil
from pathlib import Path

from .daemon import Daemon
from .postfix import Postfix
from .room import BUILD
from .smtp import Client

ALICE, BOB = "alice@example.test", "bob@example.test"
UNIT = Path(__file__).resolve().parents[3] / "conf" / "sendquota-queue.service"
HOLD = {"name": "mailbox", "per": "user", "limits": ["2 messages / 1h"], "action": "quarantine"}
# Mail for slow.test stays in the queue.
DEFERRED = {"transport_maps": "inline:{slow.test=smtp:[127.0.0.1]:9}"}


class Host:
    """A Postfix with a daemon of its own, and the programs that its root would run."""

    def __init__(self, running, name, store="memory:", quota=(HOLD,), settings=None, **tables):
        self.daemon = running(Daemon({"quota": list(quota), **tables}, store=store, name=name))
        self.mx = running(Postfix(name, milters=[self.daemon.milter], settings=settings, destination="sink"))
        for user in ("alice", "bob"):
            self.mx.add_user(user)
        for program in ("sendquota", "sendquota-queue"):
            shutil.copy(BUILD / "bin" / program, self.mx.path / program)

    def send(self, count=1, login="alice", **message):
        """The queue ids."""
        with Client(self.mx.ports["submission"], login=login) as client:
            return [client.send(**{"sender": f"{login}@example.test", **message}).text.rsplit(" ", 1)[1] for _ in range(count)]

    def by_hand(self, *words):
        """`sendquota …` as root of this host types it."""
        return self.mx.room.run(self.mx.path / "sendquota", "--socket", self.daemon.admin, *words, check=False)

    def root(self, *words, check=True):
        """The same with --json; the answer."""
        done = self.by_hand("--json", *words)
        assert not check or done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def serve_once(self):
        """What sendquota-queue does in one round."""
        return self.mx.room.run(self.mx.path / "sendquota-queue", "--socket", self.daemon.admin, "--once").stderr

    def serve_once_shut_in(self):
        """The same with what sendquota-queue.service leaves of root, and of the file system."""
        powers = re.search(r"^CapabilityBoundingSet=(.*)$", UNIT.read_text(), re.M)[1].lower().replace("cap_", "+").replace(" ", ",")
        shut = "mount --rbind {0} {0}; mount -o remount,bind,ro {0}; mount --bind {0}/spool {0}/spool; mount -o remount,bind,rw {0}/spool; mount -o remount,bind,ro /; exec "
        program = f"setpriv --bounding-set=-all,{powers} --no-new-privs {self.mx.path}/sendquota-queue --socket {self.daemon.admin} --once --mta postfix"
        return self.mx.room.run("unshare", "--mount", "sh", "-ec", shut.format(self.mx.path) + program).stderr

    def held(self):
        return sorted(entry["queue_id"] for entry in self.mx.queue("hold"))

    def counts(self, *words):
        """What the one host of the answer says, in short."""
        host, = self.root(*words)["hosts"]
        return tuple(host["counts"][what] for what in ("total", "done", "gone", "skipped"))


def path_of(host, queue_id):
    return next((host.mx.path / "spool").rglob(queue_id))


def listed(host, *words):
    return [(row["identity"], row["host"], row["count"]) for row in host.daemon.cli("held", *words)["held"]]


def aged(host, queue_id, seconds):
    """Moves the arrival of a message, in its queue file."""
    path = path_of(host, queue_id)
    content = path.read_bytes()
    arrival = re.search(rb"T.(\d{10}) \d+", content)
    path.write_bytes(content[:arrival.start(1)] + str(int(arrival[1]) + seconds).encode() + content[arrival.end(1):])


def order(host, act, identity=ALICE):
    """Gives it, and does not wait for the hosts."""
    return json.loads(host.daemon.command("--json", "held", identity, f"--{act}", "--all-hosts", "--wait", "1ms").stdout)


def states(host, identity=ALICE):
    """What became of each order."""
    return [each["state"] + (f": {each['error']}" if each["error"] else "")
            for given in host.daemon.cli("held", identity)["orders"] for each in given["hosts"]]


def text_of(host, *words):
    return host.mx.room.run(host.mx.path / "sendquota", "--socket", host.daemon.admin, *words, check=False).stdout
