"""A Redis client small enough to be trusted: one connection, one question at a time, one time limit for each read."""

import socket


class RedisError(Exception):
    """What the server said was wrong."""


class Resp:
    """`address` is a path or (host, port). Raises OSError where nobody answers in `timeout` seconds."""

    def __init__(self, address, timeout=5.0):
        is_path = not isinstance(address, tuple)
        self._socket = socket.socket(socket.AF_UNIX if is_path else socket.AF_INET)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(str(address) if is_path else address)
        except BaseException:
            self._socket.close()
            raise
        self._file = self._socket.makefile("rb")

    def __call__(self, *words):
        """One question: its answer as str, int, None or a list of these; an error raises RedisError."""
        self.send(*words)
        answer = self.read()
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def all(self, commands):
        """Many questions in one go; errors are among the answers."""
        self._socket.sendall(b"".join(map(encoded, commands)))
        return [self.read() for _ in commands]

    def send(self, *words):
        self._socket.sendall(encoded(words))

    def read(self):
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2].decode(errors="replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest)
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"*":
            return [self.read() for _ in range(size)]
        return self._file.read(size + 2)[:-2].decode(errors="surrogateescape")

    def close(self):
        self._file.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def encoded(words):
    parts = [str(word).encode(errors="surrogateescape") for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def accepts_writes(address, timeout=0.05, key="probe-of-the-tests"):
    """True if a write there is answered as it should be, in time."""
    try:
        with Resp(address, timeout) as ask:
            return ask("SET", key, "1", "PX", "1000") == "OK"
    except (OSError, RedisError, ValueError):
        return False
