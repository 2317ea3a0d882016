"""The disk below a daemon without Redis is full."""

import time

from lab import Disk, Memory, Scene
from lab.scene import AT_ONCE, HEAVY_LIMIT
from rig import wait_for

COMPLAINT = r"error: .*snapshot.*No space left"


def block_until_refused(daemon, most=200):
    """The identities whose block was said to hold, and how the first one was refused that was not."""
    held = []
    for number in range(most):
        done = daemon.command("block", f"fresh{number}@fresh.test")
        if done.returncode:
            return held, (done.stdout + done.stderr).strip().splitlines()[0]
        held.append(f"user:fresh{number}@fresh.test")
    return held, ""


def test_the_disk_below_a_daemon_without_redis_is_full(running):
    """What a full disk would not keep is refused; what was said to hold does, after a crash too."""
    disk, memory = running(Disk()), Memory()
    scene = running(Scene(memory, state_dir=str(disk.path)))
    (daemon,) = scene.daemons
    scene.calm(1.5)
    with scene.fault("disk"), disk.full():
        held, refusal = block_until_refused(daemon)
        time.sleep(0.5)
        daemon.kill()
        daemon.start()
        time.sleep(1.0)
        still = {block["identity"] for block in daemon.cli("blocked")["blocked"]}
    scene.calm(1.0)
    scene.notes.append(f"with a full disk {len(held)} blocks found room, of which {len(set(held) - still)} were lost by a crash; the next: {refusal}")
    scene.expect(refusal, "200 blocks were said to hold on a full disk")
    scene.expect(set(held) <= still, f"{len(set(held) - still)} blocks that were said to hold were lost by a crash")
    scene.finish("full disk, memory:", restarts=True, bound=HEAVY_LIMIT, uncharged=None)


def test_the_disk_is_full_when_a_daemon_without_redis_saves_its_buckets(running):
    """It says so, ends as it should, and the next one goes on with what was saved before: with the blocks, all of them."""
    disk, memory = running(Disk()), Memory()
    scene = running(Scene(memory, state_dir=str(disk.path)))
    (daemon,) = scene.daemons
    scene.calm(2.0)
    before = daemon.used("heavy0@heavy.test")
    daemon.restart()                              # saves
    with scene.fault("disk"), disk.full():
        code = daemon.stop()
        complaint = daemon.log(COMPLAINT)
        daemon.start()
        time.sleep(1.0)
    scene.calm(1.0)
    used = daemon.used("heavy0@heavy.test")
    scene.notes.append(f"a sender's use: {before} when it was saved, {used} afterwards; the daemon said: {complaint[-1:]}")
    scene.expect(code == 0 and complaint, f"it ended with {code} and said {complaint}")
    scene.expect(used >= before, f"of what was saved ({before}) {used} is left")
    scene.finish("full disk under the snapshot, memory:", restarts=True, bound=HEAVY_LIMIT, uncharged=None)


def test_the_disk_is_full_when_the_snapshot_of_each_minute_is_due(running):
    """Nobody who sends notices it; the daemon says so."""
    disk, memory = running(Disk()), Memory()
    scene = running(Scene(memory, state_dir=str(disk.path)))
    (daemon,) = scene.daemons
    scene.calm(1.0)
    with scene.fault("disk"), disk.full():
        wait_for(lambda: daemon.log(COMPLAINT), "a snapshot that finds no room", deadline=75)
    scene.notes.append(f"the daemon said: {daemon.log(COMPLAINT)[-1:]}")
    scene.finish("full disk under the snapshot of each minute, memory:", bound=AT_ONCE, uncharged=None)
