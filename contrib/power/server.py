"""A POP3 server on loopback with many maildrops, selected by the password. So one host, port and
user serve all of them.
"""

import socket
import threading


def stuffed(message):
    message = message.replace(b"\r\n.", b"\r\n..")
    return b"." + message if message.startswith(b".") else message


class Session:
    def __init__(self, table, hides):
        self.table = table  # number -> unique-id
        self.hides = hides
        self.asked, self.may_have_ended, self.has_ended = set(), False, False


class Maildrop:
    def __init__(self, messages, hides=False):
        """`messages` maps unique-ids to octets; one that `hides` removes retrieved messages at
        QUIT, and announces it.
        """
        self.messages, self.hides, self.sessions = dict(messages), hides, []


class Server:
    def __init__(self):
        self.maildrops = {}
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            link, _ = self.socket.accept()
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        with link:
            link.settimeout(60)
            try:
                self.talk(link)
            except OSError:
                pass

    def talk(self, link):
        lines = link.makefile("rb")
        link.sendall(b"+OK ready\r\n")
        maildrop = session = None
        hides = any(maildrop.hides for maildrop in self.maildrops.values())
        for line in lines:
            word, _, argument = line.strip().decode("latin-1").partition(" ")
            answer = b"-ERR unknown\r\n"
            if word == "CAPA":
                answer = (
                    b"+OK\r\nTOP\r\nUIDL\r\nUSER\r\nRESP-CODES\r\nPIPELINING\r\n"
                    + (b"EXPIRE 0\r\n" if hides else b"")
                    + b".\r\n"
                )
            elif word in ("USER", "NOOP"):
                answer = b"+OK\r\n"
            elif word == "PASS":
                maildrop = self.maildrops[argument]
                session = Session(dict(enumerate(list(maildrop.messages), 1)), maildrop.hides)
                maildrop.sessions.append(session)
                answer = b"+OK\r\n"
            elif word == "QUIT":
                for name in session.asked if session else ():
                    maildrop.messages.pop(name, None)
                link.sendall(b"+OK committed\r\n")
                return
            elif session:
                answer = self.transaction(maildrop, session, word, argument)
            link.sendall(answer)

    def transaction(self, maildrop, session, word, argument):
        if word in ("UIDL", "LIST") and not argument:
            value = (
                (lambda name: name)
                if word == "UIDL"
                else (lambda name: len(maildrop.messages[name]))
            )
            rows = "".join(f"{number} {value(name)}\r\n" for number, name in session.table.items())
            return b"+OK\r\n" + rows.encode() + b".\r\n"
        number = argument.split()[0] if argument else ""
        name = session.table.get(int(number)) if number.isdigit() else None
        if name is None:
            return b"-ERR no such message\r\n"
        message = maildrop.messages[name]
        if word in ("UIDL", "LIST"):
            return f"+OK {number} {name if word == 'UIDL' else len(message)}\r\n".encode()
        if word == "DELE":
            session.asked.add(name)
            return b"+OK\r\n"
        if word == "RETR":
            if session.hides:
                session.asked.add(name)
            return b"+OK %d octets\r\n" % len(message) + stuffed(message) + b".\r\n"
        if word == "TOP":
            return b"+OK\r\n" + stuffed(message.split(b"\r\n\r\n")[0] + b"\r\n\r\n") + b".\r\n"
        return b"-ERR unknown\r\n"
