"""Two network namespaces and the cable between them, which can be cut so that packets vanish: nobody is told anything.

Nothing of it is in the machine's own network, and all of it is gone when the processes that hold it end.
"""

import contextlib
import subprocess

CUT = "table inet cut { chain in { type filter hook input priority 0; policy drop; }; chain out { type filter hook output priority 0; policy drop; }; }"


class Namespace:
    """A network of its own, with a loopback; `prefix` begins a command that runs in it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "up\n":
            raise RuntimeError("no network namespace: this needs root and iproute2")
        self.is_cut = False
        self.pid = self.holder.pid
        self.prefix = ["nsenter", f"--net=/proc/{self.pid}/ns/net"]

    def run(self, *words):
        subprocess.run([*self.prefix, *words], check=True, capture_output=True, text=True)

    def cut(self):
        """From now on every packet from and to it is dropped."""
        self.is_cut = True
        self.run("nft", CUT)

    def mend(self):
        self.run("nft", "delete table inet cut")
        self.is_cut = False

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()


class Wire:
    """`here` and `there`, and the addresses of both ends."""

    here_address, there_address = "10.213.0.1", "10.213.0.2"

    def __init__(self):
        self.here, self.there = Namespace(), Namespace()
        self.here.run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(self.there.pid))
        for end, name, address in ((self.here, "near", self.here_address), (self.there, "far", self.there_address)):
            end.run("ip", "address", "add", f"{address}/24", "dev", name)
            end.run("ip", "link", "set", name, "up")

    @contextlib.contextmanager
    def cut(self):
        """Nothing comes through, in mid-connection and for new ones."""
        self.there.cut()
        try:
            yield
        finally:
            self.there.mend()

    def close(self):
        self.here.close()
        self.there.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
