"""Odd messages. Each is between two plain ones; three polls, deleting."""

from corpus import Message, maildrop, message
from rows import row

BODIES = {
    "long-line": ("a line of 20,000 octets", b"before\r\n" + b"x" * 20000 + b"\r\nafter\r\n"),
    "nul": ("a NUL in a line", b"be\0fore\r\nafter\r\n"),
    "bare-cr": ("a bare CR in a line", b"be\rfore\r\nafter\r\n"),
    "bare-lf": ("a bare LF in a line", b"be\nfore\r\nafter\r\n"),
    "lf-dot-lf": ("LF . LF inside, which ends nothing", b"before\n.\nMIDDLE\r\nafter\r\n"),
    "dots": ("lines of one, two and three dots", b".\r\n..\r\n...\r\n.x\r\n\r\n.\r\n"),
    "8bit": ("octets above 127 that are no UTF-8", b"caf\xe9 \xff\xfe\r\nafter\r\n"),
    "from-line": ("a line that begins with From", b"\r\nFrom here on\r\n>From there\r\n"),
}
GOOD = "all 3 are delivered once, and not altered but for fields on top"


def between(cell, odd):
    cell.serve(maildrop(3, m2=odd))
    cell.poll(3)
    return cell.verdict()


for name, (words, body) in BODIES.items():
    row(f"content-{name}", f"a message with {words}", GOOD)(
        lambda cell, body=body: between(cell, message(2, body=body))
    )


@row("content-no-header", "a message without any header field", GOOD)
def no_header(cell):
    return between(cell, Message(2, b"this line is no field\r\nand this is none\r\n"))


@row("content-empty", "a message of no octets", GOOD)
def empty(cell):
    return between(cell, Message(2, b""))


@row("content-to", "a message with `To: joe`", GOOD)
def to(cell):
    return between(cell, message(2, to="joe"))
