"""Fifty honest accounts: their maildrops, the destinations of their mail, and when it arrived."""

import asyncio
import hashlib
import os
import random
import time

from pop3 import Pop3

ACCOUNTS = 50
LARGE_EVERY = 40  # one message in this many goes to a file of the spool


class Honest(Pop3):
    """A maildrop of one account."""

    def __init__(self, name, number):
        super().__init__()
        self.name, self.count = name, 0
        self.retention = ("keep", "delete")[number % 2]
        self.kind = ("maildir", "mda", "relay")[number % 3]
        if number % 5 == 0:
            self.capabilities = (b"UIDL", b"USER")


class Expected:
    """A message on a server, and its arrival."""

    def __init__(self, octets):
        self.added, self.octets, self.digest = (
            time.monotonic(),
            len(octets),
            digest(octets.replace(b"\r\n", b"\n")),
        )
        self.seconds, self.copies = None, 0


def digest(octets):
    return hashlib.sha256(octets).digest()


class Mail:
    """All honest mail: sent and arrived messages, by their name ACCOUNT.NUMBER."""

    def __init__(self, seed):
        self.random, self.sent, self.waiting, self.altered = random.Random(seed), {}, {}, []

    def add(self, server):
        server.count += 1
        name = f"{server.name}.{server.count}"
        octets = (
            self.random.randrange(2 << 20, 3 << 20)
            if self.random.randrange(LARGE_EVERY) == 0
            else self.random.randrange(16 << 10)
        )
        line = b"." * self.random.randrange(3) + name.encode() + b" says: so it goes\r\n"
        message = (
            f"From: {server.name}@example.org\r\nTo: {server.name}@home.lan\r\nSubject: message "
            f"{name}\r\n"
            f"Message-ID: <{name}@example.org>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\nX-Soak: "
            f"{name}\r\n\r\n"
        ).encode() + line * (octets // len(line) + 1)
        self.sent[name] = self.waiting[name] = Expected(message)
        server.messages[f"{server.count:08x}{digest(name.encode()).hex()[:16]}"] = message

    def arrived(self, octets):
        """Notes a delivered message, which has fields on top."""
        start = octets.find(b"X-Soak: ")
        name = (
            octets[start + 8 : octets.find(b"\n", start)].decode("latin-1") if start >= 0 else "?"
        )
        expected = self.sent.get(name)
        if expected is None:
            self.altered.append(name)
            return
        expected.copies += 1
        # Without the fields on top: the message begins with its From field.
        if digest(octets[octets.find(b"From: ") :]) != expected.digest:
            self.altered.append(name)
        if expected.seconds is None:
            expected.seconds = time.monotonic() - expected.added
            del self.waiting[name]

    def oldest(self):
        """The longest time that a message has waited."""
        return max(
            (time.monotonic() - expected.added for expected in self.waiting.values()), default=0.0
        )

    def collect(self, folder):
        """Removes the files in `new` of a Maildir, as its reader does."""
        try:
            entries = list(os.scandir(folder / "new"))
        except FileNotFoundError:
            return
        for entry in entries:
            with open(entry.path, "rb") as file:
                self.arrived(file.read())
            os.unlink(entry.path)


class Relay:
    """Accepts everything."""

    def __init__(self, mail):
        self.mail = mail

    async def listen(self, host):
        server = await asyncio.start_server(self.meet, host, 0, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        return self

    async def meet(self, reader, writer):
        try:
            writer.write(b"220 relay\r\n")
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    writer.write(b"354 go\r\n")
                    lines = []
                    while (line := await reader.readline()) != b".\r\n":
                        if not line:
                            return
                        lines.append(line[1:] if line.startswith(b".") else line)
                    self.mail.arrived(b"".join(lines).replace(b"\r\n", b"\n"))
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                await writer.drain()
                if verb == b"QUIT":
                    return
        except OSError:
            pass
        finally:
            writer.close()
