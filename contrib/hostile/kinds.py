"""Fifty hostile accounts: servers that are slow, send too much, hang, lie and vanish, and such
destinations and passwords.

They run in a separate process, so that their load does not delay the honest servers.
"""

import asyncio
import socket

from pop3 import Gone, Pop3

SMALL = 20  # messages of a hostile maildrop that serves them


def mail(name, body=b"hostile\r\n"):
    return b"From: h@example.org\r\nSubject: hostile " + str(name).encode() + b"\r\n\r\n" + body


class Serves(Pop3):
    """Some ordinary messages: its destination or its password is hostile."""

    def __init__(self, count=SMALL):
        super().__init__()
        self.messages = {f"{self.__class__.__name__.lower()}{n:08x}": mail(n) for n in range(count)}


class DripsBody(Serves):
    async def retr(self, link, octets):
        await link.say(b"+OK\r\nSubject: x\r\n\r\n")
        await link.drip(b"y")


class DripsListing(Serves):
    async def uidl(self, link, table):
        await link.say(b"+OK\r\n")
        number = 0
        while True:
            number += 1
            await link.say(b"%d drip%08x\r\n" % (number, number))
            await asyncio.sleep(1)


class DripsStatus(Serves):
    async def capa(self, link):
        await link.drip(b"+OK"[self.sessions % 3 :][:1])


class NeverGreets(Serves):
    async def greet(self, link):
        await link.hang()


class NeverAccepts(Serves):
    """Its queue of connections is full."""

    async def listen(self, host):
        self.socket = socket.socket()
        self.socket.bind((host, 0))
        self.socket.listen(0)
        self.host, self.port = self.socket.getsockname()
        self.filling = []
        for _ in range(4):
            link = socket.socket()
            link.setblocking(False)
            link.connect_ex((self.host, self.port))
            self.filling.append(link)
        return self


class EndlessStatus(Serves):
    async def log_in(self, link):
        await link.say(b"+OK ")
        await link.flood(b"x" * 65536)


class EndlessCapa(Serves):
    async def capa(self, link):
        await link.say(b"+OK\r\n")
        await link.flood(b"X-CAPABILITY of ours\r\n" * 1000, 0.01)


class EndlessUidl(Serves):
    """Lines that do not belong in a listing, and so count as no message."""

    async def uidl(self, link, table):
        await link.say(b"+OK\r\n")
        await link.flood(b"what is this\r\n" * 1000, 0.01)


class EndlessList(Serves):
    async def list(self, link, table):
        await link.say(b"+OK\r\n")
        await link.flood(b"1 1000\r\n" * 1000, 0.01)


class LongLines(Serves):
    async def uidl(self, link, table):
        await link.say(b"+OK\r\n1 ")
        await link.flood(b"x" * 65536, 0.01)


class BlankLines(Serves):
    async def log_in(self, link):
        await link.flood(b"\r\n" * 1000, 0.01)


class Gibberish(Serves):
    async def uidl(self, link, table):
        await link.flood(bytes(range(256)) * 100, 0.01)


class HangsInBody(Serves):
    async def retr(self, link, octets):
        await link.say(b"+OK\r\nSubject: x\r\n\r\nand then")
        await link.hang()


class SilentAfterQuit(Serves):
    async def quit(self, link):
        await link.hang()


class HangsUpAtGreeting(Serves):
    async def greet(self, link):
        raise Gone


class HangsUpAtLogin(Serves):
    async def log_in(self, link):
        raise Gone


class HangsUpInListing(Serves):
    async def uidl(self, link, table):
        await link.say(b"+OK\r\n1 a\r\n2 ")
        raise Gone


class HangsUpInBody(Serves):
    async def retr(self, link, octets):
        await link.say(b"+OK\r\nSubject: x\r\n\r\nand then")
        raise Gone


class HangsUpAtQuit(Serves):
    async def quit(self, link):
        raise Gone


class RefusesLogin(Serves):
    async def log_in(self, link):
        await link.say(b"-ERR no\r\n")


class RefusesMessages(Serves):
    def __init__(self):
        super().__init__(2_000)

    async def retr(self, link, octets):
        await link.say(b"-ERR not now\r\n")


class EndlessBody(Serves):
    """Announces little and sends without end, some five MiB a second."""

    async def retr(self, link, octets):
        await link.say(b"+OK\r\nSubject: x\r\n\r\n")
        await link.flood(b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 1000, 0.014)


class EndlessHeader(Serves):
    """A message with a header of 16 MiB, with another unique-id in each session."""

    async def log_in(self, link):
        self.messages = {f"header{self.sessions:06x}": mail(self.sessions)}
        await super().log_in(link)

    async def retr(self, link, octets):
        await link.say(b"+OK\r\n")
        for _ in range(256):
            await link.say(b"Received: from x by y; Mon, 30 Nov 2026 01:02:03 +0000\r\n" * 1170)
        await link.say(b"\r\nbody\r\n.\r\n")


class Renames(Serves):
    """The same messages with other unique-ids in each session."""

    def __init__(self):
        super().__init__(300)

    async def log_in(self, link):
        bodies = list(self.messages.values())
        self.messages = {
            f"r{self.sessions:05x}-{n:05x}-of-renames": body for n, body in enumerate(bodies)
        }
        await super().log_in(link)


