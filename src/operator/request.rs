//! The requests.

use serde::{Deserialize, Serialize};

use crate::mail::{AccountName, UniqueId};

/// A request of a person. The command line creates them, and later a control socket and a page.
///
/// `run` is the only command that is no request: it answers nothing. It is the process in which
/// requests are answered, a signal ends it, and it closes the state directory (see
/// [`Operator::run`](crate::operator::Operator::run)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Shows a configuration with every setting and its default. Answered by one
    /// [`Response::Reference`].
    ///
    /// [`Response::Reference`]: crate::operator::Response::Reference
    Reference,
    /// Checks the configuration: the resulting settings, and whether the files, users and programs
    /// in them exist. Makes no connection, and changes nothing. Answered by [`Checked`] parts.
    ///
    /// [`Checked`]: crate::operator::Checked
    Check,
    /// Asks what would become of a message: who would get it, where, and why. Makes no connection.
    /// Answered by one [`CheckedMessage`].
    ///
    /// [`CheckedMessage`]: crate::operator::CheckedMessage
    CheckMessage {
        /// The account.
        account: AccountName,
        /// The first octets of the message, to the end of its header at least.
        head: Vec<u8>,
        /// The size of the message in octets.
        octets: u64,
    },
    /// Polls accounts once. Answered by a [`PollReport`] for each polled account.
    ///
    /// [`PollReport`]: crate::operator::PollReport
    Poll(PollRequest),
    /// A request about records of seen messages.
    Seen(SeenRequest),
    /// A request about copies of messages that no destination accepted.
    Quarantine(QuarantineRequest),
}

/// The accounts to poll once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PollRequest {
    /// These accounts, enabled or not, in spite of holds and back-offs; LOGIN-DELAY is waited for
    /// up to a minute. All enabled accounts if none is named.
    Now {
        /// The accounts.
        accounts: Vec<AccountName>,
    },
    /// Nothing: says what a poll of these accounts would do. Logs in, lists and quits; retrieves,
    /// deletes and records nothing. Answered by [`DryRun`]s.
    ///
    /// [`DryRun`]: crate::operator::DryRun
    DryRun {
        /// The accounts; all enabled ones if none is named.
        accounts: Vec<AccountName>,
    },
    /// All enabled accounts, except those that are held or back off.
    Due,
}

/// A request about records of seen messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenRequest {
    /// Shows the records of an account. Answered by a [`SeenResponse::Record`] for each.
    ///
    /// [`SeenResponse::Record`]: crate::operator::SeenResponse::Record
    List {
        /// The account.
        account: AccountName,
    },
    /// Forgets records: messages that are still on the server are new again.
    Forget {
        /// The account.
        account: AccountName,
        /// Which of its records.
        which: Which,
        /// Ignore accounts and unique-ids without a record.
        force: bool,
    },
    /// Marks messages as seen: they are never retrieved.
    Mark {
        /// The account.
        account: AccountName,
        /// The messages.
        unique_ids: Vec<UniqueId>,
        /// Mark them as delivered: a retention that deletes may delete them.
        as_delivered: bool,
        /// Mark even an account or a message without a record.
        force: bool,
    },
    /// Marks all messages that the server lists now as seen: logs in and retrieves nothing.
    MarkListed {
        /// The account.
        account: AccountName,
        /// Mark them as delivered: a retention that deletes may delete them.
        as_delivered: bool,
    },
    /// Recognises delivered messages after all unique-ids of a maildrop changed: logs in.
    Adopt {
        /// The account.
        account: AccountName,
        /// Record recognised messages as delivered: a retention that deletes may delete them.
        as_delivered: bool,
        /// Treat messages that cannot be compared with records as new.
        rest_is_new: bool,
    },
    /// Writes records as lines. Answered by a [`SeenResponse::Exported`] for each line.
    ///
    /// [`SeenResponse::Exported`]: crate::operator::SeenResponse::Exported
    Export {
        /// The account; all accounts if none is named.
        account: Option<AccountName>,
    },
    /// Adds the records of lines that an export wrote. Existing records do not change.
    Import {
        /// The lines.
        text: String,
        /// Record messages that were delivered there as delivered here.
        as_delivered: bool,
    },
    /// Moves the records of one account to another name.
    Rename {
        /// The account that has the records.
        old: AccountName,
        /// The account that gets them; it must have no records yet.
        new: AccountName,
    },
    /// Lets the next poll move the records of an account to the maildrop that the account has now.
    SameMaildrop {
        /// The account.
        account: AccountName,
    },
    /// Like [`SeenRequest::SameMaildrop`], for all accounts that used one host.
    SameMaildropsOf {
        /// The host.
        host: String,
    },
}

/// Some records of an account, or all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// All of them.
    All,
    /// Those with these unique-ids.
    These(Vec<UniqueId>),
}

/// A request about copies in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineRequest {
    /// Shows the copies, oldest first. Works while an agent runs.
    List {
        /// The account; all accounts if none is named.
        account: Option<AccountName>,
    },
    /// Shows the details of a copy, and the beginning of its message. Works while an agent runs.
    Show {
        /// The file of the copy.
        file: String,
    },
    /// Sends the message of a copy exactly as it was received. Works while an agent runs.
    Export {
        /// The file of the copy.
        file: String,
    },
    /// Offers copies to their destination again. An accepted message counts as delivered.
    Retry {
        /// Which copies.
        copies: Copies,
        /// Whether the filters of their accounts are left out.
        unfiltered: bool,
    },
    /// Removes a copy.
    Drop {
        /// The file of the copy.
        file: String,
        /// Delete the message on the server, too: logs in.
        delete: bool,
        /// Remove it even if it may be the last copy of the message.
        even_last: bool,
    },
}

/// Some copies in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Copies {
    /// All of them.
    All,
    /// Those of one account.
    OfAccount(AccountName),
    /// Those with these file names.
    Files(Vec<String>),
}
