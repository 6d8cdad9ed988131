//! What may be asked.

use serde::{Deserialize, Serialize};

use crate::mail::{AccountName, UniqueId};

/// What a person asks. The command line, and later a control socket and a page, make one of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// To look at the configuration: what it means, and whether what it names is there. Connects to
    /// nobody, and changes nothing. Answered by [`Checked`] parts.
    ///
    /// [`Checked`]: crate::operator::Checked
    Check,
    /// To poll accounts once. Answered by a [`PollReport`] for each that was polled.
    ///
    /// [`PollReport`]: crate::operator::PollReport
    Poll(PollRequest),
    /// About the records of messages seen.
    Seen(SeenRequest),
    /// About the copies of messages that no destination took.
    Quarantine(QuarantineRequest),
}

/// Which accounts are polled once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PollRequest {
    /// These, enabled or not, whatever holds them back; LOGIN-DELAY is waited for up to a minute.
    /// All that are enabled when none is named.
    Now {
        /// The accounts.
        accounts: Vec<AccountName>,
    },
    /// All that are enabled, but for those that are held or back off.
    Due,
}

/// What may be asked about the records of messages seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenRequest {
    /// Show the records of an account. Answered by a [`SeenResponse::Record`] for each.
    ///
    /// [`SeenResponse::Record`]: crate::operator::SeenResponse::Record
    List {
        /// The account.
        account: AccountName,
    },
    /// Forget records: messages that are still on the server are new again.
    Forget {
        /// The account.
        account: AccountName,
        /// Which of its records.
        which: Which,
        /// Pass over an account and unique-ids of which nothing is recorded.
        force: bool,
    },
    /// Count messages as seen: they are never retrieved.
    Mark {
        /// The account.
        account: AccountName,
        /// The messages.
        unique_ids: Vec<UniqueId>,
        /// Count them as delivered: a retention that deletes may delete them.
        as_delivered: bool,
        /// Mark even an account or a message of which nothing is recorded.
        force: bool,
    },
    /// Count every message as seen that the server lists now: logs in and retrieves nothing.
    MarkListed {
        /// The account.
        account: AccountName,
        /// Count them as delivered: a retention that deletes may delete them.
        as_delivered: bool,
    },
    /// Find what was delivered before in a maildrop that changed as a whole: logs in.
    Adopt {
        /// The account.
        account: AccountName,
        /// Let delivered messages stay delivered: a retention that deletes may delete them.
        as_delivered: bool,
        /// Take messages for new that cannot be compared with what is recorded.
        rest_is_new: bool,
    },
    /// Write records as lines. Answered by a [`SeenResponse::Exported`] for each line.
    ///
    /// [`SeenResponse::Exported`]: crate::operator::SeenResponse::Exported
    Export {
        /// The account; all of them when none is named.
        account: Option<AccountName>,
    },
    /// Add the records of lines that an export wrote. Records that exist already stay as they are.
    Import {
        /// The lines.
        text: String,
        /// Count as delivered here what was delivered there.
        as_delivered: bool,
    },
    /// Give the records of one account to another name.
    Rename {
        /// The name that the records are under.
        old: AccountName,
        /// The name that they shall be under; it must have no records yet.
        new: AccountName,
    },
    /// Let the next poll give the records of an account to the maildrop it is pointed at now.
    SameMaildrop {
        /// The account.
        account: AccountName,
    },
    /// As [`SeenRequest::SameMaildrop`], for all accounts that were pointed at one host.
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

/// What may be asked about the copies in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineRequest {
    /// Show the copies, oldest first. Works beside a running agent.
    List {
        /// The account; all of them when none is named.
        account: Option<AccountName>,
    },
    /// Show what is known of a copy, and the beginning of its message. Works beside a running
    /// agent.
    Show {
        /// The file of the copy.
        file: String,
    },
    /// Hand out the message of a copy exactly as it was received. Works beside a running agent.
    Export {
        /// The file of the copy.
        file: String,
    },
    /// Offer copies to their destination again. A message that is accepted counts as delivered.
    Retry(Copies),
    /// Take a copy away.
    Drop {
        /// The file of the copy.
        file: String,
        /// Delete the message on the server, too: logs in.
        delete: bool,
        /// Take it away even where it may be all that is left of the message.
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
