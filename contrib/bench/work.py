"""The works W1 to W8: what is polled, by which agent, to which destination, and what must have
arrived.
"""

import collections
import dataclasses
import os
import shutil
import tempfile
import pathlib

import agents
import corpus
import measure
import servers
import state
from report import Goal

PEERS = agents.PEERS
RAW = "raw"


@dataclasses.dataclass
class Row:
    """One line of the table: an agent, perhaps with a setting that is not its default."""

    name: str
    agent: str
    options: dict = dataclasses.field(default_factory=dict)
    differs: str = ""


def row(agent, variant="", differs="", **options):
    name = f"{agent} {variant}" if variant else agent
    return Row(name, agent, options, differs or variant)


class Bench:
    """Shared by all works: a place on disk, the servers, and the scale relative to the full
    form.
    """

    def __init__(self, place, divide, names, against=None):
        self.place, self.divide, self.wanted, self.against = place, divide, names, against
        self.drops = place / "drops"
        self.drops.mkdir()
        self.programs = agents.copied(place, against)
        self.certificates = servers.Certificates(place, ["127.0.0.1", servers.LongLine.FAR])
        self.near = servers.Dovecot(place / "dovecot", self.drops, self.certificates)
        self.line = self.far = None

    def count(self, full, least=1):
        return max(full // self.divide, least)

    def long_line(self):
        """The slow line and the server at its far end, started by the first work that needs
        them.
        """
        if not self.far:
            if os.getuid() != 0:
                raise Unable("needs root: network namespaces and tun devices")
            self.line = servers.LongLine().__enter__()
            self.far = servers.Dovecot(
                self.place / "far", self.drops, self.certificates, self.line.FAR, self.line.at_far()
            )
            least, mean, most = self.line.round_trip_ms(self.far.plain)
            print(f"the long line: a round trip takes {mean:.1f} ms ({least:.1f} to {most:.1f})")
        return self.far

    def new_place(self, name):
        """The directory of one run. It stays to the end: ext4 is slow for minutes with inodes
        that were just freed.
        """
        place = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.place))
        for folder in ("out", "out/cur", "out/new", "out/tmp"):
            (place / folder).mkdir(mode=0o700)
        self.give(place)
        return place

    @staticmethod
    def give(place):
        if os.getuid() == 0:
            for at, folders, files in os.walk(place):
                for name in (".", *folders, *files):
                    shutil.chown(os.path.join(at, name), "nobody", "nogroup")

    def stop(self):
        for server in (self.near, self.far):
            if server:
                server.stop()
        if self.line:
            self.line.__exit__()


class Unable(Exception):
    """This machine or this user cannot do the work; the sentence says why."""


@dataclasses.dataclass
class Retrieval:
    """All messages of one maildrop, into a Maildir, a small MDA or a relay."""

    name: str
    title: str
    messages: int
    octets: int
    rows: list
    goals: list
    sink: str = "maildir"
    tls: bool = False
    delete: bool = False
    far: bool = False
    family: str = ""
    drop_of: str = ""

    def prepare(self, bench):
        self.count = bench.count(self.messages, 3)
        user = (self.drop_of or self.name).lower()
        if not hasattr(bench, "filled"):
            bench.filled = {}
        if user not in bench.filled:
            bench.filled[user] = corpus.Maildrop.filled(bench.drops, user, self.count, self.octets)
        self.drop = bench.filled[user]
        self.server = bench.long_line() if self.far else bench.near
        self.copies = 0
        # Dovecot's indexes are made once, for all agents.
        self.once(bench, row(RAW, raw=("uidl", "{host}", "{port}", "{user}")), self.drop)

    def run(self, bench, one):
        drop = self.drop
        if self.delete:
            self.copies += 1
            drop = self.drop.copy(bench.drops, f"{self.drop.user}-{self.copies}")
            self.once(bench, row(RAW, raw=("uidl", "{host}", "{port}", "{user}")), drop)
        return self.once(bench, one, drop, is_checked=one.options.get("checked", True))

    def once(self, bench, one, drop, is_checked=False):
        place = bench.new_place(self.name)
        relay = servers.Relay(place) if self.sink == "smtp" else None
        job = agents.Job(
            place,
            place / "out",
            self.server.address,
            self.server.tls if self.tls else self.server.plain,
            [drop.user],
            self.sink,
            bench.certificates.ca if self.tls else None,
            relay.port if relay else 0,
            self.delete,
            programs=bench.programs,
            **{name: value for name, value in one.options.items() if name != "checked"},
        )
        job.raw = tuple(word.replace("COUNT", str(self.count)) for word in job.raw)
        told = agents.AGENTS[one.agent](job)
        if told is None:
            return None
        bench.give(place)
        ran = measure.run(
            told.command, told.environment, place / "log", bench.line.at_near() if self.far else ()
        )
        found = relay.digests() if relay else None
        if is_checked:
            found = (
                collections.Counter(
                    corpus.digest_of_file(file) for file in (place / "out/new").iterdir()
                )
                if found is None
                else found
            )
            lost, more = (drop.digests - found).total(), (found - drop.digests).total()
            if lost or more:
                ran.problem = f"{ran.problem} {lost} lost, {more} doubled or altered".strip()
            if self.delete and drop.left():
                ran.problem = f"{ran.problem} {drop.left()} not deleted".strip()
        ran.extra["rate"] = self.count / ran.wall
        return ran


