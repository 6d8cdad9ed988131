"""One run of one program: wall time, CPU with its children, peak memory of its largest process,
and the other load of the machine.
"""

import ctypes
import dataclasses
import fcntl
import os
import pathlib
import select
import signal
import struct
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
CLONE_NEWNET = 0x40000000
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)
NOISY_SHARE = 0.25


@dataclasses.dataclass
class Run:
    """The results, and what is wrong with them, if anything."""

    wall: float
    cpu: float
    peak_mib: float
    outside: float = 0.0
    problem: str = ""
    extra: dict = dataclasses.field(default_factory=dict)

    @property
    def noisy(self):
        return self.outside > NOISY_SHARE


def adopt_orphans():
    """Makes orphaned grandchildren our children, so that their CPU is counted."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def in_namespace(name, work):
    """Does something in a network namespace, and returns to the present one."""
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{name}") as there:
        enter(there.fileno())
        try:
            return work()
        finally:
            enter(home.fileno())


def enter(namespace):
    if LIBC.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def tun(name):
    """A tun device of this name in the present namespace: its descriptor carries bare IP
    packets.
    """
    TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


# --- how quiet ------------------------------------------------------------------------------------


def busy_seconds():
    """CPU of the whole machine: user, nice, system, and stolen by the host."""
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:]]
    return (fields[0] + fields[1] + fields[2] + fields[7]) / TICKS


def our_seconds():
    """CPU of this process and its descendants, and of the kernel's own threads, which write our
    data.
    """
    used, above = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            fields = stat[stat.rindex(")") + 2 :].split()
            above[int(entry)] = int(fields[1])
            used[int(entry)] = sum(int(field) for field in fields[11:15])
    us, total = {os.getpid(), 2}, 0
    for process in used:
        chain, at = [], process
        while at and at not in us and at in above:
            chain.append(at)
            at = above[at]
        if at in us:
            us.update(chain)
    for process in us:
        total += used.get(process, 0)
    return total / TICKS


class Quiet:
    """How much of a processor other programs used meanwhile."""

    def __enter__(self):
        self.began, self.busy, self.ours = time.monotonic(), busy_seconds(), our_seconds()
        return self

    def __exit__(self, *_):
        wall = max(time.monotonic() - self.began, 1 / TICKS)
        self.outside = max(
            0.0, (busy_seconds() - self.busy - our_seconds() + self.ours - 2 / TICKS) / wall
        )


# --- a run ----------------------------------------------------------------------------------------


def as_agent(command, prefix=()):
    """The command that every agent is run by: as the user nobody if we are root, in the
    namespace that the prefix enters.
    """
    lowered = (
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        if os.getuid() == 0
        else []
    )
    return [*map(str, prefix), *lowered, *map(str, command)]


def run(command, environment, log, prefix=(), seconds=900):
    """Runs it to its end, under GNU time, because a child of ours would count our memory as its
    peak.
    """
    os.sync()
    # Not -o: every program below would inherit an unexpected descriptor. The report is the last
    # line of the log.
    command = as_agent(["/usr/bin/time", "-f", "\n%U %S %M", *command], prefix)
    environment = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    with Quiet() as quiet, open(log, "wb") as out:
        began = time.monotonic()
        child = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=log.parent,
            start_new_session=True,
        )
        problem = ""
        if not ended(child.pid, seconds):
            os.killpg(child.pid, signal.SIGKILL)
            problem = f"ended after {seconds} s"
        code = child.wait()
        wall = time.monotonic() - began
    words = log.read_text(errors="replace").rstrip().rsplit("\n", 1)
    try:
        user, system, peak = words[-1].split()
        cpu, peak = float(user) + float(system), int(peak) / 1024
    except ValueError:
        cpu, peak, problem = 0.0, 0.0, problem or "no report by GNU time"
    if code and not problem:
        problem = f"exit {code}"
    return Run(wall, cpu, peak, quiet.outside, problem)


def ended(process, seconds):
    """Waits for the end of a child, at most this long. Python's own wait with a time-out checks
    only every 50 ms.
    """
    descriptor = os.pidfd_open(process)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)
