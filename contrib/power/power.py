#!/usr/bin/env -S python3 -B
"""Cuts the power at every system call of a poll.

One poll of each scenario runs under strace. From its record, the disks are made that a power cut
after each call may leave (`disk.py` states the assumptions); on each of them mailferry polls again,
with the server as it was at that moment, until nothing changes any more. The run passes if no
message is lost, no message in `new` is torn, the program continues, and it repeats at most
`max_unrecorded` messages.

Not covered: a second cut while the agent continues after the first; pages of one write that reach
the disk out of order; mailferry as a daemon; several accounts; SMTP and LMTP.

The seed chooses the torn disks, and what `--short` tries. The calls are recorded again in each run,
and their order differs from run to run where threads run concurrently; so keep failed states with
`--keep FOLDER`.

exit 0: passed; 1: failed; 69: it could not be tried.
"""

import argparse
import hashlib
import os
import pathlib
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import calls
from disk import Disk, File, Folder
from scenarios import ALL, maildrop, message
from server import Maildrop, Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/mailferry"
NEW = 50  # the number of the message that comes after the cut
POLLS_MAX = 6
POLL_DEADLINE_S = 60
SHORT_S = 40

MDA = """#!/bin/sh
# MDA MAILDIR REFUSED CODE: delivers durably, or exits with CODE, unless it is 0, when a line of
# REFUSED is in the message.
umask 077
name="$(date +%s%N).$$"
cat >"$1/tmp/$name" || exit 75
if [ "$3" != 0 ] && grep -q -x -F -f "$2" "$1/tmp/$name"; then rm "$1/tmp/$name"; exit "$3"; fi
sync "$1/tmp/$name" && mv "$1/tmp/$name" "$1/new/$name" && sync "$1/new" || exit 75
"""


