//! Relays.

use std::time::Duration;

use crate::config::delivery::DeliveryKind;
use crate::config::error::Complaint;
use crate::config::resolve::{Header, Resolver, TlsSettings, chosen};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::value::{
    AddedFields, Count, FilePath, Fingerprints, HostName, Line, Period, Port, SenderSetting, Word,
};
use crate::config::{SUBMIT_PORTS, SecretSource};
use crate::mail::{Reports, TlsMode, TlsPolicy};

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
        /// "implicit": TLS from the first octet. "starttls": STARTTLS is required, and no mail is
        /// sent to a relay without it. "none": no TLS.
        tls: Word<TlsMode> = Without::Default("\"starttls\""),
        /// The CA certificates to trust, in PEM, instead of the system's: for a relay with a
        /// private CA.
        tls_ca_file: FilePath = Without::Otherwise(
            "the system's certificates",
            "\"/etc/mailferry/ca.pem\"",
        ),
        /// SHA-256 of the relay's certificate, or a list of them, as for an account.
        tls_fingerprint: Fingerprints = Without::Otherwise(
            "any certificate that verifies",
            "\"5E:B6:3B:BB:E0:1E:EE:D0:93:CB:22:BB:8F:5A:CD:C3:\
             A1:D2:4F:7D:18:97:5E:BA:0A:C7:E3:40:3C:F5:9E:A1\"",
        ),
        /// The name in the relay's certificate, if it is not host.
        tls_server_name: HostName = Without::Otherwise("host", "\"mail.home.lan\""),
        /// A client certificate to show to the relay, in PEM, with its intermediate certificates.
        tls_client_cert: FilePath = Without::Otherwise("none", "\"/etc/mailferry/client.pem\""),
        /// The private key of tls_client_cert, in PEM (PKCS #8, not encrypted).
        tls_client_key: FilePath = Without::Otherwise("none", "\"/etc/mailferry/client.key\""),
        /// Must be true to send user and password with tls = "none".
        allow_cleartext_password: bool = Without::Default("false"),
        /// The user name, if the relay requires a login; needs password.
        user: Line = Without::Otherwise("no login", "\"mailferry\""),
        /// Where the password is stored, as for an account.
        password: SecretSource = Without::Otherwise(
            "no login",
            "{ file = \"/run/secrets/relay\" }",
        ),
        /// The envelope sender that the destination is told: "keep", that of the message; "null",
        /// none; or an address. A program there that bounces (Sieve's reject, a full queue) writes
        /// to it, and the message's own is often forged. After "null" nothing bounces, and vacation
        /// replies are not sent either.
        sender: SenderSetting = Without::Default("\"keep\""),
        /// Whether a message counts as delivered without this delivery. If it refuses a message or
        /// is down, that is logged; it is asked again only while another delivery refuses the
        /// message too. An account needs at least one delivery without this.
        best_effort: bool = Without::Default("false"),
        /// Whether to put a Received field of mailferry on top. Without it, mail that comes back is
        /// only noticed by the fields of other servers.
        received: bool = Without::Default("true"),
        /// Header fields to put on top, above Received, with {account}, {recipient}, {host} (the
        /// POP3 server) and {unique_id}. One with {recipient} is left out where a message has
        /// several.
        add_header: AddedFields = Without::Otherwise(
            "none",
            "{ X-Fetched-From = \"{account}\" }",
        ),
        /// The name that mailferry gives in EHLO.
        helo: HostName = Without::Otherwise("the name of this machine", "\"mx.home.lan\""),
        /// Whether the relay may report to the sender that it could not deliver a message (DSN):
        /// "usual", as it does by itself, or "never", if it announces DSN.
        dsn: Word<Reports> = Without::Default("\"usual\""),
        /// How long each step of the SMTP session may take.
        timeout: Period<1, 86_400> = Without::Default("\"5m\""),
        /// How many connections are used at the same time. With 1, messages are delivered in order.
        parallel: Count<1, 1_000> = Without::Default("1"),
    }
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpConfig {
    /// A name in lower case without trailing dot, or an address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsPolicy,
    /// User name and password, if the relay requires a login.
    pub login: Option<SmtpLogin>,
    /// The name in EHLO; this machine's own if not given.
    pub helo: Option<String>,
    /// Whether it may report about messages to their senders.
    pub reports: Reports,
    /// How long each step of the session may take.
    pub timeout: Duration,
}

/// The login at a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpLogin {
    /// The user name.
    pub user: String,
    /// Where the password is stored.
    pub password: SecretSource,
}

impl Resolver<'_> {
    pub(super) fn smtp(
        &mut self,
        header: &Header<'_>,
        table: SmtpTable,
    ) -> Option<(u64, DeliveryKind)> {
        let host = self
            .need(header, "host", table.host)
            .map(|host| host.into_string());
        let mode = self.need_at(header, "tls", table.tls);
        let allowed = self.need(
            header,
            "allow_cleartext_password",
            table.allow_cleartext_password,
        );
        let login = self.smtp_login(table.user, table.password);
        let reports = self.need(header, "dsn", table.dsn);
        let timeout = self.need(header, "timeout", table.timeout);
        let parallel = self.need(header, "parallel", table.parallel);
        let mode = mode?;
        if chosen(&mode) == TlsMode::None && login.is_some() && allowed == Some(false) {
            let rule = "`tls` = \"none\" sends the password unencrypted. If that is what you want, \
                        add `allow_cleartext_password = true`";
            self.complain(mode.place, Complaint::Conflict(rule.to_owned()));
        }
        let tls = TlsSettings {
            mode: chosen(&mode),
            ca_file: table.tls_ca_file,
            fingerprint: table.tls_fingerprint,
            server_name: table.tls_server_name,
            client_cert: table.tls_client_cert,
            client_key: table.tls_client_key,
        };
        let smtp = SmtpConfig {
            port: match (table.port, tls.mode) {
                (Given::As(port), _) => port.value.0,
                (Given::Badly, _) => return None,
                (Given::Not, TlsMode::Implicit) => SUBMIT_PORTS.0,
                (Given::Not, TlsMode::StartTls) => SUBMIT_PORTS.1,
                (Given::Not, TlsMode::None) => SUBMIT_PORTS.2,
            },
            tls: self.tls(tls, host.as_deref().unwrap_or_default()),
            host: host?,
            login,
            helo: table.helo.some().map(|helo| helo.value.into_string()),
            reports: reports?.0,
            timeout: timeout?.duration(),
        };
        Some((parallel?.0, DeliveryKind::Smtp(smtp)))
    }

    fn smtp_login(
        &mut self,
        user: Given<Line>,
        password: Given<SecretSource>,
    ) -> Option<SmtpLogin> {
        let lonely = match (&user, &password) {
            (Given::As(user), Given::Not) => Some(user.place),
            (Given::Not, Given::As(password)) => Some(password.place),
            _ => None,
        };
        if let Some(place) = lonely {
            let rule = "`user` and `password` go together: give both, or none".to_owned();
            self.complain(place, Complaint::Conflict(rule));
        }
        let password = password.some().map(|password| self.secret(password));
        Some(SmtpLogin {
            user: user.some()?.value.0,
            password: password?,
        })
    }
}
