//! Warnings: settings that are allowed but probably a mistake.

use std::path::{Path, PathBuf};

use crate::config::system::{Storage, System};
use crate::config::value::{is_loopback, is_private};
use crate::config::{
    Account, Config, DeliveryKind, LOGIN_PORTS, LmtpConfig, SUBMIT_PORTS, SmtpConfig,
};
use crate::mail::{AccountName, ServerAddress, TlsMode, TlsPolicy};

/// Something the operator should look at. It stops nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The fields are the words of the sentence above them.
pub enum Warning {
    /// TLS from the first octet on the port of plain POP3.
    #[error(
        "[account.{account}] starts TLS at once on port 110, where servers expect STLS; should \
         `tls` be \"starttls\"?"
    )]
    ImplicitOn110 { account: AccountName },
    /// No TLS from the first octet on the port of POP3 over TLS.
    #[error(
        "[account.{account}] waits for an unencrypted greeting on port 995, where servers expect \
         TLS at once; should `tls` be \"implicit\"?"
    )]
    CleartextOn995 { account: AccountName },
    /// A port that belongs to another TLS mode.
    #[error(
        "[delivery.{delivery}] uses a port that usually goes with `tls` = \"{usual}\"; should \
         `tls` be that?"
    )]
    RelayPort {
        delivery: String,
        usual: &'static str,
    },
    /// The password and mail are sent unencrypted.
    #[error(
        "[account.{account}] sends its password and all mail unencrypted: anyone on the network \
         path can read them. Use `tls` = \"implicit\" or \"starttls\" if the server has it"
    )]
    Cleartext { account: AccountName },
    /// The relay's password is sent unencrypted.
    #[error(
        "[delivery.{delivery}] sends its password unencrypted: anyone on the network path can \
             read it. Use `tls` = \"starttls\" or \"implicit\" if the relay has it"
    )]
    RelayCleartext { delivery: String },
    /// Mail is sent unencrypted to an LMTP server on another network.
    #[error(
        "[delivery.{delivery}] sends all mail unencrypted to {host}, which is neither this machine \
         nor a private address. Use `tls` = \"starttls\" or \"implicit\" if the server has it"
    )]
    LmtpCleartext { delivery: String, host: String },
    /// TLS settings without effect.
    #[error(
        "{table} has tls_ca_file, tls_fingerprint or a client certificate, which have no effect \
         with `tls` = \"none\". Change `tls`, or remove them"
    )]
    UselessTls { table: String },
    /// An MDA that runs as root.
    #[error("[delivery.{delivery}] runs its program as root on mail from strangers; set `user`")]
    MdaAsRoot { delivery: String },
    /// Another user is set, but only root can switch users.
    #[error(
        "[delivery.{delivery}] has `user` or `group`, but only root may run a program as another \
         user. Remove them, or run mailferry as root"
    )]
    UserWithoutRoot { delivery: String },
    /// dovecot-lda sends bounces to the claimed sender.
    #[error(
        "[delivery.{delivery}] runs dovecot-lda without -e: it sends bounces to senders that are \
         often forged, and reports the message as accepted. Add \"-e\" to `command`"
    )]
    LdaBounces { delivery: String },
    /// dovecot-lda refuses mail for a full mailbox permanently.
    #[error(
        "[delivery.{delivery}] runs dovecot-lda without `-o quota_full_tempfail=yes`: it exits \
         with 77 when a mailbox is over its quota, and mail then goes to the quarantine instead of \
         waiting. Add \"-o\", \"quota_full_tempfail=yes\" to `command`"
    )]
    LdaQuota { delivery: String },
    /// An EHLO name that relays refuse.
    #[error(
        "[delivery.{delivery}] says EHLO {helo}, but a host name has no underscore, and relays \
         refuse this one (501 or 504). Set `helo` to a name without underscores"
    )]
    HeloUnderscore { delivery: String, helo: String },
    /// Records that are lost with the container.
    #[error(
        "the state directory {state_dir} is inside the container, not on a volume: when the \
         container is removed, its records are lost and all mail is delivered again. Mount a \
         volume there",
        state_dir = .state_dir.display()
    )]
    StateInContainer { state_dir: PathBuf },
    /// Records that are lost at a restart of the machine.
    #[error(
        "the state directory {state_dir} is in memory ({kind}): after a restart of this machine \
         all mail is delivered again. Use a directory on a disk",
        state_dir = .state_dir.display()
    )]
    StateInMemory {
        state_dir: PathBuf,
        kind: &'static str,
    },
    /// Messages have recipients of their own, but all go to one folder.
    #[error(
        "[account.{account}] finds the recipients of each message, but puts all mail into the same \
         Maildir. Use {{recipient_local}} in its `path` or `folder`, or remove \
         [account.{account}.envelope]"
    )]
    OneMaildirForAll { account: AccountName },
    /// A delivery that no account uses.
    #[error("no account uses [delivery.{delivery}]")]
    UnusedDelivery { delivery: String },
    /// No account is enabled.
    #[error("every account has `enabled` = false, so nothing is polled")]
    NothingEnabled,
}

