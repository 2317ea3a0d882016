"""A private Postfix with four doors, each a port of its own on 127.0.0.1.

    submission   SMTP AUTH (PLAIN, LOGIN; Cyrus sasldb), relays for the authenticated only
    outside      like port 25 of a mail host: no AUTH, accepts mail for `domain` only; sends nothing elsewhere,
                 except for a client that connects from TRUSTED (in mynetworks)
    xclient      like submission, and any client may say XCLIENT LOGIN=…: any identity without a password, for load
    room         pickup: `sendmail`, PHP's mail(), see php.py

What is accepted goes to `destination`: "discard" (for load) or "sink" (an smtp-sink whose files messages() reads).
"""

import email
import json
import re

from .room import Room
from .wait import answers, free_port, wait_for

DOORS = ("submission", "outside", "xclient", "sink")
TRUSTED = "127.0.0.9"
MASTER_PROGRAM = "/usr/lib/postfix/sbin/master"   # `postfix start` runs it after two seconds of checks
IDS = {"postfix": 64990, "postdrop": 64991}


class Postfix:
    """Not running until start(); start() may be repeated after stop().

    name            host name before .example.test, and so {j}; unique per instance
    milters         smtpd_milters, e.g. ["unix:/tmp/x/milter.sock"]: as Postfix takes them, options in braces too
    local_milters   non_smtpd_milters; the same ones if None
    settings        main.cf lines that win over the rig's, e.g. {"milter_default_action": "accept"}
    """

    domain = "example.test"

    def __init__(self, name="mx1", milters=(), local_milters=None, destination="discard", settings=None):
        self.hostname = f"{name}.{self.domain}"
        self.room = Room("postfix", self.hostname)
        self.path = self.room.path
        self.milters = list(milters)
        self.local_milters = self.milters if local_milters is None else list(local_milters)
        self.destination = destination
        self.settings = dict(settings or {})
        self.ports = {}
        self.log = self.path / "log" / "maillog"
        self._sink = None
        try:
            self._install()
        except BaseException:
            self.close()
            raise

    # The server

    def start(self):
        """Returns self once every door answers. A port that somebody else took in the meantime is replaced."""
        for _ in range(5):
            self.ports = {door: free_port() for door in DOORS}
            self.configure()
            if self.room.run(MASTER_PROGRAM, "-w", check=False).returncode == 0 and self._opened():
                self._start_sink()
                return self
            self.stop()
        raise RuntimeError("Postfix does not start:\n" + "\n".join(self.maillog()[-20:] + self.room.syslog.lines[-20:]))

    def running(self):
        return self.room.run(MASTER_PROGRAM, "-t", check=False).returncode != 0

    def _opened(self):
        """True once all doors are open; False if the master process gave up."""
        doors = [self.ports[door] for door in DOORS if door != "sink"]
        return wait_for(lambda: "no" if not self.running() else all(map(answers, doors)) and "yes",
                        f"{self.hostname} answers") == "yes"

    def stop(self):
        """Ends the server, its queue stays. Sessions that are open are cut."""
        self._signal("TERM")
        wait_for(lambda: not self.running(), "Postfix has ended")
        if self._sink:
            self._sink.kill()
            self._sink.wait()
            self._sink = None

    def _signal(self, name):
        self.room.run("sh", "-c", f"kill -{name} $(cat /var/spool/postfix/pid/master.pid)", check=False)

    def reload(self, milters=None, settings=None):
        """Takes new milters or settings into use, as an administrator would: edit, postfix reload.

        On return new sessions follow them. Sessions that are open go on as they began (and cost two seconds here).
        """
        self.milters = self.milters if milters is None else list(milters)
        self.settings.update(settings or {})
        self.configure()
        before = self._smtpds()
        self._signal("HUP")
        try:
            wait_for(lambda: not before & self._smtpds(), "every smtpd without a session is a new one", deadline=2)
        except TimeoutError:
            pass

    def _smtpds(self):
        """Pids of the smtpd processes, as the room counts them."""
        return set(self.room.run("pgrep", "-x", "smtpd", check=False).stdout.split())

    def close(self):
        """Afterwards nothing of the instance is left: no process, no file."""
        self.room.close()
        if self._sink:
            self._sink.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # What it holds and says

    def add_user(self, login, password="secret"):
        """`login` is `alice` (then her SASL name is alice@example.test) or `alice@other.test`."""
        user, _, realm = login.partition("@")
        self.room.run("saslpasswd2", "-p", "-c", "-f", "/etc/postfix/sasl/sasldb2", "-u", realm or self.domain, user,
                      stdin=password)
        self.room.run("sh", "-c", "chgrp postfix /etc/postfix/sasl/sasldb2 && chmod 640 /etc/postfix/sasl/sasldb2")

    def queue(self, name=None):
        """`postqueue -j` as dicts (queue_name, queue_id, sender, recipients…), of the queue `name` or of all."""
        entries = [json.loads(line) for line in self.room.run("postqueue", "-j").stdout.splitlines()]
        return [entry for entry in entries if name in (None, entry["queue_name"])]

    def maillog(self, pattern=""):
        """Lines of the mail log that match the regular expression."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return [line for line in text.splitlines() if re.search(pattern, line)]

    def wait_for_log(self, pattern, count=1):
        """Returns the matching lines once there are `count` of them."""
        return wait_for(lambda: len(self.maillog(pattern)) >= count and self.maillog(pattern),
                        f"{count} × {pattern!r} in {self.hostname}'s mail log")

    def messages(self):
        """What arrived at the sink: email.message.Message, with X-Mail-Args and X-Rcpt-Args from the envelope."""
        files = sorted((self.path / "sink").glob("m*"), key=lambda file: file.stat().st_mtime_ns)
        return [email.message_from_bytes(file.read_bytes()) for file in files if file.stat().st_size]

    def wait_for_messages(self, count):
        """Returns the sink's messages once there are `count`."""
        return wait_for(lambda: len(self.messages()) >= count and self.messages(), f"{count} messages in the sink")

    def sendmail(self, *arguments, text, user="www-data", check=True):
        """Runs this instance's sendmail(1) as `user`: local submission through maildrop and pickup."""
        return self.room.run("/usr/sbin/sendmail", *arguments, stdin=text, user=user, check=check)

    # Its files

    def _install(self):
        room = self.room
        room.add_user("postfix", IDS["postfix"], [("postdrop", IDS["postdrop"])])
        room.folder.make("log")
        room.folder.make("spool")
        room.folder.make("spool/sendquota", 0o777)
        room.folder.make("sink", 0o777)
        room.run("sh", "-ec", f"""
            chgrp postdrop /usr/sbin/postdrop /usr/sbin/postqueue && chmod 2755 /usr/sbin/postdrop /usr/sbin/postqueue
            chown postfix {self.path}/log
            mkdir -p /var/spool/postfix /var/lib/postfix && chown postfix /var/lib/postfix
            mount --bind {self.path}/spool /var/spool/postfix && cd /var/spool/postfix
            install -d -o postfix -m 700 active bounce corrupt defer deferred flush hold incoming private saved trace
            install -d -o postfix -g postdrop -m 1730 maildrop
            install -d -o postfix -g postdrop -m 2710 public
            install -d pid
            rm -rf /etc/postfix/main.cf /etc/postfix/master.cf /etc/postfix/sasl && mkdir -p /etc/postfix/sasl
            cp /usr/share/postfix/dynamicmaps.cf /etc/postfix/""")
        room.write("/etc/postfix/sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                   "mech_list: PLAIN LOGIN\nsasldb_path: /etc/postfix/sasl/sasldb2\n")

    def configure(self):
        """Writes main.cf and master.cf from what the instance has been told."""
        main = dict(line.split(" = ", 1) for line in MAIN.strip().splitlines())
        main |= {"myhostname": self.hostname, "myorigin": self.domain, "relay_domains": self.domain,
                 "smtpd_sasl_local_domain": self.domain, "mynetworks": f"{TRUSTED}/32",
                 "maillog_file": self.log, "maillog_file_prefixes": self.path,
                 "default_transport": self._transport(), "relay_transport": self._transport(),
                 "smtpd_milters": ", ".join(self.milters), "non_smtpd_milters": ", ".join(self.local_milters)}
        main |= self.settings
        self.room.write("/etc/postfix/main.cf", "".join(f"{key} = {value}\n" for key, value in main.items()))
        self.room.write("/etc/postfix/master.cf", MASTER.format(**self.ports))
        # Postfix reads a file that is younger than two seconds again and again until it is older.
        self.room.run("touch", "-d", "1 minute ago", "/etc/postfix/main.cf", "/etc/postfix/master.cf")

    def _transport(self):
        return f"smtp:[127.0.0.1]:{self.ports['sink']}" if self.destination == "sink" else "discard:"

    def _start_sink(self):
        if self.destination != "sink" or self._sink:
            return
        port = self.ports["sink"]
        self._sink = self.room.popen("/usr/sbin/smtp-sink", "-u", "nobody", "-d", f"{self.path}/sink/m%M.",
                                     f"127.0.0.1:{port}", "100")
        wait_for(lambda: answers(port), "smtp-sink answers")


MAIN = """
compatibility_level = 3.6
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =\x20
local_recipient_maps =\x20
relay_recipient_maps =\x20
alias_maps =\x20
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks,reject_unauth_destination
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = /etc/postfix/sasl
smtpd_sasl_security_options = noanonymous
recipient_delimiter = +
biff = no
smtputf8_enable = yes
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 100000
smtpd_hard_error_limit = 100000
smtpd_junk_command_limit = 100000
smtpd_client_connection_count_limit = 0
default_destination_concurrency_limit = 50
in_flow_delay = 0
milter_connect_timeout = 5s
milter_command_timeout = 10s
milter_content_timeout = 10s
milter_default_action = tempfail
"""

MASTER = """
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{outside} inet n - n - - smtpd
127.0.0.1:{xclient} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_authorized_xclient_hosts=127.0.0.0/8
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
