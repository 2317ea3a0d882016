"""The command `sendquota` against a running daemon, as an administrator uses it."""

import json
import re
import subprocess
import sys

import pytest

from rig import Daemon, Redis, wait_for
from rig.command import ALICE, CONFIG, said, tried

CLOCK = r"(\d{4}-\d\d-\d\d\s+)?\d\d:\d\d"


def test_status(daemon):
    assert tried(daemon, "--user", ALICE, "--count", 5) == ["accept"] * 3 + ["tempfail"] * 2
    text = said(daemon, "status")
    for pattern in (rf"^daemon +sendquotad \S+ on \S+, process {daemon.process.pid}, up \d+s$", r"^store +memory:, ok$", r"^mode +as configured$",
                    r"^mail +3 accepted, 2 tempfailed, 0 rejected, 0 held, 0 discarded, 0\n +observed, 0 inbound, 0 uncovered$", r"quotas: 3$"):
        assert re.search(pattern, text, re.M), text


def test_show(daemon):
    text = said(daemon, "show", ALICE)
    assert re.search(r"^user:alice@example\.test\nblocked +no$", text, re.M)
    assert re.search(r"^mailbox +0/3 messages per 15m +is full +quota$", text, re.M)
    assert re.search(r"^mailbox +at most 300 recipients per message +quota$", text, re.M)
    tried(daemon, "--user", ALICE, "--count", 5)
    text = said(daemon, "show", "alice")
    assert re.search(rf"^mailbox +3/3 messages per 15m +{CLOCK} \(in 15m\) +quota$", text, re.M), text
    assert re.search(rf"^mailbox +[12] of 100 in 10m +{CLOCK} \(\ds ago\)$", text, re.M), text


def test_show_of_a_script(daemon):
    assert tried(daemon, "--script", "1000:form.php", "--count", 3) == ["accept", "quarantine", "quarantine"]
    text = said(daemon, "show", "script:mail.example.com/1000:form.php")
    assert re.search(r"^held +2 messages on mail\.example\.com, at most 5$", text, re.M)
    assert re.search(rf"^php +1/1 messages per 1h +{CLOCK} \(in 1h\) +quota$", text, re.M), text


def test_block_and_release(daemon):
    """What was ordered is seen at once by whoever looks."""
    text = said(daemon, "block", ALICE, "--for", "1h", "--reason", "password stolen, ticket 4711")
    assert re.fullmatch(rf"user:alice@example\.test is blocked until {CLOCK} \(in 1h\), action reject:\s+password\s+stolen, ticket 4711\n", text), text
    assert re.search(rf"^user:alice@example\.test +{CLOCK} \(in 1h\) +reject +hand +password stolen, ", said(daemon, "blocked"), re.M)
    assert "password stolen, ticket 4711" in said(daemon, "show", ALICE)
    assert tried(daemon, "--user", ALICE) == ["reject"]
    text = said(daemon, "release", ALICE, "--reason", "talked to her")
    assert re.match(r"user:alice@example\.test is released; its quotas are full again\n", text)
    assert said(daemon, "blocked") == "Nobody is blocked.\n"
    assert tried(daemon, "--user", ALICE) == ["accept"]
    assert said(daemon, "release", "nobody") == "user:nobody@example.test was not blocked; its quotas are full again\n"
    assert daemon.wait_for_log("event=blocked, identity=user:alice@example.test") and daemon.wait_for_log("event=released")


def test_release_refills(daemon):
    assert tried(daemon, "--user", ALICE, "--count", 4)[-1] == "tempfail"
    said(daemon, "release", ALICE)
    assert tried(daemon, "--user", ALICE, "--count", 4) == ["accept"] * 3 + ["tempfail"]


LIMITS = [
    # what is typed after the identity          the verdicts on four messages
    (["mailbox", "1 messages / 1h"], ["accept", "tempfail", "tempfail", "tempfail"]),
    (["mailbox", "2", "messages", "/", "1h", "--for", "1d"], ["accept", "accept", "tempfail", "tempfail"]),
    (["mailbox", "unlimited"], ["accept"] * 4),
    (["*", "unlimited"], ["accept"] * 4),
    (["mailbox", "none"], ["reject"] * 4),
    (["mailbox", "inherit"], ["accept"] * 3 + ["tempfail"]),
]


@pytest.mark.parametrize("typed, verdicts", LIMITS, ids=lambda value: " ".join(value)[:40])
@pytest.mark.parametrize("identity", [ALICE, "*"])
def test_limit(daemon, identity, typed, verdicts):
    text = said(daemon, "limit", identity, *typed)
    assert " ".join(typed[1:]).split(" --for")[0] in text and (re.search(r"until [^(]*\(in 24h\)", text) if "--for" in typed else "until it is" in text)
    assert "1 live limit\n" in said(daemon, "limits")
    assert tried(daemon, "--user", ALICE, "--count", 4) == verdicts
    assert "the live limit is removed" in said(daemon, "limit", identity, typed[0], "remove")
    assert said(daemon, "limits") == "There are no live limits.\n"
    assert "there was no live limit" in said(daemon, "limit", identity, typed[0], "remove")


def test_mode(daemon):
    assert "mode: as configured\n" in said(daemon, "mode")
    assert re.search(rf"mode: observe everywhere, switched live {CLOCK} \(0s ago\) by root, until\s+{CLOCK}\s+\(in\s+2h\)", said(daemon, "mode", "observe", "--for", "2h"))
    assert "observe everywhere" in said(daemon, "mode")
    assert re.search(r"^mailbox +enforce +observe$", said(daemon, "mode"), re.M)
    assert tried(daemon, "--user", ALICE, "--count", 5) == ["accept"] * 5
    said(daemon, "mode", "enforce")
    assert tried(daemon, "--user", ALICE) == ["tempfail"]
    said(daemon, "mode", "config")
    assert "mode: as configured\n" in said(daemon, "mode")


