"""Messages with another size than announced, and line ends that change from reply to reply."""

from corpus import maildrop, message
from rows import row

PIPELINED = ["UIDL", "TOP", "USER", "PIPELINING"]
FORGED = b"X-Faults-Id: 4\r\nSubject: forged\r\n\r\nforged\r\n"


def handed(cell, polls=4, **faults):
    cell.serve(maildrop(5), **faults)
    cell.poll(polls)
    return cell.verdict(wanted={1, 2, 4, 5})


@row(
    "octets-cut",
    "half of message 3 of 5 comes, with a proper final dot; four polls, deleting",
    "the others are delivered once; message 3 stays on the server, whatever was delivered of it",
)
def cut(cell):
    half = lambda body: b"+OK\r\n" + body[: body.index(b"\r\n", len(body) // 2) + 2] + b".\r\n"
    return [word for word in handed(cell, replies={3: half}) if word != "cut-off delivered"]


@row(
    "octets-emptied",
    "message 3 of 5 comes without its body, with a proper final dot; four polls, deleting",
    "the others are delivered once; message 3 stays on the server, whatever was delivered of it",
)
def emptied(cell):
    head = lambda body: b"+OK\r\n" + body[: body.index(b"\r\n\r\n") + 4] + b".\r\n"
    return [word for word in handed(cell, replies={3: head}) if word != "cut-off delivered"]


@row(
    "octets-announced",
    "`+OK` to every RETR announces ten octets; three polls, deleting",
    "all 5 are delivered once and whole, and deleted",
)
def announced(cell):
    cell.serve(
        maildrop(5),
        replies={n: lambda body: b"+OK 10 octets\r\n" + body + b".\r\n" for n in range(1, 6)},
    )
    cell.poll(3)
    return cell.verdict() + cell.left(range(1, 6))


@row(
    "octets-glued",
    "the final dot of message 3 of 5 has no line end, so the next reply is glued to it, with "
    "PIPELINING; four polls, deleting",
    "the others are delivered once, and nothing is delivered with another glued to it",
)
def glued(cell):
    return handed(
        cell, capa=PIPELINED, patience_s=15, replies={3: lambda body: b"+OK\r\n" + body + b"."}
    )


@row(
    "octets-forged",
    "message 3 of 5 holds a dot that is not doubled, `+OK` and a header, with PIPELINING; four "
    "polls, deleting",
    "the others are delivered once, and the forged text is none of them",
)
def forged(cell):
    return handed(
        cell,
        capa=PIPELINED,
        replies={
            3: lambda body: b"+OK\r\nX-Faults-Id: 3\r\n\r\nx\r\n.\r\n+OK\r\n" + FORGED + b".\r\n"
        },
    )


@row(
    "lines-lf-status",
    "the status line of every RETR ends in LF, all else in CRLF; two polls, deleting",
    "all 5 are delivered once and whole",
)
def status(cell):
    cell.serve(
        maildrop(5), replies={n: lambda body: b"+OK\n" + body + b".\r\n" for n in range(1, 6)}
    )
    cell.poll(2)
    return cell.verdict()


@row(
    "lines-lf-lists",
    "the lines of UIDL, LIST and CAPA end in LF, all else in CRLF; two polls, deleting",
    "all 5 are delivered once and whole",
)
def lists(cell):
    cell.serve(maildrop(5), lists_in_lf=True)
    cell.poll(2)
    return cell.verdict()


@row(
    "lines-lf-body",
    "the lines of every message end in LF, its dot too, all else in CRLF; two polls, deleting",
    "all 5 are delivered once and whole",
)
def lf_body(cell):
    cell.serve(
        maildrop(5),
        replies={
            n: lambda body: b"+OK\r\n" + body.replace(b"\r\n", b"\n") + b".\n" for n in range(1, 6)
        },
    )
    cell.poll(2)
    return cell.verdict()


@row(
    "lines-lf-greeting",
    "the greeting ends in LF, all else in CRLF, and message 3 of 5 has LF . CRLF inside; two "
    "polls, deleting",
    "all 5 are delivered once and whole",
)
def lf_greeting(cell):
    odd = message(3, body=b"before\n.\r\nMIDDLE\r\nafter\r\n")
    cell.serve(maildrop(5, m3=odd), greeting=b"+OK faults ready\n")
    cell.poll(2)
    return cell.verdict()
