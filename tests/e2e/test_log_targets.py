"""Where the log goes: syslog and the journal, each a socket of the test's own that only this daemon sees in its place."""

import re

import pytest

from rig import Daemon, wait_for
from rig.room import Syslog

QUOTAS = [{"name": "mailbox", "per": "user", "limits": ["1 messages / 30d"]}]

# /dev/log and the journal's socket are the test's, seen by what is started here and by nobody else.
APART = """
nsenter --mount=/proc/self/ns/mnt mount --make-rprivate /
mkdir "$0/dev"
for device in null urandom; do touch "$0/dev/$device"; mount --bind "/dev/$device" "$0/dev/$device"; done
ln -s "$0/syslog.sock" "$0/dev/log"
mount --rbind "$0/dev" /dev
mount -t tmpfs sendquota-run /run
mkdir -p /run/systemd/journal
ln -s "$0/journal.sock" /run/systemd/journal/socket
"""


class Apart(Daemon):
    """A daemon with a syslog and a journal of its own. `environment` is set by a shell that knows the daemon's stderr."""

    def __init__(self, target, environment=""):
        super().__init__({"quota": QUOTAS, "log": {"target": target}})
        self.syslog = Syslog(self.path / "syslog.sock")
        self.journal = Syslog(self.path / "journal.sock")
        self.prefix = ["unshare", "--mount", "--propagation", "unchanged", "sh", "-ec",
                       f'{APART}\n{environment}\nexec "$@"', str(self.path)]

    def close(self):
        super().close()
        self.syslog.close()
        self.journal.close()


def two_messages(daemon):
    verdicts = [tried.verdict for tried in daemon.play(2, user="alice")]
    assert verdicts == ["accept", "tempfail"]


def judged(lines):
    return [line for line in lines if "sasl_username=" in line]


def test_syslog_gets_one_line_a_message_as_facility_mail(running):
    daemon = running(Apart("syslog"))
    two_messages(daemon)
    lines = wait_for(lambda: len(judged(daemon.syslog.lines)) == 2 and judged(daemon.syslog.lines), "both are logged")
    for line in lines:   # 22 is mail.info
        assert re.match(rf"<22>\w+ +\d+ [\d:]+ sendquotad\[{daemon.process.pid}\]: [^ ]+: client=[ -~]*$", line), line
    assert "quota=mailbox, identity=user:alice@example.test" in lines[1]
    assert judged(daemon.log()) == [] and daemon.journal.lines == []


def test_syslog_gets_the_level_as_priority(running):
    daemon = running(Apart("syslog"))
    daemon.configure({"quota": QUOTAS, "log": {"target": "syslog"}, "nonsense": {}})
    assert daemon.command("reload").returncode != 0
    (line,) = wait_for(lambda: [line for line in daemon.syslog.lines if "nonsense" in line][:1], "the refused reload is logged")
    assert line.startswith("<19>")   # mail.err


def fields(datagram):
    return dict(line.split("=", 1) for line in datagram.splitlines())


def test_the_journal_gets_one_entry_a_message_with_its_priority(running):
    daemon = running(Apart("journal"))
    two_messages(daemon)
    lines = wait_for(lambda: len(judged(daemon.journal.lines)) == 2 and judged(daemon.journal.lines), "both are logged")
    for entry in map(fields, lines):
        assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == ("6", "sendquotad"), entry
        assert re.match(r"[^ ]+: client=[ -~]*$", entry["MESSAGE"]), entry
    assert judged(daemon.log()) == [] and daemon.syslog.lines == []


@pytest.mark.parametrize("stream, is_journal", [('$(stat -Lc %d:%i /proc/self/fd/2)', True), ("8:1", False), ("nonsense", False), ("", False)])
def test_auto_is_the_journal_where_systemd_reads_standard_error(running, stream, is_journal):
    """A daemon started by hand from a service's shell inherits the variable, but not the stream."""
    daemon = running(Apart("auto", f'export JOURNAL_STREAM="{stream}"'))
    two_messages(daemon)
    place = (lambda: daemon.journal.lines) if is_journal else daemon.log
    wait_for(lambda: len(judged(place())) == 2, "both are logged")
    assert (judged(daemon.journal.lines) != []) == is_journal


def test_a_reload_moves_the_log(running):
    daemon = running(Apart("syslog"))
    daemon.configure({"quota": QUOTAS, "log": {"target": "journal"}})
    daemon.reload()
    two_messages(daemon)
    wait_for(lambda: len(judged(daemon.journal.lines)) == 2, "both are logged")
    assert judged(daemon.syslog.lines) == []
