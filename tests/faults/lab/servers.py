"""A redis-server that can be broken in every way and come back at the same place."""

import os
import signal
import struct
import subprocess
from pathlib import Path

from rig.wait import Folder, free_port, wait_for

from .resp import RedisError, Resp, accepts_writes

# What is measured runs before everything else on the machine, where that is allowed (chrt, as root). Not where it has the machine
# to itself, and threads with much to do would keep others of the same rank waiting for 100 ms.
FIRST = ["chrt", "--rr", "1"] if not os.environ.get("SENDQUOTA_FAULTS_ALONE") and \
    subprocess.run(["chrt", "--rr", "1", "true"], capture_output=True).returncode == 0 else []
BIN = Path(os.environ.get("SENDQUOTA_BUILD", Path(__file__).resolve().parents[3] / "build")) / "bin"


class Server:
    """Running from construction to close(), on one port for ever, and on a unix socket that no network fault reaches.

    `settings` are redis-server options without dashes; `config` is the text of its configuration file, which it may write to,
    `words` begin the command line, `files` lie in its folder. `host` (network.py) is where it lives. `shifts_clock`: shift_clock() moves its wall clock.
    `tls`, a Pair of Certificates: it speaks TLS, on a port of its own, and daemons are to use that.
    """

    def __init__(self, settings=None, config="", words=(), host=None, port=None, files=None, shifts_clock=False, tls=None):
        self.folder = Folder("redis")
        for name, text in (files or {}).items():
            (self.folder.path / name).write_text(text)
        self.address = host.address if host else "127.0.0.1"
        self.host = host
        self.port = port
        self.words = list(words)
        self.socket = self.folder.path / "redis.sock"
        self.settings = {"bind": self.address, "protected-mode": "no", "dir": self.folder.path, "unixsocket": self.socket,
                         "unixsocketperm": "777", **({"save": "", "appendonly": "no"} if not words else {}), **(settings or {})}
        self.tls_port = None
        if tls:
            self.tls_port = free_port()
            self.settings |= {"tls-port": self.tls_port, "tls-cert-file": tls.cert, "tls-key-file": tls.key, "tls-ca-cert-file": tls.ca}
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
        chosen = self.port
        for _ in range(1 if chosen else 5):
            self.port = chosen or free_port()
            if self._try_to_start():
                return
        raise RuntimeError("redis-server does not start:\n" + self.log()[-2000:])

    def _try_to_start(self):
        words = [word for key, value in {"port": self.port, **self.settings}.items() for word in (f"--{key}", str(value))]
        words = ["redis-server", str(self.config), *self.words, *words]
        self.socket.unlink(missing_ok=True)
        clock = {"LD_PRELOAD": str(BIN / "fault_clock.so"), "SENDQUOTA_CLOCK_SHIFT": str(self.clock)} if self.clock else {}
        with open(self.folder.path / "log", "ab") as log:
            prefix = self.host.prefix if self.host else []
            self.process = subprocess.Popen([*prefix, *FIRST, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
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
        return f"rediss://{self.address}:{self.tls_port}" if self.tls_port else f"redis://{self.place}"

    def client(self, timeout=5.0):
        """Through the unix socket: no fault of the network is in between."""
        return Resp(self.socket, timeout)

    def __call__(self, *words):
        with self.client() as ask:
            return ask(*words)

    # What a Scene asks of a store

    def answers(self):
        """Whether a client would have a write answered."""
        if self.host and self.host.is_cut:
            return False
        return accepts_writes(self.reachable)

    @property
    def reachable(self):
        """Where the tests reach it: as a client would, if it is on this machine's network."""
        return self.socket if self.host else (self.address, self.port)

    @property
    def is_running(self):
        return self.process.poll() is None

    def hash(self, key):
        fields = self("HGETALL", key)
        return dict(zip(fields[::2], fields[1::2]))

    def block(self, identity, text):
        self("HSET", "sendquota:blocked", identity, text)

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
        if self.process and self.is_running:
            self.kill()
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
