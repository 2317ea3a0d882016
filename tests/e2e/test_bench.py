"""What tests/bench measures with: it sends as many messages as it is told, and counts what it is answered."""

import json
import socket
import struct
import subprocess

import pytest

from rig import Daemon, wait_for
from rig.blocks import mailbox
from rig.room import BUILD
from rig.tap import packet, read_packet
from rig.wait import socket_answers


def load(target, *options):
    done = subprocess.run([str(BUILD / "bin" / "bench_load"), target, "--senders", "1", "--warm-up", "0", "--seconds", "30", *options],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("options", [["--connections", "4"], ["--connections", "4", "--new"], ["--connections", "1", "--rate", "500"]],
                         ids=["kept connections", "a connection for each message", "a fixed rate"])
def test_its_load_counts_every_answer(running, options):
    daemon = running(Daemon({"quota": [mailbox(limits=["10 messages / 30d"])]}))
    told = load(daemon.milter, "--messages", "30", *options)
    assert told["verdicts"] == {"proceed": 10, "tempfail": 20} and told["messages"] == 30 and told["unanswered"] == 0
    assert daemon.used("s0000000@bench.test") == 10
    assert 0 < told["answer"]["p50"] <= told["whole"]["p50"] <= told["whole"]["max"]


def test_its_no_op_filter_negotiates_as_the_daemon_does(running):
    """With a quota that may look at the PHP header, and where nothing needs the headers."""
    for quotas, words in (([mailbox()], ["no-headers"]), ([mailbox(), {"name": "php", "per": ["script"], "when": "local", "limits": ["9 messages / 1d"],
                                                          "action": "quarantine"}], [])):
        daemon = running(Daemon({"quota": quotas, "record": {"subject": not words, "message_id": not words}}))
        path = daemon.path / "noop.sock"
        noop = subprocess.Popen([str(BUILD / "bin" / "bench_noop"), f"unix:{path}", *words])
        try:
            assert negotiation(path) == negotiation(daemon.socket)
        finally:
            noop.kill()
            noop.wait()


def negotiation(path):
    """The bytes of the milter's half of it."""
    wait_for(lambda: socket_answers(path), "the milter answers")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(packet(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF)))
        return read_packet(client.makefile("rb"))
