"""Drives fault_load, and reads its trace: one Message for each that was sent."""

import json
import subprocess
import threading
from typing import NamedTuple

from rig.wait import Folder

from .servers import BIN, FIRST


class Message(NamedTuple):
    began: float       # seconds, time.monotonic()
    ended: float
    waited: float      # milliseconds that the daemon held it, all its answers together
    longest: float     # for one of the answers
    group: str
    sender: int
    connection: int
    fate: str          # passed, deferred, rejected, held, discarded, lost
    code: int
    stage: str


class Load:
    """Sends from construction to stop(); `groups` are lines of load_plan.hpp without the word `group`."""

    def __init__(self, milters, groups, connections=64):
        self.folder = Folder("load")
        self.trace = self.folder.path / "trace"
        self._said = []
        self.summary = None
        self.messages = []
        self.process = subprocess.Popen([*FIRST, str(BIN / "fault_load"), str(self.trace)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        plan = [*(f"milter {milter}" for milter in milters), f"connections {connections}", *(f"group {group}" for group in groups)]
        self.process.stdin.write("\n".join(plan) + "\n\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "ready\n":
            self.close()
            raise RuntimeError(f"fault_load does not start:\n" + "\n".join(plan))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        self._said.extend(self.process.stdout)

    def pace(self, group, per_second):
        self.process.stdin.write(f"rate {group} {per_second}\n")
        self.process.stdin.flush()

    @property
    def is_done(self):
        """Every group has come to its limit."""
        return "done\n" in self._said

    def stop(self):
        """Ends it; afterwards `summary` and `messages` say all. May be called twice."""
        if self.summary:
            return self
        self.process.stdin.close()
        self._reader.join(60)
        code = self.process.wait(60)
        if code:
            raise RuntimeError(f"fault_load: exit {code}")
        self.summary = json.loads(self._said[-1])
        with open(self.trace, encoding="ascii") as trace:
            self.messages = [parsed(line) for line in trace]
        return self

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def parsed(line):
    began, ended, waited, longest, group, sender, connection, fate, code, stage = line.split()
    return Message(float(began), float(ended), float(waited), float(longest), group, int(sender), int(connection), fate, int(code), stage)
