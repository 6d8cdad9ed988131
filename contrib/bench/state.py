"""What each agent must know of a maildrop to have seen it, in its own format.

mailferry earns its records by a real first poll of everything. The peers' files are written here as
they write them, which a poll of a hundred thousand messages by each would take an hour to do.
"""

import poplib
import shutil
import time

import agents
import measure


class States:
    """The files of each agent, to copy into the directory of a run."""

    def __init__(self, place):
        self.place = place

    def into(self, run_place, agent):
        source = self.place / agent
        if source.exists():
            shutil.copytree(source, run_place, dirs_exist_ok=True)
        return run_place


def unique_ids(server, user):
    poplib._MAXLINE = 1 << 16
    client = poplib.POP3(server.address, server.plain)
    client.user(user)
    client.pass_("secret")
    ids = [line.split(b" ", 1)[1].decode() for line in client.uidl()[1]]
    client.quit()
    return ids


def seeded(bench, drop, count):
    """The state of every agent after it has seen all present messages of the maildrop."""
    server, user, place = bench.near, drop.user, bench.new_place("seed")
    ids = unique_ids(server, user)
    if len(ids) != count:
        raise SystemExit(f"bench: {len(ids)} of {count} messages are listed")
    ran = earned(bench, agents.mailferry, place, user, count)
    print(
        f"W8: mailferry's records are those of its own first poll of {count} messages "
        f"({ran.wall:.1f} s); the peers' are written for them"
    )
    now = int(time.time())
    files = {
        "fetchmail/ids": "".join(f"{user}@{server.address} {one}\n" for one in ids),
        f"mpop/uidls-{user}": f" {count} {server.address} {user}\n"
        + "".join(f"{one}\n" for one in sorted(ids)),
        f"fdm/cache-{user}": "".join(f"{len(one)} {one}\n" for one in ids),
        f"getmail/oldmail-{server.address}-{server.plain}-{user}": "".join(
            f"{one}\0{now}\n" for one in ids
        ),
    }
    states = States(place / "states")
    for name, text in files.items():
        path = states.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    shutil.copytree(place / "state", states.place / "mailferry/state")
    if bench.against:
        place = bench.new_place("seed-before")
        earned(bench, agents.before, place, user, count)
        shutil.copytree(place / "state", states.place / agents.BEFORE / "state")
    return states


def earned(bench, agent, place, user, count):
    """A first poll of everything, which leaves the agent's records in `place`."""
    job = agents.Job(
        place, place / "out", bench.near.address, bench.near.plain, [user], programs=bench.programs
    )
    told = agent(job)
    bench.give(place)
    ran = measure.run(told.command, told.environment, place / "log")
    if ran.problem:
        raise SystemExit(f"bench: the first poll of {count} messages went wrong: {ran.problem}")
    return ran