class Place:
    """A directory with its own disk, configuration and maildrop."""

    def __init__(self, base, name, scenario, server, programs):
        self.path, self.scenario, self.server, self.programs, self.password = (
            base / name,
            scenario,
            server,
            programs,
            name,
        )
        self.disk = self.path / "disk"
        self.path.mkdir()
        self.disk.mkdir()
        mda = self.path / "mda"
        mda.write_text(MDA)
        mda.chmod(0o700)
        (self.path / "refused").write_text("".join(f"X-Number: <{n}>\n" for n in scenario.refused))

    def configure(self, retention, code):
        delivery = f'type = "maildir"\npath = "{self.disk}/Maildir"'
        if self.scenario.sink == "mda":
            delivery = (
                f'type = "mda"\ncommand = ["{self.path}/mda", "{self.disk}/Maildir", '
                f'"{self.path}/refused", "{code}"]'
            )
        file = self.path / "mailferry.toml"
        file.write_text(
            f'state_dir = "{self.disk}/state"\nmax_unrecorded = {self.scenario.unrecorded_max}\n'
            f"[delivery.it]\n{delivery}\n"
            f'[account.jane]\nhost = "127.0.0.1"\nport = {self.server.port}\ntls = "none"\n'
            f"allow_cleartext_password = true\n"
            f'user = "jane"\npassword = "{self.password}"\nrecipient = "jane@home.lan"\nretention '
            f'= "{retention}"\ndelivery = "it"\n'
        )
        file.chmod(0o600)

    def poll(self, before=(), later=None):
        environment = dict(os.environ, HOME=str(self.path))
        if later:
            environment |= {
                "LD_PRELOAD": self.programs["faketime"],
                "FAKETIME": later,
                "FAKETIME_DONT_RESET": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        command = [
            *before,
            self.programs["mailferry"],
            "--config",
            str(self.path / "mailferry.toml"),
            "poll",
        ]
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=POLL_DEADLINE_S,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def write(self, disk):
        shutil.rmtree(self.disk)
        write_disk(self.disk, disk)

    def read_mail(self):
        """The names of everything that was delivered or quarantined."""
        return sorted(str(path) for path in self.disk.rglob("new/*"))

    def read(self):
        found = {}
        for path in sorted(self.disk.rglob("*")):
            found[str(path.relative_to(self.disk))] = None if path.is_dir() else path.read_bytes()
        return found


def write_disk(folder, disk):
    folder.mkdir()
    for path, content in disk.items():
        place = folder / path
        if content is None:
            place.mkdir(0o700)
        else:
            place.touch(0o600)
            place.write_bytes(content)


def copies(disk, numbers):
    """How often each message is there whole, and the files in `new` that are not whole messages."""
    found, torn = dict.fromkeys(numbers, 0), []
    for path, content in disk.items():
        parts = path.split("/")
        if content is None or parts[-2:-1] not in (["new"], ["cur"]):
            continue
        quarantined = parts[0] == "state"
        for number, octets in numbers.items():
            if content.endswith(octets if quarantined else octets.replace(b"\r\n", b"\n")):
                found[number] += 1
                break
        else:
            torn.append(path)
    return found, torn


class Recording:
    """One recorded poll of a scenario, and the states that cuts during it may leave."""

    def __init__(self, name, scenario, base, server, programs):
        place = self.place = Place(base, f"{name}-record", scenario, server, programs)
        self.name, self.scenario, self.cuts, self.syncs, self.states, self.seen = (
            name,
            scenario,
            0,
            0,
            [],
            set(),
        )
        if scenario.sink == "mda":
            for part in ("", "tmp", "new", "cur"):
                (place.disk / "Maildir" / part).mkdir()
        self.messages_of = {
            n: octets
            for n, octets in zip(
                (*scenario.before, *scenario.messages),
                [*maildrop(scenario.before).values(), *maildrop(scenario.messages).values()],
            )
        }
        self.messages = maildrop(scenario.messages, scenario.name_of)
        if scenario.before:
            server.maildrops[place.password] = Maildrop(maildrop(scenario.before, scenario.name_of))
            place.configure(scenario.retention_before or scenario.retention, 0)
            code, said = place.poll()
            if code != 0:
                raise calls.Unknown(f"the poll before it ended with {code}: {said}")
            scenario.prepare(place)
        drop = server.maildrops[place.password] = Maildrop(self.messages, scenario.hides)
        place.configure(scenario.retention, scenario.code)
        self.disk = model(place.disk, place.read())
        self.trace = place.path / "trace"
        strace = [
            programs["strace"],
            "-f",
            "-yy",
            "-xx",
            "-qq",
            "-s",
            "10000000",
            "-o",
            str(self.trace),
        ]
        code, self.said = place.poll([*strace, "-e", "trace=" + ",".join(calls.TRACED)])
        if code not in scenario.exits:
            raise calls.Unknown(f"the poll under strace ended with {code}: {self.said}")
        self.replay = calls.Replay(self.disk, drop.sessions)

    def cut_everywhere(self, random_, torn, deaf):
        self.cut("the beginning", random_, torn)
        shown = False
        with open(self.trace, encoding="ascii") as trace:
            for when, call in calls.read(trace):
                self.syncs += when == "ends" and isinstance(call.memo, tuple)
                shown = shown or (
                    when == "ends" and call.result == 0 and self.scenario.shows in str(call)
                )
                if call.name in deaf and when == "ends":
                    continue  # as if it had not been called
                if self.replay.apply(when, call):
                    self.cut(f"{call} ({when})", random_, torn)
        if not shown:
            raise calls.Unknown(
                f"{self.name} did not do what it is for: there was no {self.scenario.shows}: "
                f"{self.said}"
            )
        if self.scenario.retention == "delete" and not any(
            s.has_ended and s.asked for s in self.replay.sessions
        ):
            raise calls.Unknown(f"{self.name} deleted nothing: {self.said}")
        # The model and the real disk must agree at the end, or the record is wrong.
        live = self.disk.after_live()
        real = self.place.read()
        if live != real:
            differ = sorted(
                path for path in {*live, *real} if live.get(path, 0) != real.get(path, 0)
            )
            raise calls.Unknown(f"the model and the disk differ at the end: {differ[:5]}")

    def cut(self, call, random_, torn):
        self.cuts += 1
        for removed in self.replay.servers():
            for what, left in self.disk.disks(random_, torn):
                digest = hashlib.sha256(repr(sorted(removed)).encode())
                for path in sorted(left):
                    content = left[path]
                    digest.update(
                        path.encode()
                        + (b"\0/" if content is None else b"\0%d\0" % len(content) + content)
                    )
                if digest.digest() not in self.seen:
                    self.seen.add(digest.digest())
                    self.states.append(State(self, self.cuts, call, what, left, frozenset(removed)))


class State:
    """One disk and one server that a cut may leave."""

    def __init__(self, recording, cut, call, what, disk, removed):
        self.recording, self.cut, self.call, self.what, self.disk, self.removed = (
            recording,
            cut,
            call,
            what,
            disk,
            removed,
        )

    def __str__(self):
        removed = f", {len(self.removed)} gone from the server" if self.removed else ""
        return f"{self.recording.name}: cut {self.cut}, at {self.call}: {self.what}{removed}"

    def wrong(self, base, worker, server, programs):
        """Returns what is wrong after mailferry continued from here, the repeats, and whether a
        message was left undeleted.
        """
        recording, scenario = self.recording, self.recording.scenario
        place = Place(base, worker, scenario, server, programs)
        try:
            return self.go_on(place, recording, scenario)
        except subprocess.TimeoutExpired:
            return [f"mailferry did not end within {POLL_DEADLINE_S} s"], 0, 0
        finally:
            shutil.rmtree(place.path, ignore_errors=True)

    def keep(self, folder, wrong):
        folder.mkdir(parents=True)
        write_disk(folder / "disk", self.disk)
        (folder / "wrong").write_text(
            "\n".join([str(self), f"removed by the server: {sorted(self.removed)}", *wrong]) + "\n"
        )

    def go_on(self, place, recording, scenario):
        numbers = dict(recording.messages_of)
        wrong, said = [], []
        _, torn = copies(self.disk, numbers)
        wrong += [f"after the cut, {path} is torn" for path in torn]
        place.write(self.disk)
        left = {
            name: octets for name, octets in recording.messages.items() if name not in self.removed
        }
        drop = place.server.maildrops[place.password] = Maildrop(left, scenario.hides)
        place.configure(scenario.retention, scenario.code_later)
        numbers[NEW] = message(NEW)
        for turn in range(POLLS_MAX):
            if turn == 1:
                drop.messages[scenario.name_of(NEW)] = numbers[NEW]
            before = place.read_mail(), list(drop.messages)
            code, output = place.poll(later=f"+{2 + turn}m" if scenario.later else None)
            said.append(f"exit {code}: {output}")
            if code not in scenario.exits:
                wrong.append(f"poll {turn + 1} ended with {code}")
                break
            if turn >= 1 and before == (place.read_mail(), list(drop.messages)):
                break
        else:
            wrong.append(f"not quiet after {POLLS_MAX} polls")
        found, torn = copies(place.read(), numbers)
        wrong += [f"at the end, {path} is torn" for path in torn]
        # Quarantined and parked copies count: they are whole, and durable. Messages that only the
        # server has do not.
        wrong += [f"message {n} is lost" for n, count in found.items() if count == 0]
        repeats = sum(max(0, count - 1) for count in found.values())
        if repeats > scenario.unrecorded_max:
            wrong.append(f"{repeats} repeats, and max_unrecorded = {scenario.unrecorded_max}")
        undeleted = 0
        if scenario.retention == "delete":
            kept = {scenario.name_of(n) for n in (scenario.refused if scenario.code_later else ())}
            undeleted = len([name for name in drop.messages if name not in kept])
        if wrong:
            wrong += ["the polls said:", *said]
        return wrong, repeats, undeleted


def model(root, found):
    """A disk on which everything that was found is durable."""
    disk = Disk(str(root))
    for path, content in found.items():
        folder, name = disk.split(f"{root}/{path}")
        folder.live[name] = Folder() if content is None else File()
        if content is not None:
            folder.live[name].live = content
    disk.settle_all()
    return disk


def try_all(states, base, server, programs, jobs, until):
    """Continues from each state, several at a time. Returns the failures, and the totals."""
    waiting = queue.SimpleQueue()
    for number, state in enumerate(states):
        waiting.put((number, state))
    failures, done, lock = [], {}, threading.Lock()

    def work():
        while True:
            try:
                number, state = waiting.get_nowait()
            except queue.Empty:
                return
            if until and time.monotonic() > until:
                return
            wrong, repeats, undeleted = state.wrong(base, f"w{number}", server, programs)
            with lock:
                sums = done.setdefault(state.recording.name, [0, 0, 0])
                sums[0] += 1
                sums[1] = max(sums[1], repeats)
                sums[2] = max(sums[2], undeleted)
                if wrong:
                    failures.append((state, wrong))

    workers = [threading.Thread(target=work) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return failures, done


def find_programs(binary):
    programs = {"mailferry": str(binary), "strace": shutil.which("strace")}
    libraries = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    programs["faketime"] = str(libraries[0]) if libraries else None
    for name, found in programs.items():
        if not found or not os.path.exists(found):
            print(
                f"power: there is no {name}; run contrib/setup test, and cargo build",
                file=sys.stderr,
            )
            sys.exit(69)
    return programs


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--short",
        action="store_true",
        help="as many states as go into 40 seconds, chosen at random",
    )
    options.add_argument(
        "--seed",
        type=int,
        default=int(os.environ.get("MAILFERRY_SEED") or random.SystemRandom().randrange(1 << 32)),
    )
    options.add_argument("--torn", type=int, default=4, help="torn disks for each cut")
    options.add_argument("--only", default=",".join(ALL), help="scenarios, by name")
    options.add_argument(
        "--deaf",
        default="",
        help="calls that count as not made: to see that this check fails when it should",
    )
    options.add_argument(
        "--keep",
        type=pathlib.Path,
        help="a new folder for up to 20 disks on which something was wrong",
    )
    options.add_argument("--binary", type=pathlib.Path, default=BUILT)
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    asked = options.parse_args()
    programs = find_programs(asked.binary.absolute())
    random_ = random.Random(asked.seed)
    print(f"power: MAILFERRY_SEED={asked.seed}", flush=True)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mailferry-power-", dir=memory) as directory:
        base, server, recordings = pathlib.Path(directory), Server(), []
        for name in asked.only.split(","):
            recording = Recording(name, ALL[name](), base, server, programs)
            recording.cut_everywhere(random_, asked.torn, asked.deaf.split(","))
            recordings.append(recording)
        states = [state for recording in recordings for state in recording.states]
        until = None
        if asked.short:
            random_.shuffle(states)
            until = began + SHORT_S
        failures, done = try_all(states, base, server, programs, asked.jobs, until)
    for recording in recordings:
        tried, repeats, undeleted = done.get(recording.name, (0, 0, 0))
        print(
            f"  {recording.name}: {recording.cuts} cuts, {recording.syncs} syncs, "
            f"{len(recording.states)} states, {tried} tried; "
            f"at most {repeats} repeats of {recording.scenario.unrecorded_max} allowed, "
            f"{undeleted} left undeleted"
        )
    for state, wrong in failures[:5]:
        print(
            f"WRONG: {state}\n    "
            + "\n    ".join(line for words in wrong for line in words.splitlines())
        )
    for number, (state, wrong) in enumerate(failures[:20] if asked.keep else ()):
        state.keep(asked.keep / str(number), wrong)
    print(
        f"power: {sum(sums[0] for sums in done.values())} states, {len(failures)} wrong, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except calls.Unknown as unknown:
        print(f"power: {unknown}", file=sys.stderr)
        sys.exit(69)
