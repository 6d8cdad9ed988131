"""The table: medians, ratios, goals."""

import dataclasses
import json
import statistics

import agents

UNITS = {"wall": "s", "cpu": "s", "peak": "MiB", "rate": "/s"}


@dataclasses.dataclass
class Goal:
    """A figure of mailferry, alone or relative to another row, and its limit."""

    metric: str
    of: str | None
    limit: float
    row: str = ""
    unit: str = ""
    at_least: bool = False
    said: str = ""

    def judged(self, rows):
        """One sentence: the goal, the result, and by how much it missed the goal."""
        ours = self.mine(rows)
        other, value = None, ours and ours.figure(self.metric)
        if value is None:
            return self.sentence(ours, None, "not measured"), None
        if self.of:
            other = best(rows, self.metric) if self.of == "best" else rows.get(self.of)
            against = other and other.figure(self.metric)
            if not against:
                return self.sentence(ours, other, "not measured"), None
            value /= against
        reached = value >= self.limit if self.at_least else value <= self.limit
        came = f"{value:.3g}{' ' + self.unit if self.unit else ''}"
        if reached:
            return self.sentence(ours, other, f"{came}: reached"), True
        by = 1 - value / self.limit if self.at_least else value / self.limit - 1
        return self.sentence(ours, other, f"{came}: missed by {by:.0%}"), False

    def mine(self, rows):
        if self.row:
            return rows.get(self.row)
        return next((row for row in rows.values() if row.agent == "mailferry"), None)

    def sentence(self, ours, other, came):
        name = ours.name if ours and self.row else ""
        what = self.said or self.metric
        sign = ">=" if self.at_least else "<="
        best = " (the best peer)" if self.of == "best" and other else ""
        against = f" of {other.name if other else self.of}{best}'s" if self.of else ""
        unit = f" {self.unit}" if self.unit else ""
        return f"{name + ': ' if name else ''}{what} {sign} {self.limit:.3g}{unit}{against}: {came}"


class Figures:
    """The runs of one row."""

    def __init__(self, one):
        self.name, self.agent, self.differs, self.runs = one.name, one.agent, one.differs, []

    def figure(self, metric):
        """The median of the quiet runs, or of the noisy ones if there are no others. Failed runs
        do not count.
        """
        good = [run for run in self.runs if not run.problem]
        chosen = [run for run in good if not run.noisy] or good
        if not chosen:
            return None
        if metric == "peak":
            return max(run.peak_mib for run in chosen)
        values = [run.extra.get(metric, getattr(run, metric, None)) for run in chosen]
        return None if None in values else statistics.median(values)

    @property
    def verdict(self):
        good = [run for run in self.runs if not run.problem]
        noisy = sum(run.noisy for run in good)
        said = [f"ok x{len(good)}"] if good else []
        said += [f"{noisy} noisy"] if noisy else []
        return ", ".join([*said, *(f"WRONG: {run.problem}" for run in self.runs if run.problem)])


def best(rows, metric):
    """The peer with the smallest figure."""
    peers = [
        row
        for row in rows.values()
        if row.agent not in ("mailferry", agents.BEFORE, "raw") and row.figure(metric)
    ]
    return min(peers, key=lambda row: row.figure(metric), default=None)


def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def table(work, rows, differs):
    """One work as text."""
    lines = [
        f"{work.name}: {work.title}" + ("" if work.count is None else f" (this run: {work.count})")
    ]
    lines.append(
        f"  {'agent':26} {'wall s':>8} {'range':>15} {'rate /s':>8} {'CPU s':>7} {'peak MiB':>9} "
        f"{'mailferry/it':>13}  check"
    )
    ours = next((row.figure("wall") for row in rows.values() if row.agent == "mailferry"), None)
    for row in rows.values():
        wall = row.figure("wall")
        spread = (
            "-"
            if not row.runs
            else f"{min(run.wall for run in row.runs):.2f}..{max(run.wall for run in row.runs):.2f}"
        )
        ratio = "-" if not (ours and wall) else f"{ours / wall:.2f}"
        name = row.name + (" (floor)" if row.agent == "raw" else "")
        lines.append(
            f"  {name:26} {number(wall):>8} {spread:>15} {number(row.figure('rate'), 0):>8} "
            f"{number(row.figure('cpu')):>7} "
            f"{number(row.figure('peak'), 1):>9} {ratio:>13}  {row.verdict}"
        )
        for run in row.runs[:1]:
            if "said" in run.extra:
                lines.append(f"      {run.extra['said']}")
    for goal in work.goals:
        lines.append(f"  goal: {goal.judged(rows)[0]}")
    changed = [
        f"{row.name}: {said}"
        for row in rows.values()
        if (said := "; ".join(part for part in (row.differs, differs.get(row.agent, "")) if part))
    ]
    lines.append("  settings: " + " | ".join(changed))
    return "\n".join(lines)


def saved(path, machine, form, results):
    """All results, run by run."""
    path.write_text(
        json.dumps(
            {
                "machine": machine,
                "form": form,
                "works": [
                    {
                        "work": work.name,
                        "title": work.title,
                        "count": work.count,
                        "goals": [
                            dict(zip(("goal", "reached"), goal.judged(rows))) for goal in work.goals
                        ],
                        "rows": [
                            {
                                "row": row.name,
                                "agent": row.agent,
                                "differs": row.differs,
                                "runs": [dataclasses.asdict(run) for run in row.runs],
                            }
                            for row in rows.values()
                        ],
                    }
                    for work, rows in results
                ],
            },
            indent=1,
        )
        + "\n"
    )
