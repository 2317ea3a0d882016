"""Runs the fault tests, prints what they measured as one table, and "PASSED FAILED" as its last line.

    run.py [FILTER]

Each test file is a pytest of its own, and as many run at once as the machine bears: the tests wait most of their time. All
files lie in memory, so that no disk is measured. A run of all tests counts one more: 10,000 attempts of blocked senders in all,
none accepted. The table stays in BUILD/faults.txt, and says which times could not be judged because the machine itself stood
still.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent)]

from lab import figures  # noqa: E402  (the lab needs the rig)
from pytest_files import Failure, explain, run_file, run_files  # noqa: E402

AT_ONCE = int(os.environ.get("SENDQUOTA_FAULTS_AT_ONCE", "3"))
ALONE = {"test_size.py"}   # these use all cores there are
BLOCKED_ATTEMPTS = 10_000
BUILD = Path(os.environ.get("SENDQUOTA_BUILD", HERE.parents[1] / "build"))


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
        passed, failed = run_files([path for path in files if path.name not in ALONE], AT_ONCE, wanted, environment)
        for path in files:
            if path.name in ALONE:
                more = run_file(path, wanted, {**environment, "SENDQUOTA_FAULTS_ALONE": "1"})
                passed, failed = passed + more.passed, failed + more.failed
        rows = figures.recorded(environment["SENDQUOTA_FIGURES"])
    (BUILD / "faults.txt").write_text(figures.table(rows) + "\n", encoding="utf-8")
    print(figures.table(rows), file=sys.stderr)
    if not wanted:
        kept = blocked_in_all(rows)
        passed, failed = passed + kept, failed + ([] if kept else [Failure(HERE, "blocked senders", "a line above says how many attempts were accepted")])
    explain(failed)
    print(passed, len(failed))


if __name__ == "__main__":
    main(*sys.argv[1:])
