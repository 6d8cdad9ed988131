"""Odd answers to one command: they may affect the message that they answer, and no other."""

import re

from corpus import maildrop
from rows import row

ANSWERS = {
    "empty-line": "an empty line and nothing more",
    "words": "words that are neither `+OK` nor `-ERR`",
    "blank-first": "an empty line, and then as it should be",
    "hang-up": "nothing, and the link drops",
    "err-hang-up": "`-ERR`, and the link drops",
    "plus": "`+`, which is no answer to it",
    "two-replies": "its reply twice",
    "line-too-many": "its reply and one line more",
}
OTHERS = {1, 2, 4, 5}
PIPELINED = ["UIDL", "TOP", "USER", "PIPELINING"]


def answered(cell, verb, answer, **faults):
    cell.serve(maildrop(5), odd={(verb, 3): answer}, **faults)
    cell.poll(4)
    # Message 3 must only be neither lost nor taken for another.
    return cell.verdict(wanted=OTHERS) + cell.left(OTHERS)


for name, words in ANSWERS.items():
    row(
        f"odd-retr-{name}",
        f"RETR of message 3 of 5 is answered with {words}; four polls, deleting",
        "the others are delivered once, and deleted",
    )(lambda cell, name=name: answered(cell, "RETR", name))
    row(
        f"odd-piped-{name}",
        f"as odd-retr-{name}, at a server that announces PIPELINING",
        "the others are delivered once, and deleted",
    )(lambda cell, name=name: answered(cell, "RETR", name, capa=PIPELINED))
    row(
        f"odd-dele-{name}",
        f"DELE of message 3 of 5 is answered with {words}; four polls, deleting",
        "all 5 are delivered once, and the others are deleted",
    )(lambda cell, name=name: answered(cell, "DELE", name) or cell.verdict())


PROOFS = {
    "refused": ("UIDL of one message is refused", {"UIDL": "refused"}),
    "whole": ("UIDL of one message is answered with the whole listing", {"UIDL": "whole-listing"}),
    "other": ("UIDL of one message is answered for another message", {"UIDL": "other-number"}),
    "words": (
        "UIDL of one message is answered with words after the unique-id",
        {"UIDL": "more-words"},
    ),
    "stat": (
        "UIDL and LIST of one message are refused, and STAT is answered with `+OK` alone",
        {"UIDL": "refused", "LIST": "refused", "STAT": "nothing"},
    ),
    "total": (
        "UIDL and LIST of one message are refused, and STAT counts other messages",
        {"UIDL": "refused", "LIST": "refused", "STAT": "other-total"},
    ),
}


def proven(cell, proofs):
    cell.serve(maildrop(5), proofs=proofs, capa=PIPELINED)
    cell.poll(4)
    return cell.verdict() + cell.left({1, 2, 3, 4, 5})


for name, (words, proofs) in PROOFS.items():
    row(
        f"odd-proof-{name}",
        f"{words}, at a server that announces PIPELINING; four polls, deleting",
        "all 5 are delivered once, and deleted",
    )(lambda cell, proofs=proofs: proven(cell, proofs))


@row(
    "odd-no-uidl-cut",
    "-ERR to UIDL, and the link drops inside message 3 of 8 each time; four polls, deleting",
    "the others are delivered once, and deleted",
    settings="fetchmail: `no uidl`; fdm: `no-uidl`",
)
def no_uidl_cut(cell):
    cell.set(no_uidl=True)
    cell.serve(maildrop(8), uidl_err=True, capa=["TOP", "USER"], cut={3: "body"}, cut_always=True)
    cell.poll(4)
    others = {1, 2, 4, 5, 6, 7, 8}
    return cell.verdict(wanted=others) + cell.left(others)


@row(
    "odd-no-unique-id",
    "UIDL has no line for message 3 of 5; three polls, deleting",
    "the others are delivered once, and deleted; message 3 is delivered once, or the exit code is "
    "not 0",
)
def no_unique_id(cell):
    cell.serve(maildrop(5), uidl_line={3: lambda n: None})
    cell.poll(3)
    words = cell.verdict(wanted=OTHERS) + cell.left(OTHERS)
    return words + (["exit 0"] if 0 in cell.codes and not cell.arrived(3) else [])


@row(
    "odd-locked",
    "the login is refused because the maildrop is locked, then because the password is wrong, "
    "then let in; a poll each",
    "the exit codes of the refusals differ, none is 0, and all 3 are delivered once",
)
def locked(cell):
    cell.serve(
        maildrop(3), no_login=True, login_refusal="-ERR maildrop already locked, try again later"
    )
    cell.poll()
    cell.server.faults.login_refusal = "-ERR wrong password"
    cell.poll()
    words = ["exit 0"] if 0 in cell.codes else []
    words += ["taken for a wrong password"] if cell.codes[0] == cell.codes[1] else []
    cell.details += [f"exit codes {cell.codes}"] if words else []
    cell.server.faults.no_login = False
    cell.poll()
    return words + cell.verdict()


@row(
    "odd-empty-reason",
    "the password is refused with `-ERR` and nothing more; one poll",
    "the exit code is not 0, and the output says that it was the login",
)
def empty_reason(cell):
    cell.serve(maildrop(1), no_login=True, login_refusal="-ERR")
    cell.poll()
    said = re.search(
        rb"login|log in|authoriz|authentic|credential|password|\bPASS\b",
        cell.output(),
        re.IGNORECASE,
    )
    return (["exit 0"] if cell.codes == [0] else []) + ([] if said else ["not said"])
