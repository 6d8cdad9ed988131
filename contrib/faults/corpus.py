"""Messages that contain their number, and the comparison of delivered messages with those of the
maildrop.
"""

import collections
import random
import re

MARK = re.compile(rb"X-Faults-Id: (\d+)")
FIELD = re.compile(rb"[!-9;-~]+:.*|[ \t]+.*|From .*")


class Message:
    """One message of a maildrop: `octets` is the body of RETR, before dots are stuffed."""

    def __init__(self, number, octets, unique_id=None):
        self.number, self.octets = number, octets
        self.unique_id = unique_id or f"uid{number:05d}"
        self.marked = bool(MARK.search(octets))

    def whole(self):
        """The part that must arrive, with every CRLF as LF, from the mark on if there is one:
        fields may be added on top.
        """
        return from_mark(lf(self.octets))


def lf(octets):
    return octets.replace(b"\r\n", b"\n")


def from_mark(octets):
    found = MARK.search(octets)
    return octets[found.start() :] if found else octets


def message(number, body=None, to="jane@home.lan", lines=40, sender="", top=b""):
    """A plain message. With the null sender no agent has an address to bounce to. `top` goes
    above its header.
    """
    rng = random.Random(number)
    if body is None:
        body = b"".join(
            "".join(rng.choices("abcdefghijklmnopqrstuvwxyz     ", k=60)).strip().encode()
            + b"x\r\n"
            for _ in range(lines)
        )
    head = (
        f"Return-Path: <{sender}>\r\nX-Faults-Id: {number}\r\nFrom: sender@example.org\r\nTo: "
        f"{to}\r\n"
        f"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nSubject: message {number}\r\nMessage-ID: "
        f"<{number}.faults@example.org>\r\n\r\n"
    )
    return Message(number, top + head.encode() + body)


def maildrop(count=5, **changed):
    """This many plain messages; `changed` puts another one in a place, as in m3=Message(...)."""
    found = [changed.get(f"m{number}") or message(number) for number in range(1, count + 1)]
    return found


def same_unmarked(got, whole):
    """A message without header may get fields on top, but then an empty line must separate them
    from its body.
    """
    if got == whole:
        return True
    if not whole.strip():
        return all(not line or FIELD.fullmatch(line) for line in got.split(b"\n"))
    at = len(got) - len(whole) - 1
    return got.endswith(b"\n" + whole) and got[:at].endswith(b"\n")


class Count:
    """The result for each message: how many whole, altered and truncated copies of it arrived."""

    def __init__(self, messages, delivered):
        self.whole, self.altered, self.cut = (
            collections.Counter(),
            collections.Counter(),
            collections.Counter(),
        )
        self.samples = []
        by_number = {one.number: one for one in messages}
        unmarked = [one for one in messages if not one.marked]
        for octets in delivered:
            octets = lf(octets)
            mark = MARK.search(octets)
            if mark and int(mark.group(1)) in by_number:
                one = by_number[int(mark.group(1))]
                got = from_mark(octets)
                same = got == one.whole()
            elif unmarked:
                one, got = unmarked[0], octets
                same = same_unmarked(got, one.whole())
            else:
                self.altered[0] += 1
                self.samples.append(f"a message that was not in the maildrop: {octets[:80]!r}")
                continue
            if same:
                self.whole[one.number] += 1
            elif (
                len(got) < len(one.whole())
                and one.whole().startswith(got.rstrip(b"\n"))
                and one.marked
            ):
                self.cut[one.number] += 1
                self.samples.append(
                    f"{len(got)} of {len(one.whole())} octets of message {one.number} delivered"
                )
            else:
                self.altered[one.number] += 1
                self.samples.append(f"message {one.number} {difference(one.whole(), got)}")

    def copies(self, number):
        return self.whole[number] + self.altered[number]


def difference(whole, got):
    at = next((n for n, (a, b) in enumerate(zip(whole, got)) if a != b), min(len(whole), len(got)))
    near = slice(max(0, at - 10), at + 20)
    return f"differs at octet {at}: {whole[near]!r} became {got[near]!r}"
