"""Runs the test programs that ctest knows of in a build folder; prints "PASSED FAILED" as its last line.

    run_programs.py BUILD JOBS [FILTER [PROGRAM...]]

A doctest program counts as many tests as it has test cases and gets the filter as its own; any other program is one
test, named as in ctest. A program that ends badly without a failed test case (a crash, a sanitizer's finding, a
timeout) counts as one failure. Output of programs that passed is not shown. A program of which cases failed while the machine
itself stood still (noise.py) is run once more, alone, and that is said; one that crashed, or in which a sanitizer found something,
is not.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from noise import Noise

SUMMARY = re.compile(r"\[doctest\] test cases: *(\d+) *\| *(\d+) passed *\| *(\d+) failed *\| *(\d+) skipped")
FOUND = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error: ", "WARNING: ThreadSanitizer", "test case CRASHED")
SANITIZERS = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


def programs(build):
    """(name, argv, properties) of each test that ctest would run."""
    listed = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True, check=True)
    for test in json.loads(listed.stdout)["tests"]:
        properties = {entry["name"]: entry["value"] for entry in test.get("properties", [])}
        yield test["name"], test.get("command"), properties


def is_doctest(argv):
    with open(argv[0], "rb") as program:
        return b"[doctest] " in program.read()


def run(test, wanted):
    """Returns (passed, failed, whether it broke) of one program."""
    name, argv, properties = test
    if not argv or not os.path.exists(argv[0]):
        return report(name, "has not been built", 0, 1, True)
    own_cases = is_doctest(argv)
    if own_cases:
        argv = [*argv, "--no-colors=true", *([f"--test-case=*{wanted}*"] if wanted else [])]
    elif wanted.lower() not in name.lower():
        return 0, 0, False
    environment = dict(entry.split("=", 1) for entry in properties.get("ENVIRONMENT", []))
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              cwd=properties.get("WORKING_DIRECTORY"), env={**SANITIZERS, **os.environ, **environment},
                              timeout=float(properties.get("TIMEOUT", 600)))
    except subprocess.TimeoutExpired as expired:
        return report(name, (expired.stdout or b"").decode(errors="replace") + "\ntimed out", 0, 1, False)
    return count(name, done, own_cases, wanted)


def count(name, done, own_cases, wanted):
    text = done.stdout.decode(errors="replace")
    summary = SUMMARY.search(text) if own_cases else None
    if summary is None:
        good = done.returncode == 0 and not own_cases
        return (1, 0, False) if good else report(name, f"{text}\nexit {done.returncode}", 0, 1, own_cases)
    _, passed, failed, skipped = map(int, summary.groups())
    failed += 0 if wanted else skipped
    is_broken = bool(done.returncode and not failed) or any(mark in text for mark in FOUND)
    failed = max(failed, int(is_broken))
    return report(name, f"{text}\nexit {done.returncode}", passed, failed, is_broken) if failed else (passed, 0, False)


def report(name, text, passed, failed, is_broken):
    print(f"-- {name}\n{text}", file=sys.stderr)
    return passed, failed, is_broken


def main(build, jobs, wanted="", *only):
    tests = [test for test in programs(build) if not only or test[0] in only]
    alone = [test for test in tests if test[2].get("RUN_SERIAL")]
    together = [test for test in tests if test not in alone]
    with Noise() as noise:
        with ThreadPoolExecutor(int(jobs)) as pool:
            results = list(pool.map(lambda test: run(test, wanted), together))
        results += [run(test, wanted) for test in alone]
    for index, test in enumerate([*together, *alone]):
        if results[index][1] and noise.is_much and not results[index][2]:
            print(f"-- {test[0]} once more, alone: {noise}", file=sys.stderr)
            results[index] = run(test, wanted)
    print(sum(passed for passed, _, _ in results), sum(failed for _, failed, _ in results))


if __name__ == "__main__":
    main(*sys.argv[1:])
