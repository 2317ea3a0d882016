"""Runs the end-to-end tests; prints "PASSED FAILED" as its last line. A skipped test counts as failed.

    run.py [FILTER]

What failed while the machine itself stood still (noise.py) is run once more, alone.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from noise import Noise  # noqa: E402
from pytest_files import explain, run_file, run_files  # noqa: E402

AT_ONCE = int(os.environ.get("SENDQUOTA_E2E_AT_ONCE", "3"))


def main(wanted=""):
    # The longest files first, so that none is left over at the end.
    files = sorted(HERE.glob("test_*.py"), key=lambda path: -path.stat().st_size)
    with Noise() as noise:
        passed, failed = run_files(files, AT_ONCE, wanted)
    if failed and noise.is_much:
        print(f"-- once more, alone: {len(failed)} tests, because {noise}", file=sys.stderr)
        again = [run_file(failure.path, test=failure.node.split("::", 1)[-1]) for failure in failed]
        passed += sum(one.passed for one in again)
        failed = [each for one in again for each in one.failed]
    explain(failed)
    print(passed, len(failed))


if __name__ == "__main__":
    main(*sys.argv[1:])
