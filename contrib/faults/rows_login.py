"""Passwords: refused, sent to the wrong server, or printed."""

from agents import PASSWORD
from corpus import maildrop
from rows import row


@row(
    "login-refused",
    "the password is refused, for 12 intervals of one second",
    "at most 2 logins",
    settings=(
        'a daemon polls every second (mailferry: `poll_every = "1s"`, fetchmail: `-d 1`); '
        "the others poll 12 times"
    ),
)
def refused(cell):
    cell.serve(maildrop(1), no_login=True)
    cell.intervals(12)
    return ["more than 2 logins"] if cell.server.logins > 2 else []


def exits(cell):
    cell.poll()
    return ["exit 0"] if cell.codes == [0] else []


@row("login-exit", "the password is refused; one poll", "the exit code is not 0")
def login_exit(cell):
    cell.serve(maildrop(1), no_login=True)
    return exits(cell)


@row(
    "login-no-server",
    "nothing listens where the server should be; one poll",
    "the exit code is not 0",
)
def no_server(cell):
    cell.serve(maildrop(1))
    cell.server.close()
    return exits(cell)


@row("login-mda-exit", "the MDA exits 75 for the only message; one poll", "the exit code is not 0")
def mda_exit(cell):
    cell.serve(maildrop(1))
    cell.sink.exits(all=75)
    return exits(cell)


@row(
    "login-printed",
    "the password is refused, then accepted, while the agent says all it can",
    "the password is not in its output",
    settings=(
        "mailferry: level trace; fetchmail: `-v -v`; getmail: `verbose = 2`; mpop: "
        "`--debug`; fdm: `-vvvv`"
    ),
)
def printed(cell):
    cell.set(level="trace")
    cell.serve(maildrop(1), no_login=True)
    cell.poll()
    cell.server.faults.no_login = False
    cell.poll()
    words = ["password printed"] if PASSWORD.encode() in cell.output() else []
    return words + (["never logged in"] if cell.server.logins < 2 else [])


def sent(cell):
    """The password must not be sent here; and the failure must be reported."""
    cell.poll()
    words = []
    if cell.server.passwords:
        words.append("password sent")
        cell.details.append(
            "it was sent " + ("inside TLS" if cell.server.passwords[0][1] else "in the clear")
        )
    if cell.codes == [0]:
        words.append("exit 0")
    return words


@row(
    "tls-self-signed",
    "TLS from the first octet, with a certificate that no authority signed; one poll",
    "the password is not sent, and the exit code is not 0",
)
def self_signed(cell):
    cell.set(tls="implicit")
    cell.serve(maildrop(1), tls=cell.certificates["stranger"], implicit=True)
    return sent(cell)


@row(
    "tls-stripped",
    "STLS is asked for, and the server (or somebody between) does not announce or do it; one poll",
    "the password is not sent, and the exit code is not 0",
    settings="fetchmail: its default, `sslproto auto`",
)
def stripped(cell):
    cell.set(tls="starttls")
    cell.serve(maildrop(1))
    return sent(cell)


@row(
    "tls-injected",
    "replies in the clear follow the reply to STLS in one packet; one poll",
    "they are not taken for answers inside TLS",
    settings="the CA is trusted by `tls_ca_file`, `sslcertfile`, `tls_trust_file`",
)
def injected(cell):
    cell.set(tls="starttls", ca=cell.certificates["known"][0])
    cell.serve(maildrop(1), tls=cell.certificates["known"], inject=True)
    cell.poll()
    cell.details += cell.server.notes
    return ["took injected reply"] if cell.server.notes else []
