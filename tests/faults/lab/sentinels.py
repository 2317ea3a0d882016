"""A master, two replicas and three Sentinels, ready within a second because each is told of the others."""

import contextlib
import re
import secrets
from collections import Counter
from pathlib import Path

from rig.wait import free_port, wait_for

from .resp import RedisError
from .servers import Server

NAME = "mymaster"
CONF = Path(__file__).resolve().parents[3] / "conf"
DOWN_AFTER, FAILOVER_TIMEOUT = 500, 2000   # ms
KEPT = {"appendonly": "yes", "appendfsync": "everysec", "repl-diskless-sync-delay": 0, "min-replicas-to-write": 1,
        "min-replicas-max-lag": 2, "repl-ping-replica-period": 1}


class Sentinels:
    """`servers`, of which the first was the master at the begin, and `sentinels`, one on each of three `hosts`, if given.

    `acl`: daemons log in as the user of the examples in conf/, with the least permissions. A Scene's store: answers(), hash() and block() ask the master that most Sentinels name.
    """

    def __init__(self, hosts=(None, None, None), settings=None, acl=False):
        self._stack = contextlib.ExitStack()
        self.hosts = hosts
        self.users = (daemons_at_servers(), daemons_at_sentinels()) if acl else ("", "")
        try:
            self._start({**KEPT, **(settings or {})})
        except BaseException:
            self.close()
            raise

    def _start(self, settings):
        ports = [free_port() for _ in range(3)]
        addresses = [host.address if host else "127.0.0.1" for host in self.hosts]
        follow = f"replicaof {addresses[0]} {ports[0]}\n"
        self.servers = [self._stack.enter_context(Server(settings, self.users[0] + ("" if number == 0 else follow), host=host, port=port))
                        for number, (host, port) in enumerate(zip(self.hosts, ports))]
        known = [(address, free_port(), secrets.token_hex(20)) for address in addresses]
        self.sentinels = [self._stack.enter_context(self._sentinel(number, known)) for number in range(3)]
        places = ",".join(sentinel.place for sentinel in self.sentinels)
        login, at_sentinels = ("sendquotad:CHANGE-ME@", "?sentinel_user=sendquotad&sentinel_password=CHANGE-ME") if self.users[0] else ("", "")
        self.url = f"redis+sentinel://{login}{places}/{NAME}/0{at_sentinels}"
        wait_for(self._is_ready, "the Sentinels know each other and two replicas")

    def _sentinel(self, number, known):
        address, port, own = known[number]
        lines = [f"sentinel myid {own}", f"sentinel monitor {NAME} {self.servers[0].address} {self.servers[0].port} 2",
                 f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}", f"sentinel failover-timeout {NAME} {FAILOVER_TIMEOUT}",
                 f"sentinel parallel-syncs {NAME} 2"]
        lines += [f"sentinel known-replica {NAME} {server.address} {server.port}" for server in self.servers[1:]]
        lines += [f"sentinel known-sentinel {NAME} {there} {its_port} {its_id}" for there, its_port, its_id in known if its_id != own]
        sentinel = Server(config="\n".join(lines) + "\n" + self.users[1], words=["--sentinel"], host=self.hosts[number], port=port)
        # Asked for more often than each 10 s, so that a planned failover need not wait for it.
        sentinel("SENTINEL", "DEBUG", "INFO-PERIOD", "500", "PUBLISH-PERIOD", "500")
        return sentinel

    def _is_ready(self):
        linked = all("master_link_status:up" in server("INFO", "replication") for server in self.servers[1:])
        return linked and all(self._agrees(sentinel) for sentinel in self.sentinels)

    @staticmethod
    def _agrees(sentinel):
        facts = sentinel("SENTINEL", "MASTER", NAME)
        facts = dict(zip(facts[::2], facts[1::2]))
        return (facts["num-slaves"], facts["num-other-sentinels"], facts["flags"]) == ("2", "2", "master")

    def named(self, address):
        return next(server for server in self.servers if (server.address, str(server.port)) == tuple(address))

    def master(self):
        """The server that most of the Sentinels that can be asked name."""
        answers = Counter()
        for sentinel in self.sentinels:
            if sentinel.is_running and not (sentinel.host and sentinel.host.is_cut):
                with contextlib.suppress(OSError, RedisError), sentinel.client(timeout=0.5) as ask:
                    answers[tuple(ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME))] += 1
        return self.named(answers.most_common(1)[0][0]) if answers else self.servers[0]

    def answers(self):
        master = self.master()
        return master.is_running and master.answers()

    def hash(self, key):
        return self.master().hash(key)

    def block(self, identity, text):
        self.master().block(identity, text)

    def refusals(self):
        """What the servers and the Sentinels have refused to anybody."""
        return [line for server in (*self.servers, *self.sentinels) for line in server("ACL", "LOG")]

    @property
    def failovers(self):
        """How often the master has changed, as the Sentinel that saw most of it tells."""
        return max(sentinel.log().count("+switch-master") for sentinel in self.sentinels)

    def fail_over(self):
        """A planned failover; returns once another master takes writes.

        It is ordered again where nothing came of it: a Sentinel that stood still itself does nothing for half a minute (TILT).
        """
        before = self.master()
        for is_last in [False] * 4 + [True]:
            try:
                self.sentinels[0]("SENTINEL", "FAILOVER", NAME)
                return self.wait_for_another(before, deadline=10)
            except (RedisError, TimeoutError):
                if is_last:
                    raise

    def wait_for_another(self, before, deadline=60, pause=0.02):
        wait_for(lambda: self.master() is not before and self.answers(), "another master", deadline=deadline, pause=pause)

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def daemons_at_servers():
    """The daemons' line of the example, with what it adds behind Sentinels."""
    text = (CONF / "redis-users.acl.example").read_text()
    more = re.search(r"Behind sentinels, add to the line of the daemons: +(\+.*)", text).group(1)
    return f"{re.search('^user sendquotad .*', text, re.M).group()} {more}\n"


def daemons_at_sentinels():
    return re.search("^user sendquotad .*", (CONF / "redis-sentinel-users.acl.example").read_text(), re.M).group() + "\n"