class Logins:
    """Many maildrops without mail, all polled once, over TLS."""

    sink, family = "none", ""

    def __init__(self, name, title, accounts, rows, goals, far=False):
        self.name, self.title, self.accounts, self.rows, self.goals, self.far = (
            name,
            title,
            accounts,
            rows,
            goals,
            far,
        )

    def prepare(self, bench):
        self.count = bench.count(self.accounts, 4)
        self.users = empty_maildrops(bench, self.count)
        self.server = bench.long_line() if self.far else bench.near
        self.run(bench, row(RAW, raw=bare_logins(self.count, 8)))

    def run(self, bench, one):
        place = bench.new_place(self.name)
        job = agents.Job(
            place,
            place / "out",
            self.server.address,
            self.server.tls,
            self.users,
            "maildir",
            bench.certificates.ca,
            programs=bench.programs,
            **one.options,
        )
        job.raw = tuple(word.replace("COUNT", str(self.count)) for word in job.raw)
        before = len(self.server.logins())
        told = agents.AGENTS[one.agent](job)
        bench.give(place)
        ran = measure.run(
            told.command, told.environment, place / "log", bench.line.at_near() if self.far else ()
        )
        logins = len(self.server.logins()) - before
        # fetchmail ends with 1 when there was no mail, getmail and mpop with 0.
        if one.agent == "fetchmail" and ran.problem == "exit 1":
            ran.problem = ""
        if logins != self.count:
            ran.problem = f"{ran.problem} {logins} logins instead of {self.count}".strip()
        ran.extra["rate"] = self.count / ran.wall
        return ran


def bare_logins(count, at_once):
    return ("login", "{host}", "{port}", "w7-", str(count), str(at_once))


def empty_maildrops(bench, count, distinct=1000):
    """This many users without mail. Beyond a thousand they share maildrops by links, which the
    server treats as separate users.
    """
    users = [f"w7-{number}" for number in range(1, count + 1)]
    for at, user in enumerate(users):
        path = bench.drops / user
        if not path.exists():
            if at < distinct:
                corpus.Maildrop.empty(bench.drops, user)
            else:
                path.symlink_to(bench.drops / users[at % distinct])
    bench.give(bench.drops)
    return users


class Known:
    """A maildrop of which all messages but the newest are known."""

    name, title, sink, family = "W8", "100,000 messages kept and recorded, one new", "maildir", ""
    messages, octets = 100_000, 600

    def __init__(self):
        self.rows = [
            *map(row, ("mailferry", *PEERS)),
            row(RAW, raw=("uidl", "{host}", "{port}", "{user}"), checked=False),
        ]
        self.goals = [
            Goal("wall", "best", 1.0),
            Goal("wall", RAW, 1.4),
            Goal("cpu", None, 0.1, unit="s"),
            Goal("peak", None, 24, unit="MiB"),
        ]

    def prepare(self, bench):
        self.count = bench.count(self.messages, 100)
        drop = corpus.Maildrop.filled(bench.drops, "w8", self.count, self.octets)
        self.retrieval = Retrieval(self.name, self.title, self.messages, self.octets, self.rows, [])
        self.retrieval.count, self.retrieval.server, self.retrieval.copies = 1, bench.near, 0
        self.states = state.seeded(bench, drop, self.count)
        drop.digests.clear()
        drop.add(self.count + 1, self.octets)
        drop.give()
        self.retrieval.drop = drop
        self.retrieval.once(bench, self.rows[-1], drop)

    def run(self, bench, one):
        into = bench.new_place
        # The state of a run is a fresh copy of the seeded one, in the run's own directory.
        try:
            bench.new_place = lambda name: self.states.into(into(name), one.agent)
            return self.retrieval.run(bench, one)
        finally:
            bench.new_place = into


