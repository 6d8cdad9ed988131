//! What is allowed and probably not meant.

use std::path::{Path, PathBuf};

use crate::config::system::{Storage, System};
use crate::config::{Account, Config, DeliveryKind, LOGIN_PORTS, SUBMIT_PORTS};
use crate::mail::{AccountName, TlsMode, TlsPolicy};

/// Something the operator should look at; it stops nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The fields are the words of the sentence above them.
pub enum Warning {
    /// The port of plain POP3, and TLS from the first octet.
    #[error(
        "[account.{account}] speaks TLS at once on port 110, where servers wait for STLS; is `tls` = \"starttls\" meant?"
    )]
    ImplicitOn110 { account: AccountName },
    /// The port of POP3 over TLS, and no TLS from the first octet.
    #[error(
        "[account.{account}] waits for a greeting in clear on port 995, where servers speak TLS at once; is `tls` = \"implicit\" meant?"
    )]
    CleartextOn995 { account: AccountName },
    /// Another port that belongs to another way of TLS.
    #[error(
        "[delivery.{delivery}] has a port that is used with `tls` = \"{usual}\"; is that meant?"
    )]
    RelayPort {
        delivery: String,
        usual: &'static str,
    },
    /// Password and mail in clear.
    #[error(
        "[account.{account}] sends password and mail in clear: everyone on the way can read them"
    )]
    Cleartext { account: AccountName },
    /// A password for the relay in clear.
    #[error("[delivery.{delivery}] sends its password in clear: everyone on the way can read it")]
    RelayCleartext { delivery: String },
    /// Settings that protect nothing.
    #[error(
        "{table} has tls_ca_file, tls_fingerprint or a client certificate, but `tls` = \"none\": they protect nothing"
    )]
    UselessTls { table: String },
    /// An MDA with all rights.
    #[error("[delivery.{delivery}] runs as root and reads what strangers wrote; give it `user`")]
    MdaAsRoot { delivery: String },
    /// Another user is asked for than can be.
    #[error(
        "[delivery.{delivery}] has `user` or `group`, but only root may deliver as somebody else"
    )]
    UserWithoutRoot { delivery: String },
    /// dovecot-lda that sends bounces to whoever is named as the sender.
    #[error(
        "[delivery.{delivery}] runs dovecot-lda without -e: it sends bounces to senders that are often forged, and says that the \
         message was taken. Add \"-e\" to `command`"
    )]
    LdaBounces { delivery: String },
    /// dovecot-lda that refuses for good what a full mailbox has no room for.
    #[error(
        "[delivery.{delivery}] runs dovecot-lda without `-o quota_full_tempfail=yes`: it ends with 77 when a mailbox is over its \
         quota, and mail goes to the quarantine instead of waiting. Add \"-o\", \"quota_full_tempfail=yes\" to `command`"
    )]
    LdaQuota { delivery: String },
    /// A name that relays refuse.
    #[error(
        "[delivery.{delivery}] says EHLO {helo}: no host name has an underscore, and relays refuse such a one (501 or 504). Set \
         `helo` to a name without"
    )]
    HeloUnderscore { delivery: String, helo: String },
    /// Records that go with the container.
    #[error(
        "the state directory {state_dir} is inside the container, not on a volume: with the container all records go, \
         and all mail is delivered again. Mount a volume there",
        state_dir = .state_dir.display()
    )]
    StateInContainer { state_dir: PathBuf },
    /// Records that go with the power.
    #[error(
        "the state directory {state_dir} is in memory ({kind}): after a restart of this machine all mail is delivered \
         again",
        state_dir = .state_dir.display()
    )]
    StateInMemory {
        state_dir: PathBuf,
        kind: &'static str,
    },
    /// Nobody uses it.
    #[error("[delivery.{delivery}] is used by no account")]
    UnusedDelivery { delivery: String },
    /// Nothing is polled.
    #[error("every account has `enabled` = false: nothing is polled")]
    NothingEnabled,
}

impl Warning {
    /// The stable name of the warning.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ImplicitOn110 { .. } => "implicit_on_110",
            Self::CleartextOn995 { .. } => "cleartext_on_995",
            Self::RelayPort { .. } => "relay_port",
            Self::Cleartext { .. } => "cleartext",
            Self::RelayCleartext { .. } => "relay_cleartext",
            Self::UselessTls { .. } => "useless_tls",
            Self::MdaAsRoot { .. } => "mda_as_root",
            Self::UserWithoutRoot { .. } => "user_without_root",
            Self::LdaBounces { .. } => "lda_bounces",
            Self::LdaQuota { .. } => "lda_quota",
            Self::HeloUnderscore { .. } => "helo_underscore",
            Self::StateInContainer { .. } => "state_in_container",
            Self::StateInMemory { .. } => "state_in_memory",
            Self::UnusedDelivery { .. } => "unused_delivery",
            Self::NothingEnabled => "nothing_enabled",
        }
    }
}

