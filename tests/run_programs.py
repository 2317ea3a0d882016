"""Runs the test programs that ctest knows of in a build folder; prints "PASSED FAILED" as its last line.

    run_programs.py BUILD JOBS [FILTER [PROGRAM...]]

A doctest program counts as many tests as it has test cases and gets the filter as its own; any other program is one
test, named as in ctest. A program that ends badly without a failed test case (a crash, a sanitizer's finding, a
timeout) counts as one failure. Output of programs that passed is not shown. Cases that failed while the machine itself stood still
(noise.py) are run again, alone, up to three times while it goes on to, and that is said; never those of a program that crashed,
or in which a sanitizer found something.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from noise import Noise

SUMMARY = re.compile(r"\[doctest\] test cases: *(\d+) *\| *(\d+) passed *\| *(\d+) failed *\| *(\d+) skipped")
MOST_TRIES = 3
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


class Result(NamedTuple):
    passed: int
    failed: int
    is_broken: bool = False   # a crash, or a sanitizer's finding
    cases: tuple = ()         # of a doctest program: the names of those that failed


def run(test, wanted, cases=()):
    """Returns the Result of one program, or of `cases` of it."""
    name, argv, properties = test
    if not argv or not os.path.exists(argv[0]):
        return report(name, "has not been built", Result(0, 1, True))
    own_cases = is_doctest(argv)
    if own_cases:
        # A comma would separate two names.
        names = ",".join(case.replace(",", "?") for case in cases) or (f"*{wanted}*" if wanted else "")
        argv = [*argv, "--no-colors=true", *([f"--test-case={names}"] if names else [])]
    elif wanted.lower() not in name.lower():
        return Result(0, 0)
    environment = dict(entry.split("=", 1) for entry in properties.get("ENVIRONMENT", []))
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              cwd=properties.get("WORKING_DIRECTORY"), env={**SANITIZERS, **os.environ, **environment},
                              timeout=float(properties.get("TIMEOUT", 600)))
    except subprocess.TimeoutExpired as expired:
        return report(name, (expired.stdout or b"").decode(errors="replace") + "\ntimed out", Result(0, 1))
    return count(name, done, own_cases, wanted or names if own_cases else "")


def count(name, done, own_cases, is_chosen):
    text = done.stdout.decode(errors="replace")
    summary = SUMMARY.search(text) if own_cases else None
    if summary is None:
        good = done.returncode == 0 and not own_cases
        return Result(1, 0) if good else report(name, f"{text}\nexit {done.returncode}", Result(0, 1, own_cases))
    _, passed, failed, skipped = map(int, summary.groups())
    failed += 0 if is_chosen else skipped
    is_broken = bool(done.returncode and not failed) or any(mark in text for mark in FOUND)
    failed = max(failed, int(is_broken))
    return report(name, f"{text}\nexit {done.returncode}", Result(passed, failed, is_broken, failed_cases(text))) if failed else Result(passed, 0)


def failed_cases(text):
    """doctest writes a block for each assertion that it shows, the case's name in it."""
    blocks = [block for block in text.split("=" * 79) if " ERROR: " in block]
    names = [line.split("TEST CASE:", 1)[1].strip() for block in blocks for line in block.splitlines() if line.startswith("TEST CASE:")]
    return tuple(dict.fromkeys(names))


def report(name, text, result):
    print(f"-- {name}\n{text}", file=sys.stderr)
    return result


def again(test, wanted, result, noise):
    """What failed is run alone, as long as the machine goes on to stand still."""
    for _ in range(MOST_TRIES):
        if not result.failed or result.is_broken or not noise.is_much:
            break
        print(f"-- {test[0]} once more, alone, {len(result.cases) or 'all'} of its cases: {noise}", file=sys.stderr)
        with Noise() as noise:
            tried = run(test, wanted, result.cases)
        if tried.passed + tried.failed < len(result.cases):
            break  # not all of them were found again
        passed = result.passed + tried.passed if result.cases else tried.passed
        result = tried._replace(passed=passed)
    return result


def main(build, jobs, wanted="", *only):
    tests = [test for test in programs(build) if not only or test[0] in only]
    alone = [test for test in tests if test[2].get("RUN_SERIAL")]
    together = [test for test in tests if test not in alone]
    with Noise() as noise:
        with ThreadPoolExecutor(int(jobs)) as pool:
            results = list(pool.map(lambda test: run(test, wanted), together))
        results += [run(test, wanted) for test in alone]
    results = [again(test, wanted, result, noise) for test, result in zip([*together, *alone], results)]
    print(sum(result.passed for result in results), sum(result.failed for result in results))


if __name__ == "__main__":
    main(*sys.argv[1:])
