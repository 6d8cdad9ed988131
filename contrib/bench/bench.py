#!/usr/bin/env python3
"""Polls the same maildrops with mailferry and its peers in turn, checks what arrived, and prints a
comparison.

Run by contrib/bench/run, which installs and builds what this needs. See contrib/bench/README.md.
"""

import argparse
import dataclasses
import pathlib
import shutil
import signal
import sys
import tempfile

import agents
import fleet
import measure
import plot
import report
import servers
import work

HERE = pathlib.Path(__file__).resolve().parent
SHORT = 10


def measured(bench, one_work, wanted, rounds, retries):
    """The rows of a work: every agent in turn, one round after the other."""
    if bench.against:
        one_work.rows = [turn for one in one_work.rows for turn in with_before(one)]
    one_work.prepare(bench)
    rows = {
        one.name: report.Figures(one)
        for one in one_work.rows
        if one.agent in wanted and agents.installed(one.agent)
    }
    turns = [one for one in one_work.rows if one.name in rows]
    for number in range(min(rounds, getattr(one_work, "rounds_max", 0) or rounds)):
        for one in turns:
            taken(bench, one_work, one, rows, f"round {number + 1}", retries)
        turns = [one for one in turns if one.name in rows]
    return rows


def with_before(one):
    """Puts after each row of mailferry the same row of the build that it is compared with."""
    if one.agent != "mailferry":
        return [one]
    name = one.name.replace("mailferry", agents.BEFORE, 1)
    return [one, dataclasses.replace(one, agent=agents.BEFORE, name=name)]


def taken(bench, one_work, one, rows, said, retries):
    """One run of one agent; repeated a limited number of times if others used the machine or a
    peer failed. A failure stays on record.
    """
    for attempt in range(retries + 1):
        print(
            f"  {one_work.name} {said}: {one.name}{', again' if attempt else ''}",
            file=sys.stderr,
            flush=True,
        )
        ran = one_work.run(bench, one)
        if ran is None:
            rows.pop(one.name, None)
            return
        failed = bool(ran.problem)
        again = attempt < retries and (
            attempt == 0 and one.agent != "mailferry" if failed else ran.noisy
        )
        if failed or not again:
            rows[one.name].runs.append(ran)
        if not again:
            return


def chosen(names):
    """The works with these names, or all."""
    known = [*work.works(), *fleet.works()]
    if not names:
        return known
    unknown = [name for name in names if not any(name in (one.name, one.family) for one in known)]
    if unknown:
        raise SystemExit(
            f"bench: there is no work {', '.join(unknown)}: there are "
            f"{', '.join(one.name for one in known)}"
        )
    return [one for one in known if one.name in names or one.family in names]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", default="", help="such as W1,W3; all without it")
    parser.add_argument(
        "--agents", default=",".join(agents.AGENTS), help="all by default; raw is the floor"
    )
    parser.add_argument(
        "--against", type=pathlib.Path, help="another build of mailferry, run in turn with this one"
    )
    parser.add_argument("--rounds", type=int, default=0, help="3, or 1 with --short")
    parser.add_argument(
        "--retries", type=int, default=2, help="how often a noisy run is repeated at most"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="a tenth of everything, one round: a quarter of an hour",
    )
    parser.add_argument(
        "--divide",
        type=int,
        default=0,
        help="so much smaller than the full form (1, or 10 with --short)",
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=servers.TARGET.parent / "bench", help="where results go"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the directory of the runs, to look at it"
    )
    return parser.parse_args()


def main():
    asked = arguments()
    divide = asked.divide or (SHORT if asked.short else 1)
    rounds = asked.rounds or (1 if asked.short else 3)
    works = chosen([name for name in asked.work.split(",") if name])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    measure.adopt_orphans()
    place = pathlib.Path(tempfile.mkdtemp(prefix="mailferry-bench-"))
    place.chmod(0o755)
    asked.out.mkdir(parents=True, exist_ok=True)
    form = (
        f"{servers.machine()}; {'full size' if divide == 1 else f'1/{divide} of full size'}, "
        f"{rounds} round(s)"
    )
    print(form, flush=True)
    results, bench, wanted = [], None, asked.agents.split(",")
    if asked.against:
        wanted.append(agents.BEFORE)
    try:
        bench = work.Bench(place, divide, wanted, asked.against)
        for one_work in works:
            try:
                rows = measured(bench, one_work, wanted, rounds, asked.retries)
            except work.Unable as why:
                print(f"{one_work.name}: not run: {why}", flush=True)
                continue
            results.append((one_work, rows))
            print(report.table(one_work, rows, agents.DIFFERS), flush=True)
            report.saved(asked.out / "results.json", servers.machine(), form, results)
    finally:
        if bench:
            bench.stop()
        if not asked.keep:
            shutil.rmtree(place, ignore_errors=True)
    picture = plot.svg(
        [(one, rows) for one, rows in results if one.name not in ("W9", "W10")], form
    )
    (asked.out / "plot.svg").write_text(picture)
    if divide == 1 and not asked.work:
        (HERE / "plot.svg").write_text(picture)
    print(f"every run: {asked.out}/results.json; the plot: {asked.out}/plot.svg")
    bad = [
        f"{one.name} {row.name}"
        for one, rows in results
        for row in rows.values()
        if row.agent == "mailferry" and any(run.problem for run in row.runs)
    ]
    return f"bench: mailferry went wrong in {', '.join(bad)}" if bad else 0


if __name__ == "__main__":
    sys.exit(main())