def works():
    """In the order of the issue."""
    ours_and_peers = [row("mailferry"), *map(row, PEERS)]
    no_smtp = [row("mailferry"), row("fetchmail"), row("fdm")]
    store = ("retrieve", "{host}", "{port}", "{user}", "window=64", "out={out}")
    synced = row(RAW, raw=(*store, "sync=64"))
    tls_store = row(RAW, raw=("retrieve", "{host}", "{port}", "{user}", "window=8", "out={out}"))
    starts = row(RAW, raw=(*store, "mda={mda}"))
    parallel = row("mailferry", "parallel = 4", parallel=4)
    large = dict(messages=3, octets=50 << 20, tls=True, family="W5", drop_of="W5")
    return [
        Retrieval(
            "W1",
            "10,000 x 4 KiB into a Maildir",
            10_000,
            4096,
            [*ours_and_peers, synced],
            [Goal("wall", "mpop", 1 / 4), Goal("wall", RAW, 1.6)],
        ),
        Retrieval(
            "W1d",
            "the same, deleting",
            10_000,
            4096,
            [*ours_and_peers, row(RAW, raw=(*store, "sync=64", "delete"))],
            [Goal("wall", "mpop", 1 / 4)],
            delete=True,
            drop_of="W1",
        ),
        Retrieval(
            "W2",
            "2,000 x 4 KiB into a small MDA",
            2000,
            4096,
            [row("mailferry"), parallel, *map(row, PEERS), starts],
            [Goal("wall", "mpop", 1 / 2), Goal("wall", "mpop", 1 / 3, row=parallel.name)],
            sink="mda",
        ),
        Retrieval(
            "W3",
            "2,000 x 4 KiB into an SMTP relay",
            2000,
            4096,
            [*no_smtp, row(RAW, raw=("smtp", "{relay}", "COUNT", "4096"), checked=False)],
            [Goal("wall", "fdm", 1 / 10), Goal("rate", None, 5000, unit="/s", at_least=True)],
            sink="smtp",
            drop_of="W2",
        ),
        Retrieval(
            "W4",
            "200 x 1 MiB over TLS into a Maildir",
            200,
            1 << 20,
            [*ours_and_peers, tls_store],
            [Goal("wall", "mpop", 1.0), Goal("cpu", "mpop", 0.6)],
            tls=True,
        ),
        Retrieval(
            "W5",
            "3 x 50 MiB over TLS into a Maildir",
            rows=[*ours_and_peers, tls_store],
            goals=[
                Goal("peak", None, 16, unit="MiB"),
                Goal("wall", "mpop", 1.0),
                Goal("cpu", "mpop", 0.6),
            ],
            **large,
        ),
        Retrieval(
            "W5m",
            "3 x 50 MiB over TLS into a small MDA",
            rows=[*ours_and_peers, starts],
            sink="mda",
            goals=[
                Goal("peak", None, 16, unit="MiB"),
                Goal("wall", "mpop", 1.0),
                Goal("cpu", "mpop", 0.6),
            ],
            **large,
        ),
        Retrieval(
            "W5s",
            "3 x 50 MiB over TLS into an SMTP relay",
            rows=no_smtp,
            sink="smtp",
            goals=[
                Goal("peak", None, 16, unit="MiB"),
                Goal("wall", "best", 1.0),
                Goal("cpu", "best", 0.6),
            ],
            **large,
        ),
        Retrieval(
            "W6",
            "500 x 4 KiB at 50 ms round trip",
            500,
            4096,
            [*ours_and_peers, row(RAW, raw=store)],
            [Goal("wall", "mpop", 0.75), Goal("wall", RAW, 1.25)],
            far=True,
        ),
        Retrieval(
            "W6d",
            "the same, deleting",
            500,
            4096,
            [*ours_and_peers, row(RAW, raw=(*store, "delete"))],
            [Goal("wall", "mpop", 0.75), Goal("wall", RAW, 1.25)],
            far=True,
            delete=True,
            drop_of="W6",
        ),
        Logins(
            "W7",
            "1,000 accounts without mail over TLS, one poll of all",
            1000,
            [
                row("mailferry", differs="max_sessions = max_sessions_per_host = 64", at_once=64),
                *map(row, PEERS),
                row(RAW, raw=bare_logins("COUNT", 64)),
            ],
            [Goal("wall", "fetchmail", 1 / 2), Goal("wall", RAW, 1.1), Goal("cpu", RAW, 1.2)],
        ),
        Logins(
            "W7w",
            "100 accounts at 50 ms round trip",
            100,
            [
                row("mailferry", differs="max_sessions = max_sessions_per_host = 128", at_once=128),
                *map(row, PEERS),
                row(RAW, raw=bare_logins("COUNT", 128)),
            ],
            [Goal("wall", "fetchmail", 1 / 50)],
            far=True,
        ),
        Known(),
    ]
