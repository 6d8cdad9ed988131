//! LMTP servers.

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::config::delivery::DeliveryKind;
use crate::config::error::Complaint;
use crate::config::resolve::{Header, Resolver, TlsSettings, chosen, count};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::source::At;
use crate::config::value::{
    AddedFields, Count, FilePath, Fingerprints, HostName, Period, Port, SenderSetting, Word,
};
use crate::config::{LMTP_PORT, SUBMIT_PORTS};
use crate::mail::{ServerAddress, TlsMode, TlsPolicy, limits};

settings! {
    /// `type = "lmtp"`
    struct LmtpTable {
        /// The server: a name or an address.
        host: HostName = Without::Required("\"dovecot.home.lan\""),
        /// Its port. It is never 25 (RFC 2033).
        port: Port = Without::Otherwise("24", "24"),
        /// The Unix socket of a server on this machine, at most 107 octets long. mailferry's user
        /// must be allowed to write to it.
        socket: FilePath = Without::Others("host and port", "\"/run/dovecot/lmtp\""),
        /// "none": no TLS. "starttls": STARTTLS is required, and no mail is sent to a server
        /// without it. "implicit": TLS from the first octet.
        tls: Word<TlsMode> = Without::Default("\"none\""),
        /// The CA certificates to trust, in PEM, instead of the system's: for a server with a
        /// private CA.
        tls_ca_file: FilePath = Without::Otherwise(
            "the system's certificates",
            "\"/etc/mailferry/ca.pem\"",
        ),
        /// SHA-256 of the server's certificate, or a list of them, as for an account.
        tls_fingerprint: Fingerprints = Without::Otherwise(
            "any certificate that verifies",
            "\"5E:B6:3B:BB:E0:1E:EE:D0:93:CB:22:BB:8F:5A:CD:C3:\
             A1:D2:4F:7D:18:97:5E:BA:0A:C7:E3:40:3C:F5:9E:A1\"",
        ),
        /// The name in the server's certificate, if it is not host.
        tls_server_name: HostName = Without::Otherwise("host", "\"mail.home.lan\""),
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
        /// How long each step of the LMTP session may take.
        timeout: Period<1, 86_400> = Without::Default("\"5m\""),
        /// How many connections are used at the same time. With 1, messages are delivered in order.
        parallel: Count<1, 1_000> = Without::Default("1"),
        /// The most recipients of one transaction. If the server announces fewer, those.
        recipients_max: Count<1, 10_000> = Without::Default("100"),
    }
}

/// An LMTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LmtpConfig {
    /// Where it listens.
    pub address: ServerAddress,
    /// How the connection is protected.
    pub tls: TlsPolicy,
    /// How long each step of the session may take.
    pub timeout: Duration,
    /// The most recipients of one transaction.
    pub recipients_max: usize,
}

impl Resolver<'_> {
    pub(super) fn lmtp(
        &mut self,
        header: &Header<'_>,
        table: LmtpTable,
    ) -> Option<(u64, DeliveryKind)> {
        let mode = self.need_at(header, "tls", table.tls);
        let timeout = self.need(header, "timeout", table.timeout);
        let parallel = self.need(header, "parallel", table.parallel);
        let recipients_max = self.need(header, "recipients_max", table.recipients_max);
        let address = self.lmtp_address(header, table.host, table.port, table.socket);
        let mode = mode?;
        let host = match &address {
            Some(ServerAddress::Tcp { host, .. }) => host.clone(),
            Some(ServerAddress::Socket(_)) if chosen(&mode) != TlsMode::None => {
                let rule = "a `socket` is on this machine and has no certificate: remove `tls`, or \
                            set it to \"none\"";
                self.complain(mode.place, Complaint::Conflict(rule.to_owned()));
                return None;
            }
            _ => String::new(),
        };
        let tls = TlsSettings {
            mode: chosen(&mode),
            ca_file: table.tls_ca_file,
            fingerprint: table.tls_fingerprint,
            server_name: table.tls_server_name,
            client_cert: Given::Not,
            client_key: Given::Not,
        };
        let lmtp = LmtpConfig {
            tls: self.tls(tls, &host),
            address: address?,
            timeout: timeout?.duration(),
            recipients_max: count(recipients_max?.0),
        };
        Some((parallel?.0, DeliveryKind::Lmtp(lmtp)))
    }

    /// A host and port, or a socket, and never both.
    fn lmtp_address(
        &mut self,
        header: &Header<'_>,
        host: Given<HostName>,
        port: Given<Port>,
        socket: Given<FilePath>,
    ) -> Option<ServerAddress> {
        let beside_socket = match (&host, &port) {
            (Given::As(host), _) => Some(("host", host.place)),
            (_, Given::As(port)) => Some(("port", port.place)),
            _ => None,
        };
        match (socket, beside_socket) {
            (Given::As(_), Some((name, place))) => {
                let rule = format!(
                    "`{name}` and `socket` are two addresses of one server: remove one of them"
                );
                self.complain(place, Complaint::Conflict(rule));
                None
            }
            (Given::As(socket), None) => self.socket(socket),
            (Given::Badly, _) => None,
            (Given::Not, _) => {
                if matches!(host, Given::Not) {
                    let hint = "give it the `host` of an LMTP server, or the path of its `socket` \
                                on this machine, such as \"/run/dovecot/lmtp\"";
                    self.missing(header, "host", hint.to_owned());
                }
                let port = self.lmtp_port(port);
                let host = host.some()?.value.into_string();
                Some(ServerAddress::Tcp { host, port: port? })
            }
        }
    }

    fn lmtp_port(&mut self, port: Given<Port>) -> Option<u16> {
        match port {
            Given::Not => Some(LMTP_PORT),
            Given::Badly => None,
            Given::As(port) if port.value.0 == SUBMIT_PORTS.2 => {
                let rule = "LMTP is forbidden on port 25, which belongs to SMTP (RFC 2033). Use \
                            the port of the server's LMTP, usually 24, or `type = \"smtp\"`";
                self.complain(port.place, Complaint::Conflict(rule.to_owned()));
                None
            }
            Given::As(port) => Some(port.value.0),
        }
    }

    fn socket(&mut self, socket: At<FilePath>) -> Option<ServerAddress> {
        let place = socket.place;
        let path = self.path(socket);
        let octets = path.as_os_str().as_bytes().len();
        if octets > limits::SOCKET_PATH_OCTETS_MAX {
            let name = "socket".to_owned();
            let most = limits::SOCKET_PATH_OCTETS_MAX;
            let why = format!(
                "the path has {octets} octets, and the system allows {most} for a \
                 socket. Use a shorter path, for example a symbolic link"
            );
            self.complain(place, Complaint::Value { name, why });
            return None;
        }
        Some(ServerAddress::Socket(path))
    }
}
