"""W9 and W10: the running agent with many accounts. Only mailferry: no peer runs so many in one
process.
"""

import os
import signal
import shutil
import statistics
import subprocess
import time

import agents
import corpus
import measure
import servers
from report import Goal
from work import empty_maildrops, row

TICKS = measure.TICKS


class Agent:
    """A running mailferry."""

    def __init__(self, bench, place, job, every):
        config = agents.mailferry_config(job, f'poll_every = "{every}s"\n')
        bench.give(place)
        self.log, self.began = place / "log", time.time()
        self.out = open(self.log, "wb")
        self.process = subprocess.Popen(
            measure.as_agent([bench.programs / "mailferry", "--config", config, "run"]),
            stdin=subprocess.DEVNULL,
            stdout=self.out,
            stderr=self.out,
            cwd=place,
        )

    def cpu(self):
        return cpu_of(self.process.pid)

    def memory_mib(self, field="VmRSS"):
        return memory_of(self.process.pid, field)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.out.close()
        return f"exit {code}" if code else ""


def cpu_of(process):
    """Seconds of user and system time so far."""
    stat = open(f"/proc/{process}/stat").read()
    return sum(int(field) for field in stat[stat.rindex(")") + 2 :].split()[11:13]) / TICKS


def memory_of(process, field):
    """VmRSS is the present memory, VmHWM the peak."""
    for line in open(f"/proc/{process}/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise ValueError(field)


def job_of(bench, place, users):
    return agents.Job(
        place,
        place / "out",
        bench.near.address,
        bench.near.tls,
        users,
        "maildir",
        bench.certificates.ca,
        programs=bench.programs,
    )


class Idle:
    """An agent that has polled all its accounts once and waits for the next time."""

    name, title, sink, family, rounds_max = (
        "W9",
        "idle with 1,000 accounts and 1,000,000 records",
        "none",
        "",
        0,
    )
    accounts, records_each = 1000, 1000

    def __init__(self):
        self.rows = [row("mailferry", differs='poll_every = "24h"')]
        self.goals = [
            Goal("beyond", None, 48, unit="MiB", said="memory beyond the bare program"),
            Goal("share", None, 0.5, unit="% of a core", said="CPU between polls"),
        ]

    def prepare(self, bench):
        self.count, self.seconds = bench.count(self.accounts, 3), 60 if bench.divide == 1 else 10
        each = bench.count(self.records_each * 10, 30) if bench.divide > 10 else self.records_each
        self.records = self.count * each
        # All accounts have links to the same thousand messages.
        first = corpus.Maildrop.filled(bench.drops, "w9-1", each, 600)
        self.users = [f"w9-{number}" for number in range(1, self.count + 1)]
        for user in self.users[1:]:
            (bench.drops / user).symlink_to(first.path)
        self.seed = self.seeded(bench)

    def seeded(self, bench):
        """One account is polled; its export, under every account's name, is imported as
        delivered.
        """
        place = bench.new_place("W9-seed")
        told = agents.mailferry(job_of(bench, place, self.users[:1]))
        bench.give(place)
        ran = measure.run(told.command, told.environment, place / "log")
        if ran.problem:
            raise SystemExit(f"bench: W9 could not be seeded: {(place / 'log').read_text()[-500:]}")
        ours = measure.as_agent(told.command[:-1])
        exported = subprocess.run(
            [*ours, "seen", "export"], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        lines = [line.split(" ", 1)[1] for line in exported[1:]]
        with open(place / "all", "w") as file:
            file.write(exported[0] + "\n")
            for user in self.users[1:]:
                file.writelines(f"{user} {line}\n" for line in lines)
        os.chmod(place / "all", 0o644)
        subprocess.run(
            [*ours, "seen", "import", "--as-delivered", place / "all"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return place / "state"

    def run(self, bench, _row):
        place = bench.new_place(self.name)
        shutil.copytree(self.seed, place / "state")
        logins = len(bench.near.logins())
        agent = Agent(bench, place, job_of(bench, place, self.users), 86_400)
        try:
            # The first polls would be spread over a day: SIGUSR1 starts all of them now.
            servers.until(lambda: "mailferry is running" in agent.log.read_text(), "mailferry", 300)
            agent.process.send_signal(signal.SIGUSR1)
            servers.until(
                lambda: len(bench.near.logins()) - logins >= self.count, "the first polls", 600
            )
            still(agent)
            began, cpu = time.monotonic(), agent.cpu()
            with measure.Quiet() as quiet:
                time.sleep(self.seconds)
            wall, cpu = time.monotonic() - began, agent.cpu() - cpu
            memory, peak = agent.memory_mib(), agent.memory_mib("VmHWM")
        finally:
            problem = agent.stop()
        delivered = sum(1 for _ in (place / "out/new").iterdir())
        if delivered:
            problem = f"{problem} {delivered} delivered again".strip()
        found, bare, bare_peak = self.bare(bench, place)
        if found != self.records:
            problem = f"{problem} {found} records instead of {self.records}".strip()
        ran = measure.Run(wall, cpu, peak, quiet.outside, problem)
        ran.extra.update(
            beyond=memory - bare,
            share=100 * cpu / wall,
            memory=memory,
            bare=bare,
            said=(
                f"{self.records} records: holds {memory:.1f} MiB idle (at most {peak:.1f}), the "
                f"bare program {bare:.1f} "
                f"(at most {bare_peak:.1f}); {cpu:.2f} s of CPU in {wall:.0f} s"
            ),
        )
        return ran

    @staticmethod
    def bare(bench, place):
        """A program that opens the same index, reads it once and waits: records found, present
        memory, peak memory.
        """
        bare = subprocess.Popen(
            measure.as_agent([bench.programs / "bench_sled", place / "state/index"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        found = int(bare.stdout.readline().split()[0])
        memory, peak = (memory_of(bare.pid, field) for field in ("VmRSS", "VmHWM"))
        bare.stdin.close()
        bare.wait()
        return found, memory, peak


def still(agent):
    """Waits until it has used hardly any CPU for three seconds, for at most two minutes."""
    for _ in range(40):
        before = agent.cpu()
        time.sleep(3)
        if agent.cpu() - before < 0.05:
            return


class Fleet:
    """Ten thousand accounts, each polled in its turn, for an hour of real time."""

    name, title, sink, family, rounds_max = (
        "W10",
        "10,000 accounts every 10 minutes for an hour",
        "none",
        "",
        1,
    )
    accounts, every, seconds = 10_000, 600, 3600
    JITTER = 0.1  # as in src/agent/mod.rs

    def __init__(self):
        self.rows = [row("mailferry", differs='poll_every = "10m" (less in a smaller form)')]
        self.goals = [
            Goal("late", None, 5, unit="s", said="the latest poll"),
            Goal("growth", None, 1.05, said="memory at the end over memory after two intervals"),
        ]

    def prepare(self, bench):
        self.count = bench.count(self.accounts, 40)
        if bench.divide > 1:
            self.every, self.seconds = (
                max(self.every // bench.divide, 10),
                max(self.every // bench.divide, 10) * 3,
            )
        self.users = empty_maildrops(bench, self.count)

    def run(self, bench, _row):
        place = bench.new_place(self.name)
        seen_before = len(bench.near.logins())
        agent = Agent(bench, place, job_of(bench, place, self.users), self.every)
        memory, cpu = [], agent.cpu()
        try:
            with measure.Quiet() as quiet:
                for _ in range(max(self.seconds // self.every, 3)):
                    time.sleep(self.every)
                    memory.append(agent.memory_mib())
            wall, cpu, peak = (
                time.time() - agent.began,
                agent.cpu() - cpu,
                agent.memory_mib("VmHWM"),
            )
        finally:
            problem = agent.stop()
        logins = bench.near.logins()[seen_before:]
        late, drift, missing = self.lateness(agent.began, wall, logins)
        if missing:
            problem = f"{problem} {missing} accounts never polled".strip()
        ran = measure.Run(wall, cpu, peak, quiet.outside, problem)
        ran.extra.update(
            late=late,
            growth=memory[-1] / memory[1],
            rate=len(logins) / wall,
            said=(
                f"{self.count} accounts every {self.every} s for {wall:.0f} s: {len(logins)} "
                f"polls, {1000 * cpu / max(len(logins), 1):.2f} ms "
                f"of CPU each, mean interval {drift:+.2f} s from what was asked; "
                f"{1024 * memory[-1] / self.count:.1f} KiB an account; "
                f"MiB after each interval: {', '.join(f'{one:.1f}' for one in memory)}"
            ),
        )
        return ran

    def lateness(self, began, wall, logins):
        """(the latest in seconds, mean interval less what was asked, accounts never seen), by the
        server's log, to a second.

        A poll is late if its interval is longer than the configured one with the largest jitter;
        the first, if it comes later than one interval after the start. A poll that has not come
        when the measurement ends counts as coming then.
        """
        times = {}
        for second, user in logins:
            times.setdefault(user, []).append(second)
        late, intervals, longest = 0.0, [], self.every * (1 + self.JITTER)
        for user in self.users:
            polls = times.get(user, [])
            if polls:
                late = max(late, polls[0] - began - self.every)
            gaps = [after - before for before, after in zip(polls, polls[1:])]
            intervals += gaps
            open_gap = [began + wall - polls[-1]] if polls else [wall]
            late = max([late, *(gap - longest for gap in (*gaps, *open_gap))])
        drift = statistics.mean(intervals) - self.every if intervals else float("nan")
        return late, drift, sum(user not in times for user in self.users)


def works():
    return [Idle(), Fleet()]
