"""The benchmark's parts, one after the other; see tests/bench/run."""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from lab.report import Report  # noqa: E402
from parts import PARTS  # noqa: E402


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures sendquota, its limits and its peers in one run.")
    parser.add_argument("--list", action="store_true", help="name the parts and end")
    parser.add_argument("--rounds", type=int, default=5, help="each candidate is measured so many times (default 5)")
    parser.add_argument("--seconds", type=float, default=4, help="each time so long, after a second of warm-up (default 4)")
    parser.add_argument("parts", nargs="*", metavar="PART", help="all without a name")
    options = parser.parse_args()
    if options.list:
        for name, part in PARTS.items():
            print(f"{name:12} {part.__doc__.splitlines()[0]}")
        return 0
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    report = Report()
    for name in options.parts or PARTS:
        print(f"\n== {name}: {PARTS[name].__doc__.splitlines()[0]}", flush=True)
        PARTS[name](report, options.rounds, options.seconds)
    report.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
