"""Listings that are wrong, refused, or different every day; and records that are lost."""

import shutil

from corpus import Message, maildrop, message
from rows import row


def listed(cell, messages=None, wanted=None, polls=3, retention="delete", **faults):
    cell.set(retention=retention)
    cell.serve(messages or maildrop(5), **faults)
    cell.poll(polls)
    return cell.verdict(wanted)


@row(
    "list-retr-err",
    "-ERR to RETR of message 3 of 5; five polls, deleting",
    "the others are delivered once",
)
def retr_err(cell):
    return listed(cell, wanted={1, 2, 4, 5}, polls=5, retr_err={3})


@row(
    "list-bad-line",
    "the line of LIST for message 3 of 5 is `3` alone; three polls, deleting",
    "all 5 are delivered once",
)
def bad_list(cell):
    return listed(cell, list_line={3: lambda n: f"{n}"})


@row(
    "list-bad-uidl",
    "the line of UIDL for message 3 of 5 is `3` alone; three polls, keeping",
    "the others are delivered once",
)
def bad_uidl(cell):
    return listed(cell, wanted={1, 2, 4, 5}, retention="keep", uidl_line={3: lambda n: f"{n}"})


@row(
    "list-same-uid",
    "messages 3 and 4 of 5 have one unique-id; three polls, keeping",
    "all 5 are delivered once",
)
def same(cell):
    twin = Message(4, message(4).octets, unique_id="uid00003")
    return listed(cell, maildrop(5, m4=twin), retention="keep")


@row(
    "list-long-uid",
    "message 3 of 5 has a unique-id of 200 octets; three polls, keeping",
    "all 5 are delivered once",
)
def long_uid(cell):
    return listed(
        cell, maildrop(5, m3=Message(3, message(3).octets, unique_id="u" * 200)), retention="keep"
    )


@row(
    "list-no-uidl",
    "-ERR to UIDL; three polls, deleting",
    "all 5 are delivered once",
    settings="fetchmail: `no uidl`; fdm: `no-uidl`",
)
def no_uidl(cell):
    cell.set(no_uidl=True)
    return listed(cell, uidl_err=True, capa=["TOP", "USER"])


@row(
    "list-size-0",
    "LIST says 0 octets for every message; three polls, deleting",
    "all 5 are delivered once and whole",
)
def size_0(cell):
    return listed(cell, sizes=lambda octets: 0)


@row(
    "list-size-half",
    "LIST says half the octets; three polls, deleting",
    "all 5 are delivered once and whole",
)
def size_half(cell):
    return listed(cell, sizes=lambda octets: octets // 2)


@row(
    "list-size-ten",
    "LIST says ten times the octets; three polls, deleting",
    "all 5 are delivered once and whole",
)
def size_ten(cell):
    return listed(cell, sizes=lambda octets: octets * 10)


@row(
    "state-new-uids",
    "a poll of 30 messages, keeping; then the server has new unique-ids for all of them; two polls",
    "none is delivered again",
)
def new_uids(cell):
    cell.set(retention="keep")
    cell.serve(maildrop(30))
    cell.poll()
    words = cell.verdict()
    for one in cell.server.messages:
        one.unique_id = f"new{one.number}"
    cell.poll(2)
    return words or cell.verdict()


@row(
    "state-lost",
    "a poll of 501 messages, keeping; then the agent's records are lost; one poll",
    "none is delivered again",
    settings='mailferry: `first_run = "all"` for the first poll',
)
def lost(cell):
    cell.set(retention="keep", first_run="all")
    cell.serve([message(number, body=b"short\r\n") for number in range(1, 502)])
    cell.poll()
    words = cell.verdict()
    cell.set(first_run=None)
    shutil.rmtree(cell.home)
    cell.home.mkdir()
    cell.poll()
    return words or cell.verdict()
