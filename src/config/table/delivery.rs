//! The settings of a delivery, by its `type`.

use crate::config::SecretSource;
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::value::{
    Command, Count, ExitCodes, FilePath, Fingerprints, HostName, Line, Period, Port, Word,
};
use crate::mail::{LineEnds, TlsMode};

settings! {
    /// `type = "mda"`
    struct MdaTable {
        /// The program (a path, or a name to be found in $PATH) and its arguments; no shell is run. {sender}, {recipient},
        /// {account} and {unique_id} are replaced; the same is in the environment as $SENDER, $RECIPIENT, $ACCOUNT and
        /// $UNIQUE_ID. A null sender, or one that is no address, is MAILER-DAEMON as {sender} (as Postfix gives it to
        /// programs) and empty as $SENDER; one with a character that a shell would read is MAILER-DAEMON as {sender} only.
        command: Command = Without::Required(
            "[\"/usr/lib/dovecot/dovecot-lda\", \"-e\", \"-oquota_full_tempfail=yes\", \"-f\", \"{sender}\", \"-d\", \"{recipient}\"]",
        ),
        /// The user it runs as, when mailferry is root.
        user: Line = Without::Otherwise("the user mailferry runs as", "\"vmail\""),
        /// The group it runs as.
        group: Line = Without::Otherwise("the groups of user", "\"vmail\""),
        /// How long it may take for one message. Then it is ended, with all it has started.
        timeout: Period<1, 86_400> = Without::Default("\"5m\""),
        /// How many run at the same time. With 1, messages arrive in their order.
        parallel: Count<1, 1_000> = Without::Default("1"),
        /// "lf" or "crlf": how lines end on its standard input.
        line_ends: Word<LineEnds> = Without::Default("\"lf\""),
        /// Whether a `From ` line of the mbox format goes before the message.
        from_line: bool = Without::Default("false"),
        /// What exit codes mean, where the program differs from sysexits: "accepted", "transient" (try again later),
        /// "permanent" (quarantine), "recipient" (unknown) or "destination" (nothing can be delivered now).
        exit_codes: ExitCodes = Without::Otherwise(
            "0 and 99 accepted; 65 66 68 76 77 100 permanent; 67 recipient; 64 78 126 127 destination; else transient",
            "{ \"77\" = \"transient\" }",
        ),
    }
}

settings! {
    /// `type = "smtp"`
    struct SmtpTable {
        /// The relay: a name or an address.
        host: HostName = Without::Required("\"smtp.home.lan\""),
        /// Its port.
        port: Port = Without::Otherwise(
            "587 when tls is \"starttls\", 465 when it is \"implicit\", 25 when it is \"none\"",
            "25",
        ),
        /// "implicit": TLS from the first octet. "starttls": STARTTLS, and nothing is sent to a relay without it.
        /// "none": no TLS.
        tls: Word<TlsMode> = Without::Default("\"starttls\""),
        /// The certificates to trust, in PEM, instead of the system's: for a relay with a CA of its own.
        tls_ca_file: FilePath = Without::Otherwise(
            "the system's certificates",
            "\"/etc/mailferry/ca.pem\"",
        ),
        /// SHA-256 of the relay's certificate, or a list of them, as for an account.
        tls_fingerprint: Fingerprints = Without::Otherwise(
            "any certificate that verifies",
            "\"5E:B6:3B:BB:E0:1E:EE:D0:93:CB:22:BB:8F:5A:CD:C3:A1:D2:4F:7D:18:97:5E:BA:0A:C7:E3:40:3C:F5:9E:A1\"",
        ),
        /// The name the certificate must be for, when it is another than host.
        tls_server_name: HostName = Without::Otherwise("host", "\"mail.home.lan\""),
        /// Must be true when user and password are given and tls is "none".
        allow_cleartext_password: bool = Without::Default("false"),
        /// The user name, if the relay wants one; with a password.
        user: Line = Without::Otherwise("no login", "\"mailferry\""),
        /// Where the password is kept, as for an account.
        password: SecretSource = Without::Otherwise("no login", "{ file = \"/run/secrets/relay\" }"),
        /// The name we give in EHLO.
        helo: HostName = Without::Otherwise("the name of this machine", "\"mx.home.lan\""),
        /// How long each step of the conversation may take.
        timeout: Period<1, 86_400> = Without::Default("\"5m\""),
        /// How many connections are used at the same time. With 1, messages arrive in their order.
        parallel: Count<1, 1_000> = Without::Default("1"),
    }
}

settings! {
    /// `type = "maildir"`
    struct MaildirTable {
        /// The folder that holds new, cur and tmp. It is made when the folder above it exists. Messages arrive in their
        /// order.
        path: FilePath = Without::Required("\"/home/jane/Maildir\""),
        /// The user the messages belong to, when mailferry is root.
        user: Line = Without::Otherwise("the owner of the folder, or of the one above it", "\"jane\""),
        /// The group the messages belong to.
        group: Line = Without::Otherwise("the group of the folder, or of user", "\"jane\""),
    }
}
