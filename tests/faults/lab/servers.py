"""A redis-server that can be broken in every way and come back at the same place."""

import os
import signal
import struct
import subprocess
from pathlib import Path

from rig.wait import Folder, free_port, wait_for

from .resp import RedisError, Resp, accepts_writes

BIN = Path(os.environ.get("SENDQUOTA_BUILD", Path(__file__).resolve().parents[3] / "build")) / "bin"


class Server:
    """Running from construction to close(), on one port for ever, and on a unix socket that no network fault reaches.

    `settings` are redis-server options without dashes; `kind` "sentinel" makes it one, with a `config` file of its own.
    `namespace` (network.py) is where it lives, at `address`. `shifts_clock`: shift_clock() moves its wall clock.
    """

    def __init__(self, settings=None, kind="redis", config="", namespace=None, address="127.0.0.1", shifts_clock=False):
        self.folder = Folder(kind)
        self.address = address
        self.namespace = namespace
        self.kind = kind
        self.settings = dict(settings or {})
        self.socket = self.folder.path / "redis.sock"
        self.config = self.folder.path / "redis.conf"
        self.config.write_text(config)
        self.clock = self.folder.path / "clock" if shifts_clock else None
        if shifts_clock:
            self.clock.write_bytes(struct.pack("d", 0))
        self.process = None
        try:
            self._start_on_a_free_port()
        except BaseException:
            self.close()
            raise

    def _start_on_a_free_port(self):
        for _ in range(5):
            self.port = free_port() if self.namespace is None else 6379
            if self._try_to_start():
                return
        raise RuntimeError("redis-server does not start:\n" + self.log()[-2000:])

    def _try_to_start(self):
        options = {"port": self.port, "bind": self.address, "protected-mode": "no", "dir": self.folder.path,
                   "unixsocket": self.socket, "unixsocketperm": "777"}
        options |= {"save": "", "appendonly": "no"} if self.kind == "redis" else {}
        words = [word for key, value in {**options, **self.settings}.items() for word in (f"--{key}", str(value))]
        words = ["redis-server", str(self.config), *words, *(["--sentinel"] if self.kind == "sentinel" else [])]
        self.socket.unlink(missing_ok=True)
        clock = {"LD_PRELOAD": str(BIN / "fault_clock.so"), "SENDQUOTA_CLOCK_SHIFT": str(self.clock)} if self.clock else {}
        with open(self.folder.path / "log", "ab") as log:
            prefix = self.namespace.prefix if self.namespace else []
            self.process = subprocess.Popen([*prefix, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **clock})
        wait_for(lambda: self.process.poll() is not None or self._speaks(), "redis-server answers", pause=0.005)
        return self.process.poll() is None

    def _speaks(self):
        try:
            with self.client(timeout=1) as ask:
                ask("PING")
            return True
        except RedisError as error:
            return not str(error).startswith("LOADING")
        except OSError:
            return False

    @property
    def place(self):
        return f"{self.address}:{self.port}"

    @property
    def url(self):
        return f"redis://{self.place}"

    def client(self, timeout=5.0):
        """Through the unix socket: no fault of the network is in between."""
        return Resp(self.socket, timeout)

    def __call__(self, *words):
        with self.client() as ask:
            return ask(*words)

    # What a Scene asks of a store

    def answers(self):
        """Whether a client would have a write answered."""
        if self.namespace and self.namespace.is_cut:
            return False
        return accepts_writes(self.socket if self.namespace else (self.address, self.port))

    def hash(self, key):
        fields = self("HGETALL", key)
        return dict(zip(fields[::2], fields[1::2]))

    write = __call__

    def log(self):
        path = self.folder.path / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def kill(self):
        """SIGKILL, as a crash would be."""
        self.process.kill()
        self.process.wait()

    def start(self):
        """Again at the same place, with what it kept on disk."""
        if not self._try_to_start():
            raise RuntimeError(f"{self.place} does not come back:\n" + self.log()[-2000:])

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def shift_clock(self, seconds):
        with open(self.clock, "r+b") as file:
            file.write(struct.pack("d", seconds))

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
