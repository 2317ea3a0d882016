"""What the benchmark says: tables on standard output, goals at the end, figures as JSON, plots as SVG."""

import json
from dataclasses import asdict, dataclass
from itertools import zip_longest

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


@dataclass
class Panel:
    """`lines` by name: (xs, ys). The x axis is logarithmic, the y axis begins at 0."""

    title: str
    x_label: str
    y_label: str
    lines: dict


class Report:
    """Collects what the parts find; tables are printed as they come."""

    def __init__(self):
        self.goals = []
        self.tables = {}
        self.panels = {}

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

    def plot(self, name, *words):
        """One panel of a plot: title, axes, and `lines` by name: (xs, ys). Written as BUILD/bench/NAME.svg."""
        self.panels[name] = Panel(*words)
        FOLDER.mkdir(parents=True, exist_ok=True)
        draw([self.panels[name]], name)

    def finish(self):
        """Says which goals were met; writes figures.json, and of all panels growth.svg."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        if self.panels:
            draw(list(self.panels.values()), "growth")
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


def draw(panels, name):
    """Writes BUILD/bench/NAME.svg: the panels, two in a row."""
    import matplotlib  # takes half a second that the other parts do not need
    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "sendquota", "font.size": 9}
    from matplotlib import pyplot
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(5.4 * columns, 3.2 * rows), squeeze=False)
    for axis, panel in zip_longest(axes.flat, panels):
        if panel is None:
            axis.set_axis_off()
            continue
        for label, (xs, ys) in panel.lines.items():
            axis.plot(xs, ys, marker="o", markersize=4, label=label)
        axis.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label, ylim=(0, None), xscale="log")
        axis.set_xticks(next(iter(panel.lines.values()))[0])
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
