"""What may happen to a server, as context managers: it is broken inside and mended, and answers again, when the block ends."""

import contextlib
import threading

from .resp import RedisError


@contextlib.contextmanager
def nothing(_server):
    """What the figures of a fault are compared with."""
    yield


@contextlib.contextmanager
def killed(server):
    """kill -9; it comes back with what it kept on disk, which without appendonly is nothing."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextlib.contextmanager
def emptied(server):
    """FLUSHALL: the server is fine, and knows nothing any more."""
    server("FLUSHALL")
    yield


@contextlib.contextmanager
def stopped(server):
    """SIGSTOP: connections stand, new ones are taken by the kernel, and nobody answers."""
    server.stop()
    try:
        yield
    finally:
        server.go_on()


@contextlib.contextmanager
def forgetting_scripts(server, every=0.1):
    """SCRIPT FLUSH all the time."""
    with repeated(lambda ask: ask("SCRIPT", "FLUSH"), server, every):
        yield


@contextlib.contextmanager
def pausing(server, milliseconds=300, every=1.0):
    """CLIENT PAUSE ALL: everybody waits for so long, again and again."""
    with repeated(lambda ask: ask("CLIENT", "PAUSE", milliseconds, "ALL"), server, every):
        yield


@contextlib.contextmanager
def repeated(question, server, every):
    over = threading.Event()

    def repeat():
        with server.client() as ask:
            while not over.is_set():
                question(ask)
                over.wait(every)

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def out_of_memory(server):
    """maxmemory reached, noeviction: reads work, writes are refused with OOM."""
    server("CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
    try:
        yield
    finally:
        server("CONFIG", "SET", "maxmemory", "0")


@contextlib.contextmanager
def replica_of_nobody_there(server):
    """It has become a replica whose master cannot be reached: READONLY, and what it knew is kept."""
    server("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        server("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def busy(server, seconds):
    """A script of somebody else's that does not end: BUSY after busy-reply-threshold, until it is killed."""
    server("CONFIG", "SET", "busy-reply-threshold", "50")
    with server.client(timeout=60) as ask:
        ask.send("EVAL", f"local t = redis.call('TIME')[1] + {seconds + 20} while redis.call('TIME')[1] + 0 < t do end return 1", 0)
        try:
            yield
        finally:
            with contextlib.suppress(RedisError), server.client() as other:
                other("SCRIPT", "KILL")
            with contextlib.suppress(RedisError):
                ask.read()
