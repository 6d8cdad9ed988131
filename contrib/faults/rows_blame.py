"""Refusals about the sender, the recipient, the relay or one message: they must not affect other
messages.
"""

from corpus import maildrop, message
from rows import row


@row(
    "relay-sender-at-rcpt",
    "the relay refuses the sender of message 3 of 5 when it answers RCPT, as Postfix does; three "
    "polls, deleting",
    "the others are relayed once, and message 3 is not deleted",
    sink="relay",
)
def sender_at_rcpt(cell):
    cell.serve(maildrop(5, m3=message(3, sender="x@spam.invalid")))
    cell.sink.at_rcpt = lambda mail: (
        "553 5.7.1 Sender address rejected" if b"spam.invalid" in mail else None
    )
    cell.poll(3)
    return cell.verdict(wanted={1, 2, 4, 5})


@row(
    "relay-odd-senders",
    "the senders of messages 2, 3 and 4 of 5 are `<@>`, `<unknown>` and `<user@host.>`, and the "
    "relay calls those malformed; deleting",
    "all 5 are relayed once",
    sink="relay",
)
def odd_senders(cell):
    odd = {2: "@", 3: "unknown", 4: "user@host."}
    cell.serve(
        maildrop(
            5, **{f"m{number}": message(number, sender=sender) for number, sender in odd.items()}
        )
    )
    bad = [f"<{sender}>".encode() for sender in odd.values()]
    # MAIL is accepted and RCPT reports the fault: the same for every client.
    cell.sink.at_rcpt = lambda mail: (
        "501 5.1.7 Bad sender address syntax" if any(one in mail for one in bad) else None
    )
    cell.poll(3)
    return cell.verdict()


@row(
    "relay-spam-first",
    "the relay refuses messages 1 to 60 of 62 as spam; three polls, deleting",
    "the last two are relayed once, and nothing refused is deleted",
    sink="relay",
)
def spam_first(cell):
    cell.serve(maildrop(62))
    cell.sink.replies = {number: "554 5.7.1 spam" for number in range(1, 61)}
    cell.sink.before_fault = lambda: None
    cell.poll(3)
    return cell.verdict(wanted={61, 62})


@row(
    "relay-spam-of-another",
    "the relay refuses all 60 messages of one account as spam; another account has 13 messages at "
    "another server; one poll "
    "of both, deleting",
    "the 13 are relayed once, in that poll, and nothing refused is deleted",
    sink="relay",
)
def spam_of_another(cell):
    cell.serve(maildrop(60))
    cell.serve_beside([message(number) for number in range(61, 74)])
    cell.sink.replies = {number: "554 5.7.1 spam" for number in range(1, 61)}
    cell.sink.before_fault = lambda: None
    cell.poll()
    cell.server.messages += cell.beside.messages
    cell.server.gone |= cell.beside.gone
    return cell.verdict(wanted=set(range(61, 74)))


@row(
    "relay-bare-250",
    "the relay answers the dot with `250` and nothing more; two polls, deleting",
    "all 5 are relayed once",
    sink="relay",
)
def bare(cell):
    cell.serve(maildrop(5))
    cell.sink.bare = True
    cell.poll(2)
    return cell.verdict()


@row(
    "relay-421-session",
    "the relay says 421 to the third MAIL of each session, and hangs up; one poll, deleting",
    "all 5 are relayed once, in that poll",
    sink="relay",
)
def two_a_session(cell):
    cell.serve(maildrop(5))
    cell.sink.at_mail = lambda count: "421 4.7.0 two messages are enough" if count > 2 else None
    cell.poll()
    return cell.verdict()


@row(
    "relay-repaired",
    "nothing answers on the relay's port for three polls, then it does; one poll, deleting",
    "all 5 are relayed once, in that poll",
    sink="relay",
)
def repaired(cell):
    cell.set(relay_down=True)
    cell.serve(maildrop(5))
    cell.poll(3)
    cell.sink.up()
    cell.poll()
    return cell.verdict()


@row(
    "relay-mbox-lines",
    "messages 2 to 4 of 5 begin with `From `, `>From ` and both; deleting",
    "all 5 are relayed once, and none begins with such a line",
    sink="relay",
)
def mbox_lines(cell):
    line = b"From x@example.org Mon Nov 23 12:00:00 2026\r\n"
    tops = {2: line, 3: b">" + line, 4: line + b">" + line}
    cell.serve(
        maildrop(5, **{f"m{number}": message(number, top=top) for number, top in tops.items()})
    )
    cell.poll(2)
    words = cell.verdict()
    headers = [
        octets.replace(b"\r", b"").split(b"\n\n")[0].split(b"\n") for octets in cell.sink.taken()
    ]
    if any(line.startswith((b"From ", b">From ")) for header in headers for line in header):
        words.append("mbox line relayed")
    if not all(any(line.startswith(b"Subject:") for line in header) for header in headers):
        words.append("header cut")
    return words


@row(
    "mda-67-one",
    "the MDA exits 67 (no such user) for message 3 of 5; three polls, deleting",
    "the others are delivered once, and message 3 is not deleted",
)
def one_unknown(cell):
    cell.serve(maildrop(5))
    cell.sink.exits(m3=67)
    cell.poll(3)
    return cell.verdict(wanted={1, 2, 4, 5})


@row(
    "mda-78-one",
    "the MDA exits 78 (configuration) for message 1 of 5; three polls, deleting",
    "the others are delivered once, and message 1 is not deleted",
)
def one_breaks(cell):
    cell.serve(maildrop(5))
    cell.sink.exits(m1=78)
    cell.poll(3)
    return cell.verdict(wanted={2, 3, 4, 5})
