"""Destinations with faults on command: a program (MDA), a Maildir and a relay. Each stores what
it accepted, octet by octet.
"""

import collections
import os
import pathlib
import socket
import sys
import threading
import time

from corpus import MARK

MOST_OCTETS = 2 * 1024 * 1024

# If anything is refused, accepting takes longer than refusing: an agent that works ahead is then
# equally far in every run. It reads its input to the end, looks up its exit code by the message's
# mark, and stores what it accepts, durably. The file "kill" asks to kill the agent while this
# message is accepted and the agent does not know it yet.
MDA = """#!{python} -IS
import os, sys, time
place = sys.argv[1]
octets = b""
while True:
    more = os.read(0, 65536)
    octets += more
    if not more or len(octets) > {most}:
        break
at = octets.find(b"X-Faults-Id: ")
number = octets[at + 13:at + 30].split()[0].decode() if at >= 0 else "0"
name = "%d.%d" % (time.time_ns(), os.getpid())
if len(octets) > {most}:
    open(place + "/runaway", "w").close()
    os._exit(75)
words = dict(line.split() for line in open(place + "/control"))
code = int(words.get(number, words.get("all", "0")))
if code == 0 and any(word != "0" for word in words.values()) and "kill" not in words:
    time.sleep(0.3)
open(place + "/tries/" + name + "." + number, "w").close()
if code == 0:
    file = os.open(place + "/tmp/" + name, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o666)
    os.write(file, octets)
    os.fsync(file)
    os.rename(place + "/tmp/" + name, place + "/taken/" + name)
    if words.get("kill") == number and not os.path.exists(place + "/kill"):
        time.sleep(1)
        open(place + "/kill", "w").close()
        time.sleep(20)
os._exit(code)
"""


class Mda:
    def __init__(self, place):
        self.place, self.program = place, place / "mda"
        for folder in ("tries", "tmp", "taken"):
            (place / folder).mkdir(parents=True)
        python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        self.script = MDA.format(python=python, most=MOST_OCTETS)
        self.install()
        self.exits()

    def install(self):
        self.program.write_text(self.script)
        self.program.chmod(0o755)

    def exits(self, **codes):
        """exits(m3=75) for one message, exits(all=67) for every one, exits(kill=8) to ask for a
        kill.
        """
        text = "".join(f"{name.removeprefix('m')} {code}\n" for name, code in codes.items())
        fresh = self.place / "control.new"
        fresh.write_text(text)
        fresh.rename(self.place / "control")

    def taken(self):
        return [file.read_bytes() for file in sorted((self.place / "taken").iterdir())]

    def tries(self):
        return collections.Counter(
            int(file.name.split(".")[-1]) for file in (self.place / "tries").iterdir()
        )

    def stop(self):
        pass


class Maildir:
    def __init__(self, place):
        self.place, self.path = place, place / "Maildir"
        for folder in ("cur", "new", "tmp"):
            (self.path / folder).mkdir(parents=True)

    def taken(self):
        return [
            file.read_bytes()
            for folder in ("new", "cur")
            for file in sorted((self.path / folder).iterdir())
        ]

    def tries(self):
        return collections.Counter()

    def stop(self):
        pass


class Relay:
    """Its port is bound from the beginning; it answers only after `up`."""

    def __init__(self, place):
        self.place, self.replies, self.all = place, {}, None
        self.at_rcpt = lambda sender: None  # the answer to RCPT after this line of MAIL
        self.at_mail = lambda count: (
            None
        )  # the answer to the nth MAIL of a session; after 421 the connection drops
        self.bare = False  # replies of three digits without text
        self.before_fault = lambda: None
        # number -> function, once, after the message is accepted; then the connection drops without
        # a reply
        self.at_dot = {}
        self.kept, self.tried, self.lock = [], collections.Counter(), threading.Lock()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def up(self):
        self.listener.listen(20)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            link.settimeout(120)
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        with link, link.makefile("rb") as lines:
            sender, mails = b"", 0
            try:
                link.sendall(b"220 faults ESMTP\r\n")
                for line in lines:
                    verb = line.strip().upper()[:4]
                    refused = self.at_rcpt(sender) if verb == b"RCPT" else None
                    if verb == b"MAIL":
                        sender, mails = line, mails + 1
                        refused = self.at_mail(mails)
                    if refused:
                        link.sendall(refused.encode() + b"\r\n")
                        if refused.startswith("421"):
                            return
                    elif verb == b"DATA":
                        link.sendall(b"354 go on\r\n")
                        reply = self.take(lines)
                        link.sendall((reply[:3] if self.bare else reply).encode() + b"\r\n")
                    elif verb == b"QUIT":
                        link.sendall(b"221 bye\r\n")
                        return
                    elif verb == b"EHLO":
                        link.sendall(b"250-faults\r\n250 8BITMIME\r\n")
                    else:
                        link.sendall(b"250 ok\r\n")
            except OSError:
                return

    def take(self, lines):
        octets = b""
        for line in lines:
            if line == b".\r\n":
                break
            octets += line[1:] if line.startswith(b".") else line
        else:
            raise OSError("the link ended inside a message")
        mark = MARK.search(octets)
        number = int(mark.group(1)) if mark else 0
        if number in self.replies:
            self.before_fault()
        with self.lock:
            self.tried[number] += 1
            reply = self.replies.get(number, self.all) or "250 accepted"
            if reply.startswith("250"):
                time.sleep(0.3 if self.replies else 0)
                self.kept.append(octets)
            action = self.at_dot.pop(number, None)
        if action:
            action()
            raise OSError("the link drops before the reply")
        return reply

    def taken(self):
        return list(self.kept)

    def tries(self):
        return self.tried

    def stop(self):
        self.listener.close()


KINDS = {"mda": Mda, "maildir": Maildir, "relay": Relay}


def make(kind, place):
    place = pathlib.Path(place)
    place.mkdir()
    return KINDS[kind](place)
