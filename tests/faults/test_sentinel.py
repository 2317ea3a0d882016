"""Three Sentinels, a master and two replicas, 64 connections: a failover is an event in a log."""

import time
from contextlib import contextmanager

import pytest

from lab import Network, Scene, Sentinels, faults
from lab.scene import BLOCKED, CONNECTIONS, HEAVY_LIMIT
from rig import wait_for

IN_FLIGHT = CONNECTIONS
UNTIL_NOTICED = 2 * CONNECTIONS  # an ordered failover leaves the old master answering: what is under way, and what follows before the daemon leaves it
UNREPLICATED = 16   # messages of one sender: what it sends in half a second, and what is under way


@pytest.fixture
def play(running):
    """play(NAME, BREAK): `BREAK(store)` is a context in which something is broken, left once there is a master again."""
    def play(name, break_it, seconds=0.0, calm=2.0, **account):
        store = running(Sentinels())
        scene = running(Scene(store))
        scene.calm(2.0)
        with scene.fault(name), break_it(store):
            time.sleep(seconds)
        scene.calm(calm)
        return scene.finish(name, **account)
    return play


def another_master(store):
    store.wait_for_another(store.master(), pause=0.01)


@contextmanager
def broken(store, break_it):
    """The master is broken until another one is there."""
    with break_it(store.master()):
        another_master(store)
    yield


@contextmanager
def ordered(store):
    store.fail_over()
    yield


@contextmanager
def without_sentinels(store):
    for sentinel in store.sentinels:
        sentinel.kill()
    yield
    for sentinel in store.sentinels:
        sentinel.start()


def test_nothing_happens(play):
    play("Sentinel: none", faults.nothing)


def test_the_master_is_killed(play):
    """It is back, with what it knew, as soon as another one is there: nobody may believe it."""
    play("Sentinel: master kill -9", lambda store: broken(store, faults.killed), bound=UNREPLICATED, uncharged=IN_FLIGHT, calm=4.0)


def test_the_master_hangs(play):
    play("Sentinel: master SIGSTOP", lambda store: broken(store, faults.stopped), bound=UNREPLICATED, uncharged=IN_FLIGHT, calm=4.0)


def test_a_planned_failover(play):
    """The old master goes on taking charges for a second, which nobody will have; the daemon leaves it for the replica that was chosen."""
    play("Sentinel: planned failover", ordered, bound=UNREPLICATED, uncharged=UNTIL_NOTICED)


def test_a_planned_failover_under_the_access_rules_of_the_example(running):
    """The replica that was chosen is seen there too, and nobody is refused anything."""
    store = running(Sentinels(acl=True))
    scene = running(Scene(store))
    scene.calm(2.0)
    with scene.fault("planned failover"), ordered(store):
        pass
    scene.calm(2.0)
    refused = store.refusals()
    scene.expect(not refused, f"something was refused: {refused[:1]}")
    scene.finish("Sentinel: planned failover, access rules", bound=UNREPLICATED, uncharged=UNTIL_NOTICED)


def test_all_sentinels_die_and_nobody_notices(play):
    play("Sentinel: all Sentinels dead", without_sentinels, seconds=2.0, slow=0)


def test_the_master_is_cut_off_together_with_a_daemon(running):
    """A daemon on each side. The old master takes charges until it notices that no replica follows; those are lost."""
    network = running(Network(3))
    store = running(Sentinels(network.hosts))
    scene = running(Scene(store, daemons=2, hosts=network.hosts[:2]))
    scene.calm(2.0)
    with scene.fault("partition"), network.hosts[0].cut_off():
        another_master(store)
        time.sleep(2.0)
    scene.calm(3.0)
    scene.finish("Sentinel: master and a daemon cut off", bound=HEAVY_LIMIT, uncharged=None, reached_at_end=True)


def test_a_master_without_persistence_is_restarted_so_fast_that_nobody_takes_over(running):
    """It comes back empty and its replicas copy that: all data is gone, and no failover was seen."""
    store = running(Sentinels(settings={"appendonly": "no"}))
    scene = running(Scene(store))
    scene.calm(2.0)
    with scene.fault("emptied"), faults.killed(store.master()):
        pass
    scene.calm(2.5)
    wait_for(lambda: set(BLOCKED) <= set(store.hash("sendquota:blocked")), "the blocks are put back")
    scene.finish("Sentinel: master restarted empty", bound=HEAVY_LIMIT, uncharged=None)
