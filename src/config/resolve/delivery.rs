//! Resolve deliveries.

use crate::config::error::Complaint;
use crate::config::file::DeliveryTable;
use crate::config::nearest::nearest;
use crate::config::resolve::{Header, Resolver, TlsSettings, chosen, count};
use crate::config::setting::{Given, Table};
use crate::config::source::{At, Place};
use crate::config::table::{MaildirTable, MdaTable, SmtpTable};
use crate::config::value::Line;
use crate::config::{
    Delivery, DeliveryKind, Maildir, Mda, SUBMIT_PORTS, SecretSource, Smtp, SmtpLogin,
};
use crate::mail::TlsMode;

use super::built_in;

impl Resolver<'_> {
    /// One delivery, if it could be resolved.
    pub(super) fn delivery(&mut self, name: &str, table: At<DeliveryTable>) -> Option<Delivery> {
        let title = format!("[delivery.{name}]");
        let header = Header {
            name: &title,
            place: table.place,
        };
        let (parallel, kind) = match table.value {
            DeliveryTable::Mda(table) => self.mda(&header, table.over(&built_in()))?,
            DeliveryTable::Smtp(table) => self.smtp(&header, table.over(&built_in()))?,
            DeliveryTable::Maildir(table) => self.maildir(&header, table.over(&built_in()))?,
            DeliveryTable::Unknown => return None,
        };
        Some(Delivery {
            name: name.to_owned(),
            parallel: count(parallel),
            kind,
        })
    }

    fn mda(&mut self, header: &Header<'_>, table: MdaTable) -> Option<(u64, DeliveryKind)> {
        let command = self.need_at(header, "command", table.command);
        let command = command.map(|command| {
            let folder = self.sources[command.place.source].folder();
            command.map(|command| command.within(&folder))
        });
        if let Some(command) = &command {
            self.check_command(&command.value, command.place);
        }
        let timeout = self.need(header, "timeout", table.timeout);
        let parallel = self.need(header, "parallel", table.parallel);
        let line_ends = self.need(header, "line_ends", table.line_ends);
        let from_line = self.need(header, "from_line", table.from_line);
        let text = |given: Given<Line>| given.some().map(|line| line.value.0);
        let mda = Mda {
            command: command?.value,
            user: text(table.user),
            group: text(table.group),
            timeout: timeout?.duration(),
            line_ends: line_ends?.0,
            from_line: from_line?,
            exit_codes: table
                .exit_codes
                .some()
                .map(|codes| codes.value.0)
                .unwrap_or_default(),
        };
        Some((parallel?.0, DeliveryKind::Mda(mda)))
    }

    /// A placeholder that nothing stands for would otherwise be found out by the first message.
    fn check_command(&mut self, command: &[String], place: Place) {
        for (i, word) in command
            .iter()
            .enumerate()
            .flat_map(|(i, a)| braced(a).map(move |w| (i, w)))
        {
            let why = if i == 0 {
                "the program itself holds a placeholder; which program runs is yours to say"
                    .to_owned()
            } else if PLACEHOLDERS.contains(&word) {
                continue;
            } else {
                let near = nearest(word, PLACEHOLDERS);
                let hint = near.map_or_else(
                    || "there are {sender}, {recipient}, {account} and {unique_id}".to_owned(),
                    |near| format!("did you mean {{{near}}}?"),
                );
                format!("{{{word}}} stands for nothing; {hint}")
            };
            let name = "command".to_owned();
            self.complain(place, Complaint::Value { name, why });
        }
    }

    fn smtp(&mut self, header: &Header<'_>, table: SmtpTable) -> Option<(u64, DeliveryKind)> {
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
        let timeout = self.need(header, "timeout", table.timeout);
        let parallel = self.need(header, "parallel", table.parallel);
        let mode = mode?;
        if chosen(&mode) == TlsMode::None && login.is_some() && allowed == Some(false) {
            let rule = "`tls` = \"none\" sends the password for everyone on the way to read. If that is what you want, \
                        add `allow_cleartext_password = true`";
            self.complain(mode.place, Complaint::Conflict(rule.to_owned()));
        }
        let tls = TlsSettings {
            mode: chosen(&mode),
            ca_file: table.tls_ca_file,
            fingerprint: table.tls_fingerprint,
            server_name: table.tls_server_name,
            client_cert: Given::Not,
            client_key: Given::Not,
        };
        let smtp = Smtp {
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

    fn maildir(&mut self, header: &Header<'_>, table: MaildirTable) -> Option<(u64, DeliveryKind)> {
        let path = self
            .need_at(header, "path", table.path)
            .map(|path| self.path(path));
        let text = |given: Given<Line>| given.some().map(|line| line.value.0);
        let (user, group) = (text(table.user), text(table.group));
        let path = path?;
        Some((1, DeliveryKind::Maildir(Maildir { path, user, group })))
    }
}

/// The lower-case words in braces of an argument: what looks like a placeholder. Other braces are
/// text.
fn braced(argument: &str) -> impl Iterator<Item = &str> {
    argument.split('{').skip(1).filter_map(|rest| {
        let (word, _) = rest.split_once('}')?;
        let wordy = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        (wordy && !word.is_empty()).then_some(word)
    })
}

/// What is replaced in the arguments of an MDA.
const PLACEHOLDERS: [&str; 4] = ["sender", "recipient", "account", "unique_id"];
