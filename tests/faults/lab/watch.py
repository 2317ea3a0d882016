"""Looks at daemons and the store every few milliseconds from outside, and remembers when what it sees changed."""

import http.client
import json
import socket
import threading
import time


class Watch:
    """Calls `look()` again and again; `changes` is [(moment of the look's begin, value)], the first look included."""

    def __init__(self, look, every):
        self.changes = []
        self._look, self._every = look, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._over.is_set():
            at = time.monotonic()
            value = self._look()
            if not self.changes or self.changes[-1][1] != value:
                self.changes.append((at, value))
            self._over.wait(self._every)

    def at(self, moment):
        """What it was then."""
        return next((value for at, value in reversed(self.changes) if at <= moment), None)

    def close(self):
        self._over.set()
        self._thread.join()


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def status(daemon):
    """What /v1/status says; None where nobody answers."""
    connection = UnixHttp(daemon.admin)
    try:
        connection.request("GET", "/v1/status")
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def store_state(daemon):
    """`ok`, `degraded`, or `gone` for a daemon that does not answer."""
    said = status(daemon)
    return said["store"]["state"] if said else "gone"
