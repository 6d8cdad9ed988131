//! One account, as configured.

use futures_util::future::BoxFuture;

use crate::agent::{Prepare, explain};
use crate::config::{Account, Environment};
use crate::mail::TlsMode;
use crate::secrets;
use crate::seen::Seal;
use crate::session::{Login, SessionError, Visit};

/// An account as configured. Its password is read for each poll.
pub(super) struct Configured {
    pub(super) account: Account,
    /// All settings as text, to detect changes. It contains the sources of secrets, never secrets.
    pub(super) settings: String,
    pub(super) own_host: String,
    pub(super) unrecorded_max: usize,
    pub(super) forget_after_seconds: u64,
    pub(super) environment: Environment,
}

impl Prepare for Configured {
    fn password_source(&self) -> Option<String> {
        Some(self.account.password.to_string())
    }

    fn seal(&self, salt: u64) -> BoxFuture<'_, Option<Seal>> {
        Box::pin(async move {
            let secret = secrets::facts(&self.account.password, &self.environment).await?;
            Some(Seal::of(salt, &self.settings, &secret))
        })
    }

    fn prepare(&self) -> BoxFuture<'_, Result<Visit, SessionError>> {
        Box::pin(async {
            let account = &self.account;
            let secret = secrets::read(&account.password, &self.environment)
                .await
                .map_err(explain::no_secret)?;
            Ok(Visit {
                account: account.name.clone(),
                host: account.host.clone(),
                port: account.port,
                own_host: self.own_host.clone(),
                tls: account.tls.mode,
                // `tls = "none"` is only resolved if the operator allowed it with
                // `allow_cleartext_password`.
                allow_cleartext_password: account.tls.mode == TlsMode::None,
                login: Login {
                    user: account.user.clone(),
                    secret,
                    method: account.auth,
                },
                recipient: account.recipient.clone(),
                envelope: account.envelope.clone(),
                retention: account.retention,
                order: account.order,
                first_run: account.first_run,
                limits: account.limits,
                commit_every: account
                    .commit_every
                    .map(|every| u32::try_from(every).unwrap_or(u32::MAX)),
                pipelining: account.pipelining,
                hides_retrieved: HIDING_HOSTS.contains(&account.host.as_str()),
                unrecorded_max: self.unrecorded_max,
                forget_after_seconds: self.forget_after_seconds,
            })
        })
    }
}

/// Servers that hide retrieved messages after QUIT, whatever they announce (observed with Gmail).
const HIDING_HOSTS: &[&str] = &["pop.gmail.com", "pop.googlemail.com"];
