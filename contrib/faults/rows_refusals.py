"""Programs that refuse: by exit code, for one message or for all."""

from corpus import maildrop
from rows import row


@row(
    "mda-75",
    "the MDA exits 75 for message 3 of 5; five polls, then it accepts, and polls until it has it; "
    "deleting",
    "the others are delivered at once and once, message 3 when the MDA accepts",
)
def tempfail(cell):
    cell.serve(maildrop(5))
    cell.sink.exits(m3=75)
    cell.poll(5)
    words = cell.verdict(wanted={1, 2, 4, 5})
    cell.sink.exits()
    cell.later(lambda: cell.arrived(3))
    return words or cell.verdict()


@row(
    "mda-75-keep",
    "as mda-75, keeping",
    "the others are delivered at once and once, message 3 when the MDA accepts",
)
def tempfail_keep(cell):
    cell.set(retention="keep")
    return tempfail(cell)


@row(
    "mda-75-hides",
    "as mda-75, at a server that says EXPIRE 0 and hides what was retrieved",
    "all are delivered once, message 3 when the MDA accepts",
)
def hides(cell):
    cell.set(retention="keep")
    cell.serve(maildrop(5), hides=True, capa=["UIDL", "TOP", "USER", "EXPIRE 0"])
    cell.sink.exits(m3=75)
    cell.poll(2)
    cell.sink.exits()
    cell.later(lambda: cell.arrived(3))
    return cell.verdict()


def refused(cell, code):
    """A message that is refused for good: one more try is acceptable, endless ones are not."""
    cell.serve(maildrop(5))
    cell.sink.exits(m3=code)
    cell.poll(5)
    words, tries = cell.verdict(wanted={1, 2, 4, 5}), cell.sink.tries()[3]
    if tries > 2:
        words.append(f"tried {tries} times")
        cell.details.append(
            f"message 3 was given to the MDA in each of {tries} polls; exit codes {cell.codes}"
        )
    elif not tries:
        words.append("never tried")
    return words


GOOD = "the others are delivered once; message 3 is not deleted, and not tried in every poll"


@row("mda-65", "the MDA exits 65 (bad data) for message 3 of 5; five polls, deleting", GOOD)
def bad_data(cell):
    return refused(cell, 65)


@row("mda-100", "the MDA exits 100 (qmail: never) for message 3 of 5; five polls, deleting", GOOD)
def never(cell):
    return refused(cell, 100)


@row(
    "mda-67",
    "the MDA exits 67 (no such user) for all; three polls, then it accepts; deleting",
    "nothing is lost, and all 5 are delivered once when the user exists",
)
def no_user(cell):
    cell.serve(maildrop(5))
    cell.sink.exits(all=67)
    cell.poll(3)
    words = cell.verdict(wanted=())
    cell.sink.exits()
    cell.later(cell.arrived)
    return words or cell.verdict()


@row(
    "mda-missing",
    "the MDA's file is not there for three polls, then it is; deleting",
    "nothing is lost, each of the three polls exits with a code that tells, and all 5 are "
    "delivered once when it is there",
)
def missing(cell):
    cell.serve(maildrop(5))
    cell.sink.program.unlink()
    cell.poll(3)
    words = cell.verdict(wanted=())
    if 0 in cell.codes:
        words.append("exit 0")
        cell.details.append(f"exit codes {cell.codes} while nothing could be delivered")
    cell.sink.install()
    cell.later(cell.arrived)
    return words + cell.verdict()
