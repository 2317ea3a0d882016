"""An authority of a test's own, and what it signs, made by the openssl command."""

import subprocess
from typing import NamedTuple

from .wait import Folder


class Pair(NamedTuple):
    """Paths of PEM files: a certificate, its key, and the authority's certificate."""

    cert: str
    key: str
    ca: str


class Certificates:
    """issue("DNS:localhost,IP:127.0.0.1") is a Pair for these names; `days=-1` one that has expired."""

    def __init__(self, authority="Authority of a test"):
        self.folder = Folder("tls")
        self.ca = str(self.folder.path / "ca.crt")
        self.issued = 0
        self._openssl("req", "-x509", *NEW_KEY, "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", f"/CN={authority}")

    def issue(self, names, days=30):
        self.issued += 1
        cert, key = f"{self.issued}.crt", f"{self.issued}.key"
        self._openssl("req", *NEW_KEY, "-subj", "/CN=localhost", "-keyout", key, "-out", "request", "-addext", f"subjectAltName={names}")
        self._openssl("x509", "-req", "-in", "request", "-CA", "ca.crt", "-CAkey", "ca.key", "-copy_extensions", "copy",
                      "-days", str(days), "-out", cert)
        (self.folder.path / key).chmod(0o600)
        return Pair(str(self.folder.path / cert), str(self.folder.path / key), self.ca)

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder.path, check=True, capture_output=True)

    def close(self):
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
