"""Runs one file of tests with pytest: `failed NODE<tab>WHY` for each that failed, and "PASSED FAILED" as the last line.

    pytest_file.py FILTER FILE[::TEST]

A skipped test counts as failed.
"""

import sys
from pathlib import Path

import pytest


class Count:
    """A test passes if its call passed and neither setting up nor clearing away failed."""

    def __init__(self):
        self.outcomes = {}
        self.reasons = {}

    def pytest_runtest_logreport(self, report):
        good = self.outcomes.get(report.nodeid, True) and report.passed
        self.outcomes[report.nodeid] = good
        self._explain(report)

    def pytest_collectreport(self, report):
        if report.failed or report.skipped:
            self.outcomes[report.nodeid] = False
            self._explain(report)

    def _explain(self, report):
        if not report.passed:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash else str(report.longrepr)
            self.reasons.setdefault(report.nodeid, " ".join(text.split())[:500])


def main(wanted, chosen):
    count = Count()
    with_stdout, sys.stdout = sys.stdout, sys.stderr
    sys.dont_write_bytecode = True
    root = Path(chosen.split("::")[0]).parent
    code = pytest.main([chosen, "-q", "-p", "no:cacheprovider", f"--rootdir={root}", f"--only={wanted}", "--durations=5"], [count])
    sys.stdout = with_stdout
    failed = [node for node, good in count.outcomes.items() if not good]
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED) and not failed:
        failed.append(chosen)
    for node in failed:
        print(f"failed {node}\t{count.reasons.get(node, code)}")
    print(len(count.outcomes) - sum(not good for good in count.outcomes.values()), len(failed))


if __name__ == "__main__":
    main(*sys.argv[1:])
