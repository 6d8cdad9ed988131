"""An honest POP3 server on loopback; subclasses change one answer each."""

import asyncio
import contextlib
import socket

WRITE_OCTETS = 256 * 1024


class Gone(Exception):
    """The connection has ended."""


class Link:
    """One connection of a client."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def line(self):
        try:
            line = await self.reader.readline()
        except (OSError, ValueError) as error:
            raise Gone from error
        if not line.endswith(b"\n"):
            raise Gone
        return line.rstrip(b"\r\n").decode("latin-1")

    async def say(self, octets):
        """Writes as fast as the client reads, and no faster."""
        try:
            for at in range(0, len(octets), WRITE_OCTETS):
                self.writer.write(octets[at : at + WRITE_OCTETS])
                await self.writer.drain()
        except OSError as error:
            raise Gone from error

    async def hang(self):
        """Sends nothing until the client is gone."""
        try:
            while await self.reader.read(WRITE_OCTETS):
                pass
        except OSError as error:
            raise Gone from error
        raise Gone

    async def drip(self, octets, seconds=1):
        """Sends this again and again, with pauses."""
        while True:
            await self.say(octets)
            await asyncio.sleep(seconds)

    async def flood(self, octets, pause=0.0):
        """Sends this again and again, for ever."""
        while True:
            await self.say(octets)
            await asyncio.sleep(pause)


def stuffed(message):
    message = message.replace(b"\r\n.", b"\r\n..")
    return b"." + message if message.startswith(b".") else message


class Pop3:
    """A maildrop. `sessions` counts those that began."""

    capabilities = (b"TOP", b"UIDL", b"USER", b"RESP-CODES", b"PIPELINING")

    def __init__(self):
        self.messages, self.sessions = {}, 0

    async def listen(self, host):
        server = await asyncio.start_server(self.meet, host, 0)
        self.host, self.port = server.sockets[0].getsockname()
        return self

    async def meet(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sessions += 1
        try:
            await self.talk(Link(reader, writer))
        except Gone:
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def talk(self, link):
        await self.greet(link)
        table, asked = [], set()
        while True:
            verb, _, argument = (await link.line()).partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                for name in asked:
                    self.messages.pop(name, None)
                await self.quit(link)
                return
            if verb == "PASS":
                table = list(self.messages)
                await self.log_in(link)
            elif verb == "CAPA":
                await self.capa(link)
            elif verb in ("USER", "NOOP"):
                await self.user(link)
            elif verb == "UIDL" and argument.isdigit() and 0 < int(argument) <= len(table):
                await link.say(
                    b"+OK %d %s\r\n" % (int(argument), table[int(argument) - 1].encode())
                )
            elif verb == "UIDL":
                await self.uidl(link, table)
            elif verb == "LIST":
                await self.list(link, table)
            elif verb in ("RETR", "TOP", "DELE"):
                number = argument.split()[0] if argument else ""
                number = int(number) if number.isdigit() else 0
                name = table[number - 1] if 0 < number <= len(table) else None
                await self.message(link, verb, number, name, asked)
            else:
                await link.say(b"-ERR unknown\r\n")

    async def message(self, link, verb, number, name, asked):
        octets = self.octets(number, name)
        if octets is None:
            await link.say(b"-ERR no such message\r\n")
        elif verb == "RETR":
            await self.retr(link, octets)
        elif verb == "TOP":
            await link.say(
                b"+OK\r\n" + stuffed(octets.split(b"\r\n\r\n")[0] + b"\r\n\r\n") + b".\r\n"
            )
        else:
            asked.add(name)
            await link.say(b"+OK\r\n")

    def octets(self, _number, name):
        return self.messages.get(name)

    async def greet(self, link):
        await link.say(b"+OK ready\r\n")

    async def capa(self, link):
        await link.say(
            b"+OK\r\n" + b"".join(word + b"\r\n" for word in self.capabilities) + b".\r\n"
        )

    async def user(self, link):
        await link.say(b"+OK\r\n")

    async def log_in(self, link):
        await link.say(b"+OK\r\n")

    async def uidl(self, link, table):
        rows = "".join(f"{number} {name}\r\n" for number, name in enumerate(table, 1))
        await link.say(b"+OK\r\n" + rows.encode() + b".\r\n")

    async def list(self, link, table):
        octets = [len(self.octets(number, name) or b"") for number, name in enumerate(table, 1)]
        rows = "".join(f"{number} {count}\r\n" for number, count in enumerate(octets, 1))
        await link.say(b"+OK\r\n" + rows.encode() + b".\r\n")

    async def retr(self, link, octets):
        await link.say(b"+OK %d octets\r\n" % len(octets) + stuffed(octets) + b".\r\n")

    async def quit(self, link):
        await link.say(b"+OK bye\r\n")
