"""contrib/quickstart: what a newcomer sees, and that the lines it prints attach the daemon."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from rig import Client, Postfix, wait_for
from rig.room import BUILD

QUICKSTART = Path(__file__).resolve().parents[2] / "contrib" / "quickstart"
ENVIRONMENT = {**os.environ, "SENDQUOTA_BUILD": str(BUILD), "COLUMNS": "100"}


def folders():
    return set(Path("/tmp").glob("sendquota.??????"))


def test_once_shows_a_sender_stopped_and_released_and_leaves_nothing():
    before = folders()
    done = subprocess.run([QUICKSTART, "--once"], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ninja: no work to do." in done.stdout, "a second run builds nothing"
    shown = done.stdout
    assert re.search(r"1-250 +accept", shown) and re.search(r"252-300 +tempfail +MAIL +451 4.7.1 Sending limit reached: 250 of 250", shown), shown
    assert "250/250 messages per 15m" in shown
    assert re.search(r"--count 1\n.*\n(.*\n)* *1 +accept", shown), "released"
    assert folders() == before


@pytest.fixture
def quickstart(tmp_path):
    out = open(tmp_path / "out", "w+")
    # A test run in the background of a shell would hand its ignored SIGINT on.
    process = subprocess.Popen(["env", "--default-signal=INT", QUICKSTART], env=ENVIRONMENT, stdout=out, stderr=out, start_new_session=True)

    def said():
        return (tmp_path / "out").read_text()
    try:
        wait_for(lambda: process.poll() is not None or "Ctrl-C ends it" in said(), "it runs", deadline=60)
        assert process.poll() is None, said()
        yield process, said
    finally:
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()
        out.close()


def test_the_lines_it_prints_attach_it_to_postfix(running, quickstart):
    process, said = quickstart
    smtp, local = (re.search(rf"\b{name} += (\{{.*\}})$", said(), re.M).group(1) for name in ("smtpd_milters", "non_smtpd_milters"))
    mx = running(Postfix(milters=[smtp], local_milters=[local]))
    mx.add_user("bob")
    with Client(mx.ports["submission"], login="bob") as bob:
        assert bob.send().accepted
    wait_for(lambda: "sasl_username=bob@example.test" in said(), "it is judged, and its log shows it")
    assert re.search(r"INPUT_MAIL_FILTER\(`sendquota', `S=inet:\d+@127\.0\.0\.1, ", said())
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
