"""What the shells offer for an unfinished command line: bash as it runs, zsh's file against what the command knows."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from rig import Daemon, wait_for
from rig.room import BUILD

COMPLETION = Path(__file__).resolve().parents[2] / "conf" / "completion"
ALICE = "alice@example.test"


def offered(line, daemon=None, tmp_path=None):
    """The words that bash would offer behind `line`."""
    environment = dict(os.environ)
    if daemon:
        program = tmp_path / "sendquota"
        program.write_text(f'#!/bin/sh\nexec {BUILD}/bin/sendquota --socket {daemon.admin} "$@"\n')
        program.chmod(0o755)
        environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    script = f'source {COMPLETION}/sendquota.bash; COMP_LINE=$1 COMP_POINT=${{#1}}; _sendquota; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script, "bash", line], capture_output=True, text=True, env=environment, check=True)
    assert not done.stderr, done.stderr
    return set(done.stdout.split())


def help_of(*words):
    return subprocess.run([BUILD / "bin" / "sendquota", *words, "--help"], capture_output=True, text=True, check=True).stdout


def commands():
    return set(re.findall(r"^  ([a-z-]+),? ", help_of().split("Subcommands:")[1].split("Exit codes")[0], re.M))


def options(command):
    return set(re.findall(r"^  (--[a-z-]+)", help_of(command).split("sendquota [OPTIONS]")[-1].split("Display program version")[0], re.M)) - {"--version"}


def test_all_commands_are_offered_and_no_other():
    assert {word for word in offered("sendquota ") if not word.startswith("-")} == commands() | {"unblock"}
    assert offered("sendquota re") == {"report", "release", "reload"}
    assert offered("sendquota --socket /x/y --json bl") == {"blocked", "block"}


@pytest.mark.parametrize("command", sorted(commands()))
def test_all_options_of_a_command_are_offered(command):
    assert offered(f"sendquota {command} --") >= options(command)


def test_senders_are_offered_as_the_daemon_knows_them(running, tmp_path):
    daemon = running(Daemon({"quota": [{"name": "mailbox", "per": "user", "limits": ["3 messages / 1h"]}]}))
    daemon.play(1, user="bob@example.test")
    daemon.command("block", ALICE)
    wait_for(lambda: daemon.cli("blocked")["blocked"], "blocked")
    assert offered("sendquota release ", daemon, tmp_path) == {"--held", "--wait", "--reason", f"user:{ALICE}"}
    assert offered("sendquota release user:al", daemon, tmp_path) == {ALICE}
    assert offered("sendquota release user:alice@ex", daemon, tmp_path) == {"example.test"}
    assert offered("sendquota queue --of user:b", daemon, tmp_path) == {"bob@example.test"}
    assert offered("sendquota show user:b", daemon, tmp_path) == {"bob@example.test"}


def test_what_a_shell_would_run_is_never_offered(tmp_path):
    (tmp_path / "sendquota").write_text(f"""#!/bin/sh\nprintf '%s' '{{"blocked":[{{"identity":"user:$(touch {tmp_path}/run)"}},{{"identity":"user:well"}}]}}'\n""")
    (tmp_path / "sendquota").chmod(0o755)
    script = f'PATH={tmp_path}:$PATH; source {COMPLETION}/sendquota.bash; COMP_LINE=$1 COMP_POINT=${{#1}}; _sendquota; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script, "bash", "sendquota release "], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--held", "--wait", "--reason", "user:well"] and not (tmp_path / "run").exists()


def test_words_of_options_are_offered():
    assert offered("sendquota top --by re") == {"recipients", "refused"}
    assert offered("sendquota release alice --held ") == {"send", "delete", "keep"}
    assert offered("sendquota queue --of alice --mta p") == {"postfix"}
    assert offered("sendquota mode ") >= {"observe", "enforce", "config"}


def test_zsh_knows_the_same_commands_and_options():
    text = (COMPLETION / "_sendquota").read_text()
    described = text.split("commands=(")[1].split(")\n")[0]
    assert set(re.findall(r"'([a-z-]+):", described)) == commands()
    for command in commands():
        branch = re.search(rf"^ +(?:[a-z|]+\|)?{command}(?:\|[a-z|]+)?\) _arguments(.*?);;", text, re.M | re.S)
        known = set(re.findall(r"'(--[a-z-]+)\[", branch.group(1) if branch else ""))
        assert known == options(command), command
