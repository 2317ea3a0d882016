"""What the command prints fits 80 columns whatever senders typed, and what it proposes to type is still that command when it is pasted."""

import json
import subprocess
import unicodedata

import pytest

from rig import Daemon, wait_for
from rig.milterplay import message, play_each, session

LONG = "it's-" + "a" * 100 + "@" + "b" * 40 + ".example.test"
SCRIPT = "directory-of-a-customer-with-a-long-name-" * 3 + "mail's.php"
WIDE = "漢" * 60
COMBINED = "e\u0301" * 60
QUOTA = {"name": "mailbox-of-everybody-with-a-name-that-is-long", "per": ["user", "script"], "limits": ["2 messages / 1h"], "action": "quarantine"}


@pytest.fixture(scope="module")
def daemon():
    with Daemon({"quota": [QUOTA], "record": {"write_every": "100ms", "evidence_headers": ["X-Mailer"]}}) as one:
        subjects = [("Subject", f"=?utf-8?q?{''.join(f'={byte:02X}' for byte in text.encode())}?=") for text in (WIDE, COMBINED)]
        php = ("X-PHP-Originating-Script", f"1000:{SCRIPT}")
        play_each(one, [[*session(address="2001:db8:1111:2222:3333:4444:5555:6666"),
                         *message(login=LONG, sender=f"<{'s' * 60}@{'t' * 60}.example.test>", recipients=[f"<{'r' * 60}@{'u' * 100}.test>"], headers=(subject,), queue_id=f"4QQ{i:05}")]
                        for i, subject in enumerate(subjects * 3)])
        play_each(one, [[*session(address="unspec"), *message(headers=(subjects[0], php), queue_id=f"4QR{i:05}")] for i in range(5)])
        one.cli("limit", LONG, "*", "5000 messages / 1d")
        one.cli("block", LONG, "--reason", "public: " + WIDE + " " + "x" * 100)
        wait_for(lambda: one.cli("show", LONG)["history"]["messages"], "is recorded")
        yield one


@pytest.fixture(scope="module")
def names(daemon):
    """The login and the script, as the daemon writes them."""
    top = lambda kind: daemon.cli("top", "--per", kind)["top"][0]["identity"]
    wait_for(lambda: daemon.cli("top", "--per", "script")["top"], "the script is ranked")
    return top("user"), top("script")


def columns(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def widest(done):
    return max((columns(line), line) for line in (done.stdout + done.stderr).split("\n"))


def test_no_command_prints_a_line_that_is_wider(daemon, names):
    user, script = names
    commands = [["status"], ["blocked"], ["limits"], ["nodes"], ["mode"], ["report"], ["held"], ["events", "--count", "100"], ["who", "4QQ00000"], ["who", "4QR00000"], ["who", "x" * 200],
                ["show", "nobody-" + LONG], ["limit", "x" + LONG, "*", "inherit"], ["block", "y" + LONG], ["release", "y" + LONG], ["release", "z" + LONG], ["limit", "x" + LONG, "*", "remove"],
                ["held", "x" + LONG], ["held", user, "--delete", "--all-hosts", "--wait", "1ms"], ["held", user], ["queue", "--of", user, "--hold", "--all-hosts", "--wait", "1ms"],
                ["show", "/" * 200 + ":x"], ["frob" + LONG], ["limit", LONG, "x" * 200, "unlimited"], ["try", "--user", LONG, "--milter", daemon.milter],
                ["try", "--milter", "unix:/" + "x" * 200], ["reload"]]
    commands += [["top", "--per", kind] for kind in ("user", "script", "sender", "client")]
    commands += [[what, identity] for what in ("show", "incident", "held", "events") for identity in names]
    commands += [["queue", "--of", identity] for identity in names]
    for words in commands:
        done = daemon.command(*words)
        width, line = widest(done)
        assert width <= 80, (words, width, line)


def pasted(lines):
    """What a shell makes of them: the words of each command."""
    stubs = "".join(f'{name}() {{ python3 -c "import json, sys; print(json.dumps(sys.argv[1:]))" {name} "$@"; }}\n' for name in ("sendquota", "find", "grep"))
    done = subprocess.run(["bash", "-e"], input=stubs + lines, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def proposed(text, title):
    """The indented lines under a title, and what goes on at the margin."""
    lines = text[text.index(f"\n{title}\n") + len(title) + 2:].split("\n")
    end = next(i for i, line in enumerate(lines) if not line.startswith("  ") and not (i and lines[i - 1].endswith("\\")))
    return "\n".join(lines[:end]) + "\n"


def test_what_is_proposed_can_be_pasted(daemon, names):
    user, script = names
    story = daemon.command("incident", user).stdout
    assert [(words[0], words[1], user in words) for words in pasted(proposed(story, "to end it"))] == [
        ("sendquota", "queue", True), ("sendquota", "held", True), ("sendquota", "release", True)]
    assert pasted(proposed(daemon.command("show", user).stdout, "to release it")) == [["sendquota", "release", user]]
    story = daemon.command("incident", script).stdout
    found, = pasted(proposed(story, story[story.rindex("\n", 0, story.index("  find /") - 1) + 1:story.index("  find /") - 1]))
    assert found[0] == "find" and any(word.startswith(SCRIPT[:40]) for word in found), found
    called, = pasted(proposed(story, "who called it"))
    assert called[0] == "grep" and called[3:] == ["/var/log/apache2", "/var/log/nginx"] and "\\" not in called[2]
