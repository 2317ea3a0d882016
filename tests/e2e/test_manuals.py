"""The man pages: well formed, complete, and true. What they print is done here."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from rig import Daemon, Redis, wait_for
from rig.room import BUILD

CONF = Path(__file__).resolve().parents[2] / "conf"
PAGES = sorted((CONF / "man").iterdir())
WIDE = ["-rLL=400n", "-P-c", "-Tutf8"]


def shown(name):
    """A page as it is read, too wide for lines to be broken."""
    raw = subprocess.run(["groff", "-man", *WIDE, CONF / "man" / name], capture_output=True, text=True, check=True).stdout
    return re.sub(r".\x08", "", raw)


def examples(name):
    """The lines between .EX and .EE of a page's source, as they are to be typed."""
    text = (CONF / "man" / name).read_text().replace(r"\-", "-").replace(r"\(aq", "'")
    return [line for block in re.findall(r"^\.EX\n(.*?)^\.EE$", text, re.M | re.S) for line in block.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_groff_has_nothing_to_say_of_a_page(page):
    done = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", page], capture_output=True, text=True, check=True)
    assert done.stderr == ""


# sendquota.toml(5)

def described():
    """{section: {key: default as printed, or None}} of sendquota.toml(5)."""
    sections, section = {}, None
    for line in shown("sendquota.toml.5").splitlines():
        if line and not line.startswith(" "):
            section = line
        if section == "EXAMPLE":
            break
        entry = re.match(r" {7}([a-z_0-9]+(?:, [a-z_0-9]+)*)(?: = (.*)| \(required\))$", line)
        if entry:
            sections.setdefault(section, {}).update(dict.fromkeys(entry.group(1).split(", "), entry.group(2)))
    return sections


def reference():
    """{section: {key: value}} of the reference configuration, named as the page names them."""
    config = tomllib.loads((CONF / "sendquota.toml").read_text())
    sections = {"TOP OF THE FILE": {}, "[[quota]]": {}}
    for name, value in config.items():
        if isinstance(value, dict):
            lists = {key: entries[0] for key, entries in value.items() if isinstance(entries, list) and entries and isinstance(entries[0], dict)}
            sections[f"[{name}]"] = {key: entry for key, entry in value.items() if key not in lists}
            sections |= {f"[[{name}.{key}]]": entry for key, entry in lists.items()}
        elif name != "quota":
            sections["TOP OF THE FILE"][name] = value
    for quota in config["quota"]:
        plain = {key: value for key, value in quota.items() if key not in ("block", "reply", "override")}
        sections["[[quota]]"] = plain | sections["[[quota]]"]  # the first quota shows the defaults
        sections |= {f"[quota.{name}]": quota[name] for name in ("block", "reply") if name in quota}
        sections |= {"[[quota.override]]": entry for entry in quota.get("override", [])}
    return sections


def test_every_key_of_the_reference_configuration_is_described_and_no_other():
    keys = {section: set(entries) for section, entries in described().items()}
    assert keys == {section: set(entries) for section, entries in reference().items()}


def test_the_defaults_that_are_printed_are_those_of_the_reference_configuration():
    values = reference()
    printed = {(section, key): tomllib.loads(f"x = {default}")["x"]
               for section, entries in described().items() for key, default in entries.items() if default is not None}
    assert len(printed) > 35
    ours = {("TOP OF THE FILE", "mode"): "enforce"}  # the reference observes, and says so
    assert {place: ours.get(place, values[place[0]][place[1]]) for place in printed} == printed


def test_the_example_configuration_is_well(tmp_path):
    file = tmp_path / "sendquota.toml"
    file.write_text("\n".join(examples("sendquota.toml.5")))
    done = subprocess.run([BUILD / "bin/sendquota", "check-config", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# sendquota(1), sendquotad(8)

def help_of(program, *words):
    return subprocess.run([BUILD / "bin" / program, *words, "--help"], capture_output=True, text=True, check=True).stdout


def entries_of(text):
    """The first word of each entry of a page."""
    return {word for line in re.findall(r"^ {7}(\S.*)$", text, re.M) for word in line.split(" ")[:1]}


def test_every_command_and_option_of_sendquota_is_described():
    page = shown("sendquota.1")
    commands = re.findall(r"^  ([a-z][a-z-]+),? ", help_of("sendquota").split("Subcommands:")[1], re.M)
    assert len(commands) >= 11
    assert set(commands) <= entries_of(page[page.index("\nCOMMANDS"):])
    options = {option for words in [(), *((command,) for command in commands)]
               for option in re.findall(r"(?<![\w-])--[a-z-]+", help_of("sendquota", *words))}
    assert {option for option in options if not re.search(rf"{option}\b", page)} == set()


def test_every_option_and_exit_code_of_sendquotad_is_described():
    page = shown("sendquotad.8")
    text = help_of("sendquotad")
    assert {option for option in re.findall(r"(?<![\w-])--[a-z-]+", text) if option not in page} == set()
    codes = re.findall(r"\b(\d+) ", text[text.index("Exit codes"):])
    assert set(codes) <= entries_of(page[page.index("\nEXIT STATUS"):])


def test_every_option_of_sendquota_queue_is_described():
    options = set(re.findall(r"(?<![\w-])--[a-z-]+", help_of("sendquota-queue")))
    assert len(options) >= 6
    assert {option for option in options if option not in shown("sendquota-queue.8")} == set()


def test_the_examples_of_sendquota_work(running):
    daemon = running(Daemon({"quota": [{"name": "mailbox", "per": "user", "limits": ["250 messages / 15m"]}]}))
    lines = examples("sendquota.1")
    assert len(lines) > 5
    for line in lines:
        words = shlex.split(line)
        assert words.pop(0) == "sendquota"
        more = ["--milter", daemon.milter] if words[0] == "try" else []
        done = daemon.command(*words, *more)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


JSON_COMMANDS = ["status", "show ID", "block ID", "blocked", "limit ID QUOTA LIMIT", "limits", "mode", "release ID", "reload", "try", "held", "held ID"]
TYPED = {"ID": "alice@example.com", "QUOTA": "mailbox", "LIMIT": "unlimited"}


def test_every_key_of_the_json_of_sendquota_is_described(running):
    daemon = running(Daemon({"quota": [{"name": "mailbox", "per": "user", "limits": ["250 messages / 15m"]}]}))
    page = shown("sendquota.1")
    section = page[page.index("\nJSON"):page.index("\nEXIT STATUS")]

    def described(command):
        return set(re.findall(r"[a-z_]+", re.search(rf"^ {{7}}{command}\s+(.*)$", section, re.M).group(1)))
    for command in JSON_COMMANDS:
        more = ["--milter", daemon.milter] if command == "try" else []
        answer = daemon.cli(*(TYPED.get(word, word) for word in command.split()), *more)
        assert set(answer) <= described(command), command
    report = daemon.cli("check-config", daemon.config_file)
    keys = {*report, *report["grants"][0], *report["grants"][0]["rows"][0]}
    assert keys <= described("check-config")


# sendquota-store(7): each line is tried where it has something to do. `before` brings the sender there, `after` is the
# fact that the line makes true.

ALICE = "user:alice@example.com"


class Sender:
    """alice@example.com, with a quota of two messages, on a daemon and a Redis of her own."""

    def __init__(self, daemon, redis):
        self.daemon, self.redis = daemon, redis

    def verdict(self):
        return self.daemon.play(1, user="alice@example.com")[0].verdict

    def becomes(self, verdict):
        wait_for(lambda: self.verdict() == verdict, f"alice's message meets {verdict}")

    def used_up(self):
        self.daemon.play(2, user="alice@example.com")
        self.becomes("tempfail")

    def exempt(self):
        self.redis.cli("HSET", "sendquota:override", f"{ALICE} *", "unlimited")
        self.becomes("accept")

    def observed(self):
        self.used_up()
        self.redis.cli("HSET", "sendquota:override", "* *", "observe")
        self.becomes("accept")

    def blocked(self):
        self.used_up()
        self.redis.cli("HSET", "sendquota:blocked", ALICE, "password stolen")
        self.becomes("reject")

    def held(self):
        self.redis.cli("HSET", "sendquota:blocked", ALICE, "action=quarantine being looked into")
        self.becomes("quarantine")
        assert self.daemon.cli("held", ALICE)["shelves"]

    def ordered(self):
        self.held()
        self.daemon.command("held", ALICE, "--delete", "--with-bounces", "--all-hosts", "--wait", "1ms", "--reason", "ticket 4711")

    def recorded(self):
        self.used_up()
        self.daemon.cli("show", ALICE)  # writes what is not written yet

    def ranked(self):
        hours = [key for key in self.redis.cli("KEYS", "sendquota:top:user:messages:*").split()]
        assert [self.redis.cli("ZREVRANGE", key, "0", "9", "WITHSCORES").split() for key in hours] == [[ALICE, "2"]]

    def owns(self, account):
        wait_for(lambda: self.daemon.cli("show", "bob@acme.example")["account"] == account, f"bob belongs to {account}")


def until(verdict):
    return lambda sender, _: sender.becomes(verdict)


def says(*texts):
    def check(_, output):
        assert all(text in output for text in texts), output
    return check


LINES = [
    (r"HGETALL sendquota:blocked", Sender.blocked, says(ALICE, "password stolen", "epoch")),
    (r"HDEL sendquota:blocked \S+", Sender.blocked, until("accept")),
    (r"DEL 'sendquota:\{.*\}'", Sender.used_up, until("accept")),
    (r"HSET sendquota:blocked \S+ 'password stolen, ticket 4711'", None, until("reject")),
    (r"HSET sendquota:blocked \S+ 'until=.*'", None, until("reject")),
    (r"HSET sendquota:blocked \S+ 'action=quarantine .*'", None, until("quarantine")),
    (r"HSET sendquota:override 'user:alice@example.com mailbox' '5000 .*'", Sender.used_up, until("accept")),
    (r"HSET sendquota:override 'user:alice@example.com \*' unlimited", Sender.used_up, until("accept")),
    (r"HDEL sendquota:override 'user:alice@example.com \*'", Sender.exempt, lambda sender, _: sender.used_up()),
    (r"HSET sendquota:override '\* \*' observe", Sender.used_up, until("accept")),
    (r"HDEL sendquota:override '\* \*'", Sender.observed, until("tempfail")),
    (r"HSET sendquota:account .*", None, lambda sender, _: sender.owns("acme")),
    (r"HGETALL 'sendquota:\{.*\}'", Sender.used_up, says("mailbox messages/30d", "/2 ")),
    (r"HGETALL 'sendquota:history:\{.*\}'", Sender.recorded, says("first", "hours", "fives", "2,1")),
    (r"LRANGE 'sendquota:messages:\{.*\}' .*", Sender.recorded, says("\t\t\t\tTRY", "\ttempfail\tover\tmailbox\t")),
    (r"ZREVRANGE sendquota:top:user:messages:\d+ 0 9 WITHSCORES", Sender.recorded, lambda sender, _: sender.ranked()),
    (r"ZREVRANGE sendquota:held-shelves 0 19 WITHSCORES", Sender.held, says(f"mail.example.com {ALICE}")),
    (r"XRANGE 'sendquota:held:\{.*\}:mail.example.com' - \+ COUNT 20", Sender.held, says("\nm\n", "\tTRY00000001\t", "\t=\t1\t=\t=")),
    (r"HGETALL sendquota:orders", Sender.ordered, says(f"\t{ALICE}\theld\tdelete\t1\t0\troot\tticket 4711\tmail.example.com")),
    (r"XREVRANGE sendquota:events .*", Sender.blocked, says("event", "blocked", "by hand")),
]
PRINTED = [line for line in examples("sendquota-store.7") if line.startswith("redis-cli ")]


@pytest.fixture
def alice(running):
    redis = running(Redis())
    daemon = running(Daemon({"quota": [{"name": "mailbox", "per": "user", "limits": ["2 messages / 30d"]}]}, store=redis.url))
    return Sender(daemon, redis)


@pytest.mark.parametrize("line", PRINTED)
def test_a_redis_cli_line_does_what_the_page_says(alice, line):
    before, after = next((before, after) for pattern, before, after in LINES if re.fullmatch(f"redis-cli {pattern}", line))
    if before:
        before(alice)
    output = alice.redis.cli(*shlex.split(line)[1:])
    after(alice, output)
    for table in ("blocked", "override", "account"):
        assert not any(text.startswith("ERROR") for text in alice.redis.hash(f"sendquota:{table}").values())


def test_every_line_that_is_tried_is_printed():
    assert [pattern for pattern, _, _ in LINES if not any(re.fullmatch(f"redis-cli {pattern}", line) for line in PRINTED)] == []
