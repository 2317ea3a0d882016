"""A private Sendmail with two doors on 127.0.0.1, each a daemon with a name of its own.

    MSA          SMTP AUTH (PLAIN, LOGIN; Cyrus sasldb), nothing without it
    LOCAL        what `sendmail`, and so PHP's mail(), hands over by its submit.cf: {daemon_name} is "LOCAL"

What is accepted goes into a file per message, see messages(); what is quarantined stays in the queue, see quarantined().
"""

import email
import re

from .room import Room
from .wait import answers, free_port, wait_for

IDS = {"smmta": 64992, "smmsp": 64993}
PROGRAM = "/usr/libexec/sendmail/sendmail"


class Sendmail:
    """Not running until start(); start() may be repeated after stop().

    milter      None or an address in Sendmail's form, e.g. Daemon.sendmail_milter ("local:/path")
    flag        what happens without the milter: "T" tempfail, "R" reject, "" accept
    options     further lines for its .mc
    """

    domain = "example.test"
    local_daemon_name = "LOCAL"

    def __init__(self, name="sm1", milter=None, flag="T", options=""):
        self.hostname = f"{name}.{self.domain}"
        self.room = Room("sendmail", self.hostname)
        self.path = self.room.path
        self.milter, self.flag, self.options = milter, flag, options
        self.ports = {}
        try:
            self._install()
        except BaseException:
            self.close()
            raise

    # The server

    def start(self):
        """Returns self once both doors answer. A port that somebody else took in the meantime is replaced."""
        for _ in range(5):
            self.ports = {"submission": free_port(), "local": free_port()}
            self._configure()
            said = len(self.maillog())
            self.room.run(PROGRAM, "-bd")
            if self._opened(said):
                return self
            self.stop()
        raise RuntimeError("Sendmail does not start:\n" + "\n".join(self.maillog()[-20:]))

    def _opened(self, said):
        """True once both doors answer; False if since line `said` of its log the daemon complained of a port."""
        return wait_for(lambda: (all(map(answers, self.ports.values())) and "yes")
                        or (any("cannot bind" in line for line in self.maillog()[said:]) and "no"),
                        f"{self.hostname} answers") == "yes"

    def stop(self):
        """Ends the daemon, the queue stays."""
        self.room.run("sh", "-c", "kill $(head -1 /run/sendmail/mta.pid)", check=False)
        wait_for(lambda: not any(map(answers, self.ports.values())), "Sendmail has ended")

    def close(self):
        """Afterwards nothing of the instance is left: no process, no file."""
        self.room.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # What it holds and says

    def add_user(self, login, password="secret"):
        """`login` is `alice` (realm: the host's own name) or `alice@realm`; {auth_authen} is what the client typed."""
        user, _, realm = login.partition("@")
        self.room.run("saslpasswd2", "-p", "-c", "-f", "/etc/sasl2/sasldb2", "-u", realm or self.hostname, user,
                      stdin=password)
        self.room.run("chmod", "600", "/etc/sasl2/sasldb2")

    def maillog(self, pattern=""):
        """Lines of the room's syslog that match the regular expression."""
        return [line for line in list(self.room.syslog.lines) if re.search(pattern, line)]

    def wait_for_log(self, pattern, count=1):
        """Returns the matching lines once there are `count` of them."""
        return wait_for(lambda: len(self.maillog(pattern)) >= count and self.maillog(pattern),
                        f"{count} × {pattern!r} in {self.hostname}'s log")

    def messages(self):
        """What has been delivered, as email.message.Message; X-Rcpt holds the recipients."""
        files = sorted((self.path / "sink").glob("m*.eml"), key=lambda file: file.stat().st_mtime_ns)
        return [email.message_from_bytes(file.read_bytes()) for file in files]

    def wait_for_messages(self, count):
        """Returns the delivered messages once there are `count`."""
        return wait_for(lambda: len(self.messages()) >= count and self.messages(), f"{count} messages delivered")

    def quarantined(self):
        """`mailq -qQ -v` as {queue id: reason}, the reason as far as it is shown: 100 characters, without -v 60."""
        text = self.room.run(PROGRAM, "-bp", "-qQ", "-v").stdout
        return dict(re.findall(r"^(\w{14})\S* [^\n]*\n\s+QUARANTINE: ([^\n]*)", text, re.M))

    def release(self, queue_id):
        """Lifts the quarantine of one message and runs the queue."""
        self.room.run(PROGRAM, "-qQ", f"-qI{queue_id}", "-Q")
        self.room.run(PROGRAM, "-q")

    def client_queue(self):
        """Queue ids that the submission program still holds (its milter tempfailed them)."""
        return re.findall(r"^(\w{14})", self.room.run(PROGRAM, "-bp", "-Ac").stdout, re.M)

    def run_client_queue(self):
        """Offers what client_queue() holds again."""
        self.room.run(PROGRAM, "-Ac", "-q")

    def sendmail(self, *arguments, text, user="www-data", check=True):
        """Runs this instance's sendmail(1) as `user`: local submission through submit.cf."""
        return self.room.run("/usr/sbin/sendmail", *arguments, stdin=text, user=user, check=check)

    # Its files

    def _install(self):
        room = self.room
        for name, number in IDS.items():
            room.add_user(name, number)
        room.folder.make("sink", 0o777)
        room.run("sh", "-ec", f"""
            chgrp smmsp {PROGRAM} && chmod 2555 {PROGRAM}
            for name in sendmail mailq newaliases; do ln -sf {PROGRAM} /usr/sbin/$name; done
            install -d -m 700 /var/spool/mqueue
            install -d -o smmsp -g smmsp -m 2770 /var/spool/mqueue-client
            install -d -m 755 /run/sendmail /var/lib/sendmail /var/lib/sendmail/host_status
            rm -rf /etc/mail/sendmail.* /etc/mail/submit.* /etc/sasl2 && mkdir -p /etc/mail /etc/sasl2""")
        room.write("/etc/sasl2/Sendmail.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                   "mech_list: PLAIN LOGIN\nsasldb_path: /etc/sasl2/sasldb2\n")
        room.write("/usr/local/bin/keep", KEEP.format(sink=f"{self.path}/sink"), 0o755)

    def _configure(self):
        """Makes sendmail.cf and submit.cf by the macros of the package."""
        filter_line = f"INPUT_MAIL_FILTER(`sendquota', `S={self.milter}, F={self.flag}, T=S:10s;R:10s;E:1m')" if self.milter else ""
        values = {"host": self.hostname, "filter": filter_line, "options": self.options, **self.ports}
        for name, text in (("sendmail", SENDMAIL_MC), ("submit", SUBMIT_MC)):
            self.room.write(f"/etc/mail/{name}.mc", text % values)
            self.room.run("sh", "-ec", f"m4 /etc/mail/{name}.mc >/etc/mail/{name}.cf")


KEEP = """#!/bin/sh
# The mailer of this instance: one file per message, complete when it has its last name.
file=$(mktemp {sink}/XXXXXXXX)
{{ echo "X-Rcpt: $*"; cat; }} >"$file" && mv "$file" {sink}/m"$(basename "$file")".eml
"""

SENDMAIL_MC = """include(`/usr/share/sendmail/cf/m4/cf.m4')
OSTYPE(`debian')
define(`confDOMAIN_NAME', `%(host)s')
define(`QUEUE_DIR', `/var/spool/mqueue')
define(`confPID_FILE', `/run/sendmail/mta.pid')
define(`STATUS_FILE', `')
define(`ALIAS_FILE', `')
define(`confDEF_USER_ID', `nobody:nogroup')
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')
define(`confAUTH_OPTIONS', `A')
TRUST_AUTH_MECH(`PLAIN LOGIN')
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')
define(`confDONT_PROBE_INTERFACES', `True')
define(`confTO_IDENT', `0')
define(`confBAD_RCPT_THROTTLE', `0')
define(`confMAX_DAEMON_CHILDREN', `0')
define(`confDELIVERY_MODE', `background')
define(`confREFUSE_LA', `0')
define(`confQUEUE_LA', `100')
define(`confCONNECTION_RATE_THROTTLE', `0')
define(`SMART_HOST', `keep:all')
FEATURE(`nocanonify')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
FEATURE(`no_default_msa')
DAEMON_OPTIONS(`Name=MSA, Family=inet, Addr=127.0.0.1, Port=%(submission)s, M=Ea')
DAEMON_OPTIONS(`Name=LOCAL, Family=inet, Addr=127.0.0.1, Port=%(local)s, M=E')
%(filter)s
%(options)s
MAILER(`local')
MAILER(`smtp')
MAILER_DEFINITIONS
Mkeep, P=/usr/local/bin/keep, F=lsDFMm, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP/HdrFromSMTP, U=nobody:nogroup, T=DNS/RFC822/X-Unix, A=keep $u
"""

SUBMIT_MC = """define(`_USE_ETC_MAIL_')
include(`/usr/share/sendmail/cf/m4/cf.m4')
OSTYPE(`debian')
define(`confDOMAIN_NAME', `%(host)s')
define(`MSP_QUEUE_DIR', `/var/spool/mqueue-client')
define(`confPID_FILE', `/run/sendmail/msp.pid')
define(`confTO_IDENT', `0')
define(`RELAY_MAILER_ARGS', `TCP $h %(local)s')
FEATURE(`msp', `[127.0.0.1]')
"""
