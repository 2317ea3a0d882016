"""Candidates that speak the milter protocol. Each runs from construction to close(); `pids()` are the processes whose CPU time counts.

A limit that nobody reaches is the usual case of a mail server, and what is measured unless a part says otherwise.
"""

import os
import subprocess
from pathlib import Path

from rig import Daemon, Redis, wait_for
from rig.room import BUILD
from rig.wait import Folder, socket_answers

GENEROUS = "1000000000 messages / 1d"


class Candidate:
    """`targets` are the addresses that bench_load connects to."""

    protocol = "milter"

    def __init__(self, name):
        self.name = name
        self.targets = []

    def pids(self):
        return {}

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Noop(Candidate):
    """libmilter and nothing else; `headers` as sendquotad negotiates where a PHP header may be believed."""

    def __init__(self, name="no-op", headers=True):
        super().__init__(name)
        self.folder = Folder("noop")
        self.socket = self.folder.path / "milter.sock"
        self.targets = [f"unix:{self.socket}"]
        self.process = subprocess.Popen([str(BUILD / "bin" / "bench_noop"), f"unix:{self.socket}", "headers" if headers else "no-headers"])
        wait_for(lambda: socket_answers(self.socket), "the no-op filter answers")

    def pids(self):
        return {"filter": self.process.pid}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.folder.remove()


class Sendquota(Candidate):
    """`store` is "memory", "redis" (of its own, on a unix socket) or a Redis. `headers`: as where a PHP header may be believed.

    `quotas` are tables of the configuration; by default one with one limit. `config` holds further tables. Nothing is recorded unless
    they say so: what that adds has a part of its own.
    """

    def __init__(self, name=None, store="redis", headers=True, quotas=None, daemons=1, config=None):
        super().__init__(name or f"sendquota, {store}")
        self.redis = Redis() if store == "redis" else store if isinstance(store, Redis) else None
        self._owns_redis = store == "redis"
        url = self.redis.url if self.redis else "memory:"
        quotas = quotas or [{"name": "mailbox", "per": "user", "limits": [GENEROUS], "warn_at": "off"}]
        if headers:  # a quota that may look at the PHP header is what makes the daemon negotiate headers
            quotas = [*quotas, {"name": "scripts", "per": ["script"], "when": "local", "limits": [GENEROUS], "action": "quarantine"}]
        config = {"record": {"url": "off"}, **(config or {})}
        self.daemons = [Daemon({"quota": quotas, **config}, store=url, name=f"bench{index}").start() for index in range(daemons)]
        self.targets = [daemon.milter for daemon in self.daemons]

    def pids(self):
        found = {f"sendquotad{index or ''}": daemon.process.pid for index, daemon in enumerate(self.daemons)}
        return {**found, "redis": self.redis.process.pid} if self.redis else found

    def close(self):
        for daemon in self.daemons:
            daemon.close()
        if self._owns_redis:
            self.redis.close()


class Rspamd(Candidate):
    """rspamd as a milter with its ratelimit module alone, one bucket per login, one worker, Redis on a unix socket."""

    def __init__(self, name="rspamd"):
        super().__init__(name)
        self.redis = Redis()
        self.folder = Folder("rspamd")
        self.folder.path.chmod(0o777)
        self.socket = self.folder.path / "milter.sock"
        self.targets = [f"unix:{self.socket}"]
        config = self.folder.path / "rspamd.conf"
        config.write_text(RSPAMD.format(path=self.folder.path, socket=self.socket, redis=self.redis.socket))
        with open(self.folder.path / "out", "wb") as out:
            self.process = subprocess.Popen(["rspamd", "-f", "-i", "-c", str(config)], stdout=out, stderr=out)
        # A connection that comes too early is never answered, and then no other either.
        log = self.folder.path / "log"
        wait_for(lambda: self.process.poll() is not None or (log.exists() and "uploaded redis script" in log.read_text()), "rspamd is ready")
        if self.process.poll() is not None:
            raise RuntimeError("rspamd ended:\n" + (self.folder.path / "out").read_text()[-2000:])

    def pids(self):
        workers = children(self.process.pid)
        return {"rspamd": self.process.pid, **{f"worker{index}": pid for index, pid in enumerate(workers)}, "redis": self.redis.process.pid}

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.redis.close()
        self.folder.remove()


RSPAMD = """
options {{ pidfile = "{path}/pid"; filters = ""; tempdir = "{path}"; control_socket = "{path}/control.sock";
  dns {{ nameserver = ["127.0.0.1:9"]; }} }}
logging {{ type = "file"; filename = "{path}/log"; level = "info"; }}
worker "rspamd_proxy" {{ bind_socket = "{socket} mode=0666"; milter = yes; timeout = 20s; count = 1;
  upstream "local" {{ default = yes; self_scan = yes; }} }}
redis {{ servers = "{redis}"; }}
modules {{ path = "/usr/share/rspamd/plugins/ratelimit.lua"; }}
ratelimit {{ rates {{ user {{ selector = "user.lower"; bucket = [ {{ burst = 1000000000; rate = "1000000000 / 1d"; }} ] }} }} }}
actions {{ reject = 1000; greylist = 999; add_header = 998; }}
"""


def children(pid):
    """Of this process, directly."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident_bytes(pid):
    """Memory of a process that is its own or its part of what is shared (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def core_count():
    return os.cpu_count()
