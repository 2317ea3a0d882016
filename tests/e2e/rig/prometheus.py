"""A Prometheus of the test's own, on loopback, that scrapes a daemon's admin socket."""

import json
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from .wait import Folder, free_port, wait_for


class Forwarder:
    """A TCP port that leads to a unix socket."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self.path))
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()

    def close(self):
        self.listener.close()


def _pump(source, target):
    """All that comes, then the end."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Prometheus:
    """Scrapes the daemon as job "sendquota" each second. ask(EXPRESSION) is what an instant query gives."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.folder = Folder("prometheus")
        self.port = free_port()
        self.process = None
        self.forwarder = None

    def __enter__(self):
        self.forwarder = Forwarder(self.daemon.admin)
        config = self.folder.path / "prometheus.yml"
        config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [
            {"job_name": "sendquota", "static_configs": [{"targets": [f"127.0.0.1:{self.forwarder.port}"]}]}]}))
        log = self.folder.path / "log"
        with open(log, "wb") as said:
            self.process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.folder.path}/data",
                                             f"--web.listen-address=127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        wait_for(lambda: self.process.poll() is not None or self._has_scraped(), "Prometheus has scraped the daemon", deadline=60)
        assert self.process.poll() is None, log.read_text()[-2000:]
        return self

    def _has_scraped(self):
        try:
            return self.ask("count_over_time(sendquota_build_info[1m]) >= 3")
        except (OSError, AssertionError):   # it starts
            return False

    def ask(self, expression):
        """[{label: text}…] of the result's series; raises with Prometheus' words where it is none."""
        try:
            url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            with urllib.request.urlopen(url, timeout=20) as answer:
                return [one["metric"] for one in json.load(answer)["data"]["result"]]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None

    def __exit__(self, *_):
        self.forwarder.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        self.folder.remove()
