//! What are the words? The nouns that all rooms share, as plain values.
//!
//! This room imports no other room, and has no clock, socket, file or log. It uses the words of the
//! RFCs.

mod account;
mod added_field;
pub mod backoff;
mod date;
mod descriptors;
mod digest;
mod envelope;
mod envelope_rules;
pub mod limits;
mod listing;
mod mailbox_path;
mod maildrop;
mod modified_utf7;
mod octets;
mod origin;
mod percent;
mod policy;
mod record_key;
mod retention;
mod secret;
mod server_address;
mod stable_hash;
mod template;
pub mod text;
mod time;
mod tls;
mod unique_id;
mod who_acts;

pub use account::{AccountName, InvalidAccountName};
pub use added_field::{AddedField, FieldFacts, FieldWord, InvalidField};
pub use date::Date;
pub use descriptors::{OUT_OF_FILES_CODE, OUT_OF_FILES_HINT, is_out_of_files};
pub use digest::{Digest, HeadDigest, HeadDigests};
pub use envelope::{Envelope, InvalidAddress, Recipient, Sender};
pub use envelope_rules::{
    EVERY_ADDRESS, EnvelopeRules, EnvelopeSource, MapLine, MappedTo, RecipientMap, Unmatched,
};
pub use listing::{Entry, Listing, ListingBuilder};
pub use mailbox_path::{InvalidMailbox, Mailbox, MailboxPath, PathWord};
pub use maildrop::Maildrop;
pub use modified_utf7::modified_utf7;
pub use octets::{Announced, Counted};
pub use origin::Origin;
pub use percent::Percent;
pub use policy::{
    ExitClass, FirstRun, LineEnds, LogFormat, LogLevel, LoginMethod, PollLimits, Reports,
    RetrievalOrder, SenderChoice,
};
pub use record_key::RecordKey;
pub use retention::{DeliveredMessage, Reasons, Retention};
pub use secret::{InvalidSecret, Secret};
pub use server_address::ServerAddress;
pub use stable_hash::stable_hash;
pub use template::Template;
pub use time::{Clock, DAY_SECONDS, Timestamp};
pub use tls::{ClientCertificate, Fingerprint, TlsMode, TlsPolicy};
pub use unique_id::{InvalidUniqueId, UniqueId};
pub use who_acts::WhoActs;
