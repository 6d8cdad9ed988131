#!/usr/bin/env -S python3 -B
"""Fifty honest accounts together with fifty hostile ones, for an hour.

The hostile servers send slowly, send too much, hang, hang up, list hundreds of thousands of
messages, or announce little and send without end; some passwords and destinations never answer
either (`kinds.py` has them all). All settings but `poll_every` have their defaults. New mail
arrives for the honest accounts all the time. Meanwhile the agent is told to poll everything and to
reload good and bad configurations, and its log is left unread for a while again and again.

The run passes if each honest message was at its destination within five minutes, unaltered, once;
if the program never had more than 512 MiB in memory; and if at the end, with everything under way,
it ends in time after SIGTERM.

The 512 MiB are the resident memory of the process: VmHWM, which the kernel records, so that no peak
is missed. The process also has a somewhat higher limit on its data (RLIMIT_DATA: heap, private
mappings and the stacks of all threads, used or not), at which it ends. Neither is a control group:
memory that the kernel uses for the process (sockets, pages of files) and the programs that it
starts do not count.

exit 0: passed; 1: failed; 69: it could not be tried.
"""

import argparse
import asyncio
import multiprocessing
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import honest
import kinds

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
MEMORY_MIB = 512
DATA_MIB = 768  # with some hundred stacks of 2 MiB, which are hardly touched
LATE_S = 300
STOP_S = 8 + 7  # shutdown_timeout, and the time for the last records, MDAs and servers after it
DEAF_S = 20  # for this part of every two minutes the log is not read

MDA = """#!/bin/sh
# MDA MAILDIR: delivers a message.
umask 077
name="$(date +%s%N).$$"
cat >"$1/tmp/$name" && mv "$1/tmp/$name" "$1/new/$name" || exit 75
"""


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return (
        str(value).lower()
        if isinstance(value, bool)
        else str(value)
        if isinstance(value, int)
        else f'"{value}"'
    )


def table(name, settings):
    return f"[{name}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in settings.items())


