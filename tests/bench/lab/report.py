"""What the benchmark says: tables on standard output, goals at the end, figures as JSON, plots as SVG."""

import json
import statistics
from dataclasses import asdict, dataclass

from rig.room import BUILD

FOLDER = BUILD / "bench"


@dataclass
class Goal:
    """One line of the goals: `reached` against `wanted`, where `at_least` or not."""

    what: str
    reached: float
    wanted: float
    at_least: bool = True

    @property
    def is_met(self):
        return self.reached >= self.wanted if self.at_least else self.reached <= self.wanted

    def line(self):
        return f"{'met    ' if self.is_met else 'NOT MET'}  {self.what}: {self.reached:.3g} (goal {'≥' if self.at_least else '≤'} {self.wanted:g})"


class Report:
    """Collects what the parts find; tables are printed as they come."""

    def __init__(self):
        self.goals = []
        self.tables = {}

    def table(self, title, columns, rows):
        """`rows` by name: values in the order of `columns`."""
        self.tables[title] = {"columns": list(columns), "rows": {name: list(values) for name, values in rows.items()}}
        wide = max([len(name) for name in rows] + [1])
        print(f"\n{title}\n{'':{wide}}  " + "  ".join(f"{column:>12}" for column in columns))
        for name, values in rows.items():
            print(f"{name:{wide}}  " + "  ".join(f"{shown(value):>12}" for value in values), flush=True)

    def speeds(self, title, found, against):
        """The usual table of Summaries; ratios to the candidate named `against`."""
        base = found[against]
        self.table(title, ["messages/s", f"÷ {against}", "p50 µs", "p99 µs", "max ms", "CPU s/1000", f"÷ {against}", "others", "spread"],
                   {name: [one.per_second, one.per_second / base.per_second, one.p50, one.p99, one.longest / 1000, one.cpu,
                           one.cpu / base.cpu if base.cpu else 0, f"{one.other:.0%}", f"{one.spread:.0%}"] for name, one in found.items()})

    def goal(self, *words, **options):
        self.goals.append(Goal(*words, **options))
        print(self.goals[-1].line(), flush=True)

    def finish(self):
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "figures.json").write_text(json.dumps({"goals": [asdict(goal) for goal in self.goals], "tables": self.tables}, indent=1))
        print("\nGoals")
        for goal in self.goals:
            print(goal.line())
        print(f"{sum(goal.is_met for goal in self.goals)} of {len(self.goals)} met; figures and plots: {FOLDER}")


def shown(value):
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def plot(name, title, x_label, y_label, lines, log_x=True):
    """`lines` by name: (xs, ys). Writes BUILD/bench/NAME.svg."""
    import matplotlib  # takes half a second that the other parts do not need
    matplotlib.use("svg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for label, (xs, ys) in lines.items():
        axes.plot(xs, ys, marker="o", label=label)
    axes.set(title=title, xlabel=x_label, ylabel=y_label, ylim=(0, None))
    if log_x:
        axes.set_xscale("log")
    axes.grid(alpha=0.3)
    axes.legend()
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", bbox_inches="tight")
    pyplot.close(figure)


def median(values):
    return statistics.median(values)
