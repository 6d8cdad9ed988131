"""Deterministic messages, the maildrops that contain them, and the messages that must arrive."""

import base64
import collections
import hashlib
import os
import random
import shutil
import subprocess

FIRST_DATE = 1_000_000_000


def head(number, octets):
    """About 1 KiB of fields if there is room for them. Checked from X-Bench-Id on, so that an
    agent may add fields above.
    """
    fields = [
        f"Return-Path: <sender{number % 97}@example.org>",
        f"Received: from mx{number % 9}.example.org by pop.example.org; Mon, 23 Nov 2026 12:00:00 "
        f"+0000",
        f"X-Bench-Id: {number}",
        f"From: Sender {number % 97} <sender{number % 97}@example.org>",
        "To: jane@home.lan",
        f"Subject: message {number}",
        f"Message-ID: <{number}.bench@example.org>",
        "Date: Mon, 23 Nov 2026 12:00:00 +0000",
    ]
    if octets >= 2048:
        # getmail folds longer lines, and would seem to have altered the message.
        fields += [f"X-Filler-{at}: {'abcdefgh' * 6}" for at in range(10)]
    return "\n".join(fields) + "\n\n"


def text(number, octets):
    """Text of about this size: some lines begin with a dot or with From, some are empty."""
    rng = random.Random(number)
    octets += rng.randint(-octets // 7, octets // 7)
    pool = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz      .", k=2000))
    lines = [head(number, octets)]
    size = len(lines[0])
    while size < octets:
        at = rng.randrange(1900)
        line = pool[at : at + rng.randint(0, 76)].strip()
        line = (
            {0: ".", 1: "From here on ", 2: "..", 3: ""}.get(rng.randint(0, 40), "") + line + "\n"
        )
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()


def attachment(number, octets):
    """Base64 of this size, as most large messages are."""
    raw = random.Random(number).randbytes(octets * 57 // 77)
    return head(number, octets).encode() + base64.encodebytes(raw)


def message(number, octets):
    return text(number, octets) if octets < 100_000 else attachment(number, octets)


def digest(chunks):
    """The digest of everything from X-Bench-Id on, for any line ends. Takes chunks, of which the
    first contains that field.
    """
    found, sha = False, hashlib.sha256()
    for chunk in chunks:
        if not found:
            at = chunk.find(b"X-Bench-Id:")
            if at < 0:
                return "no X-Bench-Id"
            chunk, found = chunk[at:], True
        sha.update(chunk.replace(b"\r", b""))
    return sha.hexdigest()


def digest_of_file(path):
    with open(path, "rb") as file:
        return digest(iter(lambda: file.read(1 << 20), b""))


class Maildrop:
    """A Maildir that the server shows to one user."""

    def __init__(self, drops, user):
        self.path, self.user = drops / user, user
        self.digests, self.octets = collections.Counter(), 0

    @classmethod
    def filled(cls, drops, user, count, octets, first=1):
        drop = cls.empty(drops, user)
        for number in range(first, first + count):
            drop.add(number, octets)
        drop.give()
        return drop

    @classmethod
    def empty(cls, drops, user):
        drop = cls(drops, user)
        for folder in ("cur", "new", "tmp"):
            (drop.path / folder).mkdir(parents=True)
        return drop

    def add(self, number, octets):
        """The sizes are in the name, and the name is in the order of arrival."""
        body = message(number, octets)
        wire = len(body) + body.count(b"\n")
        name = f"{FIRST_DATE + number}.M{number}.bench,S={len(body)},W={wire}:2,"
        (self.path / "cur" / name).write_bytes(body)
        self.digests[digest([body])] += 1
        self.octets += wire

    def copy(self, drops, user):
        """The same messages for another user, for an agent that deletes: links, which only the
        server removes.
        """
        other = Maildrop(drops, user)
        shutil.copytree(
            self.path, other.path, copy_function=os.link, ignore=shutil.ignore_patterns("dovecot*")
        )
        other.digests, other.octets = self.digests, self.octets
        other.give()
        return other

    def left(self):
        return sum(len(os.listdir(self.path / folder)) for folder in ("cur", "new"))

    def give(self):
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", "nobody:nogroup", self.path], check=True)
