"""Waiting for a fact instead of for luck, ports that are free, and folders that other users can reach."""

import atexit
import os
import random
import shutil
import socket
import tempfile
import time
from pathlib import Path

DEADLINE = 20.0


def wait_for(fact, what, deadline=DEADLINE, pause=0.02):
    """Returns the first true value of `fact()`; raises TimeoutError, naming `what`, after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"after {deadline:g} s still not true: {what}")
        time.sleep(pause)


_reserved = []   # sockets that hold the ports this process was given


def free_port(address="127.0.0.1"):
    """A free TCP port that no other process of these tests gets while this one lives.

    It lies below those that the kernel gives to outgoing connections, which otherwise take it before its server starts.
    """
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    below = range(first_ephemeral // 2, first_ephemeral) if first_ephemeral > 10_000 else range(10_000, 60_000)
    for port in random.sample(below, 1000):
        if _is_reserved(port) and _can_be_bound(address, port):
            return port
    raise RuntimeError("1,000 ports tried, and none of them is free")


def _is_reserved(port):
    """By a unix socket without a file, whose name is the kernel's to give and to take back."""
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0sendquota-test-port-{port}")
    except OSError:
        holder.close()
        return False
    _reserved.append(holder)
    return True


def _can_be_bound(address, port):
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
            return True
        except OSError:
            return False


def answers(port, address="127.0.0.1"):
    """True if something accepts connections there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def socket_answers(path):
    """True if something accepts connections on this unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
            return True
        except OSError:
            return False


# Parent of all folders of this test run. Rooms show it under the same path, so that a server reaches every socket of
# the rig; a socket that is seen through an overlay instead cannot be connected to. SENDQUOTA_TMP: below another folder.
SHARED = Path(tempfile.mkdtemp(prefix="sq-", dir=os.environ.get("SENDQUOTA_TMP", "/tmp")))
SHARED.chmod(0o755)
atexit.register(shutil.rmtree, SHARED, ignore_errors=True)


class Folder:
    """A new folder below SHARED (short name: a unix socket's path has 107 bytes) that every user may enter."""

    def __init__(self, kind):
        self.path = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=SHARED))
        self.path.chmod(0o755)

    def make(self, name, mode=0o755):
        """A sub-folder with exactly this mode, whatever the umask."""
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        return path

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)
