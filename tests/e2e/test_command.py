"""The command `sendquota` against a running daemon, as an administrator uses it, and `sendquotad` where it only checks."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig import Daemon, Redis, wait_for
from rig.room import BUILD

ALICE = "alice@example.test"
SOURCE = Path(__file__).resolve().parents[2]
CONFIG = {
    "quota": [{"name": "mailbox", "per": "user", "limits": ["3 messages / 15m", "300 recipients / message"],
               "block": {"after": "100 refusals / 10m", "for": ["1h", "released"]}},
              {"name": "php", "per": ["script", "sender"], "when": "local", "limits": ["1 messages / 1h"], "action": "quarantine"},
              {"name": "hosts", "per": "client", "when": "local", "limits": ["100 messages / 1h"], "action": "quarantine"}],
    "hold": {"max": 5},
}
CLOCK = r"(\d{4}-\d\d-\d\d\s+)?\d\d:\d\d"


@pytest.fixture
def daemon(running):
    return running(Daemon(CONFIG))


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


# What a person sees

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


# What a program reads

MODE_KEYS = {"live", "since", "until", "by", "quotas"}
BLOCK_KEYS = {"identity", "id", "since", "until", "action", "by_hand", "by", "quota", "step", "reason", "error"}
LIVE_LIMIT_KEYS = {"identity", "quota", "limit", "since", "until", "by", "error"}
JSON = [
    (["status"], {"version", "host", "pid", "started", "uptime_ms", "config", "mode", "store", "mail", "signals", "blocked", "live_limits",
                  "warnings"}),
    (["show", ALICE], {"identity", "account", "exempt", "blocked", "limits", "refusals", "ladder", "held"}),
    (["blocked"], {"blocked"}),
    (["limits"], {"limits"}),
    (["mode"], MODE_KEYS),
    (["mode", "observe", "--for", "1h"], MODE_KEYS),
    (["mode", "config"], MODE_KEYS),
    (["release", ALICE], {"identity", "released", "refilled", "block"}),
    (["block", ALICE, "--for", "1h"], BLOCK_KEYS),
    (["limit", ALICE, "mailbox", "5 messages / 1d"], LIVE_LIMIT_KEYS),
    (["limit", ALICE, "mailbox", "remove"], {"identity", "quota", "removed"}),
    (["reload"], {"file", "loaded", "quotas", "warnings"}),
    (["--help"], {"help"}),
    (["try", "--help"], {"help"}),
    (["--version"], {"version"}),
]


@pytest.mark.parametrize("typed, keys", JSON, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_json_has_the_documented_keys(daemon, typed, keys):
    assert keys <= daemon.cli(*typed).keys()


def test_json_of_what_lies_below(daemon):
    tried(daemon, "--user", ALICE, "--count", 5)
    daemon.cli("block", "bob", "--reason", "r")
    daemon.cli("limit", "bob", "*", "unlimited", "--for", "1d")
    status = daemon.cli("status")
    assert status["mail"].keys() >= {"accepted", "tempfailed", "rejected", "held", "discarded", "observed", "inbound", "uncovered"}
    assert status["config"].keys() >= {"file", "loaded", "quotas"} and status["store"].keys() >= {"url", "state", "since", "error"}
    assert status["mode"].keys() >= MODE_KEYS and status["mode"]["quotas"][0].keys() >= {"quota", "mode", "effective"}
    shown = daemon.cli("show", ALICE)
    assert shown["limits"][0] == {"quota": "mailbox", "limit": "3 messages / 15m", "unit": "messages", "amount": 3, "period": "15m", "burst": 3,
                                  "used": 3, "full_at": shown["limits"][0]["full_at"], "observed": False, "source": "quota"}
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", shown["limits"][0]["full_at"])
    assert shown["refusals"][0].keys() >= {"quota", "count", "of", "window", "since"}
    assert shown["refusals"][0]["of"] == 100 and shown["refusals"][0]["window"] == "10m"
    (blocked,) = daemon.cli("blocked")["blocked"]
    assert blocked.keys() >= BLOCK_KEYS and blocked["identity"] == "user:bob@example.test" and blocked["by_hand"] is True and blocked["until"] is None
    (limit,) = daemon.cli("limits")["limits"]
    assert limit.keys() >= LIVE_LIMIT_KEYS and (limit["quota"], limit["limit"]) == ("*", "unlimited")
    tried(daemon, "--script", "1000:form.php", "--count", 2)
    assert daemon.cli("show", "script:mail.example.com/1000:form.php")["held"] == [{"host": "mail.example.com", "count": 1, "max": 5}]


# How it ends

EXITS = [
    (["status"], 0), (["show", "nobody"], 0),
    (["limit", ALICE, "no-such-quota", "unlimited"], 1),
    ([], 64), (["nonsense"], 64), (["status", "--colour"], 64), (["show"], 64), (["show", "*"], 64), (["show", "192.0.2.1"], 64),
    (["show", "planet:mars"], 64), (["block", ALICE, "--for", "soon"], 64), (["limit", ALICE, "mailbox", "5 bananas"], 64), (["mode", "off"], 64),
    (["block", ALICE, "--reason", "two\nlines"], 64), (["block", "user_domain:"], 64),
    (["check-config", "/no/such/file"], 78), (["check-config", ""], 64),
    # An empty word is a variable without a value: never "for ever", "nobody" or a default.
    (["block", ALICE, "--for", ""], 64), (["mode", "observe", "--for", ""], 64), (["limit", ALICE, "mailbox", "none", "--for", ""], 64),
    (["try", "--user", ""], 64), (["show", "user:caf\udce9"], 64), (["block", ALICE, "--reason", "\udce9"], 64),
    (["try", "--milter", "nonsense"], 64), (["try", "--milter", "inet:none@localhost"], 64), (["try", "--count", "0"], 64),
    (["try", "--milter", "unix:/no/such/socket", "--count", "3"], 69), (["--config", "/no/such/file", "try"], 78),
    (["try", "--user", ALICE, "--script", "1000:form.php"], 64), (["try", "--client", "192.0.2.1", "--script", "1000:form.php"], 64),
]


@pytest.mark.parametrize("typed, code", EXITS, ids=lambda value: " ".join(value) if isinstance(value, list) else str(value))
def test_exit_codes(daemon, typed, code):
    """With --json always one document, on the standard output alone."""
    assert said(daemon, *typed, exit=code)
    done = daemon.command("--json", *typed)
    assert (done.returncode, done.stderr) == (code, "")
    assert ("error" in json.loads(done.stdout)) == (code != 0)
    assert done.stdout.count("\n") == 1
    assert daemon.cli("blocked")["blocked"] == [] and daemon.cli("mode")["live"] is None


def test_a_command_that_is_none_is_named(daemon):
    assert 'there is no command "nonsense"' in said(daemon, "nonsense", exit=64)


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, **options)


def test_exit_codes_without_a_daemon(daemon):
    command = BUILD / "bin" / "sendquota"
    assert run(command, "--socket", "/no/such/socket", "status").returncode == 69
    assert run(command, "try", "--milter", "unix:/no/such/socket", "--user", "alice").returncode == 69
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", command]
    denied = run(*nobody, "--socket", daemon.admin, "status")
    assert denied.returncode == 77 and denied.stderr.startswith("sendquota: ")
    daemon.path.chmod(0o755)
    daemon.socket.chmod(0o660)
    denied = run(*nobody, "try", "--milter", daemon.milter)
    assert denied.returncode == 77 and "hint: run it as root, or as a member of the milter socket's group\n" in denied.stderr, denied.stderr
    assert run(*nobody, "--json", "try", "--milter", daemon.milter).stdout.startswith('{"messages":[],"error":')
    daemon.kill()
    assert daemon.command("status").returncode == 69


# On a terminal

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


# Checking a configuration

BAD = SOURCE / "tests" / "config" / "bad" / "everything_at_once.toml"


@pytest.mark.parametrize("words", [("sendquotad", "--check-config", BAD), ("sendquotad", "-t", BAD), ("sendquotad", "-c", BAD, "-t"),
                                   ("sendquotad", "--config", BAD), ("sendquota", "check-config", BAD), ("sendquota", "--config", BAD, "check-config")],
                         ids=lambda words: " ".join(map(str, words[:2])))
def test_all_problems_of_a_configuration_at_once(words):
    done = run(BUILD / "bin" / words[0], *words[1:])
    want = [f"{BAD.parent}/{line}" for line in BAD.with_suffix(".want").read_text().splitlines()]
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (78, "", want)


@pytest.mark.parametrize("words", [("sendquotad", "--check-config"), ("sendquotad", "-t"), ("sendquota", "check-config")], ids=lambda words: " ".join(words))
def test_a_report_of_the_reference_configuration(words):
    done = run(BUILD / "bin" / words[0], *words[1:], SOURCE / "conf" / "sendquota.toml")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert re.search(r"^quota mailbox: per user, ", done.stdout, re.M)
    # A limit: at once, in the worst period, per hour, day and month.
    assert re.search(r"^  250 messages / 15m +250 +499 +1249 +24249 +720249$", done.stdout, re.M), done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_a_report_as_json():
    done = run(BUILD / "bin" / "sendquota", "--json", "check-config", SOURCE / "conf" / "sendquota.toml")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report.keys() >= {"grants", "warnings"}
    rows = {row["what"]: row for grant in report["grants"] for row in grant["rows"]}
    assert (rows["250 messages / 15m"]["at_once"], rows["250 messages / 15m"]["in_period"]) == (250, 499)
    done = run(BUILD / "bin" / "sendquota", "--json", "check-config", BAD)
    assert done.returncode == 78 and len(json.loads(done.stdout)["problems"]) == len(BAD.with_suffix(".want").read_text().splitlines())
