"""What the tests measured: a row each, collected in the file that SENDQUOTA_FIGURES names, printed as one table."""

import json
import os
from pathlib import Path

COLUMNS = {
    "fault": "fault",
    "messages": "messages",
    "lost": "lost",
    "twice": "twice",
    "dropped": "dropped",
    "longest": "longest ms",
    "calm": "calm ms",
    "noise": "noise ms",
    "stolen": "stolen %",
    "slow": "slow",
    "innocents": "innocents refused",
    "blocked": "blocked tried/accepted",
    "over": "over/bound",
    "charges": "uncharged/twice",
    "recovery": "recovery ms",
}


LATE, STOLEN, FAILOVERS = 50, 5, 1   # ms, percent, and how many of them one fault may cause


def disturbance(row):
    """In words, why what a row says about time cannot be judged; empty where it can.

    The load's own clock was late, or the host gave the machine's time to others; or Sentinels that were late themselves made
    several failovers of one.
    """
    return ", ".join(text for is_so, text in [
        (row["noise"] >= LATE, f"the machine stood still for {row['noise']:.0f} ms"),
        (row["stolen"] >= STOLEN, f"{row['stolen']:.0f} % of its time went to others"),
        (row["failovers"] > FAILOVERS, f"{row['failovers']} failovers"),
    ] if is_so)


def record(row):
    row["test"] = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
    path = os.environ.get("SENDQUOTA_FIGURES")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def recorded(path):
    path = Path(path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def table(rows):
    """The rows as text, columns aligned; a note of a row on a line of its own below it."""
    cells = [[text_of(row.get(key, "")) for key in COLUMNS] for row in rows]
    heads = list(COLUMNS.values())
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    lines = [aligned(heads, widths)]
    for row, line in zip(rows, cells):
        lines.append(aligned(line, widths))
        lines += [f"    {note}" for note in row.get("notes", [])]
    unjudged = sum(not row.get("judged", True) for row in rows)
    lines.append(f"times were judged in {len(rows) - unjudged} of {len(rows)} rows" +
                 ("; in the others the machine itself stood still" if unjudged else ""))
    return "\n".join(lines)


def aligned(cells, widths):
    return "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(cells, widths))).rstrip()


def text_of(value):
    return f"{value:.0f}" if isinstance(value, float) else str(value)
