"""A private Sentinel that watches a Redis of the rig."""

import subprocess

from .redis import redis_cli
from .wait import Folder, answers, free_port, wait_for


class Sentinel:
    """One that decides alone. `users` are further lines of its sentinel.conf."""

    def __init__(self, master, name="mymaster", users=""):
        self.folder = Folder("sentinel")
        self.port = free_port()
        file = self.folder.path / "sentinel.conf"
        file.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {self.folder.path}\n"
                        f"sentinel monitor {name} 127.0.0.1 {master.port} 1\n{users}\n")
        with open(self.folder.path / "log", "ab") as log:
            self.process = subprocess.Popen(["redis-server", str(file), "--sentinel"], stdout=log, stderr=log)
        wait_for(lambda: self.process.poll() is not None or answers(self.port), "the sentinel answers")

    def cli(self, *arguments, typed=None):
        """As redis_cli()."""
        return redis_cli("-p", self.port, *arguments, typed=typed)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
