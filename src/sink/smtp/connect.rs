//! Connects to a relay until it is ready for use: TCP, TLS, EHLO, AUTH.

use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::disk::Lack;
use crate::mail::text::Shown;
use crate::mail::{Secret, TlsMode, limits};
use crate::net::{IoStream, NetError, dial};
use crate::proto::sasl;
use crate::sink::smtp::SmtpSettings;
use crate::sink::smtp::reply::{RelayReply, Step};
use crate::sink::smtp::tap::{Mood, Tap};
use crate::sink::{Fault, Refusal};

/// A connection to a relay, ready for a transaction.
pub(super) struct Relay {
    /// Reads replies and sends single commands.
    pub(super) connection: AsyncSmtpConnection,
    /// Writes bodies and pipelined commands, bypassing lettre.
    pub(super) tap: Tap,
    pub(super) extensions: Extensions,
    /// Secrets that no reply may show: some servers repeat what they were sent.
    pub(super) secrets: Vec<Secret>,
    /// The number of replies that were expected and read. If more have arrived, the relay is out of
    /// step, and no reply can be trusted.
    pub(super) heard: u64,
}

/// The extensions that the relay announces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// RFC 6152.
    pub(super) eight_bit: bool,
    /// RFC 6531.
    pub(super) utf8: bool,
    /// RFC 1870; 0 means announced without a limit.
    pub(super) size: Option<u64>,
}

/// Connects and logs in. Any failure here is the destination's fault, not a message's.
pub(super) async fn connect(settings: &SmtpSettings) -> Result<Relay, Refusal> {
    let stream = dial(&settings.host, settings.port)
        .await
        .map_err(|error| unreachable(&error))?;
    let stream: Box<dyn IoStream> = Box::new(stream);
    let tap = match settings.tls {
        TlsMode::None => Tap::new(stream, b""),
        TlsMode::Implicit => Tap::new(upgrade(settings, stream).await?, b""),
        // lettre waits for a greeting; this one was read by us before TLS.
        TlsMode::StartTls => {
            let stream = ready_for_tls(settings, stream).await?;
            Tap::new(upgrade(settings, stream).await?, b"220 continued\r\n")
        }
    };
    let name = ClientId::Domain(settings.helo.clone());
    let opened = AsyncSmtpConnection::connect_with_transport(Box::new(tap.clone()), &name);
    let mut connection = within(settings, opened)
        .await
        .map_err(|silent| match tap.replies() {
            0 => silent.instead_of_a_greeting(settings),
            _ => silent.into(),
        })?
        .map_err(|error| RelayReply::of(Err(error)).refusal(Step::Opening, &settings.helo))?;
    let secrets = log_in(settings, &mut connection).await?;
    // lettre stores only some of the extensions, so EHLO is sent once more.
    let said = within(
        settings,
        connection.command(format!("EHLO {}\r\n", settings.helo)),
    )
    .await?;
    let extensions = match &said {
        Ok(response) => Extensions::of(response.message()),
        Err(_) => {
            return Err(RelayReply::of(said)
                .without(&secrets)
                .refusal(Step::Opening, &settings.helo));
        }
    };
    let relay = Relay {
        connection,
        secrets,
        heard: tap.sent() + 1,
        tap,
        extensions,
    };
    if relay.is_in_step() && !relay.tap.was_ahead() {
        Ok(relay)
    } else {
        Err(gibberish(Fault::Destination))
    }
}

/// The refusal of a relay whose replies cannot be matched to commands.
pub(super) fn gibberish(fault: Fault) -> Refusal {
    let words = "the relay sent a reply to no command";
    Refusal::new(fault, "smtp_gibberish", words)
}

impl Relay {
    /// Whether the relay waits for us, and all of its replies have been read.
    pub(super) fn is_in_step(&self) -> bool {
        self.tap.mood() == Mood::Quiet && self.tap.replies() == self.heard
    }

    /// Whether the relay has answered more than it was asked. Then no later reply can be matched to
    /// its command, even if its number would do. A relay that has only hung up is not ahead: the
    /// next command gets no reply.
    pub(super) fn is_ahead(&self) -> bool {
        self.tap.mood() == Mood::Talks
            || self.tap.replies() > self.heard
            || (!self.extensions.pipelining && self.tap.was_ahead())
    }

    /// Sends QUIT and waits a moment for the reply: relays log clients that hang up without it.
    pub(super) async fn quit(mut self) {
        let _ = timeout(
            Duration::from_secs(limits::RELAY_QUIT_SECONDS_MAX),
            self.connection.quit(),
        )
        .await;
    }
}

