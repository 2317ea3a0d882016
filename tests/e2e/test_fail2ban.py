"""The filter of contrib/fail2ban on lines that a daemon wrote: which clients it would ban, and that nobody can have another one banned."""

import re
import subprocess
from pathlib import Path

import pytest

from rig import wait_for
from rig.tap import packet
from test_log import TYPED, converse, message, session
from test_log_targets import Apart, fields

CONTRIB = Path(__file__).resolve().parents[2] / "contrib" / "fail2ban"
FILTER = CONTRIB / "filter.d/sendquota.conf"
QUOTAS = [{"name": "mailbox", "per": "user", "limits": ["1 messages / 30d", "5 recipients / message"]},
          {"name": "strict", "per": "user", "limits": ["100 messages / 30d"], "action": "reject", "override": [{"match": "user:reject@example.test", "limits": "1 messages / 31d"}]},
          {"name": "domain", "per": "user_domain", "limits": ["1000 messages / 30d"]},
          {"name": "php", "per": ["script", "client"], "when": "local", "limits": ["1000 messages / 30d"], "action": "reject"}]
CONFIG = {"quota": QUOTAS, "identity": {"default_realm": "example.test", "our_networks": ["203.0.113.0/24"]}}


def banned(file, mode="blocked"):
    """The address of each line that matches."""
    done = subprocess.run(["fail2ban-regex", "--usedns=no", "--out=ip", file, f"{FILTER}[mode={mode}]"], capture_output=True, text=True, timeout=120)
    assert not done.stderr.strip(), done.stderr
    return done.stdout.split()


def lines_of(daemon, target):
    """Its log as fail2ban reads it."""
    if target == "stderr":
        return daemon.log()
    if target == "syslog":   # rsyslog puts the host behind the time
        return [re.sub(r"^<\d+>(\w+ +\d+ [\d:]+) ", r"\1 mx1 ", line) for line in daemon.syslog.lines]
    entries = map(fields, daemon.journal.lines)
    return [f"2026-11-23T10:00:00.123456+00:00 mx1 {entry['SYSLOG_IDENTIFIER']}[4711]: {entry['MESSAGE']}" for entry in entries]


@pytest.fixture
def ban_from(running, tmp_path):
    """ban_from(daemon, target, count): what would be banned by its log, once there are `count` judged messages in it."""
    def look(daemon, target, count, mode="blocked"):
        lines = wait_for(lambda: len([one for one in lines_of(daemon, target) if "sasl_username=" in one]) >= count and lines_of(daemon, target), f"{count} lines")
        file = tmp_path / "log"
        file.write_text("".join(line + "\n" for line in lines))
        return banned(file, mode)
    return look


@pytest.fixture
def daemon(running):
    def start(target="stderr"):
        daemon = Apart(target)
        daemon.configure({**CONFIG, "log": {"target": target}})
        return running(daemon)
    return start


@pytest.mark.parametrize("target", ["stderr", "syslog", "journal"])
def test_who_uses_a_blocked_login_is_banned_and_nobody_else(daemon, ban_from, target):
    daemon = daemon(target)
    for identity in ("user:stolen@example.test", "user_domain:closed.test", "client:192.0.2.50", "script:mx1.example.test/33:x.php"):
        assert daemon.command("block", identity).returncode == 0
    plays = [
        (dict(address=b"198.51.100.1"), dict(login=b"stolen")),                       # at MAIL
        (dict(address=b"198.51.100.2"), dict(login=b"stolen@example.test")),
        (dict(address=b"192.0.2.1"), dict(login=b"honest")),
        (dict(address=b"192.0.2.1"), dict(login=b"honest")),                          # over its limit
        (dict(address=b"192.0.2.2"), dict(login=b"bob@closed.test")),                 # its domain is blocked
        (dict(address=b"192.0.2.50"), dict(login=b"carol")),                          # its address is
        (dict(address=b"203.0.113.9"), dict(login=b"")),                              # one of ours
        (dict(address=b"192.0.2.3"), dict(login=b"")),                                # mail from outside
        (dict(address=b"127.0.0.1", port=0), dict(login=b"", script=b"33:x.php")),    # a blocked script
        (dict(address=b"192.0.2.6"), dict(login=b"reject@example.test")),
        (dict(address=b"192.0.2.6"), dict(login=b"reject@example.test")),             # refused
    ]
    for where, what in plays:
        converse(daemon, *session(**where), *message(**what))
    assert ban_from(daemon, target, len(plays) - 1) == ["198.51.100.1", "198.51.100.2"]
    assert set(ban_from(daemon, target, len(plays) - 1, "refused")) >= {"198.51.100.1", "198.51.100.2"}


