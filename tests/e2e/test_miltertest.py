"""Every miltertest/NAME.lua against a daemon configured by miltertest/NAME.toml, or by default.toml if it has none.

The script finds the daemon's address in the global `socket`. The .toml says nothing of sockets, store and log: those
tables are the rig's, written below it.
"""

import tomllib
from pathlib import Path

import pytest

from rig import Daemon
from rig.miltertest import miltertest

SCRIPTS = sorted(Path(__file__).with_name("miltertest").glob("*.lua"))


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_miltertest(running, script):
    own = script.with_suffix(".toml")
    config = own if own.exists() else script.with_name("default.toml")
    daemon = running(Daemon(tomllib.loads(config.read_text())))
    miltertest(script, daemon.milter)
    assert daemon.process.poll() is None
