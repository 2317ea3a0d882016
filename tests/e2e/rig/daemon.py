"""A sendquotad on sockets of its own, and the `sendquota` command that talks to it."""

import json
import re
import signal
import subprocess
from typing import NamedTuple

from .room import BUILD
from .wait import Folder, socket_answers, wait_for


class Tried(NamedTuple):
    """What became of one made-up message: accept, tempfail, reject, quarantine or discard; where; with which words."""

    verdict: str
    stage: str
    answer: str

    @property
    def accepted(self):
        return self.verdict == "accept"


class Daemon:
    """`config` is the text of a sendquota.toml or, simpler, its tables as a dict:

        Daemon({"quota": [{"name": "mailbox", "per": "user", "limits": ["3 messages / 1h"]}]}, store=redis.url)

    The rig adds what only it knows: sockets, state_dir, store.url, log.target, and patience with the store; a dict's own values win
    over these.
    `milter` is what an MTA of the rig is given; `prefix` a command that execs the daemon's. Not running until start().
    """

    def __init__(self, config, store="memory:", name="daemon"):
        self.folder = Folder(name)
        self.path = self.folder.path
        self.socket = self.path / "milter.sock"
        self.admin = self.path / "admin.sock"
        self.milter = f"unix:{self.socket}"
        self.sendmail_milter = f"local:{self.socket}"
        self.config_file = self.path / "sendquota.toml"
        self.log_file = self.path / "log"
        self.store = store
        self.process = None
        self.prefix = []
        self.folder.make("state", 0o700)
        self.configure(config)

    def configure(self, config):
        """Writes the configuration; reload() or restart() takes it into use."""
        self.config_file.write_text(config if isinstance(config, str) else to_toml(self._complete(config)))

    def _complete(self, config):
        ours = {"milter": {"listen": self.milter, "socket_mode": "0666", "socket_group": ""},
                # What a machine that stands still for a moment costs is what tests/faults measures.
                "store": {"url": self.store, "state_dir": str(self.path / "state"), "timeout": "1s"},
                "identity": {"default_realm": "example.test"},
                "admin": {"listen": f"unix:{self.admin}", "socket_mode": "0660", "socket_group": ""},
                "log": {"target": "stderr", "level": "info"}}
        tables = {key: {**ours.get(key, {}), **value} if isinstance(value, dict) else value for key, value in config.items()}
        return {**{key: value for key, value in ours.items() if key not in tables}, **tables}

    # The process

    def start(self):
        """Returns self once both sockets answer; raises with its log if it ends instead."""
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([*self.prefix, str(BUILD / "bin" / "sendquotad"), "--config", str(self.config_file)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: self.process.poll() is not None or self._answers(), "sendquotad answers")
        if self.process.poll() is not None:
            raise RuntimeError(f"sendquotad ended with {self.process.returncode}:\n" + "\n".join(self.log()))
        return self

    def _answers(self):
        return socket_answers(self.socket) and socket_answers(self.admin)

    def stop(self):
        """SIGTERM and wait; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(20)

    def kill(self):
        """SIGKILL, as a crash would be."""
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def hangup(self):
        """SIGHUP, and nothing else: wait_for_log() tells what came of it."""
        self.process.send_signal(signal.SIGHUP)

    def reload(self):
        """`sendquota reload`: raises unless the new configuration has been taken."""
        return self.cli("reload")

    def close(self):
        if self.process and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        self.folder.remove()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # What it says

    def log(self, pattern=""):
        """Lines of its log that match the regular expression."""
        text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return [line for line in text.splitlines() if re.search(pattern, line)]

    def wait_for_log(self, pattern, count=1):
        """Returns the matching lines once there are `count` of them; raises with the log's end if they do not come."""
        try:
            return wait_for(lambda: len(self.log(pattern)) >= count and self.log(pattern), f"{count} × {pattern!r} in its log")
        except TimeoutError as error:
            state = "runs" if self.process.poll() is None else f"ended with {self.process.returncode}"
            raise TimeoutError(f"{error}; the daemon {state}; it says:\n" + "\n".join(self.log()[-15:])) from None

    def verdicts(self, **fields):
        """The judged messages of the log as dicts of the line's fields; only those with these values."""
        lines = [parse_line(line) for line in self.log(r"\bverdict=")]
        return [line for line in lines if all(line.get(key) == value for key, value in fields.items())]

    def command(self, *arguments):
        """Runs `sendquota` against this daemon; returns the CompletedProcess whatever came of it."""
        return subprocess.run([str(BUILD / "bin" / "sendquota"), "--socket", str(self.admin), *map(str, arguments)],
                              capture_output=True, text=True, timeout=120)

    def play(self, count=1, **options):
        """Plays messages without an MTA (`sendquota try`; options: user, sender, client, script, recipients): a Tried each."""
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        rows = self.cli("try", "--milter", self.milter, "--count", count, *words)["messages"]
        return [Tried(row["verdict"], row["stage"], row["answer"]) for row in rows for _ in range(row["first"], row["last"] + 1)]

    def used(self, identity, quota="mailbox"):
        """What is used of the first limit of a quota."""
        return next(limit["used"] for limit in self.cli("show", identity)["limits"] if limit["quota"] == quota)

    def cli(self, *arguments):
        """`sendquota --json …`: its answer parsed; raises unless it exits with 0."""
        done = self.command("--json", *arguments)
        if done.returncode:
            raise RuntimeError(f"sendquota {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def parse_line(line):
    """`… QUEUEID: key=value, key="quoted, value", …` as a dict, the queue id as `id`."""
    found = re.search(r"(\S+): (?=client=)", line)
    fields = {key: quoted or bare for key, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^,]*))', line)}
    return {"id": found.group(1) if found else "", **fields}


def to_toml(tables):
    """Dicts, lists of dicts, strings, numbers, booleans and lists of these as TOML."""
    return "".join(_lines(tables, ()))


def _lines(table, path):
    nested = {key: value for key, value in table.items() if _is_table(value)}
    for key, value in table.items():
        if key not in nested:
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
    for key, value in nested.items():
        name = ".".join((*path, key))
        for item in value if isinstance(value, list) else [value]:
            yield f"[[{name}]]\n" if isinstance(value, list) else f"[{name}]\n"
            yield from _lines(item, (*path, key))


def _is_table(value):
    return isinstance(value, dict) or (isinstance(value, list) and value != [] and isinstance(value[0], dict))
