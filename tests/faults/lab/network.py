"""Hosts with a network of their own, all on one switch, that can be cut off so that packets vanish: nobody is told anything.

Nothing of it is in the machine's own network, and all of it is gone when the processes that hold it end.
"""

import contextlib
import subprocess

CUT = """table inet cut {
  chain in { type filter hook input priority 0; policy accept; iifname "wire" drop; }
  chain out { type filter hook output priority 0; policy accept; oifname "wire" drop; }
}"""


class Namespace:
    """A network of its own, with a loopback; `prefix` begins a command that runs in it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "up\n":
            raise RuntimeError("no network namespace: this needs root and iproute2")
        self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def run(self, *words):
        done = subprocess.run([*self.prefix, *words], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()


class Host(Namespace):
    """One machine on the switch, at `address`."""

    def __init__(self, switch, number):
        super().__init__()
        self.address = f"10.213.0.{number}"
        self.is_cut = False
        switch.run("ip", "link", "add", f"port{number}", "type", "veth", "peer", "name", "wire", "netns", str(self.holder.pid))
        switch.run("ip", "link", "set", f"port{number}", "up", "master", "switch")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "wire")
        self.run("ip", "link", "set", "wire", "up")

    @contextlib.contextmanager
    def cut_off(self):
        """Nothing goes to another host or comes from one, in mid-connection and for new ones; within it all goes on."""
        self.run("nft", CUT)
        self.is_cut = True
        try:
            yield
        finally:
            self.run("nft", "delete table inet cut")
            self.is_cut = False


class Network:
    """`hosts`, each reaching every other."""

    def __init__(self, count):
        self._stack = contextlib.ExitStack()
        try:
            switch = self._namespace(Namespace())
            switch.run("ip", "link", "add", "switch", "type", "bridge")
            switch.run("ip", "link", "set", "switch", "up")
            self.hosts = [self._namespace(Host(switch, number)) for number in range(1, count + 1)]
        except BaseException:
            self.close()
            raise

    def _namespace(self, namespace):
        self._stack.callback(namespace.close)
        return namespace

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