impl Warning {
    /// The stable code of the warning.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ImplicitOn110 { .. } => "implicit_on_110",
            Self::CleartextOn995 { .. } => "cleartext_on_995",
            Self::RelayPort { .. } => "relay_port",
            Self::Cleartext { .. } => "cleartext",
            Self::RelayCleartext { .. } => "relay_cleartext",
            Self::LmtpCleartext { .. } => "lmtp_cleartext",
            Self::UselessTls { .. } => "useless_tls",
            Self::MdaAsRoot { .. } => "mda_as_root",
            Self::UserWithoutRoot { .. } => "user_without_root",
            Self::LdaBounces { .. } => "lda_bounces",
            Self::LdaQuota { .. } => "lda_quota",
            Self::HeloUnderscore { .. } => "helo_underscore",
            Self::StateInContainer { .. } => "state_in_container",
            Self::StateInMemory { .. } => "state_in_memory",
            Self::OneMaildirForAll { .. } => "one_maildir_for_all",
            Self::UnusedDelivery { .. } => "unused_delivery",
            Self::NothingEnabled => "nothing_enabled",
        }
    }
}

impl Config {
    /// The warnings about this configuration on this system.
    pub fn warnings(&self, system: &System) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if !self.accounts.values().any(|account| account.enabled) {
            warnings.push(Warning::NothingEnabled);
        }
        for account in self.accounts.values() {
            of_account(account, &mut warnings);
            if account.envelope.is_some() && self.puts_all_into_one_maildir(account) {
                let account = account.name.clone();
                warnings.push(Warning::OneMaildirForAll { account });
            }
        }
        for name in self.deliveries.keys() {
            if !self
                .accounts
                .values()
                .any(|account| account.destinations().any(|used| used == name))
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

    fn puts_all_into_one_maildir(&self, account: &Account) -> bool {
        let mut kinds = account
            .deliveries
            .iter()
            .map(|name| self.deliveries.get(name));
        kinds.all(|found| match found.map(|delivery| &delivery.kind) {
            Some(DeliveryKind::Maildir(maildir)) => !maildir.place.names_recipient(),
            _ => false,
        })
    }

    fn of_delivery(&self, name: &str, system: &System, warnings: &mut Vec<Warning>) {
        let delivery = || name.to_owned();
        match self.deliveries.get(name).map(|found| &found.kind) {
            Some(DeliveryKind::Mda(mda)) => {
                let switches_user = mda.user.is_some() || mda.group.is_some();
                if system.root && mda.user.is_none() {
                    warnings.push(Warning::MdaAsRoot {
                        delivery: delivery(),
                    });
                } else if !system.root && switches_user {
                    warnings.push(Warning::UserWithoutRoot {
                        delivery: delivery(),
                    });
                }
                of_dovecot_lda(name, &mda.command, warnings);
            }
            Some(DeliveryKind::Smtp(smtp)) => of_relay(name, smtp, system, warnings),
            Some(DeliveryKind::Lmtp(lmtp)) => of_lmtp(name, lmtp, warnings),
            Some(DeliveryKind::Maildir(maildir))
                if !system.root && (maildir.user.is_some() || maildir.group.is_some()) =>
            {
                let delivery = delivery();
                warnings.push(Warning::UserWithoutRoot { delivery });
            }
            Some(DeliveryKind::Maildir(_) | DeliveryKind::Own) | None => {}
        }
    }
}

fn of_relay(name: &str, smtp: &SmtpConfig, system: &System, warnings: &mut Vec<Warning>) {
    let delivery = || name.to_owned();
    let helo = smtp.helo.as_ref().unwrap_or(&system.host);
    if helo.contains('_') {
        let (delivery, helo) = (delivery(), helo.clone());
        warnings.push(Warning::HeloUnderscore { delivery, helo });
    }
    let usual = match (smtp.tls.mode, smtp.port) {
        (TlsMode::StartTls | TlsMode::None, port) if port == SUBMIT_PORTS.0 => Some("implicit"),
        (TlsMode::Implicit, port) if port == SUBMIT_PORTS.1 => Some("starttls"),
        (TlsMode::Implicit, port) if port == SUBMIT_PORTS.2 => Some("starttls"),
        _ => None,
    };
    if let Some(usual) = usual {
        let delivery = delivery();
        warnings.push(Warning::RelayPort { delivery, usual });
    }
    if smtp.tls.mode == TlsMode::None && smtp.login.is_some() {
        let delivery = delivery();
        warnings.push(Warning::RelayCleartext { delivery });
    }
    if protects_nothing(&smtp.tls) {
        let table = format!("[delivery.{name}]");
        warnings.push(Warning::UselessTls { table });
    }
}

fn of_lmtp(name: &str, lmtp: &LmtpConfig, warnings: &mut Vec<Warning>) {
    if let ServerAddress::Tcp { host, .. } = &lmtp.address
        && lmtp.tls.mode == TlsMode::None
        && !is_loopback(host)
        && !is_private(host)
    {
        let (delivery, host) = (name.to_owned(), host.clone());
        warnings.push(Warning::LmtpCleartext { delivery, host });
    }
    if protects_nothing(&lmtp.tls) {
        let table = format!("[delivery.{name}]");
        warnings.push(Warning::UselessTls { table });
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