impl Extensions {
    fn of<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let mut extensions = Self::default();
        for line in lines {
            let mut words = line.split_ascii_whitespace();
            match words
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase()
                .as_str()
            {
                "PIPELINING" => extensions.pipelining = true,
                "8BITMIME" => extensions.eight_bit = true,
                "SMTPUTF8" => extensions.utf8 = true,
                "SIZE" => {
                    extensions.size =
                        Some(words.next().and_then(|word| word.parse().ok()).unwrap_or(0))
                }
                _ => {}
            }
        }
        extensions
    }
}

async fn upgrade(
    settings: &SmtpSettings,
    stream: Box<dyn IoStream>,
) -> Result<Box<dyn IoStream>, Refusal> {
    let (connector, host) = (&settings.connector, &settings.host);
    match connector.connect(host, stream).await {
        Ok(stream) => Ok(stream),
        Err(error) => {
            let again = again_ready_for_tls(settings);
            Err(unreachable(&connector.name_them(host, error, again).await))
        }
    }
}

/// Opens another connection to the relay, on which TLS may begin.
async fn again_ready_for_tls(settings: &SmtpSettings) -> Option<Box<dyn IoStream>> {
    let stream: Box<dyn IoStream> = Box::new(dial(&settings.host, settings.port).await.ok()?);
    match settings.tls {
        TlsMode::StartTls => ready_for_tls(settings, stream).await.ok(),
        TlsMode::Implicit | TlsMode::None => Some(stream),
    }
}

/// Opens a connection on which the relay has accepted STARTTLS (RFC 3207), which is required. Data
/// between its 220 and the handshake was injected (CVE-2011-0411).
async fn ready_for_tls(
    settings: &SmtpSettings,
    mut stream: Box<dyn IoStream>,
) -> Result<Box<dyn IoStream>, Refusal> {
    let mut rest = Vec::new();
    let greeting = ask(settings, &mut stream, &mut rest, "")
        .await
        .map_err(|silent| silent.instead_of_a_greeting(settings))?;
    accept(settings, greeting, 220)?;
    expect(
        settings,
        &mut stream,
        &mut rest,
        &format!("EHLO {}\r\n", settings.helo),
        250,
    )
    .await?;
    // A reply before the command was injected.
    nothing_injected(settings, &rest)?;
    expect(settings, &mut stream, &mut rest, "STARTTLS\r\n", 220).await?;
    nothing_injected(settings, &rest)?;
    Ok(stream)
}

fn nothing_injected(settings: &SmtpSettings, rest: &[u8]) -> Result<(), Refusal> {
    if rest.is_empty() {
        return Ok(());
    }
    let host = settings.host.clone();
    Err(unreachable(&NetError::InjectedPlaintext { host }))
}

/// Sends a command in the clear and waits for the reply with this code.
async fn expect(
    settings: &SmtpSettings,
    stream: &mut Box<dyn IoStream>,
    rest: &mut Vec<u8>,
    command: &str,
    code: u16,
) -> Result<(), Refusal> {
    let reply = ask(settings, stream, rest, command).await?;
    accept(settings, reply, code)
}

fn accept(settings: &SmtpSettings, reply: RelayReply, code: u16) -> Result<(), Refusal> {
    match reply {
        RelayReply::Said(said, _) if said == code => Ok(()),
        other => Err(other.refusal(Step::Opening, &settings.helo)),
    }
}

/// Sends a command in the clear and reads the reply.
async fn ask(
    settings: &SmtpSettings,
    stream: &mut Box<dyn IoStream>,
    rest: &mut Vec<u8>,
    command: &str,
) -> Result<RelayReply, Silent> {
    let exchange = async {
        stream.write_all(command.as_bytes()).await?;
        stream.flush().await?;
        read_reply(stream, rest).await
    };
    let said = within(settings, exchange).await?;
    Ok(said.map_or_else(
        |error| RelayReply::Lost(error.to_string()),
        |(code, words)| RelayReply::Said(code, words),
    ))
}

