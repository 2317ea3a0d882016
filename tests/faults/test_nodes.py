"""Several daemons without their store: each gives its share of every limit, all of them at most one limit more."""

import time

from lab import Scene, Server, faults
from lab.scene import AT_ONCE, HEAVY_LIMIT, QUOTA

# Eight hours of `250 / 15m` are 32 periods. So are eight seconds of this; what an innocent sends is 40 % of it.
PERIODS, SHORT = 32, {**QUOTA, "limits": ["10 messages / 250ms"]}


def play(scene, name, broken, seconds, **account):
    scene.calm(2.0)
    with scene.fault(name), broken:
        time.sleep(seconds)
    scene.calm(2.5)
    return scene.finish(name, **account)


def test_two_daemons_share_out_every_limit(running):
    server = running(Server({"appendonly": "yes"}))
    play(running(Scene(server, daemons=2)), "away, 2 daemons", faults.killed(server), 4.0, bound=HEAVY_LIMIT)


def test_four_daemons_share_out_every_limit(running):
    server = running(Server({"appendonly": "yes"}))
    play(running(Scene(server, daemons=4)), "away, 4 daemons", faults.killed(server), 4.0, bound=HEAVY_LIMIT)


def test_four_daemons_that_counted_themselves(running):
    server = running(Server({"appendonly": "yes"}))
    play(running(Scene(server, daemons=4, nodes="auto")), "away, 4 daemons, nodes = auto", faults.killed(server), 4.0, bound=HEAVY_LIMIT)


def test_four_daemons_meet_a_server_that_hangs(running):
    server = running(Server())
    play(running(Scene(server, daemons=4)), "SIGSTOP, 4 daemons", faults.stopped(server), 3.0, bound=HEAVY_LIMIT)


def test_a_daemon_is_killed_three_times_in_an_outage(running):
    """Its shares go on where they were. What it knew of the use before the outage is gone with the first kill, so that gives one limit."""
    server = running(Server({"appendonly": "yes"}))
    scene = running(Scene(server))
    (daemon,) = scene.daemons
    scene.calm(2.5)
    with scene.fault("outage"), faults.killed(server):
        for _ in range(3):
            daemon.kill()
            daemon.start()
            time.sleep(6.0)
    scene.calm(2.5)
    scene.finish("away, daemon kill -9 3 times", restarts=True, bound=HEAVY_LIMIT, uncharged=None)


def test_an_outage_of_very_many_periods_refuses_nobody_afterwards(running):
    """32 periods of the limit, as 8 hours are of `250 messages / 15m`."""
    server = running(Server({"appendonly": "yes"}))
    senders = ["innocent 20 320 domain=innocent.test", "blocked 4 100 domain=blocked.test", "heavy 4 100 domain=heavy.test",
               "bulk 16 120 domain=bulk.test"]
    scene = running(Scene(server, senders=senders, quotas=[SHORT]))
    play(scene, f"away for {PERIODS} periods", faults.killed(server), PERIODS * 0.25, bound=AT_ONCE)
