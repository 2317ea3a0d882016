"""Notices when the machine itself stands still: what a test then measures is not what it tests.

    with Noise() as noise: ...
    noise.is_much      on one of its cores, a thread that sleeps a millisecond was woken a tenth of a second too late; or the
                       host of a virtual machine gave a twentieth of its time to others ("steal")
    print(noise)       what there was of both

Runners use it to run what failed meanwhile once more, alone, and say so; without noise a failure is a failure.
"""

import os
import threading
import time

MUCH_LATE = 0.1     # seconds
MUCH_STOLEN = 0.05  # of the time


def stolen_and_all():
    """Of all cores since the start, in ticks."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return ticks[7], sum(ticks)


def stolen_since(before):
    """The part of the time since `before` (of stolen_and_all()) that the host gave to others."""
    stolen, all_ticks = stolen_and_all()
    return (stolen - before[0]) / max(1, all_ticks - before[1])


class Noise:
    def __init__(self):
        self.longest = 0.0
        self.stolen = 0.0
        self._begin = stolen_and_all()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(core,), daemon=True) for core in os.sched_getaffinity(0)]

    def _watch(self, core):
        os.sched_setaffinity(0, {core})   # of this thread alone
        while not self._over.is_set():
            at = time.monotonic()
            time.sleep(0.001)
            self.longest = max(self.longest, time.monotonic() - at - 0.001)

    @property
    def is_much(self):
        return self.longest >= MUCH_LATE or self.stolen >= MUCH_STOLEN

    def __str__(self):
        return f"the machine stood still for {self.longest * 1000:.0f} ms, and {self.stolen:.0%} of its time went to others"

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stolen = stolen_since(self._begin)
        self._over.set()
        for thread in self._threads:
            thread.join()
