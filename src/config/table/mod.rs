//! The tables of the file, each setting once: its type, its default, and the text of the reference.

mod account;
mod delivery;
mod top;

pub(super) use account::AccountTable;
pub(super) use delivery::{MaildirTable, MdaTable, SmtpTable};
pub(super) use top::{LogTable, TopTable};