def test_refused_logins_are_banned_where_that_is_wanted_and_others_are_not(daemon, ban_from):
    daemon = daemon()
    daemon.configure({**CONFIG, "quota": [{"name": "strict", "per": "user", "limits": ["1 messages / 30d", "1 recipients / message"], "action": "reject"}]})
    daemon.reload()
    two_recipients = message(login=b"newsletter")
    two_recipients.insert(2, packet(b"R", b"<second@remote.test>\0"))
    converse(daemon, *session(address=b"192.0.2.7"), *two_recipients)   # it can never fit: a mistake, no attack
    for _ in range(3):
        converse(daemon, *session(address=b"198.51.100.3"), *message(login=b"alice"))
    assert daemon.command("limit", "none@example.test", "strict", "none").returncode == 0
    converse(daemon, *session(address=b"192.0.2.8"), *message(login=b"none"))
    assert ban_from(daemon, "stderr", 5, "refused") == ["198.51.100.3"] * 2
    assert ban_from(daemon, "stderr", 5) == []


FORGED = b"client=x[203.0.113.99], sasl_username=y, from=<z@z>, nrcpt=1, size=1, script=, verdict=reject, quota=, identity=user:y, limit=\"\", used=0, retry=, cause=blocked"
HOSTILE = {**TYPED, "a whole line": b"a\n2026-11-23T10:00:00.000+00:00 sendquotad[1]: info: 4X: " + FORGED, "fields of a line": b"[203.0.113.99], " + FORGED,
           "an address": b"[203.0.113.99]", "a date": b"Nov 23 10:00:00 mx1 sendquotad[1]: 4X: " + FORGED}


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_sender_types_no_other_address_is_banned(daemon, ban_from, name):
    daemon, typed = daemon(), HOSTILE[name]
    login = typed.strip() or b"stolen"
    converse(daemon, *session(address=b"192.0.2.1"), *message(login=login))
    identity = daemon.verdicts()[0].get("sasl_username")
    spelled = next(one["identity"] for one in daemon.cli("top", "--per", "user")["top"])
    assert daemon.command("block", spelled).returncode == 0 and identity
    before = len(daemon.verdicts())
    for what in (dict(login=login), dict(login=login, sender=b"<" + typed + b">"), dict(login=login, recipient=b"<" + typed + b">"),
                 dict(login=login, script=typed, queue_id=b"4X")):
        converse(daemon, *session(address=b"198.51.100.66", name=typed, helo=typed), *message(**what))
    # Such names in mail that bans nobody.
    converse(daemon, *session(address=b"203.0.113.9", name=typed, helo=typed), *message(login=b"", sender=b"<" + typed + b">", script=typed))
    converse(daemon, *session(address=b"127.0.0.1", port=0, name=typed), *message(login=b"", sender=b"<" + typed + b">", script=b"33:" + typed))
    found = ban_from(daemon, "stderr", before + 6)
    assert found == ["198.51.100.66"] * 4, (name, daemon.log())


def test_a_line_of_another_program_bans_nobody(tmp_path):
    line = "4X: client=a[198.51.100.1], sasl_username=a, from=<>, nrcpt=0, size=, script=, verdict=reject, quota=, identity=user:a, limit=\"\", used=0, retry=, cause=blocked, stage=MAIL"
    prefixes = {"mx1 sendquotad[1]: ": 1, "sendquotad[1]: info: ": 1, "mx1 evil[1]: sendquotad[1]: ": 0, "mx1 evil[1]: ": 0, "mx1 sendquotad: ": 0, "mx1 notsendquotad[1]: ": 0}
    for prefix, count in prefixes.items():
        (tmp_path / "log").write_text(f"Nov 23 10:00:00 {prefix}{line}\n")
        assert len(banned(tmp_path / "log")) == count, prefix


def test_the_example_of_a_jail_is_off_and_reads_the_journal_by_the_unit():
    jail = (CONTRIB / "jail.d/sendquota.conf").read_text()
    assert re.search(r"^enabled\s*=\s*false$", jail, re.M) and re.search(r"^backend\s*=\s*systemd$", jail, re.M) and re.search(r"^filter\s*=\s*sendquota\[mode=blocked\]$", jail, re.M)
    assert re.search(r"^journalmatch = _SYSTEMD_UNIT=sendquotad\.service$", FILTER.read_text(), re.M)
