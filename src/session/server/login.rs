//! From a connection to the transaction state: greeting, STLS if configured, CAPA, login, CAPA
//! again.
//!
//! A password is never sent over an unprotected connection unless the operator allowed that, and no
//! second mechanism is tried after a refusal.

use std::time::Duration;

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use tokio::time::sleep;

use crate::mail::text::Shown;
use crate::mail::{LoginMethod, Secret, TlsMode, limits};
use crate::net::{NetError, Wire};
use crate::proto::pop3::{self, Capabilities, Command, Kind, ResponseCode};
use crate::proto::sasl::{self, Mechanism};
use crate::session::server::announced::{Capa, worth_remembering};
use crate::session::server::maildrop::{OpenMaildrop, Reply};
use crate::session::server::refusal::{Told, calls_the_password_wrong, told, told_wait_seconds};
use crate::session::{Collaborators, Denial, During, SessionError, Visit};
use crate::telemetry::{Event, Quirk};

/// A maildrop that is ready for the login, with the APOP timestamp of its greeting.
pub(in crate::session) struct Reached {
    pub(in crate::session) maildrop: OpenMaildrop,
    timestamp: Option<String>,
}

/// Connects and logs in, for a command of the operator. If the server ends the session at CAPA,
/// connects once more without CAPA.
pub(in crate::session) async fn enter(
    visit: &Visit,
    with: &Collaborators,
) -> Result<OpenMaildrop, SessionError> {
    let mut capa = Capa::default();
    loop {
        let entered = async {
            let reached = reach(visit, with, &capa).await?;
            log_in(reached, visit, &capa).await
        };
        match entered.await {
            Err(SessionError::Over(Kind::Capa, _)) if !capa.is_left_out => capa.is_left_out = true,
            entered => return entered,
        }
    }
}

/// Connects, reads the greeting, and makes the connection as safe as the account demands.
pub(in crate::session) async fn reach(
    visit: &Visit,
    with: &Collaborators,
    capa: &Capa,
) -> Result<Reached, SessionError> {
    let (mut maildrop, timestamp) = greeted(visit, with).await?;
    if !capa.is_left_out {
        announced(&mut maildrop).await?;
    }
    protect(maildrop, timestamp, capa, visit, with).await
}

async fn greeted(
    visit: &Visit,
    with: &Collaborators,
) -> Result<(OpenMaildrop, Option<String>), SessionError> {
    let wire = with.connect.connect().await?;
    let mut maildrop = OpenMaildrop::new(&visit.account, wire, visit.pipelining);
    hide_secrets(&mut maildrop, visit);
    let timestamp = {
        let mut greeting = std::pin::pin!(greet(&mut maildrop));
        let silent = sleep(Duration::from_secs(limits::SILENT_GREETING_SECONDS));
        tokio::select! {
            biased;
            greeted = &mut greeting => greeted?,
            () = silent, if visit.tls != TlsMode::Implicit => {
                say_silent(visit, with);
                greeting.await?
            }
        }
    };
    Ok((maildrop, timestamp))
}

/// Warns about a silent server. On a port for implicit TLS, client and server wait for each other,
/// and only silence shows it.
fn say_silent(visit: &Visit, with: &Collaborators) {
    with.reporter.say(Event::Quirk {
        account: &visit.account,
        quirk: Quirk::NoGreeting {
            seconds: limits::SILENT_GREETING_SECONDS,
            port: visit.port,
        },
    });
}

/// The password must not appear in anything that the server says, in any form in which it is sent.
fn hide_secrets(maildrop: &mut OpenMaildrop, visit: &Visit) {
    let (user, secret) = (visit.login.user.clone(), visit.login.secret.clone());
    let mechanism = Mechanism::Plain {
        user,
        secret: secret.clone(),
    };
    // The longer ones first, which may contain the shorter.
    if let Some(response) = mechanism.initial() {
        maildrop.client.hide(sasl::encode(&response));
    }
    maildrop.client.hide(sasl::encode(&secret));
    maildrop.client.hide(secret);
}

async fn protect(
    mut maildrop: OpenMaildrop,
    timestamp: Option<String>,
    capa: &Capa,
    visit: &Visit,
    with: &Collaborators,
) -> Result<Reached, SessionError> {
    match visit.tls {
        TlsMode::Implicit => {}
        TlsMode::StartTls => {
            maildrop = start_tls(maildrop, visit, with).await?;
            if !capa.is_left_out {
                announced(&mut maildrop).await?;
            }
        }
        TlsMode::None if visit.allow_cleartext_password => {}
        TlsMode::None => {
            return Err(SessionError::Account {
                code: "cleartext_password",
                words: "tls = \"none\" would send the password unencrypted".to_owned(),
                hint: "Use tls = \"implicit\" or \"starttls\", or set allow_cleartext_password = \
                       true"
                    .to_owned(),
            });
        }
    }
    Ok(Reached {
        maildrop,
        timestamp,
    })
}