def test_the_mode_and_a_limit_for_everybody_do_not_end_each_other(daemon):
    said(daemon, "mode", "observe")
    for order in (["unlimited"], ["remove"]):
        text = said(daemon, "limit", "*", "*", *order, exit=1)
        assert re.search(r"the entry '\* \*' holds the mode: observe\s+since=", text) and "hint: to take the mode away first: sendquota mode config\n" in text
    assert daemon.cli("mode")["live"] == "observe"
    said(daemon, "mode", "config")
    said(daemon, "limit", "*", "*", "unlimited")
    for order in ("observe", "config"):
        assert "hint: to take the limit away first: sendquota limit '*' '*' remove\n" in said(daemon, "mode", order, exit=1)
    assert [limit["limit"] for limit in daemon.cli("limits")["limits"]] == ["unlimited"]
    said(daemon, "limit", "*", "*", "remove")
    said(daemon, "mode", "observe")


def test_what_nobody_understands_in_a_table_is_shown(running):
    """One byte in another encoding, typed into a table, must not hide all the others."""
    redis = running(Redis())
    daemon = running(Daemon(CONFIG, store=redis.url))
    redis.cli("HSET", "sendquota:blocked", "user:eve@example.test", "caf\udce9")   # Latin-1
    redis.cli("HSET", "sendquota:blocked", "user:bob@example.test", "until=tomorrow " + 300 * "ü")
    redis.cli("HSET", "sendquota:override", "* mailbox", "plenty")
    wait_for(lambda: len(daemon.cli("blocked")["blocked"]) == 2 and daemon.cli("limits")["limits"], "both tables are read")
    blocks = {block["identity"]: block for block in daemon.cli("blocked")["blocked"]}
    assert blocks["user:eve@example.test"]["reason"] == "caf\ufffd"
    assert "\ufffd" not in blocks["user:bob@example.test"]["error"] and blocks["user:bob@example.test"]["error"].endswith("ü)")
    text = said(daemon, "blocked")
    assert "caf\ufffd" in text and text.count("ERROR:") == 1, text
    assert "caf\ufffd" in said(daemon, "show", "eve")
    (limit,) = daemon.cli("limits")["limits"]
    assert (limit["identity"], limit["quota"], limit["limit"]) == ("*", "mailbox", None) and limit["error"].endswith("(plenty)")
    text = said(daemon, "limits")
    assert "0 live limits\n1 entry not understood" in text, text
    said(daemon, "limit", "*", "mailbox", "remove")
    assert daemon.cli("limits")["limits"] == [] and daemon.cli("release", "eve")["released"]


def test_whoever_does_not_take_his_answers_makes_nobody_else_wait(running):
    daemon = running(Daemon(CONFIG))
    daemon.path.chmod(0o755)
    daemon.admin.chmod(0o666)
    hog = f"""
import socket, sys, time
def ask():
    caller = socket.socket(socket.AF_UNIX)
    caller.connect({str(daemon.admin)!r})
    caller.setblocking(False)
    try:
        while caller.send(b"GET /v1/status HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"):
            pass
    except OSError:
        return caller
callers = [ask() for _ in range(100)]
print("ready", flush=True)
time.sleep(60)
"""
    nobody = subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", hog], stdout=subprocess.PIPE, text=True)
    try:
        assert nobody.stdout.readline() == "ready\n"
        for _ in range(3):
            said(daemon, "status")
    finally:
        nobody.kill()
        nobody.wait()


def test_reload_takes_a_configuration_or_refuses_it_whole(daemon):
    tried(daemon, "--user", ALICE, "--count", 2)
    daemon.configure({**CONFIG, "quota": [{**CONFIG["quota"][0], "limits": ["1 messages / 15m"]}, *CONFIG["quota"][1:]]})
    assert f"reloaded {daemon.config_file}, quotas: 3" in said(daemon, "reload")
    assert tried(daemon, "--user", ALICE) == ["tempfail"]
    daemon.config_file.write_text('mode = "off"\n[store]\nurl = 5\n')
    text = said(daemon, "reload", exit=78)
    assert re.search(r"sendquota\.toml:1: mode: ", text) and re.search(r"sendquota\.toml:3: store\.url: ", text), text
    assert json.loads(daemon.command("--json", "reload").stdout)["problems"][0].startswith(str(daemon.config_file))
    assert "quotas: 3" in said(daemon, "status")


def test_try_shows_the_verdicts(daemon):
    text = said(daemon, "try", "--milter", daemon.milter, "--user", ALICE, "--count", 300, "--recipients", 2)
    assert re.match(r"messages +verdict +at +answer\n1-3 +accept +END-OF-MESSAGE\n4 +tempfail +END-OF-MESSAGE +451 4\.7\.1 Sending limit reached", text)
    assert re.search(r"^5-\d+ +tempfail +MAIL +451 4\.7\.1 ", text, re.M), text
    assert daemon.cli("status")["mail"]["accepted"] == 3
    assert said(daemon, "--config", daemon.config_file, "try", "--sender", "bob@example.test", "--client", "2001:db8::7").splitlines()[1].split()[:2] == ["1", "accept"]


def test_help_says_everything(daemon):
    text = said(daemon, "--help")
    for command in ("status", "show", "top", "events", "who", "incident", "report", "nodes", "blocked", "limits", "mode", "release", "block", "limit", "reload", "check-config", "try"):
        assert re.search(rf"^  {command}\b", text, re.M)
        said(daemon, command, "--help")
    assert re.match(r"sendquota \d", said(daemon, "--version"))