/// Reads one reply of one or more lines, without the data after it.
async fn read_reply(
    stream: &mut Box<dyn IoStream>,
    rest: &mut Vec<u8>,
) -> std::io::Result<(u16, String)> {
    let mut words = String::new();
    let mut lines = 0;
    loop {
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = line.trim_ascii_end();
            let code = line
                .get(..3)
                .and_then(|code| std::str::from_utf8(code).ok())
                .and_then(|code| code.parse().ok());
            let code = code.ok_or_else(|| {
                std::io::Error::other(format!("expected a reply, got: {}", Shown::new(line)))
            })?;
            words = Shown::new(line.get(4..).unwrap_or_default()).to_string();
            lines += 1;
            if line.get(3) != Some(&b'-') {
                return Ok((code, words));
            }
        }
        if rest.len() > limits::SMTP_REPLY_LINE_OCTETS_MAX || lines > limits::SMTP_REPLY_LINES_MAX {
            return Err(std::io::Error::other("the relay sends an endless reply"));
        }
        let mut buffer = [0; 1024];
        let octets = stream.read(&mut buffer).await?;
        if octets == 0 {
            return Err(std::io::Error::other(format!(
                "the relay closed the connection {words}"
            )));
        }
        rest.extend_from_slice(buffer.get(..octets).unwrap_or_default());
    }
}

async fn log_in(
    settings: &SmtpSettings,
    connection: &mut AsyncSmtpConnection,
) -> Result<Vec<Secret>, Refusal> {
    let Some(login) = &settings.login else {
        return Ok(Vec::new());
    };
    let fault = |words: String| Refusal::new(Fault::Destination, "smtp_auth", words);
    let (user, secret) = login.login().await?;
    let password = String::from_utf8(secret.expose().to_vec()).map_err(|_| {
        fault("the relay's password is not UTF-8, as AUTH PLAIN requires (RFC 4616)".to_owned())
    })?;
    let secrets = forms_of(&user, &secret);
    let credentials = Credentials::new(user, password);
    let said = within(
        settings,
        connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials),
    )
    .await?;
    let reply = RelayReply::of(said).without(&secrets);
    match reply {
        _ if reply.is_yes() => Ok(secrets),
        RelayReply::Said(code, _) => Err(fault(format!(
            "the relay refused the login: {code} {}",
            reply.shown()
        ))),
        RelayReply::Lost(_) => Err(fault(format!("the login failed: {}", reply.shown()))),
    }
}

/// The forms in which a relay could repeat the login, as they appear in its replies. Longer forms
/// first, because they may contain the shorter ones.
fn forms_of(user: &str, secret: &Secret) -> Vec<Secret> {
    let plain = [b"\0", user.as_bytes(), b"\0", secret.expose()].concat();
    // Replies are read as ASCII.
    let ascii = |octet: &u8| if octet.is_ascii() { *octet } else { b'?' };
    let readable: Vec<u8> = secret.expose().iter().map(ascii).collect();
    vec![
        sasl::encode(&Secret::new(plain)),
        sasl::encode(secret),
        Secret::new(readable),
    ]
}

/// Every step has a time limit.
pub(super) async fn within<T>(
    settings: &SmtpSettings,
    step: impl Future<Output = T>,
) -> Result<T, Silent> {
    timeout(settings.timeout, step)
        .await
        .map_err(|_| Silent(settings.timeout))
}

/// A relay that did not answer within this time.
pub(super) struct Silent(Duration);

impl Silent {
    /// The refusal of a relay that did not greet, with what to try: on a port for TLS, it waits for
    /// the client to begin.
    fn instead_of_a_greeting(self, settings: &SmtpSettings) -> Refusal {
        let mut refusal = Refusal::from(self);
        if settings.tls != TlsMode::Implicit {
            let port = settings.port;
            let hint = format!(". If port {port} is its port for TLS, set `tls = \"implicit\"`");
            refusal.words.push_str(&hint);
        }
        refusal
    }
}

impl From<Silent> for Refusal {
    fn from(Silent(after): Silent) -> Self {
        let words = format!(
            "the relay did not answer within {} seconds",
            after.as_secs_f64()
        );
        Self::new(Fault::Destination, "smtp_timeout", words)
    }
}

fn unreachable(error: &NetError) -> Refusal {
    let lack = error.is_ours().then_some(Lack::Descriptors);
    Refusal::of_system(lack, error.code(), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_letter_case() {
        let lines = [
            "mx.example.org greets you",
            "pipelining",
            "SIZE 1000",
            "8BITMIME",
            "X-OTHER a b",
        ];
        let expected = Extensions {
            pipelining: true,
            eight_bit: true,
            utf8: false,
            size: Some(1000),
        };
        assert_eq!(Extensions::of(lines.into_iter()), expected);
        assert_eq!(Extensions::of(["SIZE"].into_iter()).size, Some(0));
    }
}
