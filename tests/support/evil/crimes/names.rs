//! The crimes that are not a manner at a step: a name and a sentence for each.

/// Named crimes that a client notices only by waiting, in addition to those whose names say so.
pub(super) const WAIT: &[&str] = &[
    "strip-greeting",
    "end-lines-with-lf",
    "end-bodies-with-lf",
    "glue-final-dots",
    "forge-replies",
    "smtp-strip-greeting",
    "smtp-take-and-stall",
    "lmtp-answer-after-two-minutes",
];

/// Crimes with listings that take a client long to read.
pub(super) const FLOODS: &[&str] = &[
    "endless-listing",
    "endless-sizes",
    "million-entries",
    "million-twins",
    "list-giants",
];

pub(super) const POP3: &[(&str, &str)] = &[
    ("strip-greeting", "answers commands and never greets"),
    ("strip-capa", "announces nothing"),
    ("strip-stls", "announces no STLS and knows of none"),
    (
        "speak-early",
        "says yes to the whole login before it is asked",
    ),
    ("answer-stls-early", "says yes to STLS before it is asked"),
    ("answer-twice", "sends each answer twice"),
    ("inject-after-stls", "sends a line after its yes to STLS"),
    (
        "inject-after-stls-without-crlf",
        "sends half a line after its yes to STLS",
    ),
    (
        "inject-after-stls-split",
        "cuts its yes to STLS before the LF, and sends that with a line after it",
    ),
    (
        "inject-into-handshake",
        "sends a line in the clear when the handshake has begun",
    ),
    (
        "renumber",
        "gives the messages other numbers in each session",
    ),
    (
        "repeat-unique-ids",
        "lists two messages under one unique-id",
    ),
    ("fold-unique-ids", "lists all messages under one unique-id"),
    (
        "reuse-unique-ids",
        "gives a new message the unique-id of one that is gone",
    ),
    (
        "recount-unique-ids",
        "counts unique-ids from 1 again once the maildrop is empty, for new mail of the same sizes",
    ),
    (
        "show-another-maildrop",
        "shows the maildrop of somebody else, with like names and sizes, in each second session",
    ),
    (
        "rewrite-headers",
        "writes Status lines into the headers of messages that were retrieved",
    ),
    (
        "rotate-unique-ids",
        "gives the messages each other's unique-ids in each session",
    ),
    (
        "change-unique-ids",
        "gives the messages new unique-ids in each session",
    ),
    ("strip-unique-ids", "lists numbers without unique-ids"),
    (
        "omit-one-unique-id",
        "lists the number of the third message without a unique-id",
    ),
    (
        "number-unique-ids",
        "lists the numbers of the messages as their unique-ids",
    ),
    ("stretch-unique-ids", "lists unique-ids of 1,500 octets"),
    (
        "pad-unique-ids",
        "lists unique-ids with blanks after them in each second session",
    ),
    (
        "list-all-for-one",
        "answers UIDL of one message with all unique-ids",
    ),
    (
        "misstate-totals",
        "refuses UIDL of one message, and answers STAT with another number of messages",
    ),
    (
        "swap-messages",
        "hands out the next message instead of the one asked for",
    ),
    (
        "end-statuses-with-lf",
        "ends the first line of each answer to RETR with LF alone",
    ),
    (
        "end-bodies-with-lf",
        "ends the lines of messages with LF alone, after answers that end in CRLF",
    ),
    (
        "glue-final-dots",
        "sends the final dot of a message without its CRLF, so that the next answer sticks to it",
    ),
    (
        "forge-replies",
        "forgets to double the dot before a line of a message that reads like an answer",
    ),
    (
        "cut-and-close-properly",
        "hands out headers without bodies, with a proper final dot",
    ),
    (
        "empty-and-close-properly",
        "hands out nothing but a proper final dot for each message",
    ),
    (
        "cut-and-close-properly-once",
        "hands out half of a message with a proper final dot when it is asked for the first time",
    ),
    ("lie-about-sizes", "lists each message with one octet"),
    (
        "lie-about-sizes-upwards",
        "lists each message with nearly 2^63 octets",
    ),
    ("change-sizes", "lists other sizes in each session"),
    (
        "garble-sizes",
        "lists words and numbers beyond any range as sizes",
    ),
    (
        "lie-about-counts",
        "announces other counts than it lists, and lists sizes of messages that are not there",
    ),
    ("list-ghosts", "lists messages that are not there"),
    ("cut-in-header", "hangs up in the middle of a header"),
    ("cut-after-header", "hangs up right after a header"),
    ("cut-in-body", "hangs up in the middle of a body"),
    (
        "cut-before-dot",
        "hangs up after the last line, before the dot",
    ),
    ("cut-inside-dot", "hangs up after the dot, before its CRLF"),
    ("cut-inside-dot-cr", "hangs up between CR and LF of the dot"),
    ("forget-deletes", "says yes to QUIT and deletes nothing"),
    (
        "restore-deleted",
        "lists again, in each second session, what it deleted",
    ),
    (
        "hide-retrieved",
        "lists no more, after QUIT, what was retrieved, and has not said so",
    ),
    (
        "lock-maildrop",
        "says at each login that another session holds the maildrop",
    ),
    (
        "delete-and-vanish",
        "deletes at QUIT and hangs up without a word",
    ),
    (
        "end-greeting-with-lf",
        "ends its greeting with LF alone, and all lines after it with CRLF",
    ),
    (
        "end-lines-with-lf",
        "ends all lines but the greeting with LF alone",
    ),
    ("endless-greeting", "greets in a line without an end"),
    ("endless-line", "answers PASS in a line without an end"),
    ("endless-capa", "announces capabilities without an end"),
    (
        "endless-challenge",
        "answers AUTH, and whatever follows, with a challenge",
    ),
    ("endless-listing", "lists unique-ids without an end"),
    ("endless-entry", "lists a unique-id without an end"),
    ("endless-sizes", "lists sizes without an end"),
    ("endless-message", "hands out messages without an end"),
    (
        "endless-message-line",
        "hands out messages of one line without an end",
    ),
    (
        "million-twins",
        "lists 990,000 messages that are not there under one unique-id",
    ),
    (
        "list-giants",
        "lists 5,000 messages that are not there and larger than any limit",
    ),
    (
        "million-entries",
        "lists a million messages, of which a few are there",
    ),
    (
        "one-byte-every-nine-seconds",
        "hands out messages at one octet every nine seconds",
    ),
    (
        "one-byte-every-nine-seconds-in-listings",
        "lists unique-ids and sizes at one octet every nine seconds",
    ),
    (
        "one-byte-every-nine-seconds-always",
        "sends everything at one octet every nine seconds",
    ),
];