async fn greet(maildrop: &mut OpenMaildrop) -> Result<Option<String>, SessionError> {
    let greeted = maildrop
        .hear(During::Greeting, |event| match event {
            pop3::ClientEvent::Greeting { timestamp, .. } => Some(Ok(timestamp)),
            pop3::ClientEvent::Rejected { code, text } => {
                let words = if text.is_empty() {
                    "it gave no reason (-ERR and nothing more, for a greeting)".to_owned()
                } else {
                    Shown::new(&text).to_string()
                };
                Some(Err((code, words)))
            }
            _ => None,
        })
        .await?;
    greeted.map_err(|(code, words)| refused("greeting", code.as_ref(), words))
}

/// Sends CAPA. A server that refuses it announces nothing, which is no error.
async fn announced(maildrop: &mut OpenMaildrop) -> Result<(), SessionError> {
    if let Reply::Ok = maildrop.ask(&Command::Capa).await? {
        maildrop
            .hear(During::In(Kind::Capa), |event| {
                matches!(event, pop3::ClientEvent::Capabilities).then_some(())
            })
            .await?;
    }
    Ok(())
}

/// Sends STLS, which must succeed: without it, not an octet of the login is sent. It is sent even
/// if CAPA lacks it, because a CAPA without TLS proves nothing.
async fn start_tls(
    mut maildrop: OpenMaildrop,
    visit: &Visit,
    with: &Collaborators,
) -> Result<OpenMaildrop, SessionError> {
    // An answer before the command was injected: inside TLS the server would answer our STLS a
    // second time, and every later answer would be taken for the next command's.
    maildrop.listen_for_a_moment().await;
    if !maildrop.is_quiet() {
        let host = visit.host.clone();
        return Err(NetError::InjectedPlaintext { host }.into());
    }
    if let Reply::Refused { words, .. } = maildrop.ask(&Command::Stls).await? {
        return Err(SessionError::Account {
            code: "stls_refused",
            words: format!("the server refused STLS ({words}), so the login was not sent"),
            hint: "Try tls = \"implicit\" (port 995)".to_owned(),
        });
    }
    match maildrop.upgrade(with.connect.as_ref()).await {
        Err(SessionError::Net(error)) if error.is_name_mismatch() => {
            let again = Box::pin(ready_for_tls(visit, with));
            Err(with.connect.name_them(error, again).await.into())
        }
        upgraded => upgraded,
    }
}

/// Another connection, on which the server has accepted STLS.
async fn ready_for_tls(visit: &Visit, with: &Collaborators) -> Option<Wire> {
    let (mut maildrop, _) = greeted(visit, with).await.ok()?;
    match maildrop.ask(&Command::Stls).await.ok()? {
        Reply::Ok => Some(maildrop.into_wire()),
        _ => None,
    }
}

/// Logs in, and sends CAPA again: some servers announce UIDL or PIPELINING only now (RFC 2449
/// section 5).
pub(in crate::session) async fn log_in(
    reached: Reached,
    visit: &Visit,
    capa: &Capa,
) -> Result<OpenMaildrop, SessionError> {
    let Reached {
        mut maildrop,
        timestamp,
    } = reached;
    if capa.is_left_out {
        maildrop.client.assume(capa.assumed());
    }
    let before = maildrop.client.capabilities().clone();
    let reply = match method(visit.login.method, &before) {
        LoginMethod::Apop => apop(&mut maildrop, visit, timestamp.as_deref()).await?,
        LoginMethod::Plain => plain(&mut maildrop, visit).await?,
        LoginMethod::UserPass | LoginMethod::Auto => user_pass(&mut maildrop, visit).await?,
    };
    if let Reply::Refused { code, words } = reply {
        return Err(login_refused(visit, &before, code.as_ref(), words));
    }
    if capa.is_left_out {
        // At a login the client forgets the announced capabilities.
        maildrop.client.assume(capa.assumed());
    } else {
        announced(&mut maildrop).await?;
        let after = maildrop.client.capabilities();
        maildrop.last_capa = worth_remembering(&before, after);
    }
    Ok(maildrop)
}

fn method(wish: LoginMethod, announced: &Capabilities) -> LoginMethod {
    match wish {
        LoginMethod::Auto if announced.sasl.iter().any(|mechanism| mechanism == "PLAIN") => {
            LoginMethod::Plain
        }
        LoginMethod::Auto => LoginMethod::UserPass,
        wish => wish,
    }
}

async fn user_pass(maildrop: &mut OpenMaildrop, visit: &Visit) -> Result<Reply, SessionError> {
    match maildrop
        .ask(&Command::User(visit.login.user.clone()))
        .await?
    {
        Reply::Ok => {
            maildrop
                .ask(&Command::Pass(visit.login.secret.clone()))
                .await
        }
        refused => Ok(refused),
    }
}

