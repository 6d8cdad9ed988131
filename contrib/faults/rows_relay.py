"""Relays that refuse or are unreachable. Messages have the null sender, so no bounce leaves the
machine.
"""

from corpus import maildrop
from rows import row


@row(
    "relay-down",
    "nothing answers on the relay's port for three polls, then it does; deleting",
    "nothing is lost, and all 5 are relayed once when it is there",
    sink="relay",
)
def down(cell):
    cell.set(relay_down=True)
    cell.serve(maildrop(5))
    cell.poll(3)
    words = cell.verdict(wanted=())
    cell.sink.up()
    cell.later(cell.arrived)
    return words or cell.verdict()


@row(
    "relay-down-logins",
    "nothing answers on the relay's port for 12 intervals of one second",
    "at most 2 logins",
    sink="relay",
    settings=(
        'a daemon polls every second (mailferry: `poll_every = "1s"`, fetchmail: `-d 1`); '
        "the others poll 12 times"
    ),
)
def storm(cell):
    cell.set(relay_down=True)
    cell.serve(maildrop(5))
    cell.intervals(12)
    words, logins = cell.verdict(wanted=()), cell.server.logins
    return words + (["more than 2 logins"] if logins > 2 else [])


def replied(cell, reply, later=True):
    cell.serve(maildrop(5))
    cell.sink.replies = {3: reply}
    cell.poll(3)
    words, tries = cell.verdict(wanted={1, 2, 4, 5}), cell.sink.tries()[3]
    if not later:
        return words + ([f"tried {tries} times"] if tries > 2 else [])
    cell.sink.replies = {}
    cell.later(lambda: cell.arrived(3))
    return words or cell.verdict()


@row(
    "relay-4xx",
    "the relay says 451 to message 3 of 5 for three polls, then accepts; deleting",
    "the others are relayed once, message 3 when it is accepted",
    sink="relay",
)
def later(cell):
    return replied(cell, "451 not now")


GOOD = "the others are relayed once; message 3 is not deleted, and not tried in every poll"


@row("relay-5xx", "the relay says 554 to message 3 of 5; three polls, deleting", GOOD, sink="relay")
def never(cell):
    return replied(cell, "554 5.7.1 spam", later=False)


@row(
    "relay-552",
    "the relay says 552 (too large) to message 3 of 5; three polls, deleting",
    GOOD,
    sink="relay",
)
def too_large(cell):
    return replied(cell, "552 5.3.4 too large", later=False)


@row(
    "relay-all-5xx",
    "the relay says 554 to all of 12 messages for three polls, then accepts; deleting",
    "nothing is lost, and all 12 are relayed once when it accepts",
    sink="relay",
)
def ill(cell, polls=lambda cell: cell.poll(3), grows=()):
    cell.serve(maildrop(12) if not grows else [], grows=list(grows))
    cell.sink.all = "554 5.7.1 go away"
    polls(cell)
    words = cell.verdict(wanted=())
    cell.sink.all = None
    cell.later(cell.arrived)
    return words or cell.verdict()


@row(
    "relay-all-5xx-run",
    "as relay-all-5xx, but for 8 intervals of one second",
    "nothing is lost, and all 12 are relayed once when it accepts",
    sink="relay",
    settings="daemons as in relay-down-logins, and single polls after that",
)
def ill_daemon(cell):
    return ill(cell, lambda cell: cell.intervals(8))


@row(
    "relay-slow-5xx",
    "the relay says 554 to all for six polls, and one new message arrives before each; then it "
    "accepts; deleting",
    "nothing is lost, and all 6 are relayed once when it accepts",
    sink="relay",
)
def ill_slowly(cell):
    return ill(cell, lambda cell: cell.poll(6), maildrop(6))


@row(
    "relay-slow-5xx-run",
    "as relay-slow-5xx, but for 10 intervals of one second",
    "nothing is lost, and all that came are relayed once when it accepts",
    sink="relay",
    settings="daemons as in relay-down-logins, and single polls after that",
)
def ill_slowly_daemon(cell):
    return ill(cell, lambda cell: cell.intervals(10), maildrop(6))


@row(
    "relay-kill",
    "kill -9 after the relay took message 8 of 10 and before its reply, then up to three polls, "
    "deleting",
    "nothing is lost, at most the one message under way is doubled, and it starts again",
    sink="relay",
)
def killed(cell):
    cell.serve(maildrop(10))
    cell.sink.at_dot[8] = cell.kill
    cell.poll()
    logins = cell.server.logins
    cell.later(cell.emptied)
    words = cell.verdict(doubles=1)
    return words + (["never started again"] if cell.server.logins == logins else [])
