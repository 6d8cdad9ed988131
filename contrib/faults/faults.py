#!/usr/bin/env python3
"""Runs the same faults with mailferry and its peers, and prints which of them lost, repeated,
altered or blocked messages.

Run by contrib/faults/run, which builds mailferry. See contrib/faults/README.md.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import agents
import rows
from cell import Cell, Failed

LEGEND = """
`pass`: the condition of the row holds. Otherwise: `lost n` messages are gone from the server and
were not delivered; `doubled n` copies were delivered too many; `altered n` messages arrived
changed; `cut-off delivered`: a part of a message was delivered as a whole one; `blocked n` messages
that could be delivered were not; `left n` messages were delivered, but not deleted on the server
although the row requires it; `tried n times`: a message that was refused for good was offered in
each poll; `never started again`: after the kill it has not logged in; `exit 0`: it reported
success; the others explain themselves. `failed`: it did not end, or wrote without limit, and was
stopped; `cannot`: it has no such feature; `not installed`; `error`: the fault program itself went
wrong.
"""


def certificate(work, name):
    """A self-signed certificate for 127.0.0.1."""
    made = (work / f"{name}.pem", work / f"{name}.key")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:127.0.0.1,DNS:localhost",
            "-out",
            made[0],
            "-keyout",
            made[1],
        ],
        check=True,
        capture_output=True,
    )
    made[0].chmod(0o644)
    return made


def judge(row, agent, work, programs, certificates):
    """The words of one cell and the line that explains them."""
    if not agents.installed(agent):
        return "not installed", ""
    cell = Cell(agent, row, work / f"{row.id}.{agent}", programs, certificates)
    try:
        words = row.run(cell)
    except agents.Cannot:
        return "cannot", ""
    except Failed as why:
        return "failed", f"it {why}; exit codes before: {cell.codes[:-1]}"
    except Exception:
        return "error", traceback.format_exc(limit=-3).strip().replace("\n", " / ")
    finally:
        cell.stop()
    detail = "; ".join(cell.details)
    if words and not detail:
        detail = f"exit codes {cell.codes[:15]}; logins {cell.server.logins}"
    return "; ".join(words) or "pass", detail if words else ""


@contextlib.contextmanager
def stopping():
    """After an interrupt, the running cells end what they started, and the others do nothing,
    before the pool is waited for.
    """
    try:
        yield
    except KeyboardInterrupt:
        agents.STOPPED.set()
        raise


def table(asked, names, cells):
    print("| row | fault | pass means | " + " | ".join(names) + " |")
    print("|" + "---|" * (len(names) + 3))
    for row in asked:
        settings = f" ({row.settings})" if row.settings else ""
        print(
            f"| `{row.id}` | {row.fault}{settings} | {row.passes} | "
            + " | ".join(cells[row.id, name][0] for name in names)
            + " |"
        )
    print(LEGEND)
    print(
        "Versions: "
        + "; ".join(
            agents.version(name) if agents.installed(name) else f"{name} not installed"
            for name in names
        )
        + "."
    )
    waits = ", ".join(
        f"{name} {seconds} s" for name, seconds in agents.WAITS_S.items() if name in names
    )
    if waits:
        print(
            f"Between two tries of one message these agents are given the time they ask for: "
            f"{waits}."
        )
    print()
    for row in asked:
        for name in names:
            word, detail = cells[row.id, name]
            if detail:
                print(f"- `{row.id}` {name}: {word}. {detail}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", help="ids, with commas between them; all by default")
    parser.add_argument("--agents", default=",".join(agents.AGENTS))
    parser.add_argument("--jobs", type=int, default=6, help="cells at the same time")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the directory with every configuration, output and delivery",
    )
    parser.add_argument("--list", action="store_true", help="print the rows and run nothing")
    asked = parser.parse_args()
    every = rows.load()
    if asked.list:
        for row in every:
            print(f"{row.id}: {row.fault}. Pass: {row.passes}.")
        return 0
    wanted = asked.rows.split(",") if asked.rows else [row.id for row in every]
    names = asked.agents.split(",")
    unknown = [name for name in wanted if name not in {row.id for row in every}] + [
        name for name in names if name not in agents.AGENTS
    ]
    if unknown:
        parser.error(
            f"unknown: {', '.join(unknown)}; --list prints the rows, and the agents are "
            f"{', '.join(agents.AGENTS)}"
        )
    chosen = [row for row in every if row.id in wanted]
    if not shutil.which("openssl"):
        raise SystemExit("faults: there is no openssl; run contrib/setup faults")
    work = pathlib.Path(tempfile.mkdtemp(prefix="mailferry-faults-"))
    work.chmod(0o755)
    os.umask(0o022)
    # SIGTERM counts as an interrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # A copy that the user of the agents can reach.
        shutil.copy(agents.BUILT, work / "mailferry")
        programs = {"mailferry": work / "mailferry"}
        certificates = {name: certificate(work, name) for name in ("stranger", "known")}
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool, stopping():
            told = {}
            # Cells that wait for the next try of a message begin first.
            for row in sorted(chosen, key=lambda one: one.id.split("-")[0] not in ("mda", "relay")):
                for name in names:
                    told[row.id, name] = pool.submit(judge, row, name, work, programs, certificates)
            cells = {}
            keys = {future: key for key, future in told.items()}
            for future in concurrent.futures.as_completed(keys):
                key = keys[future]
                cells[key] = future.result()
                print(
                    f"{time.monotonic() - began:6.1f} s {key[0]} {key[1]}: {cells[key][0]}",
                    file=sys.stderr,
                    flush=True,
                )
        table(chosen, names, cells)
    except KeyboardInterrupt:
        raise SystemExit("faults: interrupted") from None
    finally:
        if asked.keep:
            print(f"kept: {work}", file=sys.stderr)
        else:
            shutil.rmtree(work, ignore_errors=True)
    return (
        1
        if any(cells[row.id, "mailferry"][0] != "pass" for row in chosen if "mailferry" in names)
        else 0
    )


if __name__ == "__main__":
    sys.exit(main())
