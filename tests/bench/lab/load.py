"""Runs bench_load: one measurement, as Figures."""

import json
import subprocess
from dataclasses import dataclass

from rig.room import BUILD


@dataclass
class Figures:
    """What one measurement came to. Times in microseconds, CPU in seconds."""

    per_second: float
    messages: int
    whole: dict        # p50, p90, p99, max of the conversation
    answer: dict       # of the answer to the end of message
    verdicts: dict     # of the whole run, warm-up included
    unanswered: int
    cpu: dict          # by process
    own_cpu: float     # of the load
    other_cpu: float   # of everything else on the machine

    @property
    def cpu_per_thousand(self):
        return 1000 * sum(self.cpu.values()) / self.messages if self.messages else 0.0


def measure(candidate, *, connections=64, new=False, seconds=5, warm_up=1, senders=1000, first_sender=0, zipf=0, in_turn=False,
            rate=0, messages=0, headers=8, recipients=1):
    """Loads `candidate` (targets, protocol, pids by name) and returns its Figures; raises where messages were lost."""
    words = [str(BUILD / "bin" / "bench_load"), *candidate.targets, "--protocol", candidate.protocol, "--connections", connections,
             "--seconds", seconds, "--warm-up", warm_up, "--senders", senders, "--first-sender", first_sender, "--zipf", zipf,
             "--rate", rate, "--messages", messages, "--headers", headers, "--recipients", recipients]
    words += ["--new"] if new else []
    words += ["--in-turn"] if in_turn else []
    for name, pid in candidate.pids().items():
        words += ["--watch", f"{name}={pid}"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60 + 3 * (seconds + warm_up))
    if done.returncode:
        raise RuntimeError(f"bench_load: exit {done.returncode}: {done.stderr}")
    told = json.loads(done.stdout)
    figures = Figures(told["per_second"], told["messages"], told["whole"], told["answer"], told["verdicts"], told["unanswered"], told["cpu"],
                      told["own_cpu"], told["other_cpu"])
    if figures.unanswered or figures.verdicts.get("broken") or not figures.messages:
        raise RuntimeError(f"{candidate.name}: messages without an answer: {told}")
    return figures