async fn plain(maildrop: &mut OpenMaildrop, visit: &Visit) -> Result<Reply, SessionError> {
    let (user, secret) = (visit.login.user.clone(), visit.login.secret.clone());
    let mut mechanism = Mechanism::Plain { user, secret };
    let command = Command::Auth {
        mechanism: mechanism.name(),
        initial: mechanism.initial(),
    };
    let mut reply = maildrop.ask(&command).await?;
    // One `+` asks for the message, whatever text follows and even if the command carried the
    // message already: some servers do not read it there.
    if let Reply::Challenge(challenge) = reply {
        let message = mechanism.respond(&challenge.unwrap_or_default());
        reply = match message {
            Ok(message) => maildrop.ask(&Command::AuthResponse(message)).await?,
            Err(_) => return give_up(maildrop).await,
        };
    }
    match reply {
        // There is no answer to a second one.
        Reply::Challenge(_) => give_up(maildrop).await,
        reply => Ok(reply),
    }
}

/// Cancels a login that the server does not finish (RFC 5034 section 4), and reports that mailferry
/// did it.
async fn give_up(maildrop: &mut OpenMaildrop) -> Result<Reply, SessionError> {
    maildrop.ask(&Command::AuthAbort).await?;
    Err(SessionError::Account {
        code: "auth_challenge",
        words: "mailferry cancelled the login: the server asked for more than the one message of \
                AUTH PLAIN"
            .to_owned(),
        hint: "Set auth = \"user-pass\" for this account".to_owned(),
    })
}

async fn apop(
    maildrop: &mut OpenMaildrop,
    visit: &Visit,
    timestamp: Option<&str>,
) -> Result<Reply, SessionError> {
    let Some(timestamp) = timestamp else {
        return Err(SessionError::Account {
            code: "no_apop_timestamp",
            words: "the greeting contains no timestamp for APOP".to_owned(),
            hint: "Set auth = \"auto\"; with TLS that is the safer way".to_owned(),
        });
    };
    let mut md5 = Md5::new();
    md5.update(timestamp.as_bytes());
    md5.update(visit.login.secret.expose());
    let digest = Secret::new(HEXLOWER.encode(&md5.finalize()).into_bytes());
    maildrop
        .ask(&Command::Apop {
            user: visit.login.user.clone(),
            digest,
        })
        .await
}

/// Decides who is at fault for a refused login (RFC 3206 section 4).
fn login_refused(
    visit: &Visit,
    announced: &Capabilities,
    code: Option<&ResponseCode>,
    words: String,
) -> SessionError {
    let user = Shown::new(&visit.login.user).to_string();
    if let (None | Some(ResponseCode::Other(_)), Some(told)) = (code, told(&words)) {
        let meant = match told {
            Told::InUse => ResponseCode::InUse,
            Told::TooOften => ResponseCode::LoginDelay,
            Told::ServerFault => ResponseCode::SysTemp,
        };
        return refused("the login", Some(&meant), words);
    }
    if let (None, Some(only)) = (code, lacking(visit, announced)) {
        return SessionError::Account {
            code: "no_mechanism",
            words: format!(
                "the server announces only {only} for the login, which mailferry does not support, \
                 and refused USER and PASS: {words}"
            ),
            hint: "Ask its operator to allow USER and PASS, or AUTH PLAIN, over TLS".to_owned(),
        };
    }
    match code {
        Some(ResponseCode::Auth) => SessionError::Login {
            code: "auth_refused",
            user,
            words,
        },
        Some(ResponseCode::SysPerm) => SessionError::Login {
            code: "sys_perm",
            user,
            words,
        },
        Some(ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SysTemp) => {
            refused("the login", code, words)
        }
        // A server that announces AUTH-RESP-CODE should send [AUTH] if the password is wrong.
        _ if announced.auth_resp_code && !calls_the_password_wrong(&words) => {
            refused("the login", code, words)
        }
        _ => SessionError::Login {
            code: "auth_refused",
            user,
            words,
        },
    }
}

/// The mechanisms that a server announces, if mailferry supports none of them and the mechanism is
/// not configured.
fn lacking(visit: &Visit, announced: &Capabilities) -> Option<String> {
    let ours = announced.user || announced.sasl.iter().any(|mechanism| mechanism == "PLAIN");
    let chosen = visit.login.method == LoginMethod::Auto;
    (chosen && !ours && !announced.sasl.is_empty())
        .then(|| Shown::new(&announced.sasl.join(", ")).to_string())
}

/// A refusal that is not about user or password.
pub(in crate::session) fn refused(
    command: &'static str,
    code: Option<&ResponseCode>,
    words: String,
) -> SessionError {
    let denial = match code {
        Some(ResponseCode::InUse) => Denial::InUse,
        Some(ResponseCode::LoginDelay) => Denial::LoginDelay,
        Some(ResponseCode::SysTemp) => Denial::SysTemp,
        Some(ResponseCode::SysPerm) => Denial::SysPerm,
        _ => Denial::Unexplained,
    };
    SessionError::Refused {
        denial,
        command,
        wait_seconds: (denial == Denial::LoginDelay)
            .then(|| told_wait_seconds(&words))
            .flatten(),
        words,
    }
}
