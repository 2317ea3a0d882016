"""Candidates measured in turns: each round begins with another one, so that what changes slowly meets all alike."""

import statistics
from typing import NamedTuple


class Summary(NamedTuple):
    """Medians of a candidate's rounds. Times in microseconds, CPU in seconds per 1000 messages."""

    per_second: float
    p50: float
    p99: float
    longest: float
    answer_p50: float
    answer_p99: float
    cpu: float
    other: float       # share of the machine that neither it nor the load used
    spread: float      # (most - least) / median of the speeds
    by_process: dict   # CPU by process, as `cpu`


def rounds(candidates, count, take):
    """`take(candidate)` gives Figures. Returns a Summary by the candidates' names, in their order."""
    taken = {candidate.name: [] for candidate in candidates}
    for turn in range(count):
        first = turn % len(candidates)
        for candidate in [*candidates[first:], *candidates[:first]]:
            taken[candidate.name].append(take(candidate))
    return {name: summary(figures) for name, figures in taken.items()}


def summary(figures):
    def median(of):
        return statistics.median(map(of, figures))

    speeds = [one.per_second for one in figures]
    middle = statistics.median(speeds)
    return Summary(middle, median(lambda one: one.whole["p50"]), median(lambda one: one.whole["p99"]), median(lambda one: one.whole["max"]),
                   median(lambda one: one.answer["p50"]), median(lambda one: one.answer["p99"]), median(lambda one: one.cpu_per_thousand),
                   median(lambda one: one.other_cpu / (one.other_cpu + one.own_cpu + sum(one.cpu.values()) + 1e-9)),
                   (max(speeds) - min(speeds)) / middle if middle else 0.0,
                   {name: median(lambda one, name=name: 1000 * one.cpu.get(name, 0.0) / one.messages) for name in figures[0].cpu})
