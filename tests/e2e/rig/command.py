"""The command `sendquota` as a person or a program runs it, and the daemon that it is tried on."""

import json
import re
import subprocess

from .room import BUILD

ALICE = "alice@example.test"
CONFIG = {
    "quota": [{"name": "mailbox", "per": "user", "limits": ["3 messages / 15m", "300 recipients / message"],
               "block": {"after": "100 refusals / 10m", "for": ["1h", "released"]}},
              {"name": "php", "per": ["script", "sender"], "when": "local", "limits": ["1 messages / 1h"], "action": "quarantine"},
              {"name": "hosts", "per": "client", "when": "local", "limits": ["100 messages / 1h"], "action": "quarantine"}],
    "hold": {"max": 5},
}


def run(*words, **options):
    """What a program says and how it ends."""
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, **options)


def said(daemon, *arguments, exit=0):
    """Runs the command and returns its whole output: plain text of at most 80 columns, apart from the problems of a
    configuration, which begin with its name."""
    done = daemon.command(*arguments)
    text = done.stdout + done.stderr
    assert done.returncode == exit, text
    assert "\x1b" not in text
    for line in text.splitlines():
        assert len(line) <= 80 or re.match(r"/\S+: ", line) or str(daemon.path) in line, line
    return text


def tried(daemon, *arguments):
    """`sendquota try`: the verdicts of its messages, one after the other."""
    rows = daemon.cli("try", "--milter", daemon.milter, *arguments)["messages"]
    return [row["verdict"] for row in rows for _ in range(row["first"], row["last"] + 1)]


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
