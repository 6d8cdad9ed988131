//! Maildirs.

use crate::config::delivery::DeliveryKind;
use crate::config::error::Complaint;
use crate::config::resolve::{Header, Resolver};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::source::At;
use crate::config::value::{AddedFields, FileMode, FolderText, Line, PathText, SenderSetting};
use crate::mail::{InvalidMailbox, MailboxPath, PathWord, Template};

settings! {
    /// `type = "maildir"`
    struct MaildirTable {
        /// The folder that contains new, cur and tmp. It is created if the folder above it exists.
        /// Messages are stored in order. {account} stands for the account's name, and
        /// {recipient_local} for the part of the recipient before the last @ in lower case, in
        /// folder too. A
        /// value that begins with a dot, or contains a slash or two dots, is refused.
        path: PathText = Without::Required("\"/home/jane/Maildir\""),
        /// A folder of that Maildir (Maildir++, as Dovecot and Courier have it). It is created with
        /// the Maildir. A dot separates a folder from one in it.
        folder: FolderText = Without::Otherwise("the INBOX", "\"Archive.2026\""),
        /// The envelope sender that goes into Return-Path where a message has none: "keep", that of
        /// the message; "null", none; or an address.
        sender: SenderSetting = Without::Default("\"keep\""),
        /// Whether a message counts as delivered without this delivery. If it refuses a message or
        /// is down, that is logged; it is asked again only while another delivery refuses the
        /// message too. An account needs at least one delivery without this.
        best_effort: bool = Without::Default("false"),
        /// Whether to put a Delivered-To field with the recipient on top. A recipient without
        /// domain gets none.
        delivered_to: bool = Without::Default("true"),
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
        /// The mode of messages. A new folder gets the right to enter it where this has the right
        /// to read.
        mode: FileMode = Without::Default("\"0600\""),
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
    /// Which Maildir, and which folder in it, gets a message; it is created if the folder above it
    /// exists.
    pub place: MailboxPath,
    /// Whether a `Delivered-To` field goes on top.
    pub delivered_to: bool,
    /// The mode of messages.
    pub mode: u32,
    /// The owner of the messages; the owner of the folder if not given.
    pub user: Option<String>,
    /// The group of the messages; that of the folder or of the user if not given.
    pub group: Option<String>,
}

impl MaildirTable {
    /// Whether a recipient decides which Maildir gets a message.
    pub(in crate::config) fn needs_recipient(&self) -> bool {
        let path = self.path.get().map(|path| &path.0);
        let folder = self.folder.get().map(|folder| &folder.0);
        let mut words = path.into_iter().chain(folder).flat_map(Template::words);
        words.any(|word| word == PathWord::RecipientLocal)
    }
}

impl Resolver<'_> {
    pub(super) fn maildir(
        &mut self,
        header: &Header<'_>,
        table: MaildirTable,
    ) -> Option<(u64, DeliveryKind)> {
        let path = self.need_at(header, "path", table.path);
        let mode = self.need(header, "mode", table.mode);
        let delivered_to = self.need(header, "delivered_to", table.delivered_to);
        let text = |given: Given<Line>| given.some().map(|line| line.value.0);
        let (user, group) = (text(table.user), text(table.group));
        let place = self.place(path?, table.folder)?;
        let maildir = MaildirConfig {
            place,
            delivered_to: delivered_to?,
            mode: mode?.0,
            user,
            group,
        };
        Some((1, DeliveryKind::Maildir(maildir)))
    }

    fn place(&mut self, path: At<PathText>, folder: Given<FolderText>) -> Option<MailboxPath> {
        let base = self.sources[path.place.source].folder();
        let folder = folder.some();
        let of_folder = folder.as_ref().map(|folder| folder.place);
        let folder = folder.map(|folder| folder.value.0);
        let why = match MailboxPath::new(&base, path.value.0, folder) {
            Ok(place) => return Some(place),
            Err(why) => why,
        };
        let (place, name) = match (&why, of_folder) {
            (InvalidMailbox::Folder { .. }, Some(folder)) => (folder, "folder"),
            _ => (path.place, "path"),
        };
        let (name, why) = (name.to_owned(), why.to_string());
        self.complain(place, Complaint::Value { name, why });
        None
    }
}
