//! Maildirs.

use std::path::PathBuf;

use crate::config::delivery::DeliveryKind;
use crate::config::resolve::{Header, Resolver};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::value::{FilePath, Line, SenderSetting};

settings! {
    /// `type = "maildir"`
    struct MaildirTable {
        /// The folder that contains new, cur and tmp. It is created if the folder above it exists.
        /// Messages are stored in order.
        path: FilePath = Without::Required("\"/home/jane/Maildir\""),
        /// The envelope sender that goes into Return-Path where a message has none: "keep", that of
        /// the message; "null", none; or an address.
        sender: SenderSetting = Without::Default("\"keep\""),
        /// Whether a message counts as delivered without this delivery. If it refuses a message or
        /// is down, that is logged; it is asked again only while another delivery refuses the
        /// message too. An account needs at least one delivery without this.
        best_effort: bool = Without::Default("false"),
        /// The owner of the messages, when mailferry runs as root.
        user: Line = Without::Otherwise(
            "the owner of the folder, or of the folder above it",
            "\"jane\"",
        ),
        /// The group of the messages.
        group: Line = Without::Otherwise("the group of the folder, or of user", "\"jane\""),
    }
}

/// A Maildir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaildirConfig {
    /// Its folder, which is created if the folder above it exists.
    pub path: PathBuf,
    /// The owner of the messages; the owner of the folder if not given.
    pub user: Option<String>,
    /// The group of the messages; that of the folder or of the user if not given.
    pub group: Option<String>,
}

impl Resolver<'_> {
    pub(super) fn maildir(
        &mut self,
        header: &Header<'_>,
        table: MaildirTable,
    ) -> Option<(u64, DeliveryKind)> {
        let path = self
            .need_at(header, "path", table.path)
            .map(|path| self.path(path));
        let text = |given: Given<Line>| given.some().map(|line| line.value.0);
        let (user, group) = (text(table.user), text(table.group));
        let path = path?;
        Some((
            1,
            DeliveryKind::Maildir(MaildirConfig { path, user, group }),
        ))
    }
}
