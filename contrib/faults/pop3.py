"""A POP3 server with faults on command. It is honest otherwise, and knows the truth: which
messages were deleted and committed by QUIT.
"""

import base64
import collections
import socket
import ssl
import threading

LONGEST_WAIT_S = 120


class Faults:
    """The faults; by default none. Numbers are those of messages, not of a session."""

    def __init__(self, **asked):
        # number -> place ("header", "body", "dot", "after-dot"): the connection drops there, once
        self.cut = {}
        self.cut_always = False  # not once, but each time
        # (verb, number or None) -> one of ODD: how that command is answered, each time
        self.odd = {}
        self.retr_err = set()  # -ERR to RETR of these
        # number -> function(message number of the session) -> the line to send instead
        self.list_line = {}
        self.uidl_line = {}  # the same; the function may return None: then no line is sent
        self.uidl_err = False
        # "UIDL", "LIST" (of one message) or "STAT" -> one of PROOFS: how it is answered, each time
        self.proofs = {}
        self.replies = {}  # number -> function(body, dots stuffed) -> the whole reply to RETR
        self.lists_in_lf = False  # lines of UIDL, LIST and CAPA end in a bare LF
        self.greeting = b"+OK faults ready\r\n"
        self.sizes = None  # function(octets) -> the size in LIST and STAT
        self.capa = ["UIDL", "TOP", "USER"]
        self.no_login = False  # -ERR to every password
        self.login_refusal = "-ERR wrong password"
        self.hides = False  # retrieved messages are not listed after QUIT
        self.quit_reply = True  # False: QUIT commits, once, and its reply is lost
        # moment ("login", "retr 8", "dele 5", "quit") -> function, once; then the connection drops
        self.at = {}
        self.grows = []  # messages that arrive, one at each login
        self.patience_s = LONGEST_WAIT_S  # a client that is silent this long is disconnected
        self.tls = None  # (certificate, key)
        self.implicit = False
        self.stls = True  # announced and supported, if there is a certificate
        self.inject = False  # an unencrypted reply follows the one to STLS
        for name, value in asked.items():
            if not hasattr(self, name):
                raise TypeError(name)
            setattr(self, name, value)


# How a command may be answered oddly: the text in place of the honest reply, and whether the
# connection drops then. A command is carried out if its honest reply is a part of the odd one.
ODD = {
    "empty-line": (lambda honest: b"\r\n", False),
    "words": (lambda honest: b"internal server error\r\n", False),
    "blank-first": (lambda honest: b"\r\n" + honest, False),
    "hang-up": (lambda honest: b"", True),
    "err-hang-up": (lambda honest: b"-ERR Connection is closed. 14\r\n", True),
    "plus": (lambda honest: b"+ \r\n", False),
    "two-replies": (lambda honest: honest + honest, False),
    "line-too-many": (lambda honest: honest + b"and one more\r\n", False),
}
ODD_AND_DONE = ("blank-first", "two-replies", "line-too-many")
# How a question about one message, or about the maildrop, may be answered oddly.
PROOFS = {
    "refused": lambda session, argument: session.say("-ERR what?"),
    "nothing": lambda session, argument: session.say("+OK"),
    "whole-listing": lambda session, argument: session.do_uidl(""),
    "other-number": lambda session, argument: session.do_uidl(
        str(1 + int(argument) % len(session.listed))
    ),
    "more-words": lambda session, argument: session.say(
        f"+OK {argument} {session.listed[int(argument) - 1].unique_id} as you wished"
    ),
    "other-total": lambda session, argument: session.say("+OK 99 1"),
}
# A client that still waits for the rest of an odd answer is disconnected: no row needs to know how
# long it would wait.
ODD_PATIENCE_S = 20


class Dropped(Exception):
    """The connection is gone, closed by either side."""


