"""Runs the fault tests, prints what they measured as one table, and "PASSED FAILED" as its last line.

    run.py [FILTER]

Each test file is a pytest of its own, and as many run at once as the machine bears: the tests wait most of their time. All
files lie in memory, so that no disk is measured. A test that failed while the machine itself stood still for a tenth of a second
(noise ms) is run once more, and both rows are shown. A run of all tests counts one more: 10,000 attempts of blocked senders in all,
none accepted. The table stays in BUILD/faults.txt.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from lab import figures  # noqa: E402  (the lab needs the rig)

HERE = Path(__file__).resolve().parent
AT_ONCE = int(os.environ.get("SENDQUOTA_FAULTS_AT_ONCE", "3"))
ALONE = {"test_size.py"}   # these use all cores there are
BLOCKED_ATTEMPTS = 10_000
BUILD = Path(os.environ.get("SENDQUOTA_BUILD", HERE.parents[1] / "build"))


def run(path, wanted, environment):
    """(passed, failed) of one file; what it says is shown when it is over."""
    done = subprocess.run([sys.executable, str(HERE.parent / "e2e" / "run.py"), wanted, str(path)], capture_output=True, text=True,
                          env=environment)
    counted = re.fullmatch(r"(\d+) (\d+)", (done.stdout.splitlines() or [""])[-1])
    passed, failed = map(int, counted.groups()) if counted else (0, 1)
    if passed or failed:
        print(f"-- {path.name}\n{done.stderr.rstrip()}", file=sys.stderr, flush=True)
    return passed, failed


def blocked_in_all(rows):
    tried = sum(row.get("blocked_tried", 0) for row in rows)
    accepted = sum(row.get("blocked_accepted", 0) for row in rows)
    print(f"blocked senders over all faults: {tried} attempts, {accepted} accepted", file=sys.stderr)
    return tried >= BLOCKED_ATTEMPTS and accepted == 0


@contextlib.contextmanager
def folder_in_memory():
    """A tmpfs below /tmp, under a short name: the path of a unix socket has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="sq-", dir="/tmp") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "sendquota-faults", folder], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def main(wanted=""):
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    with folder_in_memory() as folder:
        environment = {**os.environ, "SENDQUOTA_FIGURES": f"{folder}/figures", "SENDQUOTA_TMP": folder}
        files = sorted(HERE.glob("test_*.py"))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(lambda path: run(path, wanted, environment), [path for path in files if path.name not in ALONE]))
        results += [run(path, wanted, {**environment, "SENDQUOTA_FAULTS_ALONE": "1"}) for path in files if path.name in ALONE]
        rows = figures.recorded(environment["SENDQUOTA_FIGURES"])
        passed, failed = (sum(numbers) for numbers in zip(*results))
        for test in figures.not_judged(rows):
            print(f"-- {test} once more, alone: the machine stood still meanwhile", file=sys.stderr)
            file, name = re.search(r"(\w+\.py)::(\w+)", test).groups()
            again = run(HERE / file, name, environment)
            passed, failed = (passed + 1, failed - 1) if again[0] and not again[1] else (passed, failed)
        rows = figures.recorded(environment["SENDQUOTA_FIGURES"])
    (BUILD / "faults.txt").write_text(figures.table(rows) + "\n", encoding="utf-8")
    print(figures.table(rows), file=sys.stderr)
    if not wanted:
        kept = blocked_in_all(rows)
        passed, failed = passed + kept, failed + (not kept)
    print(passed, failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
