"""The polls during which the power is cut: the maildrop, the settings, and what happened before."""

import hashlib
import zlib


def message(number, octets=0):
    """A message that contains its number, with a different body for each number."""
    head = (
        f"From: a{number}@example.org\r\nTo: jane@home.lan\r\nSubject: number {number}\r\n"
        f"Message-ID: <m{number}@example.org>\r\n"
        f"Date: Sun, 29 Nov 2026 10:00:{number:02} +0000\r\nX-Number: <{number}>\r\n\r\n"
    )
    body, line = "", 0
    while line == 0 or len(body) < octets:
        body += f"line {line} of message {number}\r\n.\r\n"
        line += 1
    return (head + body + f"end of message {number}\r\n").encode()


def unique_id(number):
    return hashlib.sha256(str(number).encode()).hexdigest()[:40]


def counted(number):
    return f"{number:08x}"


def maildrop(numbers, name=unique_id):
    # One is larger than a page, so that it is torn in more ways; one is larger than a buffer.
    sizes = {2: 9_000, 4: 70_000}
    return {name(n): message(n, sizes.get(n, 0)) for n in numbers}


class Scenario:
    retention, sink, hides, later, unrecorded_max = "keep", "maildir", False, False, 64
    refused, code, code_later, exits = (), 0, 0, {0}
    name_of = staticmethod(unique_id)
    before, messages = (), (1, 2, 3, 4)
    retention_before = None
    shows = "fdatasync("  # without this call the poll is not what the scenario is for

    def prepare(self, place):
        """Runs after the poll of `before`."""


class First(Scenario):
    """first poll: nothing is there, not even the state directory"""

    unrecorded_max = 2


class Later(Scenario):
    """later poll: two messages are recorded and still listed, four are new"""

    before, messages, unrecorded_max = (1, 2), (1, 2, 3, 4, 5, 6), 1


class Deletes(Scenario):
    """deletes of what the same session delivered"""

    before, messages, retention = (1,), (2, 3, 4, 5), "delete"


class Counted(Scenario):
    """deletes of what an earlier session delivered, where unique-ids are counters"""

    before, messages, retention_before, retention = (1, 2, 3), (1, 2, 3, 4), "keep", "delete"
    name_of = staticmethod(counted)


class Quarantined(Scenario):
    """an MDA refuses two messages for good: they go to the quarantine"""

    messages, sink, retention, refused, code, code_later, exits = (
        (1, 2, 3, 4),
        "mda",
        "delete",
        (2, 3),
        65,
        65,
        {0, 69},
    )
    shows = "/state/quarantine/new)"


class Parked(Scenario):
    """an MDA defers a message, and the server removes at QUIT what was retrieved: a copy is
    parked
    """

    messages, sink, retention, refused, code, hides, later = (
        (1, 2, 3),
        "mda",
        "delete",
        (2,),
        75,
        True,
        True,
    )
    exits = {0, 75}
    shows = "/state/quarantine/new)"


class Compaction(Scenario):
    """the journal is compacted at the end of the poll"""

    before, messages = (1, 2), (1, 2, 3)
    shows = "/state/seen.journal.new, "

    def prepare(self, place):
        grow(place.disk / "state/seen.journal", 4_200)


def grow(journal, lines):
    """Appends the last state of the account to the journal, again and again: obsolete lines."""
    text = journal.read_bytes()
    last = text.splitlines()[-1]
    crc, sequence, at, words = last.split(b" ", 3)
    crc, sequence, grown = int(crc, 16), int(sequence), []
    assert b" = " in words, f"the journal's last line is not a state: {last}"
    for _ in range(lines):
        sequence += 1
        rest = b"%d %s %s" % (sequence, at, words)
        crc = zlib.crc32(crc.to_bytes(4, "big") + rest)
        grown.append(b"%08x %s\n" % (crc, rest))
    journal.write_bytes(text + b"".join(grown))


ALL = {
    "first": First,
    "later": Later,
    "deletes": Deletes,
    "counted": Counted,
    "quarantine": Quarantined,
    "park": Parked,
    "compaction": Compaction,
}
