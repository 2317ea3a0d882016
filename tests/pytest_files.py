"""Runs files of tests, each in a pytest of its own, several at once: they wait most of their time."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ONE = Path(__file__).resolve().with_name("pytest_file.py")


class Result(NamedTuple):
    passed: int
    failed: list   # (file, node)


def run_file(path, wanted="", environment=None, test=None):
    """The Result of a file, or of one test in it; what it says is shown when it is over."""
    chosen = str(path) + (f"::{test}" if test else "")
    done = subprocess.run([sys.executable, str(ONE), wanted, chosen], capture_output=True, text=True, env=environment)
    *_, last = done.stdout.splitlines() or [""]
    counted = re.fullmatch(r"(\d+) (\d+)", last)
    failed = [(path, line.removeprefix("failed ")) for line in done.stdout.splitlines() if line.startswith("failed ")]
    result = Result(int(counted.group(1)), failed) if counted else Result(0, [(path, chosen)])
    if result.passed or result.failed:
        print(f"-- {path.name}\n{done.stderr.rstrip()}", file=sys.stderr, flush=True)
    return result


def run_files(paths, at_once, wanted="", environment=None):
    """All of them together."""
    with ThreadPoolExecutor(at_once) as pool:
        results = list(pool.map(lambda path: run_file(path, wanted, environment), paths))
    return Result(sum(result.passed for result in results), [each for result in results for each in result.failed])
