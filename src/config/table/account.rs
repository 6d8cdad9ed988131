//! The settings of an account.

use crate::config::SecretSource;
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::value::{
    Address, CountOr, FilePath, Fingerprints, HostName, Interval, Keeping, Line, Octets, OctetsOr,
    Port, Word,
};
use crate::mail::{FirstRun, LoginMethod, TlsMode};

settings! {
    /// `[account.NAME]`, and `[defaults]`, which may have all of it but `user` and `password`.
    struct AccountTable {
        /// Whether the account is polled.
        enabled: bool = Without::Default("true"),
        /// The POP3 server: a name or an address.
        host: HostName = Without::Required("\"pop.example.org\""),
        /// Its port.
        port: Port = Without::Otherwise("995 when tls is \"implicit\", else 110", "995"),
        /// "implicit": TLS from the first octet. "starttls": STLS, and nothing is sent to a server without it.
        /// "none": everything can be read on the way; requires allow_cleartext_password = true.
        tls: Word<TlsMode> = Without::Default("\"implicit\""),
        /// The certificates to trust, in PEM, instead of the system's: for a server with a CA of its own.
        tls_ca_file: FilePath = Without::Otherwise(
            "the system's certificates",
            "\"/etc/mailferry/ca.pem\"",
        ),
        /// SHA-256 of the server's certificate in hexadecimal, with or without colons, or a list of them: the server
        /// must show one of these, which then needs nobody's signature, and its name does not matter. This prints it
        /// (with port 110 and -starttls pop3 for "starttls"):
        ///   openssl s_client -connect HOST:995 </dev/null | openssl x509 -noout -fingerprint -sha256
        tls_fingerprint: Fingerprints = Without::Otherwise(
            "any certificate that verifies",
            "\"5E:B6:3B:BB:E0:1E:EE:D0:93:CB:22:BB:8F:5A:CD:C3:A1:D2:4F:7D:18:97:5E:BA:0A:C7:E3:40:3C:F5:9E:A1\"",
        ),
        /// The name the certificate must be for, when it is another than host.
        tls_server_name: HostName = Without::Otherwise("host", "\"mail.example.org\""),
        /// A certificate to show to the server, in PEM, with those between it and its root.
        tls_client_cert: FilePath = Without::Otherwise("none", "\"/etc/mailferry/client.pem\""),
        /// The private key of tls_client_cert, in PEM (PKCS #8, not encrypted).
        tls_client_key: FilePath = Without::Otherwise("none", "\"/etc/mailferry/client.key\""),
        /// Must be true for tls = "none": password and mail can be read by everyone on the way.
        allow_cleartext_password: bool = Without::Default("false"),
        /// The user name, as the provider gave it: often the whole address.
        user: Line = Without::Required("\"jane\""),
        /// The password, byte for byte; one line end at its end is cut. Where it is kept:
        /// { file = "/run/secrets/work" }, { env = "WORK_PASSWORD" }, { credential = "work" } (systemd's
        /// LoadCredential=), { command = ["pass", "show", "mail/work"] } (no shell; what it prints), or a string, in a
        /// file that only you can read (chmod 600). It is read anew for every poll.
        password: SecretSource = Without::Required("{ file = \"/run/secrets/work\" }"),
        /// "auto": SASL PLAIN where announced, else USER and PASS. "user-pass" or "plain": only that. "apop": APOP,
        /// never tried unless it is asked for.
        auth: Word<LoginMethod> = Without::Default("\"auto\""),
        /// Who gets the mail: the envelope recipient for a relay, {recipient} and $RECIPIENT for an MDA.
        recipient: Address = Without::Otherwise(
            "the account's name. Required for smtp, and for an mda whose command has {recipient}",
            "\"jane@home.lan\"",
        ),
        /// Where the mail goes: the NAME of a [delivery.NAME].
        delivery: Line = Without::Otherwise("the only delivery, when there is just one", "\"local\""),
        /// What happens on the server after delivery: "keep", "delete", or "delete after 14d" (counted from delivery).
        retention: Keeping = Without::Default("\"keep\""),
        /// From the start of one poll to the start of the next; at least 60s, unless host is this machine. Servers that
        /// announce LOGIN-DELAY are given more.
        poll_every: Interval = Without::Default("\"5m\""),
        /// A larger message stays on the server, and is reported once.
        max_message_size: Octets = Without::Default("\"100MiB\""),
        /// How many messages one poll retrieves at most, or "unlimited". The next poll goes on.
        max_messages: CountOr<true> = Without::Default("\"unlimited\""),
        /// How many octets one poll retrieves at most, or "unlimited". The next poll goes on.
        max_octets: OctetsOr = Without::Default("\"unlimited\""),
        /// A number: leave and log in again after so many deletes, so that a lost connection costs less. Servers delete
        /// when the session ends well, and only then. Or "off".
        commit_every: CountOr<false> = Without::Default("\"off\""),
        /// Whether commands are sent ahead of their answers, where the server announces that it can.
        pipelining: bool = Without::Default("true"),
        /// What to do when nothing is known of the account and the maildrop holds more than 500 messages. "ask": wait
        /// for you. "all": retrieve everything. "skip": count all of it as seen, and retrieve what comes later.
        first_run: Word<FirstRun> = Without::Default("\"ask\""),
    }
}
