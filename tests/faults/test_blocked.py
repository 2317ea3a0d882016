"""A blocked sender stays blocked while daemons and stores die, come back, and come back empty."""

import time

import pytest

from lab import Disk, Scene, Server, faults
from lab.scene import BLOCKED, HEAVY_LIMIT
from rig import wait_for

SENDERS = ["innocent 50 60 domain=innocent.test", "blocked 4 300 domain=blocked.test", "bulk 16 120 domain=bulk.test",
           "heavy 4 100 domain=heavy.test"]


@pytest.fixture
def scene(running):
    """One daemon and a server that keeps nothing on disk."""
    server = running(Server())
    scene = running(Scene(server, senders=SENDERS))
    scene.server, (scene.daemon,) = server, scene.daemons
    scene.calm(2.0)
    return scene


def all_are_in_the_table(server):
    return set(BLOCKED) <= set(server.hash("sendquota:blocked"))


def test_the_daemon_is_killed_again_and_again(scene):
    with scene.fault("daemon"):
        for _ in range(5):
            scene.daemon.kill()
            scene.daemon.start()
            time.sleep(0.4)
    scene.finish("daemon kill -9, 5 times", restarts=True, bound=HEAVY_LIMIT, uncharged=None)


def test_the_daemon_is_killed_while_the_store_is_away_and_the_store_comes_back_empty(scene):
    with scene.fault("both"), faults.killed(scene.server):
        time.sleep(0.5)
        scene.daemon.kill()
        scene.daemon.start()
        time.sleep(1.5)
    scene.calm(2.0)
    wait_for(lambda: all_are_in_the_table(scene.server), "the blocks are put back into the empty table")
    scene.finish("daemon kill -9 during an outage", restarts=True, bound=2 * HEAVY_LIMIT, uncharged=None)


def test_the_daemon_and_the_data_die_at_the_same_moment(scene):
    with scene.fault("both"):
        scene.daemon.kill()
        scene.server("FLUSHALL")
        scene.daemon.start()
    scene.calm(2.0)
    wait_for(lambda: all_are_in_the_table(scene.server), "the blocks are put back into the empty table")
    scene.finish("daemon kill -9 and FLUSHALL", restarts=True, bound=HEAVY_LIMIT, uncharged=None)


def test_a_block_made_while_the_disk_is_full_holds_after_a_crash_once_there_was_room(running):
    disk, server = running(Disk()), running(Server())
    scene = running(Scene(server, senders=[*SENDERS, "fresh 1 25 domain=fresh.test"], state_dir=str(disk.path)))
    (daemon,) = scene.daemons
    scene.calm(1.5)
    with scene.fault("disk"), disk.full():
        server.block("user:fresh0@fresh.test", "made while the disk is full")
        time.sleep(2.0)
    time.sleep(2.0)
    with scene.fault("crash"), faults.killed(server):
        daemon.kill()
        daemon.start()
        restarted = time.monotonic()
        time.sleep(1.5)
    scene.calm(1.0)
    row = scene.finish("full disk, then crash of both", restarts=True, bound=2 * HEAVY_LIMIT, uncharged=None)
    fresh = [message for message in scene.load.messages if message.group == "fresh" and message.began > restarted]
    assert fresh and not any(message.fate == "passed" for message in fresh), (len(fresh), row)


def test_blocks_survive_a_store_that_comes_back_empty_while_two_daemons_run(running):
    server = running(Server())
    scene = running(Scene(server, daemons=2, senders=SENDERS))
    scene.calm(1.5)
    with scene.fault("empty"), faults.killed(server):
        time.sleep(1.0)
    wait_for(lambda: all_are_in_the_table(server), "the blocks are put back")
    scene.calm(1.0)
    with scene.fault("empty again"), faults.emptied(server):
        time.sleep(0.5)
    wait_for(lambda: all_are_in_the_table(server), "the blocks are put back")
    scene.calm(1.0)
    scene.finish("emptied twice, 2 daemons", bound=2 * HEAVY_LIMIT, uncharged=None)
