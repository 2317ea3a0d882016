"""One Redis server, one daemon, 64 connections: whatever happens to the server, mail goes on and limits hold.

A daemon that judges by its share knows what was used, but for what was under way when the server failed.
"""

import time

import pytest

from lab import Disk, Scene, Server, faults
from lab.scene import AT_ONCE, CONNECTIONS, HEAVY_LIMIT
from rig import Certificates

OUTAGE = 2.0   # seconds; several times what the daemon needs to notice


@pytest.fixture
def play(running):
    """play(NAME, SERVER, BREAK) lets the load run, breaks the server for a while, and checks every promise."""
    def play(name, server, break_it, seconds=OUTAGE, **account):
        return play_on(running(Scene(server)), name, server, break_it, seconds, **account)
    return play


def play_on(scene, name, server, break_it, seconds=OUTAGE, **account):
    scene.calm(2.5)
    with scene.fault(name), break_it(server):
        time.sleep(seconds)
    scene.calm(2.5)
    return scene.finish(name, **account)


def test_nothing_happens(play, running):
    play("none", running(Server()), faults.nothing)


def test_the_server_is_killed_and_comes_back_with_its_data(play, running):
    play("kill -9, data kept", running(Server({"appendonly": "yes"})), faults.killed, bound=AT_ONCE)


def test_the_server_is_killed_and_comes_back_empty(play, running):
    """What was used is forgotten with the data: at most one limit's worth again."""
    play("kill -9, data lost", running(Server()), faults.killed, bound=HEAVY_LIMIT, uncharged=None)


def test_everything_is_deleted(play, running):
    play("FLUSHALL", running(Server()), faults.emptied, bound=HEAVY_LIMIT, uncharged=None)


def test_the_server_hangs(play, running):
    """That costs each connection one time limit, not each message."""
    play("SIGSTOP", running(Server()), faults.stopped, bound=AT_ONCE, slow=CONNECTIONS)


def test_the_server_is_full(play, running):
    play("maxmemory, noeviction", running(Server()), faults.out_of_memory, bound=AT_ONCE)


def test_the_servers_disk_is_full(play, running):
    """It cannot keep what it is told, and says MISCONF until there is room."""
    disk = running(Disk())
    play("its disk is full, MISCONF", running(Server({"dir": disk.path, "appendonly": "yes"})), lambda server: disk.full(), bound=AT_ONCE)


def test_the_server_becomes_a_replica(play, running):
    play("READONLY replica", running(Server()), faults.replica_of_nobody_there, bound=AT_ONCE)


def test_somebodys_script_does_not_end(play, running):
    play("BUSY script", running(Server()), lambda server: faults.busy(server, OUTAGE), bound=AT_ONCE)


def test_scripts_are_flushed_all_the_time(play, running):
    play("SCRIPT FLUSH each 100 ms", running(Server()), faults.forgetting_scripts)


@pytest.mark.parametrize("name, settings, break_it", [("kill -9", {"appendonly": "yes"}, faults.killed), ("SIGSTOP", {}, faults.stopped)])
def test_the_same_over_tls(name, settings, break_it, running):
    """Both sides show a certificate. When it is over, every connection is opened anew, hello included."""
    certificates = running(Certificates())
    server = running(Server(settings, tls=certificates.issue("IP:127.0.0.1")))
    ours = certificates.issue("DNS:mx1.example.test")
    scene = running(Scene(server, tls_ca=ours.ca, tls_cert=ours.cert, tls_key=ours.key))
    play_on(scene, f"{name}, TLS", server, break_it, bound=AT_ONCE)
