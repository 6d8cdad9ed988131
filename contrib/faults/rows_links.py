"""Connections that drop, and agents that are killed."""

from corpus import maildrop, message
from rows import row

PLACES = {
    "header": "in the middle of the header",
    "body": "in the middle of the body",
    "dot": "after the last line, before the dot",
    "after-dot": "after the dot, before its CRLF",
}


def cut(cell, place):
    cell.serve(maildrop(5, m3=message(3, lines=150)), cut={3: place})
    cell.poll(3)
    return cell.verdict()


for place, words in PLACES.items():
    row(
        f"cut-{place}",
        f"the link drops {words} of message 3 of 5, once; three polls, deleting",
        "no part of it is delivered, and all 5 arrive once",
    )(lambda cell, place=place: cut(cell, place))


@row("cut-keep", "as cut-body, keeping", "no part of it is delivered, and all 5 arrive once")
def cut_keep(cell):
    cell.set(retention="keep")
    return cut(cell, "body")


@row(
    "maildir-cut",
    "as cut-body, into a Maildir",
    "no part of it is delivered, and all 5 arrive once",
    sink="maildir",
)
def maildir_cut(cell):
    return cut(cell, "body")


@row("quit-lost", "QUIT commits, and its reply is lost; three polls, deleting", "all 5 arrive once")
def quit_lost(cell):
    cell.serve(maildrop(5), quit_reply=False)
    cell.poll(3)
    return cell.verdict()


def killed(cell, moment=None, mda=None, retention="delete"):
    """Ten messages; the agent is killed and started again, three times. One extra copy is
    allowed: the message under way.
    """
    cell.set(retention=retention)
    cell.serve(maildrop(10))
    if moment:
        cell.server.faults.at[moment] = cell.kill
    if mda:
        cell.sink.exits(kill=mda)
    cell.poll()
    logins = cell.server.logins
    died = not cell.server.faults.at and (not mda or (cell.sink.place / "killed").exists())
    cell.poll(3)
    words = cell.verdict(doubles=1)
    if cell.server.logins == logins:
        # How much was still to come is not significant.
        words = [*(word for word in words if not word.startswith("blocked")), "never started again"]
    return words if died else [*words, "never came to that point"]


KILL = "nothing is lost, at most the one message under way is doubled, and it starts again"
for name, moment, words in (
    ("login", "login", "while it logs in"),
    ("retr", "retr 8", "in the middle of the body of message 8 of 10"),
    ("dele", "dele 5", "at its fifth DELE, before the reply"),
    ("quit", "quit", "at QUIT, after all was delivered and before anything is committed"),
):
    row(f"kill-{name}", f"kill -9 {words}, then three polls, deleting", KILL)(
        lambda cell, moment=moment: killed(cell, moment)
    )


@row(
    "kill-mda",
    "kill -9 while the MDA has message 8 of 10 and has not said so, then three polls, deleting",
    KILL,
)
def kill_mda(cell):
    return killed(cell, mda="8")


@row("kill-keep", "kill -9 at QUIT, then three polls, keeping", KILL)
def kill_keep(cell):
    return killed(cell, "quit", retention="keep")


@row("maildir-kill", "as kill-retr, into a Maildir", KILL, sink="maildir")
def maildir_kill(cell):
    return killed(cell, "retr 8")
