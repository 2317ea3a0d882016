"""Peers that speak Postfix' policy protocol, which is simpler than a milter's: one request with all facts, one answer."""

import os
import signal
import subprocess

from rig import wait_for
from rig.wait import Folder, answers, free_port, socket_answers

from .filters import Candidate, children


class PolicydRateLimit(Candidate):
    """policyd-rate-limit on SQLite, which is its default."""

    protocol = "policy"

    def __init__(self, name="policyd-rate-limit"):
        super().__init__(name)
        self.folder = Folder("policyd")
        self.socket = self.folder.path / "policy.sock"
        self.targets = [f"unix:{self.socket}"]
        config = self.folder.path / "policyd.yaml"
        config.write_text(POLICYD.format(path=self.folder.path, socket=self.socket))
        with open(self.folder.path / "out", "wb") as out:
            self.process = subprocess.Popen(["policyd-rate-limit", "--file", str(config)], stdout=out, stderr=out)
        wait_for(lambda: self.process.poll() is not None or socket_answers(self.socket), "policyd-rate-limit answers")
        if self.process.poll() is not None:
            raise RuntimeError("policyd-rate-limit ended:\n" + (self.folder.path / "out").read_text()[-2000:])

    def pids(self):
        return {"policyd": self.process.pid}

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.folder.remove()


POLICYD = """
debug: False
user: "root"
group: "root"
pidfile: "{path}/pid"
mysql_config: {{}}
sqlite_config: {{database: "{path}/db.sqlite3"}}
pgsql_config: {{}}
backend: 0
SOCKET: "{socket}"
socket_permission: 0666
limits: [[1000000000, 86400]]
limits_by_id: {{}}
limit_by_sasl: True
limit_by_sender: False
limit_by_ip: False
limited_networks: []
success_action: "dunno"
fail_action: "defer_if_permit Rate limit reach, retry later"
db_error_action: "dunno"
report: False
report_only_if_needed: True
"""


class Postfwd(Candidate):
    """postfwd (1), one rate() rule per login, counters in its memory."""

    protocol = "policy"

    def __init__(self, name="postfwd"):
        super().__init__(name)
        self.folder = Folder("postfwd")
        self.port = free_port()
        self.targets = [f"inet:{self.port}@127.0.0.1"]
        rules = self.folder.path / "postfwd.cf"
        rules.write_text("id=R001; sasl_username=~.; action=rate(sasl_username/1000000000/86400/450 4.7.1 over)\n")
        pid = self.folder.path / "pid"
        done = subprocess.run(["postfwd1", "--file", str(rules), "--interface", "127.0.0.1", "--port", str(self.port), "--daemon", "--user", "root",
                               "--group", "root", "--nodns", "--summary", "0", "--shortlog", "--pidfile", str(pid)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"postfwd: {done.stdout}{done.stderr}")
        wait_for(lambda: pid.exists() and pid.read_text().strip() and answers(self.port), "postfwd answers")
        self.pid = int(pid.read_text())

    def pids(self):
        return {"postfwd": self.pid, **{f"child{index}": pid for index, pid in enumerate(children(self.pid))}}

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{self.pid}"), "postfwd has ended")
        self.folder.remove()
