"""A private redis-server on a unix socket and on a loopback port."""

import subprocess

from .wait import Folder, answers, free_port, socket_answers, wait_for


class Redis:
    """Running from construction to close(); nothing is written outside its folder.

    `url` and `tcp_url` are store.url values; `settings` are further redis-server options without dashes. With `tls`,
    a (certificate, key) of Certificates, it speaks TLS on `tls_port` too.
    """

    def __init__(self, settings=None, tls=None):
        self.tls = tls
        self.folder = Folder("redis")
        self.socket = self.folder.path / "redis.sock"
        self.url = f"unix:{self.socket}"
        self.settings = dict(settings or {})
        try:
            self._start()
        except BaseException:
            self.folder.remove()
            raise

    def _start(self):
        for _ in range(5):
            self.port = free_port()
            self.tcp_url = f"redis://127.0.0.1:{self.port}"
            options = {"port": self.port, "bind": "127.0.0.1", "unixsocket": self.socket, "unixsocketperm": "777",
                       "dir": self.folder.path, "save": "", "appendonly": "no", **self._tls(), **self.settings}
            words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
            with open(self.folder.path / "redis.log", "ab") as log:
                self.process = subprocess.Popen(["redis-server", *words], stdout=log, stderr=log)
            if wait_for(lambda: self.process.poll() is not None or (socket_answers(self.socket) and answers(self.port)),
                        "redis-server answers") and self.process.poll() is None:
                return
        raise RuntimeError("redis-server does not start:\n" + (self.folder.path / "redis.log").read_text())

    def _tls(self):
        if not self.tls:
            return {}
        self.tls_port = free_port()
        return {"tls-port": self.tls_port, "tls-cert-file": self.tls.cert, "tls-key-file": self.tls.key,
                "tls-ca-cert-file": self.tls.ca}

    def cli(self, *arguments, typed=None):
        """As redis_cli()."""
        return redis_cli("-s", self.socket, *arguments, typed=typed)

    def hash(self, key):
        """A hash as a dict."""
        lines = self.cli("HGETALL", key).splitlines()
        return dict(zip(lines[::2], lines[1::2]))

    def kill(self):
        """Ends the server at once, as a crash would."""
        self.process.kill()
        self.process.wait()

    def start(self):
        """Starts it again (empty) on the same socket and another port."""
        self._start()

    def close(self):
        self.kill()
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def redis_cli(*arguments, typed=None):
    """redis-cli's answer as text, one value a line, as a script would see it; an error raises. `typed` are lines for it to read."""
    done = subprocess.run(["redis-cli", "-e", *map(str, arguments)], input=typed, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"redis-cli {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
    return done.stdout.rstrip("\n")
