"""A small disk of its own that can be filled to the last byte."""

import contextlib
import errno
import subprocess

from rig.wait import Folder


class Disk:
    """A tmpfs at `path`."""

    def __init__(self, size="1m"):
        self.folder = Folder("disk")
        self.path = self.folder.make("state", 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "sendquota-disk", str(self.path)], check=True)

    @contextlib.contextmanager
    def full(self):
        """Not a byte fits any more."""
        ballast = self.path / "ballast"
        try:
            with open(ballast, "wb", buffering=0) as file, contextlib.suppress(NoSpace):
                while True:
                    write_or_raise(file, b"\0" * 4096)
            yield
        finally:
            ballast.unlink()

    def close(self):
        subprocess.run(["umount", "--lazy", str(self.path)], check=False)
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class NoSpace(Exception):
    """The disk is full."""


def write_or_raise(file, data):
    try:
        if file.write(data) < len(data):
            raise NoSpace
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise NoSpace from error
