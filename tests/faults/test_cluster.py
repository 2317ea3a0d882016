"""A Redis Cluster of three masters and three replicas, 64 connections."""

import time
from contextlib import ExitStack, contextmanager

import pytest

from lab import Cluster, Network, Scene, faults
from lab.cluster import slot_of
from lab.scene import AT_ONCE, CONNECTIONS, HEAVY_LIMIT, QUOTA
from rig import wait_for

IN_FLIGHT = CONNECTIONS
UNREPLICATED = 16   # messages of one sender: what it sends in half a second, and what is under way
EVERYONE = "sendquota:{everyone:all}"
DOMAIN = {"name": "domain", "per": "user_domain", "limits": ["1 messages / 30d burst 1000000"], "warn_at": "off"}
TOTAL = {"name": "total", "per": "everyone", "limits": ["1 messages / 30d burst 1000000"], "warn_at": "off"}


@pytest.fixture
def play(running):
    """play(NAME, BREAK): `BREAK(cluster)` is a context in which something is broken, left once every slot has a master."""
    def play(name, break_it, seconds=0.0, calm=2.0, quotas=(QUOTA,), daemons=1, **account):
        cluster = running(Cluster())
        scene = running(Scene(cluster, quotas=quotas, daemons=daemons))
        scene.calm(2.0)
        with scene.fault(name), break_it(cluster):
            time.sleep(seconds)
        scene.calm(calm)
        return scene.finish(name, **account)
    return play


@contextmanager
def master_broken(cluster, break_it):
    """The master of the blocks is broken until its replica has taken over."""
    master = cluster.owner_of("sendquota:blocked")
    with break_it(master):
        wait_for(lambda: cluster.owner_of("sendquota:blocked") is not master and cluster.answers(), "another master", deadline=60)
    yield


@contextmanager
def ordered(cluster):
    for master in list(cluster.servers[:3]):
        cluster.fail_over(master)
    yield


@contextmanager
def slots_moving(cluster):
    """Slots of senders who are under way, there and back."""
    for sender in ("bulk0@bulk.test", "bulk1@bulk.test", "heavy0@heavy.test", "late0@heavy.test"):
        slot = slot_of(f"sendquota:{{user:{sender}}}")
        owner = cluster.owner(slot)
        other = next(server for server in cluster.servers[:3] if server is not owner)
        for target in (other, owner):
            with cluster.moving(slot, target):
                time.sleep(0.3)
            time.sleep(0.05)
    yield


def test_nothing_happens(play):
    play("Cluster: none", faults.nothing)


def test_nothing_happens_and_every_message_is_charged_to_two_identities(play):
    play("Cluster: none, 2 identities", faults.nothing, quotas=[QUOTA, TOTAL], bound=AT_ONCE)


def test_a_master_is_killed(play):
    """It is back as soon as its replica has taken over."""
    play("Cluster: master kill -9", lambda cluster: master_broken(cluster, faults.killed), bound=UNREPLICATED, uncharged=IN_FLIGHT)


def test_a_master_hangs(play):
    play("Cluster: master SIGSTOP", lambda cluster: master_broken(cluster, faults.stopped), bound=UNREPLICATED, uncharged=IN_FLIGHT)


@contextmanager
def masters_pausing(cluster):
    """Each by itself, so that what one message asks of several waits for one after the other."""
    with ExitStack() as stack:
        for master in cluster.servers[:3]:
            stack.enter_context(faults.pausing(master, every=0.9))
            time.sleep(0.3)
        yield


def test_every_master_pauses_and_every_message_is_charged_to_two_identities(play):
    """Two servers asked, then told: all within one time limit."""
    play("Cluster: CLIENT PAUSE 300, 2 identities", masters_pausing, seconds=3.0, quotas=[QUOTA, TOTAL], bound=HEAVY_LIMIT, uncharged=IN_FLIGHT)


def test_a_master_is_killed_under_four_daemons_and_three_quotas(play):
    """Until its replica has taken over, each daemon gives its share of what that master held."""
    play("Cluster: kill -9, 4 daemons, 3 quotas", lambda cluster: master_broken(cluster, faults.killed), quotas=[QUOTA, DOMAIN, TOTAL],
         daemons=4, bound=HEAVY_LIMIT, uncharged=IN_FLIGHT)


def test_every_master_is_replaced_as_planned(play):
    play("Cluster: planned failovers", ordered, bound=UNREPLICATED, uncharged=IN_FLIGHT)


def test_slots_move_there_and_back(play):
    play("Cluster: resharding", slots_moving)


def test_when_the_master_of_everyone_is_gone_only_that_charge_is_judged_locally(running):
    """Its replica is gone too. Everybody else is charged where he always was, at once and exactly."""
    cluster = running(Cluster())
    scene = running(Scene(cluster, quotas=[QUOTA, TOTAL]))
    master = cluster.owner_of(EVERYONE)
    scene.calm(2.0)
    elsewhere = [number for number in range(64) if cluster.owner_of(f"sendquota:{{user:bulk{number}@bulk.test}}") is not master]
    with scene.fault("everyone"), faults.killed(cluster.replica_of(master)), faults.killed(master):
        time.sleep(1.0)
        begin = [scene.used("bulk", number) for number in elsewhere]
        time.sleep(1.5)
        end = [scene.used("bulk", number) for number in elsewhere]
    scene.calm(3.0)
    grown = sum(end) - sum(begin)
    scene.notes.append(f"while it was gone {len(elsewhere)} senders on other masters were charged {grown} messages there")
    scene.expect_in_time(grown >= 0.8 * 1.5 * 7.5 * len(elsewhere), f"users on other masters were not charged there: {grown} messages")
    everyone = cluster.hash(EVERYONE).get("total messages/30d", "0/0 0").split("/")[0]
    passed = sum(message.fate == "passed" for message in scene.load.stop().messages)
    scene.notes.append(f"everyone: {passed} messages went through, {everyone} are charged")
    scene.expect_in_time(abs(passed - int(everyone)) <= IN_FLIGHT, f"everyone was charged {everyone} of {passed}")
    scene.finish("Cluster: master of everyone gone", bound=UNREPLICATED, uncharged=IN_FLIGHT)


def test_a_master_is_cut_off_together_with_a_daemon(running):
    """A daemon on each side. The cut-off master takes charges until it notices; those are lost."""
    network = running(Network(6))
    cluster = running(Cluster(network.hosts))
    scene = running(Scene(cluster, daemons=2, hosts=network.hosts[:2]))
    scene.calm(2.0)
    with scene.fault("partition"), network.hosts[0].cut_off():
        wait_for(cluster.answers, "every slot has a master", pause=0.02)
        time.sleep(1.5)
    scene.calm(3.0)
    scene.finish("Cluster: master and a daemon cut off", bound=HEAVY_LIMIT, uncharged=None, reached_at_end=True)