class Server:
    def __init__(self, messages, faults):
        self.messages, self.faults = list(messages), faults
        self.gone = set()  # numbers deleted, and committed by QUIT
        self.hidden = (
            set()
        )  # numbers that a server that hides retrieved mail does not list any more
        self.retrieved = collections.Counter()
        self.logins = 0
        self.passwords = []  # (password, whether TLS was on)
        self.notes = []
        self.deles = 0
        self.before_fault = lambda: None
        self.lock = threading.Lock()
        self.maildrop = threading.Lock()
        self.links = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            link.settimeout(self.faults.patience_s)
            self.links.add(link)
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        session = Session(self, link)
        try:
            session.run()
        except (Dropped, OSError, ValueError):
            pass
        finally:
            if session.holds:
                self.maildrop.release()
            try:
                session.link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            session.link.close()
            link.close()
            self.links.discard(link)

    def on_server(self):
        return [one for one in self.messages if one.number not in self.gone | self.hidden]

    def close(self):
        """No client is accepted any more: closing alone would not wake a thread in accept."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def stop(self):
        self.close()
        for link in list(self.links):
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Session:
    def __init__(self, server, link):
        self.server, self.faults, self.link = server, server.faults, link
        self.buffer = b""
        self.tls = False
        self.holds = False
        self.listed, self.deleted, self.retrieved = [], set(), set()
        # The honest reply, from which an odd one is made.
        self.held = None

    # --- octets ---

    def send(self, octets):
        if self.held is None:
            self.link.sendall(octets)
        else:
            self.held += octets

    def say(self, text):
        self.send(text.encode("latin-1") + b"\r\n")

    def many(self, first, lines):
        end = "\n" if self.faults.lists_in_lf else "\r\n"
        self.send("".join(f"{line}{end}" for line in [first, *lines, "."]).encode("latin-1"))

    def hear(self):
        while b"\n" not in self.buffer:
            more = self.link.recv(4096)
            if not more or len(self.buffer) > 65536:
                raise Dropped
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def wrap(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.faults.tls)
        self.link = context.wrap_socket(self.link, server_side=True)
        self.tls = True

    def moment(self, name):
        with self.server.lock:
            action = self.faults.at.pop(name, None)
        if action:
            action()
            raise Dropped

    # --- the dialogue ---

    def run(self):
        if self.faults.implicit:
            self.wrap()
        self.send(self.faults.greeting)
        while True:
            line = self.hear()
            verb, _, argument = line.partition(" ")
            answer = getattr(self, "do_" + verb.lower(), None)
            if answer is None:
                self.say("-ERR no such command")
            elif verb.lower() in ("capa", "user", "pass", "auth", "stls", "quit") or self.holds:
                self.answer(verb.upper(), argument, answer)
            else:
                self.say("-ERR log in first")
            if verb.lower() == "quit":
                return

    def answer(self, verb, argument, honestly):
        word = argument.split(" ")[0]
        at = int(word) if word.isdigit() and self.holds else 0
        number = self.listed[at - 1].number if 1 <= at <= len(self.listed) else None
        odd = self.faults.odd.get((verb, number))
        if odd is None:
            return honestly(argument)
        self.server.before_fault()
        self.held = b""
        if odd in ODD_AND_DONE:
            honestly(argument)
        reply, drops = ODD[odd]
        honest, self.held = self.held, None
        self.send(reply(honest))
        if drops:
            raise Dropped
        self.link.settimeout(ODD_PATIENCE_S)

    def do_capa(self, _):
        stls = ["STLS"] if self.faults.tls and self.faults.stls and not self.tls else []
        self.many("+OK", self.faults.capa + stls)

    def do_stls(self, _):
        if not self.faults.tls or not self.faults.stls or self.tls:
            return self.say("-ERR no TLS here")
        if not self.faults.inject:
            self.say("+OK begin")
            return self.wrap()
        self.link.sendall(
            b"+OK begin\r\n+OK a reply that was sent in the clear\r\n.\r\n+OK\r\n+OK\r\n"
        )
        self.wrap()
        # A client that asks twice before the first answer has taken the unencrypted reply for it.
        first = self.hear()
        self.link.settimeout(4)
        try:
            self.server.notes.append(
                f"took the reply in the clear for the answer to {first.split()[0]}, and sent "
                f"{self.hear().split()[0]}"
            )
        except (TimeoutError, ssl.SSLError, Dropped, OSError):
            pass
        raise Dropped

    def do_user(self, _):
        self.say("+OK")

    def do_auth(self, argument):
        if not argument.upper().startswith("PLAIN"):
            return self.say("-ERR no such mechanism")
        said = argument[5:].strip()
        if not said:
            self.say("+ ")
            said = self.hear()
        self.do_pass(base64.b64decode(said).split(b"\0")[-1].decode("latin-1"))

    def do_pass(self, argument):
        with self.server.lock:
            self.server.logins += 1
            self.server.passwords.append((argument, self.tls))
        if self.faults.no_login:
            return self.say(self.faults.login_refusal)
        self.moment("login")
        if not self.server.maildrop.acquire(timeout=5):
            return self.say("-ERR [IN-USE] maildrop is locked")
        self.holds = True
        if self.faults.grows:
            self.server.messages.append(self.faults.grows.pop(0))
        self.listed = self.server.on_server()
        self.say("+OK")

    def size(self, one):
        return self.faults.sizes(len(one.octets)) if self.faults.sizes else len(one.octets)

    def each(self):
        return [(n, one) for n, one in enumerate(self.listed, 1) if n not in self.deleted]

    def find(self, argument):
        word = argument.split(" ")[0]
        n = int(word) if word.isdigit() else 0
        if not 1 <= n <= len(self.listed) or n in self.deleted:
            self.say("-ERR no such message")
            return None, None
        return n, self.listed[n - 1]

    def is_proof(self, verb, argument):
        """Answers oddly, if that was asked for."""
        odd = self.faults.proofs.get(verb) if argument or verb == "STAT" else None
        if odd:
            proofs, self.faults.proofs = self.faults.proofs, {}
            PROOFS[odd](self, argument)
            self.faults.proofs = proofs
        return odd is not None

    def do_stat(self, _):
        if self.is_proof("STAT", ""):
            return
        self.say(f"+OK {len(self.each())} {sum(self.size(one) for _, one in self.each())}")

    def do_list(self, argument):
        if self.is_proof("LIST", argument):
            return
        self.lines(argument, self.faults.list_line, self.size)

    def do_uidl(self, argument):
        if self.faults.uidl_err:
            return self.say("-ERR no unique-ids here")
        if self.is_proof("UIDL", argument):
            return
        self.lines(argument, self.faults.uidl_line, lambda one: one.unique_id)

    def lines(self, argument, odd, value):
        def line(n, one):
            return odd[one.number](n) if one.number in odd else f"{n} {value(one)}"

        if not argument:
            said = [line(n, one) for n, one in self.each()]
            return self.many("+OK", [one for one in said if one is not None])
        n, one = self.find(argument)
        if one:
            if one.number in odd:
                self.server.before_fault()
            said = line(n, one)
            self.say("-ERR nothing is known of it" if said is None else "+OK " + said)

    def do_retr(self, argument, hides=True):
        n, one = self.find(argument)
        if not one:
            return
        if one.number in self.faults.retr_err or not one.octets:
            self.server.before_fault()
        if one.number in self.faults.retr_err:
            return self.say("-ERR this message cannot be read")
        with self.server.lock:
            self.server.retrieved[one.number] += 1
            cut = (
                self.faults.cut.get(one.number)
                if self.faults.cut_always
                else self.faults.cut.pop(one.number, None)
            )
        stuffed = (b"\r\n" + one.octets).replace(b"\r\n.", b"\r\n..")[2:]
        if stuffed and not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
        if one.number in self.faults.replies:
            if hides:
                self.retrieved.add(one.number)
            return self.send(self.faults.replies[one.number](stuffed))
        self.send(b"+OK\r\n")
        if cut:
            head = stuffed.index(b"\r\n\r\n")
            to = {
                "header": head // 2,
                "body": (head + len(stuffed)) // 2,
                "dot": len(stuffed),
                "after-dot": len(stuffed),
            }[cut]
            self.send(stuffed[:to] + (b"." if cut == "after-dot" else b""))
            # All work of the agent for the messages before is done when the fault comes.
            self.server.before_fault()
            raise Dropped
        if f"retr {one.number}" in self.faults.at:
            self.send(stuffed[: len(stuffed) // 2])
            self.moment(f"retr {one.number}")
        self.send(stuffed + b".\r\n")
        if hides:
            self.retrieved.add(one.number)

    def do_top(self, argument):
        number, _, lines = argument.partition(" ")
        n, one = self.find(number)
        if not one:
            return
        if lines.isdigit() and int(lines) > 100000:
            return self.do_retr(number, hides=False)
        head, _, body = one.octets.partition(b"\r\n\r\n")
        some = body.split(b"\r\n")[: int(lines or 0)]
        text = head + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in some)
        self.send(b"+OK\r\n" + (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")

    def do_dele(self, argument):
        n, _one = self.find(argument)
        if not n:
            return
        with self.server.lock:
            self.server.deles += 1
            count = self.server.deles
        self.moment(f"dele {count}")
        self.deleted.add(n)
        self.say("+OK")

    def do_noop(self, _):
        self.say("+OK")

    def do_rset(self, _):
        self.deleted.clear()
        self.say("+OK")

    def do_quit(self, _):
        if self.holds:
            self.moment("quit")
            with self.server.lock:
                self.server.gone |= {self.listed[n - 1].number for n in self.deleted}
                if self.faults.hides:
                    self.server.hidden |= self.retrieved
                lose, self.faults.quit_reply = not self.faults.quit_reply, True
            # Released before the reply: the client may connect again at once.
            self.holds = False
            self.server.maildrop.release()
            if lose:
                raise Dropped
        self.say("+OK")
