"""Runs the end-to-end tests with pytest; prints "PASSED FAILED" as its last line. A skipped test counts as failed.

    run.py [FILTER [FILE]]     FILE: the tests of this file, which may be another suite's, instead of those beside this one
"""

import sys
from pathlib import Path

import pytest


class Count:
    """A test passes if its call passed and neither setting up nor clearing away failed."""

    def __init__(self):
        self.outcomes = {}

    def pytest_runtest_logreport(self, report):
        good = self.outcomes.get(report.nodeid, True) and report.passed
        self.outcomes[report.nodeid] = good

    def pytest_collectreport(self, report):
        if report.failed or report.skipped:
            self.outcomes[report.nodeid] = False


def main(wanted="", chosen=Path(__file__).parent):
    count = Count()
    with_stdout, sys.stdout = sys.stdout, sys.stderr
    sys.dont_write_bytecode = True
    root = chosen if Path(chosen).is_dir() else Path(chosen).parent
    code = pytest.main([str(chosen), "-q", "-p", "no:cacheprovider", f"--rootdir={root}", f"--only={wanted}", "--durations=10"], [count])
    sys.stdout = with_stdout
    passed = sum(count.outcomes.values())
    failed = len(count.outcomes) - passed
    broken = code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
    print(passed, failed + (1 if broken and not failed else 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