class Agent:
    """The program, its log and its memory."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.log = binary, folder, folder / "agent.log"
        self.data_kib = self.threads = self.files = self.rss_kib = 0
        self.peak_kib, self.deaf = 0, False

    def limit(self):
        resource.setrlimit(resource.RLIMIT_DATA, (DATA_MIB << 20, DATA_MIB << 20))
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))

    def start(self):
        self.process = subprocess.Popen(
            [self.binary, "--config", self.folder / "mailferry.toml", "run"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=self.limit,
            env=dict(os.environ, HOME=str(self.folder)),
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with open(self.log, "wb") as log:
            while octets := os.read(self.process.stdout.fileno(), 65536):
                log.write(octets)
                log.flush()
                while self.deaf:
                    time.sleep(0.2)

    def look(self):
        """Notes its memory; `VmHWM` is the most it ever had."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
                found = dict(line.split(":", 1) for line in status)
            number = lambda key: int(found.get(key, "0").split()[0])
            self.rss_kib, self.peak_kib = number("VmRSS"), max(self.peak_kib, number("VmHWM"))
            self.data_kib, self.threads = (
                max(self.data_kib, number("VmData")),
                max(self.threads, number("Threads")),
            )
            self.files = max(self.files, len(os.listdir(f"/proc/{self.process.pid}/fd")))
        except (OSError, ValueError, IndexError):
            pass  # it has ended

    def tell(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Soak:
    def __init__(self, asked, folder, pipe):
        self.asked, self.folder, self.pipe, self.wrong = asked, folder, pipe, []
        self.mail = honest.Mail(asked.seed)
        self.agent = Agent(asked.binary, folder)
        self.every = "5s" if asked.short else "60s"

    async def prepare(self):
        """Starts the honest servers, and writes the configuration."""
        self.servers = []
        for number in range(honest.ACCOUNTS):
            # A host has at most four sessions at a time; four accounts share theirs with hostile
            # ones.
            host = "127.1.9.1" if number >= 46 else f"127.1.0.{number + 1}"
            self.servers.append(await honest.Honest(f"honest{number:02}", number).listen(host))
        relay = await honest.Relay(self.mail).listen("127.0.0.1")
        hostile, relays = await asyncio.to_thread(self.pipe.recv)
        self.hostile = [name for name, *_ in hostile]
        (self.folder / "mda").write_text(MDA)
        (self.folder / "mda").chmod(0o700)
        os.mkfifo(self.folder / "fifo")
        parts = [f'state_dir = "{self.folder}/state"\n', *self.deliveries(relay.port, relays)]
        for server in self.servers:
            delivery = server.name if server.kind == "maildir" else server.kind
            parts.append(
                self.account(
                    server.name,
                    server.host,
                    server.port,
                    delivery=delivery,
                    retention=server.retention,
                )
            )
            for part in ("", "tmp", "new", "cur"):
                (self.box(server) / part).mkdir(parents=True, exist_ok=True)
        for number, (name, host, port, settings) in enumerate(hostile):
            settings = {"delivery": "hostile", "retention": "delete", **settings}
            parts.append(self.account(f"hostile{number:02}-{name}", host, port, **settings))
        (self.folder / "accounts.d").mkdir()
        file = self.folder / "mailferry.toml"
        file.write_text("".join(parts))
        file.chmod(0o600)

    def box(self, server):
        return self.folder / "boxes" / server.name

    def account(self, name, host, port, **settings):
        return table(
            f"account.{name}",
            {
                "host": host,
                "port": port,
                "tls": "none",
                "allow_cleartext_password": True,
                "user": name,
                "password": "secret",
                "recipient": name,
                "poll_every": self.every,
                **settings,
            },
        )

    def deliveries(self, port, relays):
        yield table(
            "delivery.mda",
            {
                "type": "mda",
                "command": [f"{self.folder}/mda", f"{self.folder}/boxes/{{recipient}}"],
            },
        )
        yield table(
            "delivery.relay", {"type": "smtp", "host": "127.0.0.1", "port": port, "tls": "none"}
        )
        for server in self.servers:
            if server.kind == "maildir":
                yield table(
                    f"delivery.{server.name}", {"type": "maildir", "path": str(self.box(server))}
                )
        yield table("delivery.hostile", {"type": "maildir", "path": f"{self.folder}/hostile"})
        yield table("delivery.fifo", {"type": "maildir", "path": f"{self.folder}/fifo"})
        programs = {
            "hangs": ["sleep", "1000"],
            "chatters": ["yes"],
            "forks": ["sh", "-c", "setsid sleep 20 & exit 0"],
        }
        for name, command in programs.items():
            yield table(f"delivery.{name}", {"type": "mda", "command": command})
        for name, at in relays.items():
            yield table(
                f"delivery.{name}", {"type": "smtp", "host": "127.0.0.1", "port": at, "tls": "none"}
            )

    async def send(self, until):
        """New mail for one account after the other."""
        pause = (6.0 if self.asked.short else 20.0) / honest.ACCOUNTS
        number = 0
        while time.monotonic() < until and not self.wrong:
            self.mail.add(self.servers[number % honest.ACCOUNTS])
            number += 1
            await asyncio.sleep(pause)

    async def watch(self):
        """Checks each second for mail that arrived, and for forbidden states."""
        while True:
            self.collect()
            self.agent.look()
            if self.agent.process.poll() is not None:
                self.wrong.append(f"the agent ended with {self.agent.process.returncode}")
            if self.agent.peak_kib > MEMORY_MIB << 10:
                self.wrong.append(f"the agent had {self.agent.peak_kib >> 10} MiB in memory")
            if self.mail.oldest() > LATE_S:
                late = max(self.mail.waiting, key=lambda name: -self.mail.waiting[name].added)
                self.wrong.append(
                    f"{late} has waited for {self.mail.oldest():.0f} s, and "
                    f"{len(self.mail.waiting)} messages wait"
                )
            if self.wrong:
                return
            await asyncio.sleep(1)

    def collect(self):
        for server in self.servers:
            if server.kind != "relay":
                self.mail.collect(self.box(server))

    async def disturb(self):
        """Tells the agent to poll now and to reload, with a FIFO among its files or without, and
        stops reading its log.
        """
        turn, trap = 0, self.folder / "accounts.d/trap.toml"
        step = 10 if self.asked.short else 60
        while True:
            await asyncio.sleep(step)
            turn += 1
            if turn % 7 == 3:
                self.agent.tell(signal.SIGUSR1)
            if turn % 5 == 2:
                os.mkfifo(trap)
                self.agent.tell(signal.SIGHUP)
            if turn % 5 == 3:
                trap.unlink()
                self.agent.tell(signal.SIGHUP)
            if turn % 2:
                self.agent.deaf = True
                await asyncio.sleep(DEAF_S if step > DEAF_S else step / 2)
                self.agent.deaf = False

    async def report(self, began):
        while True:
            await asyncio.sleep(60)
            latest = max(
                (
                    expected.seconds
                    for expected in self.mail.sent.values()
                    if expected.seconds is not None
                ),
                default=0,
            )
            print(
                f"  after {(time.monotonic() - began) / 60:.0f} min: {len(self.mail.sent)} "
                f"messages, {len(self.mail.waiting)} on their "
                f"way, the latest after {latest:.0f} s; {self.agent.rss_kib >> 10} MiB now, "
                f"{self.agent.peak_kib >> 10} MiB at most",
                flush=True,
            )

    async def run(self):
        await self.prepare()
        self.agent.start()
        began = time.monotonic()
        watching = asyncio.create_task(self.watch())
        others = [asyncio.create_task(self.disturb()), asyncio.create_task(self.report(began))]
        await self.send(began + 60 * self.asked.minutes)
        while self.mail.waiting and not self.wrong:
            await asyncio.sleep(0.2)
        for task in others:
            task.cancel()
        self.agent.deaf = False
        (self.folder / "accounts.d/trap.toml").unlink(missing_ok=True)
        # Everything is under way when the agent is told to stop.
        self.agent.tell(signal.SIGUSR1)
        await asyncio.sleep(5)
        watching.cancel()
        self.agent.look()
        stopped = await asyncio.to_thread(self.stop)
        self.collect()
        if not self.wrong:
            await asyncio.to_thread(self.poll_again)
        self.collect()
        return self.judge(stopped, time.monotonic() - began)

    def stop(self):
        began = time.monotonic()
        self.agent.tell(signal.SIGTERM)
        try:
            code = self.agent.process.wait(60)
        except subprocess.TimeoutExpired:
            self.agent.kill()
            code = "none"
        seconds = time.monotonic() - began
        if code != 0 or seconds > STOP_S:
            self.wrong.append(
                f"SIGTERM: exit {code} after {seconds:.1f} s, and {STOP_S} s are allowed"
            )
        return seconds

    def poll_again(self):
        """Polls the honest accounts after the end: messages that were not recorded come twice
        now.
        """
        names = [server.name for server in self.servers]
        command = [self.asked.binary, "--config", self.folder / "mailferry.toml", "poll", *names]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LATE_S,
            check=False,
        )
        if done.returncode != 0:
            self.wrong.append(
                f"the poll after it ended with {done.returncode}: "
                f"{done.stdout.decode('utf-8', 'replace')[-400:]}"
            )

    def judge(self, stopped, seconds):
        sent = self.mail.sent.values()
        lost = [name for name, expected in self.mail.sent.items() if expected.copies == 0]
        twice = [name for name, expected in self.mail.sent.items() if expected.copies > 1]
        for what, names in (("lost", lost), ("twice", twice), ("altered", self.mail.altered)):
            if names:
                self.wrong.append(f"{what}: {len(names)}, such as {names[:3]}")
        undeleted = [
            server.name
            for server in self.servers
            if server.retention == "delete" and server.messages
        ]
        if undeleted and not self.wrong:
            self.wrong.append(f"delivered and not deleted: {undeleted}")
        self.pipe.send(True)
        visits = self.pipe.recv()
        never = sorted({name for name, count in visits if count == 0} - {"NeverAccepts"})
        # The two whose passwords never come are not polled, and are of the kind Serves.
        if set(never) - {"Serves"}:
            self.wrong.append(f"never visited: {never}")
        with open(self.agent.log, encoding="utf-8", errors="replace") as log:
            panics = [line.strip() for line in log if "panicked" in line]
        if panics:
            self.wrong.append(f"the log says: {panics[0][:200]}")
        late = sorted(expected.seconds for expected in sent if expected.seconds is not None) or [
            0.0
        ]
        for words in self.wrong:
            print(f"WRONG: {words}")
        print(
            f"hostile: {seconds / 60:.1f} min, {len(sent)} honest messages, half within "
            f"{late[len(late) // 2]:.0f} s, the latest after "
            f"{late[-1]:.0f} s; {len(lost)} lost, {len(twice)} twice, {len(self.mail.altered)} "
            f"altered; "
            f"{sum(count for _, count in visits)} sessions of 50 hostile accounts; at most "
            f"{self.agent.peak_kib >> 10} MiB resident and "
            f"{self.agent.data_kib >> 10} MiB of data (limits: {MEMORY_MIB}, and RLIMIT_DATA "
            f"{DATA_MIB}), {self.agent.threads} threads, "
            f"{self.agent.files} descriptors; SIGTERM answered in {stopped:.1f} s; "
            f"{len(self.wrong)} wrong"
        )
        return 1 if self.wrong else 0


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--short", action="store_true", help="a minute, with polls every five seconds"
    )
    options.add_argument(
        "--minutes", type=float, help="how long new mail comes: 60, and 1 with --short"
    )
    options.add_argument(
        "--seed",
        type=int,
        default=int(os.environ.get("MAILFERRY_SEED") or random.SystemRandom().randrange(1 << 32)),
    )
    options.add_argument(
        "--binary",
        type=pathlib.Path,
        help="the program; target/release/mailferry, or target/debug/mailferry with --short",
    )
    options.add_argument(
        "--scale",
        type=int,
        help="divides the lengths of listings; 1, and 10 with --short, whose program is slow",
    )
    options.add_argument(
        "--keep", type=pathlib.Path, help="where to put the log and the configuration"
    )
    asked = options.parse_args()
    asked.minutes = asked.minutes or (1 if asked.short else 60)
    asked.scale = asked.scale or (10 if asked.short else 1)
    asked.binary = (
        asked.binary or BUILT / ("debug" if asked.short else "release") / "mailferry"
    ).absolute()
    if not asked.binary.exists():
        print(f"hostile: there is no {asked.binary}; run cargo build", file=sys.stderr)
        return 69
    print(f"hostile: MAILFERRY_SEED={asked.seed}", flush=True)
    pipe, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory(
        prefix="mailferry-hostile-", ignore_cleanup_errors=True
    ) as directory:
        servers = multiprocessing.Process(
            target=kinds.main, args=(theirs, directory, asked.scale), daemon=True
        )
        servers.start()
        soak = Soak(asked, pathlib.Path(directory), pipe)
        try:
            return asyncio.run(soak.run())
        finally:
            if hasattr(soak.agent, "process"):
                soak.agent.kill()
            servers.kill()
            if asked.keep:
                asked.keep.mkdir(parents=True, exist_ok=True)
                for name in ("agent.log", "mailferry.toml"):
                    shutil.copy(pathlib.Path(directory) / name, asked.keep)


if __name__ == "__main__":
    sys.exit(main())