pub(super) const SMTP: &[(&str, &str)] = &[
    ("smtp-strip-greeting", "answers commands and never greets"),
    (
        "smtp-strip-starttls",
        "announces no STARTTLS and knows of none",
    ),
    ("smtp-strip-extensions", "announces nothing"),
    (
        "smtp-speak-early",
        "says yes to a whole transaction before it is asked",
    ),
    (
        "smtp-answer-dot-early",
        "says yes to the dot before the message",
    ),
    ("smtp-answer-twice", "sends each answer twice"),
    (
        "smtp-inject-after-starttls",
        "sends a line after its yes to STARTTLS",
    ),
    (
        "smtp-inject-after-starttls-without-crlf",
        "sends half a line after its yes to STARTTLS",
    ),
    (
        "smtp-inject-after-starttls-split",
        "cuts its yes to STARTTLS before the LF, and sends that with a line after it",
    ),
    (
        "smtp-inject-into-handshake",
        "sends a line in the clear when the handshake has begun",
    ),
    (
        "smtp-take-and-refuse",
        "takes the message and refuses it for now",
    ),
    (
        "smtp-take-and-vanish",
        "takes the message and hangs up without a word",
    ),
    ("smtp-take-and-stall", "takes the message and falls silent"),
    (
        "smtp-refuse-in-the-middle",
        "refuses in the middle of the message",
    ),
    ("smtp-close-with-421", "says 421 to each MAIL and hangs up"),
    ("smtp-close-at-the-dot", "says 421 to each dot and hangs up"),
    (
        "smtp-one-message-a-session",
        "says 421 to the second MAIL of a session and hangs up",
    ),
    (
        "smtp-refuse-the-sender-at-rcpt",
        "refuses each recipient unless the null sender names it",
    ),
    (
        "smtp-call-senders-malformed",
        "says 501 to each sender but the null one",
    ),
    (
        "smtp-answer-in-digits",
        "answers in three digits and nothing more",
    ),
    (
        "smtp-lie-about-size",
        "announces that it takes messages of ten octets",
    ),
    ("smtp-endless-greeting", "greets in a line without an end"),
    ("smtp-endless-ehlo", "announces extensions without an end"),
    (
        "smtp-endless-answer",
        "answers the dot in lines without an end",
    ),
    (
        "smtp-one-byte-every-nine-seconds",
        "sends everything at one octet every nine seconds",
    ),
];

pub(super) const LMTP: &[(&str, &str)] = &[
    (
        "lmtp-answer-once",
        "answers the dot once, whatever the number of recipients",
    ),
    (
        "lmtp-answer-too-often",
        "answers the dot once more than there are recipients",
    ),
    (
        "lmtp-refuse-the-last",
        "takes the message for all recipients but the last",
    ),
    (
        "lmtp-vanish-between-answers",
        "hangs up after the answer for the first recipient",
    ),
    (
        "lmtp-answer-before-the-message",
        "answers the dot before it has the message, and not after it",
    ),
    (
        "lmtp-answer-backwards",
        "answers the dot for the last recipient first, which is full",
    ),
    (
        "lmtp-answer-after-two-minutes",
        "answers the dot after two minutes",
    ),
    (
        "lmtp-endless-answers",
        "answers the dot for recipients without an end",
    ),
    (
        "lmtp-answer-in-latin-1",
        "answers the dot in letters of Latin-1",
    ),
    (
        "lmtp-take-for-the-refused",
        "refuses each second recipient, and takes the message for it too",
    ),
    (
        "lmtp-ask-for-a-message-to-none",
        "refuses all recipients, and asks for the message",
    ),
    (
        "lmtp-close-with-421-between-answers",
        "says 421 after the answers for two recipients and hangs up",
    ),
    (
        "lmtp-close-in-the-message",
        "hangs up after the first line of a message",
    ),
];