class Huge(Pop3):
    """A listing of very many messages. `scale` divides them for a short run."""

    count, octets_each, scale = 400_000, 1_000, 1

    def __init__(self):
        super().__init__()
        self.entries = self.count // self.scale
        self.rows = b"".join(self.row(n) for n in range(1, self.entries + 1))
        self.sizes = b"".join(
            b"%d %d\r\n" % (n, self.octets_each) for n in range(1, self.entries + 1)
        )

    def row(self, number):
        return b"%d huge%012x\r\n" % (number, number)

    def octets(self, number, name):
        return mail(number)

    async def uidl(self, link, table):
        for part in (b"+OK\r\n", self.rows, b".\r\n"):
            await link.say(part)

    async def list(self, link, table):
        for part in (b"+OK\r\n", self.sizes, b".\r\n"):
            await link.say(part)


class TooLarge(Huge):
    count, octets_each = 300_000, 99_999_999_999

    def row(self, number):
        return b"%d %016x\r\n" % (number, number)


class TooLargeRenamed(TooLarge):
    """Each session has other unique-ids: earlier records do not help."""

    async def uidl(self, link, table):
        names = b"%d %06x-%08x\r\n"
        await link.say(b"+OK\r\n")
        for start in range(1, self.entries + 1, 10_000):
            numbers = range(start, min(start + 10_000, self.entries + 1))
            await link.say(b"".join(names % (n, self.sessions, n) for n in numbers))
        await link.say(b".\r\n")


class OneUniqueId(Huge):
    count = 990_000

    def row(self, number):
        return b"%d same\r\n" % number


class LongNames(Huge):
    """Unique-ids of 60 characters that end a listing at its limit of octets."""

    count = 440_000

    def row(self, number):
        return b"%d %060x\r\n" % (number, number)


class Waits(Huge):
    """More messages than the first run retrieves without asking."""

    count = 600_000


def accounts(folder, relays):
    """All of them: class, how many, and the settings of their accounts."""
    shown = {"first_run": "all"}
    return [
        (DripsBody, 5, {}),
        (DripsListing, 1, {}),
        (DripsStatus, 1, {}),
        (NeverGreets, 2, {}),
        (NeverAccepts, 1, {}),
        (EndlessStatus, 1, {}),
        (EndlessCapa, 1, {}),
        (EndlessUidl, 1, {}),
        (EndlessList, 1, {}),
        (LongLines, 1, {}),
        (BlankLines, 1, {}),
        (Gibberish, 1, {}),
        (HangsInBody, 3, {}),
        (SilentAfterQuit, 2, {}),
        (HangsUpAtGreeting, 1, {}),
        (HangsUpAtLogin, 1, {}),
        (HangsUpInListing, 1, {}),
        (HangsUpInBody, 1, {}),
        (HangsUpAtQuit, 1, {}),
        (RefusesLogin, 1, {}),
        (RefusesMessages, 1, shown),
        (EndlessBody, 2, {}),
        (EndlessHeader, 1, {}),
        (Renames, 1, {}),
        (Huge, 1, {**shown, "max_messages": 200}),
        (Waits, 1, {}),
        (LongNames, 1, {"first_run": "skip"}),
        (TooLarge, 2, shown),
        (TooLargeRenamed, 1, shown),
        (OneUniqueId, 2, {**shown, "max_messages": 200}),
        (Serves, 1, {"delivery": "hangs"}),
        (Serves, 1, {"delivery": "chatters"}),
        (Serves, 1, {"delivery": "forks"}),
        (Serves, 1, {"delivery": "fifo"}),
        *((Serves, 1, {"delivery": name}) for name in relays),
        (Serves, 1, {"password": {"file": f"{folder}/fifo"}}),
        (Serves, 1, {"password": {"command": ["sleep", "1000"]}}),
    ]


class Relay:
    """A relay that never finishes: at its greeting, in its answer to EHLO, or after the final
    dot.
    """

    def __init__(self, how):
        self.how, self.sessions = how, 0

    async def listen(self, host):
        server = await asyncio.start_server(self.meet, host, 0)
        self.host, self.port = server.sockets[0].getsockname()
        return self

    async def meet(self, reader, writer):
        self.sessions += 1
        try:
            await self.talk(reader, writer)
        except (OSError, ValueError):
            pass
        finally:
            writer.close()

    async def talk(self, reader, writer):
        while self.how == "drips":
            writer.write(b"2")
            await writer.drain()
            await asyncio.sleep(1)
        writer.write(b"220 relay\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO" and self.how == "endless":
                while True:
                    writer.write(b"250-X-EXTENSION\r\n" * 100)
                    await writer.drain()
            if verb == b"DATA":
                writer.write(b"354 go\r\n")
                while await reader.read(65536):
                    pass
            writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            await writer.drain()


RELAYS = ("drips", "endless", "deaf")


async def run(pipe, folder, scale):
    Huge.scale = scale
    relays = {how: await Relay(how).listen("127.0.0.1") for how in RELAYS}
    made, shared = [], 0
    for kind, count, settings in accounts(folder, RELAYS):
        for _ in range(count):
            # Some hang at a host where honest accounts are.
            shared += kind in (DripsBody, HangsInBody, NeverGreets)
            host = (
                "127.1.9.1"
                if kind in (DripsBody, HangsInBody, NeverGreets) and shared % 2
                else f"127.2.0.{len(made) + 1}"
            )
            made.append((kind.__name__, await kind().listen(host), settings))
    pipe.send(
        (
            [(name, server.host, server.port, settings) for name, server, settings in made],
            {how: relay.port for how, relay in relays.items()},
        )
    )
    while await asyncio.to_thread(pipe.recv):
        pipe.send([(name, server.sessions) for name, server, _ in made])


def main(pipe, folder, scale):
    try:
        asyncio.run(run(pipe, folder, scale))
    except (EOFError, KeyboardInterrupt):
        pass
