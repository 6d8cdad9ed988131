//! Connects to a relay until it is ready for use: TCP, TLS, EHLO, AUTH.

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use tokio::time::timeout;

use crate::mail::{Secret, ServerAddress, TlsMode};
use crate::proto::sasl;
use crate::proto::transaction::{Dialect, Extensions, ServerReply, Step};
use crate::sink::server::{Classifier, Link, Opening, ServerCause};
use crate::sink::smtp::SmtpSettings;
use crate::sink::smtp::session::{RelaySession, reply_of};
use crate::sink::smtp::tap::Tap;
use crate::sink::{Fault, Refusal};

/// Connects and logs in. Any failure here is the destination's fault, not a message's.
pub(super) async fn connect(settings: &SmtpSettings) -> Result<RelaySession, Refusal> {
    let address = ServerAddress::Tcp {
        host: settings.host.clone(),
        port: settings.port,
    };
    let classifier = Classifier {
        dialect: Dialect::Smtp,
        helo: &settings.helo,
    };
    let opening = Opening {
        address: &address,
        tls: settings.tls,
        connector: &settings.connector,
        classifier,
        step: settings.timeout,
    };
    let refused = |reply: &ServerReply| classifier.refusal(Step::Opening, reply);
    let stream = opening.stream().await?;
    // lettre waits for a greeting; with STARTTLS it was read by us before TLS.
    let tap = match settings.tls {
        TlsMode::None | TlsMode::Implicit => Tap::new(stream, b""),
        TlsMode::StartTls => Tap::new(stream, b"220 continued\r\n"),
    };
    let name = ClientId::Domain(settings.helo.clone());
    let opened = AsyncSmtpConnection::connect_with_transport(Box::new(tap.clone()), &name);
    let mut connection = timeout(settings.timeout, opened)
        .await
        .map_err(|_| opening.silent(tap.replies() == 0))?
        .map_err(|error| refused(&reply_of(Err(error))))?;
    let secrets = log_in(settings, &opening, &mut connection).await?;
    // lettre stores only some of the extensions, so EHLO is sent once more.
    let hello = connection.command(format!("EHLO {}\r\n", settings.helo));
    let said = timeout(settings.timeout, hello).await;
    let said = reply_of(said.map_err(|_| opening.silent(false))?).without(&secrets);
    if !said.is_yes() {
        return Err(refused(&said));
    }
    let mut session = RelaySession {
        connection,
        secrets,
        heard: tap.sent() + 1,
        extensions: Extensions::of(said.lines()),
        tap,
    };
    if session.is_in_step() && !session.tap.was_ahead() {
        Ok(session)
    } else {
        Err(classifier.gibberish(Fault::Destination))
    }
}

async fn log_in(
    settings: &SmtpSettings,
    opening: &Opening<'_>,
    connection: &mut AsyncSmtpConnection,
) -> Result<Vec<Secret>, Refusal> {
    let Some(login) = &settings.login else {
        return Ok(Vec::new());
    };
    let classifier = opening.classifier;
    let fault = |words: String| classifier.refuse(Fault::Destination, ServerCause::Auth, words);
    let (user, secret) = login.login().await?;
    let password = String::from_utf8(secret.expose().to_vec()).map_err(|_| {
        fault("the relay's password is not UTF-8, as AUTH PLAIN requires (RFC 4616)".to_owned())
    })?;
    let secrets = forms_of(&user, &secret);
    let credentials = Credentials::new(user, password);
    let mechanisms = [Mechanism::Plain, Mechanism::Login];
    let said = timeout(settings.timeout, connection.auth(&mechanisms, &credentials)).await;
    let reply = reply_of(said.map_err(|_| opening.silent(false))?).without(&secrets);
    let shown = reply.shown_with_code();
    match reply {
        _ if reply.is_yes() => Ok(secrets),
        ServerReply::Said(..) => Err(fault(format!("the relay refused the login: {shown}"))),
        ServerReply::Lost(_) => Err(fault(format!("the login failed: {shown}"))),
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
