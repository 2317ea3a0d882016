"""Runs files of tests, each in a pytest of its own, several at once: they wait most of their time."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ONE = Path(__file__).resolve().with_name("pytest_file.py")


class Failure(NamedTuple):
    path: Path
    node: str
    reason: str


class Result(NamedTuple):
    passed: int
    failed: list   # of Failure


def run_file(path, wanted="", environment=None, test=None):
    """The Result of a file, or of one test in it; what it says is shown when it is over."""
    chosen = str(path) + (f"::{test}" if test else "")
    done = subprocess.run([sys.executable, str(ONE), wanted, chosen], capture_output=True, text=True, env=environment)
    *_, last = done.stdout.splitlines() or [""]
    counted = re.fullmatch(r"(\d+) (\d+)", last)
    failed = [Failure(path, *line.removeprefix("failed ").split("\t", 1)) for line in done.stdout.splitlines() if line.startswith("failed ")]
    result = Result(int(counted.group(1)), failed) if counted else Result(0, [Failure(path, chosen, f"pytest ended with {done.returncode}")])
    if result.passed or result.failed:
        print(f"-- {path.name}\n{done.stderr.rstrip()}", file=sys.stderr, flush=True)
    return result


def run_files(paths, at_once, wanted="", environment=None):
    """All of them together."""
    with ThreadPoolExecutor(at_once) as pool:
        results = list(pool.map(lambda path: run_file(path, wanted, environment), paths))
    return Result(sum(result.passed for result in results), [each for result in results for each in result.failed])


def explain(failed):
    """What failed and why, a line each: for the end of a long output."""
    for failure in failed:
        print(f"FAILED {failure.node}: {failure.reason}", file=sys.stderr, flush=True)
