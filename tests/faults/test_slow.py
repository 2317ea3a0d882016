"""A server that cannot be reached, is slow, or has the wrong time."""

import time
from contextlib import contextmanager

import pytest

from lab import Network, Scene, Server, SlowLine, faults
from lab.scene import AT_ONCE, CONNECTIONS, HEAVY_LIMIT, QUOTA

HOUR = 3600


def play(scene, name, broken, seconds=2.0, **account):
    scene.calm(2.5)
    with scene.fault(name), broken:
        time.sleep(seconds)
    scene.calm(2.5)
    return scene.finish(name, **account)


def test_packets_vanish_on_the_way(running):
    """A server that cannot be reached costs each connection one time limit, not each message."""
    near, far = running(Network(2)).hosts
    scene = running(Scene(running(Server(host=far)), hosts=[near]))
    play(scene, "partition, packets dropped", far.cut_off(), bound=AT_ONCE, slow=CONNECTIONS)


def test_the_server_pauses_for_longer_than_a_question_may_take(running):
    server = running(Server())
    play(running(Scene(server)), "CLIENT PAUSE 300 each s", faults.pausing(server), seconds=3, bound=AT_ONCE)


def test_answers_come_too_late(running):
    line = running(SlowLine(running(Server())))
    play(running(Scene(line)), "each answer 300 ms late", line.slow(delay=0.3), bound=AT_ONCE)


def test_answers_come_late_but_in_time(running):
    line = running(SlowLine(running(Server())))
    play(running(Scene(line)), "each answer 40 ms late", line.slow(delay=0.04), bound=AT_ONCE)


def test_answers_come_byte_by_byte(running):
    line = running(SlowLine(running(Server())))
    play(running(Scene(line)), "a byte each 20 ms", line.slow(byte_pause=0.02), bound=AT_ONCE)


@pytest.mark.parametrize("name, first, then", [("forward and back", HOUR, 0), ("back and forward", -HOUR, 0)])
def test_the_servers_clock_jumps_an_hour(running, name, first, then):
    """A jump forward gives back at most what an hour gives: here the whole limit, once. A jump back gives nothing."""
    server = running(Server(shifts_clock=True))
    hourly = {**QUOTA, "override": [{**one, "limits": [limit.replace(f"{HEAVY_LIMIT} messages / 30d", f"{HEAVY_LIMIT} messages / 1h")
                                                       for limit in one["limits"]]} for one in QUOTA["override"]]}

    @contextmanager
    def jumps():
        server.shift_clock(first)
        yield
        server.shift_clock(then)

    play(running(Scene(server, quotas=[hourly])), f"clock an hour {name}", jumps(), bound=HEAVY_LIMIT + 1, uncharged=None)
