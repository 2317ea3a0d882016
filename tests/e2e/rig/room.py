"""A room: this machine as seen by one private mail server.

Inside, the file system is the machine's own under an overlay: the unpacked packages of one server lie over it, and
whatever is written stays in a tmpfs. Process ids, host name, /dev/log and /run are the room's own; the network is
shared, so a test talks to the server over loopback. The rig's folders (wait.SHARED) are visible inside under the same path.

Lifetime: the room's first process reads a pipe that only this process holds. close(), or the death of the test run by
whatever cause, ends it, and the kernel then ends every process in the room.

Needs root and a kernel that allows an overlay on /. Known limit: SIGSTOP of the test run keeps rooms alive.
"""

import os
import select
import socket
import subprocess
import threading
from pathlib import Path

from .wait import Folder

BUILD = Path(os.environ.get("SENDQUOTA_BUILD", Path(__file__).resolve().parents[3] / "build"))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Room:
    """Requires: `tree` is a folder below BUILD/mta made by `tests/install --unpack`."""

    def __init__(self, tree, hostname):
        self.folder = Folder(tree)
        self.path = self.folder.path
        self.hostname = hostname
        self.syslog = Syslog(self.path / "syslog.sock")
        try:
            self._enter(BUILD / "mta" / tree)
        except BaseException:
            self.close()
            raise

    def _enter(self, tree):
        if not tree.is_dir():
            raise FileNotFoundError(f"{tree} is missing: tests/install --unpack {tree.parent}")
        self.folder.make("room")
        self._init = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "unchanged", "--uts", "--pid", "--ipc", "--fork", "--kill-child", "--",
             "/bin/sh", str(Path(__file__).with_name("room.sh")), str(self.path), str(tree), self.hostname],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        self.pid = int(self._says("a pid", tree))
        self._init.stdin.write("ready\n")
        self._says("ready", tree)
        self._namespace = os.readlink(f"/proc/{self.pid}/ns/pid")

    def _says(self, what, tree):
        """The next line of the first process."""
        ready, _, _ = select.select([self._init.stdout], [], [], 20)
        line = self._init.stdout.readline() if ready else ""
        if not line:
            self._init.kill()
            raise RuntimeError(f"no room for {tree.name}: {self._init.stderr.read().strip() or what + ': not in 20 s'}")
        return line.strip()

    def command(self, argv, user=None):
        """`argv` as the machine must run it to have it run in the room, by `user` (root if none)."""
        change = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return ["nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--pid", "--root", "--wdns=/", "--",
                "env", "-i", f"PATH={PATH}", "LC_ALL=C.UTF-8", "HOME=/", *change, *map(str, argv)]

    def run(self, *argv, user=None, stdin="", check=True, timeout=60):
        """Runs a command in the room; with `check` a failure raises, with all that it said."""
        done = subprocess.run(self.command(argv, user), input=stdin, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def popen(self, *argv, user=None, **options):
        """Starts a command in the room that ends with the room at the latest."""
        return subprocess.Popen(self.command(argv, user), **options)

    def write(self, path, text, mode=0o644):
        """Writes a file inside the room; `path` is as the room sees it."""
        self.run("sh", "-c", f'mkdir -p "$1" && cat >"$0" && chmod {mode:o} "$0"', path, os.path.dirname(path), stdin=text)

    def add_user(self, name, uid, groups=()):
        """Makes a user and its own group, and these `groups` (name, id), known inside the room only."""
        self._add_line("/etc/passwd", name, f"{name}:x:{{id}}:{{id}}::/nonexistent:/usr/sbin/nologin", uid)
        for group, gid in ((name, uid), *groups):
            self._add_line("/etc/group", group, f"{group}:x:{{id}}:", gid)

    def _add_line(self, path, name, line, number):
        self.run("sh", "-c", 'grep -q "^$1:" "$0" || echo "$2" >>"$0"', path, name, line.format(id=number))

    @property
    def root(self):
        """The room's / as this process can open it."""
        return Path(f"/proc/{self.pid}/root")

    def processes(self):
        """Host pids of everything that runs in the room; empty after close()."""
        return pids_in_namespace(self._namespace) if hasattr(self, "_namespace") else []

    def close(self):
        """Afterwards no process, mount or file of the room is left."""
        if hasattr(self, "_init"):
            self._init.stdin.close()
            try:
                self._init.wait(10)
            except subprocess.TimeoutExpired:
                self._init.kill()
                self._init.wait()
            self._init.stdout.close()
            self._init.stderr.close()
        self.syslog.close()
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Syslog:
    """A /dev/log of our own; `lines` grows by one text per message."""

    def __init__(self, path):
        self.lines = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._wake, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            ready, _, _ = select.select([self._socket, self._wake], [], [])
            if self._wake in ready:
                return
            self.lines.append(self._socket.recv(65536).decode(errors="replace").rstrip("\n\0"))

    def close(self):
        if self._thread.is_alive():
            os.write(self._woken, b"x")
            self._thread.join()
            self._socket.close()
            os.close(self._wake)
            os.close(self._woken)


def pids_in_namespace(namespace):
    """Host pids of the processes in this pid namespace (as `readlink /proc/PID/ns/pid` names it)."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "ns/pid") == namespace:
                found.append(int(entry.name))
        except OSError:
            continue
    return found
