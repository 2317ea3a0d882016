"""The command `sendquota` as a program uses it: what it reads with --json, and how the command ends."""

import json
import re

import pytest

from rig.command import ALICE, run, said, tried
from rig.room import BUILD

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
