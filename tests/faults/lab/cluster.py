"""A Redis Cluster of three masters and three replicas, ready within seconds because each node starts with the whole map."""

import binascii
import contextlib
import secrets

from rig.wait import free_port, wait_for

from .resp import RedisError, Resp, accepts_writes
from .servers import Server

SLOTS = 16384
SETTINGS = {"cluster-enabled": "yes", "cluster-node-timeout": 1000, "cluster-require-full-coverage": "no",
            "cluster-allow-replica-migration": "no", "cluster-config-file": "nodes.conf", "appendonly": "yes",
            "repl-diskless-sync-delay": 0, "repl-ping-replica-period": 1}


def slot_of(key):
    """As CLUSTER KEYSLOT."""
    begin = key.find("{")
    end = key.find("}", begin + 1)
    tag = key[begin + 1:end] if begin >= 0 and end > begin + 1 else key
    return binascii.crc_hqx(tag.encode(), 0) % SLOTS


class Cluster:
    """`servers`: three masters with a third of the slots each, then the replica of each of them.

    A Scene's store: it answers when every slot has a master that takes writes.
    """

    def __init__(self, hosts=(None,) * 6, settings=None):
        self._stack = contextlib.ExitStack()
        try:
            self._start(hosts, {**SETTINGS, **(settings or {})})
        except BaseException:
            self.close()
            raise

    def _start(self, hosts, settings):
        places = [(host.address if host else "127.0.0.1", free_port(), free_port()) for host in hosts]
        self.ids = [secrets.token_hex(20) for _ in hosts]
        self.servers = [self._stack.enter_context(Server({**settings, "cluster-port": bus}, host=host, port=port,
                                                         files={"nodes.conf": self._map(number, places)}))
                        for number, (host, (_, port, bus)) in enumerate(zip(hosts, places))]
        self.url = "redis+cluster://" + ",".join(server.place for server in self.servers[:3])
        self.probes = [next(key for key in map("probe{0}".format, range(1000)) if slot_of(key) * 3 // SLOTS == third) for third in range(3)]
        wait_for(self._is_ready, "the cluster is whole")

    def _map(self, own, places):
        lines = []
        for number, (address, port, bus) in enumerate(places):
            role = f"slave {self.ids[number - 3]}" if number >= 3 else "master -"
            first, last = -(-number * SLOTS // 3), -(-(number + 1) * SLOTS // 3) - 1
            slots = f" {first}-{last}" if number < 3 else ""
            lines.append(f"{self.ids[number]} {address}:{port}@{bus} {'myself,' if number == own else ''}{role} 0 0 {number % 3 + 1} connected{slots}")
        return "\n".join(lines) + "\nvars currentEpoch 3 lastVoteEpoch 0\n"

    def _is_ready(self):
        linked = all("master_link_status:up" in server("INFO", "replication") for server in self.servers[3:])
        return linked and all("cluster_state:ok" in server("CLUSTER", "INFO") for server in self.servers) and self.answers()

    def _views(self):
        """CLUSTER SLOTS of every node that can be asked, the one that knows most of elections first."""
        views = []
        for server in self.servers:
            if server.is_running and not (server.host and server.host.is_cut):
                with contextlib.suppress(OSError, RedisError), server.client(timeout=0.1) as ask:
                    info = dict(line.split(":") for line in ask("CLUSTER", "INFO").split() if ":" in line)
                    views.append((int(info["cluster_current_epoch"]), ask("CLUSTER", "SLOTS")))
        return [slots for _, slots in sorted(views, key=lambda view: -view[0])]

    def owner(self, slot):
        """The master of a slot as the cluster says; None if it has none."""
        for slots in self._views()[:1]:
            for first, last, master, *_ in slots:
                if first <= slot <= last:
                    return next(server for server in self.servers if [server.address, server.port] == master[:2])
        return None

    def owner_of(self, key):
        return self.owner(slot_of(key))

    def answers(self):
        return all(self._takes_writes(key) for key in self.probes)

    def _takes_writes(self, key):
        owner = self.owner_of(key)
        return owner is not None and owner.is_running and accepts_writes(owner.reachable, key=key)

    def hash(self, key):
        return self.owner_of(key).hash(key)

    def block(self, identity, text):
        self.owner_of("sendquota:blocked").block(identity, text)

    def replica_of(self, master):
        """The one of the pair that is not `master`."""
        return self.servers[(self.servers.index(master) + 3) % 6]

    def fail_over(self, master):
        """A planned failover to the replica of `master`; returns once it has taken over."""
        replica = self.replica_of(master)
        replica("CLUSTER", "FAILOVER")
        wait_for(lambda: "role:master" in replica("INFO", "replication") and self.answers(), "the replica has taken over")

    @contextlib.contextmanager
    def moving(self, slot, target):
        """The slot is under way: half of its keys are there, new ones go there; moved as a whole when the block ends."""
        source = self.owner(slot)
        ids = {server: self.ids[self.servers.index(server)] for server in (source, target)}
        target("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        source("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        self._migrate(source, target, slot, source("CLUSTER", "COUNTKEYSINSLOT", slot) // 2)
        yield
        self._migrate(source, target, slot, SLOTS)
        others = [self.owner_of(key) for key in self.probes]
        for server in (target, source, *(other for other in others if other not in (source, target))):
            server("CLUSTER", "SETSLOT", slot, "NODE", ids[target])

    @staticmethod
    def _migrate(source, target, slot, most):
        while most > 0 and (keys := source("CLUSTER", "GETKEYSINSLOT", slot, min(most, 100))):
            source("MIGRATE", target.address, target.port, "", 0, 1000, "KEYS", *keys)
            most -= len(keys)

    def keys_by_slot(self):
        """How many keys lie in each slot."""
        counts = [0] * SLOTS
        for first, last, master, *_ in self._views()[0]:
            owner = next(server for server in self.servers if [server.address, server.port] == master[:2])
            with Resp(owner.reachable, timeout=30) as ask:
                counts[first:last + 1] = ask.all([("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in range(first, last + 1)])
        return counts

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
