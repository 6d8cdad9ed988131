"""Unique-ids that a server uses again, or invents: a unique-id is unique only while its message
exists (RFC 1939 section 7).
"""

from corpus import Message, message
from rows import row


def counted(first, last):
    """Messages of one size, whose unique-ids are counted from 1."""
    return [
        Message(
            number, message(number, body=b"one size\r\n").octets, unique_id=str(number - first + 1)
        )
        for number in range(first, last + 1)
    ]


@row(
    "names-counted-again",
    "a poll of messages 1 to 3, deleting; then 4 to 6 come under their unique-ids, of their "
    "sizes; two polls",
    "all 6 are delivered once",
)
def counted_again(cell):
    cell.serve(counted(1, 3))
    cell.poll()
    cell.server.messages += counted(4, 6)
    cell.poll(2)
    return cell.verdict()


@row(
    "names-emptied",
    "a poll of messages 1 to 3, keeping; the user empties the maildrop, and 4 to 6 come under "
    "their unique-ids; two polls",
    "all 6 are delivered once",
)
def emptied(cell):
    cell.set(retention="keep")
    cell.serve(counted(1, 3))
    cell.poll()
    cell.server.gone |= {1, 2, 3}
    cell.server.messages += counted(4, 6)
    cell.poll(2)
    return cell.verdict()


@row(
    "names-new-each-time",
    "5 messages with other unique-ids at each of four polls, keeping",
    "all 5 are delivered once",
)
def new_each_time(cell):
    cell.set(retention="keep")
    cell.serve([message(number) for number in range(1, 6)])
    for poll in range(4):
        for one in cell.server.messages:
            one.unique_id = f"poll{poll}-{one.number}"
        cell.poll()
    return cell.verdict()


@row(
    "names-deletes-ignored",
    "+OK to DELE and QUIT of 3 messages, and nothing is deleted; four polls, deleting",
    "all 3 are delivered once",
)
def ignored(cell):
    cell.serve(counted(1, 3))
    for _ in range(4):
        cell.poll()
        cell.server.gone.clear()
    return cell.verdict()


@row(
    "names-used-again",
    "the MDA refuses message 3 of 5 for now, so 1, 2, 4 and 5 are deleted; then 6 comes under the "
    "unique-id of 5, of its size; "
    "two polls more, deleting",
    "all but message 3 are delivered once, and nothing is lost",
)
def used_again(cell):
    cell.serve(counted(1, 5))
    cell.sink.exits(m3=75)
    cell.poll()
    cell.server.messages.append(Message(6, counted(6, 6)[0].octets, unique_id="5"))
    cell.poll(2)
    return cell.verdict(wanted={1, 2, 4, 5, 6})


@row(
    "names-rewritten",
    "a poll of 5 messages, keeping; then the server puts `Status: RO` above each of them; two "
    "polls",
    "none is delivered again",
)
def rewritten(cell):
    cell.set(retention="keep")
    cell.serve([message(number) for number in range(1, 6)])
    cell.poll()
    cell.server.messages = [
        Message(one.number, b"Status: RO\r\n" + one.octets, unique_id=one.unique_id)
        for one in cell.server.messages
    ]
    cell.poll(2)
    return cell.verdict()


@row(
    "names-sizes-change",
    "5 messages of which LIST says other octets at each of four polls, keeping",
    "all 5 are delivered once",
)
def sizes_change(cell):
    cell.set(retention="keep")
    cell.serve(
        [message(number) for number in range(1, 6)],
        sizes=lambda octets: octets + cell.server.logins,
    )
    cell.poll(4)
    return cell.verdict()


@row(
    "names-other-user",
    "a poll of messages 1 to 3, keeping; then the account has another user, whose maildrop holds 4 "
    "to 6 under their unique-ids, "
    "of their sizes; two polls",
    "all 6 are delivered once",
)
def other_user(cell):
    cell.set(retention="keep")
    cell.serve(counted(1, 3))
    cell.poll()
    hers = cell.server.messages
    cell.server.messages = counted(4, 6)
    cell.set(user="john")
    cell.poll(2)
    cell.server.messages = hers + cell.server.messages
    return cell.verdict()


@row(
    "names-renamed-at-once",
    "kill -9 when 5 of 10 messages were delivered in the first session of an account; then it has "
    "another name in the "
    "configuration; two polls, keeping",
    "none of the 5 is delivered again",
    settings=(
        "the name is the table's (mailferry), the `poll` entry's (fetchmail), the rc file's "
        "(getmail), the account's (mpop, fdm)"
    ),
)
def renamed(cell):
    cell.set(retention="keep", account="first")
    cell.serve([message(number) for number in range(1, 11)], at={"retr 6": cell.kill})
    cell.poll()
    cell.set(account="second")
    cell.poll(2)
    # Whoever asks its operator first may leave the rest.
    return cell.verdict(wanted={1, 2, 3, 4, 5})


@row(
    "names-other-server",
    "a poll of messages 1 to 3, keeping; then the account is at another server (another port), "
    "where 4 to 6 have their "
    "unique-ids and sizes; two polls",
    "all 6 are delivered once",
)
def other_server(cell):
    cell.set(retention="keep")
    first = cell.serve(counted(1, 3))
    cell.poll()
    first.stop()
    cell.serve(counted(4, 6))
    cell.poll(2)
    cell.server.messages = first.messages + cell.server.messages
    return cell.verdict()
