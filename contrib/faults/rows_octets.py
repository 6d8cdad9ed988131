"""Messages that are handed out otherwise than announced, and line ends that change from reply to reply."""

from corpus import maildrop
from rows import row

PIPELINED = ["UIDL", "TOP", "USER", "PIPELINING"]
FORGED = b"X-Faults-Id: 4\r\nSubject: forged\r\n\r\nforged\r\n"


def handed(cell, polls=4, **faults):
    cell.serve(maildrop(5), **faults)
    cell.poll(polls)
    return cell.verdict(wanted={1, 2, 4, 5})


@row("octets-cut", "half of message 3 of 5 comes, with a proper final dot; four polls, deleting",
     "the others are delivered once; message 3 stays on the server, whatever was delivered of it")
def cut(cell):
    half = lambda body: b"+OK\r\n" + body[: body.index(b"\r\n", len(body) // 2) + 2] + b".\r\n"
    return [word for word in handed(cell, replies={3: half}) if word != "cut-off delivered"]


@row("octets-forged", "message 3 of 5 holds a dot that is not doubled, `+OK` and a header, with PIPELINING; four polls, deleting",
     "the others are delivered once, and the forged text is none of them")
def forged(cell):
    return handed(cell, capa=PIPELINED, replies={3: lambda body: b"+OK\r\nX-Faults-Id: 3\r\n\r\nx\r\n.\r\n+OK\r\n" + FORGED + b".\r\n"})


@row("lines-lf-status", "the status line of every RETR ends in LF, all else in CRLF; two polls, deleting", "all 5 are delivered once and whole")
def status(cell):
    cell.serve(maildrop(5), replies={n: lambda body: b"+OK\n" + body + b".\r\n" for n in range(1, 6)})
    cell.poll(2)
    return cell.verdict()


@row("lines-lf-lists", "the lines of UIDL, LIST and CAPA end in LF, all else in CRLF; two polls, deleting", "all 5 are delivered once and whole")
def lists(cell):
    cell.serve(maildrop(5), lists_in_lf=True)
    cell.poll(2)
    return cell.verdict()
