"""The command `sendquota` on a terminal: its colours, and its progress bar."""

import os
import pty
import re
import select
import signal
import subprocess

from rig.command import ALICE, said
from rig.room import BUILD


def on_terminal(*words, environment=None):
    """What the command writes to a terminal of 80 columns."""
    ours, its = pty.openpty()
    child = subprocess.Popen([str(word) for word in words], stdin=its, stdout=its, stderr=its, env={**os.environ, "TERM": "xterm", **(environment or {})})
    os.close(its)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:
        pass   # the last writer has gone
    os.close(ours)
    assert child.wait(60) == 0
    return text.decode()


def test_colours_on_a_terminal_only(daemon):
    daemon.cli("mode", "observe")
    words = [BUILD / "bin" / "sendquota", "--socket", daemon.admin, "mode"]
    assert "\x1b[33m" in on_terminal(*words)
    assert "\x1b" not in on_terminal(*words, environment={"NO_COLOR": "1"})
    assert "\x1b" not in on_terminal(*words, environment={"TERM": "dumb"})
    assert "\x1b" not in said(daemon, "mode")


def test_a_progress_bar_where_it_takes_longer_than_a_second(daemon):
    words = [BUILD / "bin" / "sendquota", "--socket", daemon.admin, "try", "--milter", daemon.milter, "--user", ALICE]
    assert "\r[" not in on_terminal(*words)
    daemon.process.send_signal(signal.SIGSTOP)   # a message that takes as long as we like
    ours, its = pty.openpty()
    child = subprocess.Popen([str(word) for word in [*words, "--count", "2"]], stdin=its, stdout=subprocess.DEVNULL, stderr=its)
    os.close(its)
    try:
        shown = ""
        while "2s" not in shown and select.select([ours], [], [], 20)[0]:   # it is drawn on while nothing is answered
            shown += os.read(ours, 4096).decode()
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    assert child.wait(60) == 0
    os.close(ours)
    assert re.match(r"\r\[\.{40}\] 0/2, 1s\r", shown) and "] 0/2, 2s" in shown, shown
