//! Maildirs.

use std::path::PathBuf;

use crate::config::delivery::DeliveryKind;
use crate::config::resolve::{Header, Resolver};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::value::{FilePath, Line};

settings! {
    /// `type = "maildir"`
    struct MaildirTable {
        /// The folder that holds new, cur and tmp. It is made when the folder above it exists. Messages arrive in their
        /// order.
        path: FilePath = Without::Required("\"/home/jane/Maildir\""),
        /// The user the messages belong to, when mailferry is root.
        user: Line = Without::Otherwise("the owner of the folder, or of the one above it", "\"jane\""),
        /// The group the messages belong to.
        group: Line = Without::Otherwise("the group of the folder, or of user", "\"jane\""),
    }
}

/// A Maildir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maildir {
    /// Its folder, which is made when the folder above it exists.
    pub path: PathBuf,
    /// The user the messages belong to; the owner of the folder unless given.
    pub user: Option<String>,
    /// The group the messages belong to; that of the folder or of the user unless given.
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
        Some((1, DeliveryKind::Maildir(Maildir { path, user, group })))
    }
}