impl Config {
    /// What is allowed and probably not meant, on this system.
    pub fn warnings(&self, system: &System) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if !self.accounts.values().any(|account| account.enabled) {
            warnings.push(Warning::NothingEnabled);
        }
        for account in self.accounts.values() {
            of_account(account, &mut warnings);
        }
        for name in self.deliveries.keys() {
            if !self
                .accounts
                .values()
                .any(|account| account.delivery == *name)
            {
                let delivery = name.clone();
                warnings.push(Warning::UnusedDelivery { delivery });
            }
            self.of_delivery(name, system, &mut warnings);
        }
        let state_dir = self.state_dir.clone();
        match system.state {
            Storage::Memory(kind) => warnings.push(Warning::StateInMemory { state_dir, kind }),
            Storage::Root if system.container => {
                warnings.push(Warning::StateInContainer { state_dir });
            }
            Storage::Root | Storage::Mount => {}
        }
        warnings
    }

    fn of_delivery(&self, name: &str, system: &System, warnings: &mut Vec<Warning>) {
        let delivery = || name.to_owned();
        match self.deliveries.get(name).map(|found| &found.kind) {
            Some(DeliveryKind::Mda(mda)) => {
                let somebody_else = mda.user.is_some() || mda.group.is_some();
                if system.root && mda.user.is_none() {
                    warnings.push(Warning::MdaAsRoot {
                        delivery: delivery(),
                    });
                } else if !system.root && somebody_else {
                    warnings.push(Warning::UserWithoutRoot {
                        delivery: delivery(),
                    });
                }
                of_dovecot_lda(name, &mda.command, warnings);
            }
            Some(DeliveryKind::Smtp(smtp)) => {
                let helo = smtp.helo.as_ref().unwrap_or(&system.host);
                if helo.contains('_') {
                    let (delivery, helo) = (delivery(), helo.clone());
                    warnings.push(Warning::HeloUnderscore { delivery, helo });
                }
                let usual = match (smtp.tls.mode, smtp.port) {
                    (TlsMode::StartTls | TlsMode::None, port) if port == SUBMIT_PORTS.0 => {
                        Some("implicit")
                    }
                    (TlsMode::Implicit, port) if port == SUBMIT_PORTS.1 => Some("starttls"),
                    (TlsMode::Implicit, port) if port == SUBMIT_PORTS.2 => Some("starttls"),
                    _ => None,
                };
                if let Some(usual) = usual {
                    let delivery = delivery();
                    warnings.push(Warning::RelayPort { delivery, usual });
                }
                if smtp.tls.mode == TlsMode::None && smtp.login.is_some() {
                    warnings.push(Warning::RelayCleartext {
                        delivery: delivery(),
                    });
                }
                if protects_nothing(&smtp.tls) {
                    let table = format!("[delivery.{name}]");
                    warnings.push(Warning::UselessTls { table });
                }
            }
            Some(DeliveryKind::Maildir(maildir))
                if !system.root && (maildir.user.is_some() || maildir.group.is_some()) =>
            {
                let delivery = delivery();
                warnings.push(Warning::UserWithoutRoot { delivery });
            }
            Some(DeliveryKind::Maildir(_)) | None => {}
        }
    }
}

fn of_dovecot_lda(name: &str, command: &[String], warnings: &mut Vec<Warning>) {
    let Some((program, arguments)) = command.split_first() else {
        return;
    };
    if Path::new(program)
        .file_name()
        .is_none_or(|file| file != "dovecot-lda")
    {
        return;
    }
    let delivery = || name.to_owned();
    if !arguments.iter().any(|word| word == "-e") {
        warnings.push(Warning::LdaBounces {
            delivery: delivery(),
        });
    }
    let waits = |word: &String| word.trim_start_matches("-o").trim() == "quota_full_tempfail=yes";
    if !arguments.iter().any(waits) {
        warnings.push(Warning::LdaQuota {
            delivery: delivery(),
        });
    }
}

fn of_account(account: &Account, warnings: &mut Vec<Warning>) {
    let name = || account.name.clone();
    match (account.tls.mode, account.port) {
        (TlsMode::Implicit, port) if port == LOGIN_PORTS.1 => {
            warnings.push(Warning::ImplicitOn110 { account: name() });
        }
        (TlsMode::StartTls | TlsMode::None, port) if port == LOGIN_PORTS.0 => {
            warnings.push(Warning::CleartextOn995 { account: name() });
        }
        _ => {}
    }
    if account.tls.mode == TlsMode::None {
        warnings.push(Warning::Cleartext { account: name() });
    }
    if protects_nothing(&account.tls) {
        let table = format!("[account.{}]", account.name);
        warnings.push(Warning::UselessTls { table });
    }
}

fn protects_nothing(tls: &TlsPolicy) -> bool {
    let any = tls.ca_file.is_some() || tls.client.is_some() || !tls.fingerprints.is_empty();
    tls.mode == TlsMode::None && any
}
