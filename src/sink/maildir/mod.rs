//! Delivery into a Maildir.
//!
//! Every message is durable before it counts as accepted.

mod desk;
mod error;
mod folder;
mod folders;
mod making;
mod name;
mod sync;

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::mail::{MailboxPath, Recipient};
use crate::sink::mda::MdaError;
use crate::sink::{Begin, Fault, Offer, Outcome, Refusal, Sink};

use desk::{Desk, WriteJob};
pub use error::MaildirError;
pub(crate) use folder::{Folder, disk, sync_folder};
use folders::Folders;

/// A sink that stores messages in Maildirs, in the order of their offers. Recipients of an offer
/// that have one Maildir share one file.
pub struct Maildir {
    desk: Arc<Desk>,
    folders: Arc<Folders>,
    delivered_to: bool,
}

/// The settings of a Maildir.
#[derive(Clone, Debug)]
pub struct MaildirSettings {
    /// Which Maildir, and which folder in it, gets a message.
    pub place: MailboxPath,
    /// Whether a `Delivered-To` field goes on top of a message.
    pub delivered_to: bool,
    /// The mode of messages; only their owner may read them if it is not given.
    pub mode: Option<u32>,
    /// The owner of messages, which only root can choose; the owner of the folder, or of its parent
    /// if the folder is new, if neither this nor `group` is given.
    pub user: Option<String>,
    /// The group of messages; that of the user or the folder if not given.
    pub group: Option<String>,
}

impl Maildir {
    /// A Maildir at a path. [`Sink::ready`] or the first message creates the folder, if its parent
    /// exists.
    ///
    /// If we are root, files belong to the owner of the folder, or of its parent if the folder is
    /// new.
    pub fn new(path: &Path) -> Self {
        Self::with(Folders::at(path), true)
    }

    /// Maildirs with these settings. Looks up users, which may block.
    ///
    /// # Errors
    /// [`MdaError`] when the user or group does not exist.
    pub fn of(settings: MaildirSettings) -> Result<Self, MdaError> {
        let delivered_to = settings.delivered_to;
        Ok(Self::with(Folders::new(settings)?, delivered_to))
    }

    fn with(folders: Folders, delivered_to: bool) -> Self {
        Self {
            desk: Arc::new(Desk::new()),
            folders: Arc::new(folders),
            delivered_to,
        }
    }

    /// Puts a message onto the desk for one folder.
    fn put(
        &self,
        offer: Offer<'_>,
        (folder, recipient): (Arc<Folder>, Option<Recipient>),
        begin: Begin,
    ) -> oneshot::Receiver<Outcome> {
        let (answer, answered) = oneshot::channel();
        let job = WriteJob {
            folder,
            message: offer.message.clone(),
            trace: offer.trace.to_owned(),
            sender: offer.envelope.sender.clone(),
            recipient: recipient.filter(|_| self.delivered_to),
            begin,
            answer,
        };
        let desk = Arc::clone(&self.desk);
        self.desk.offered.put(job, move |turn| desk.write(turn));
        answered
    }
}

impl Sink for Maildir {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        self.offer_in_turn(offer, Begin::default())
    }

    fn offer_in_turn<'a>(&'a self, offer: Offer<'a>, begin: Begin) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let sorted = self.folders.sort(&offer.origin.account, offer.envelope);
            let put = |(at, folder): (usize, &Arc<Folder>)| {
                let recipient = sorted.only_recipient(at, offer.envelope);
                let place = (Arc::clone(folder), recipient.cloned());
                self.put(offer, place, begin.clone())
            };
            let waiting: Vec<_> = sorted.folders.iter().enumerate().map(put).collect();
            let mut outcomes = Vec::with_capacity(waiting.len());
            for answered in waiting {
                outcomes.push(answered.await.unwrap_or_else(|_| stopped()));
            }
            let of_each = sorted.of_recipients.into_iter().map(|place| match place {
                Ok(at) => outcomes.get(at).cloned().unwrap_or_else(stopped),
                Err(refusal) => Outcome::Refused(refusal),
            });
            of_each.collect()
        })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        let folders = Arc::clone(&self.folders);
        Box::pin(async move {
            let made = spawn_blocking(move || folders.ready()).await;
            made.unwrap_or_else(|error| {
                Err(Refusal::new(
                    Fault::Destination,
                    "maildir_stopped",
                    error.to_string(),
                ))
            })
        })
    }
}

fn stopped() -> Outcome {
    let words = "the Maildir's thread stopped before it answered";
    Outcome::Refused(Refusal::new(Fault::Destination, "maildir_stopped", words))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::desk::NewCopy;
    use super::*;
    use crate::mail::{AccountName, Envelope, Origin, Sender, UniqueId, limits};
    use crate::sink::worker::{Stage, Turn};
    use crate::spool::{Message, Spool};

    fn folder_of(maildir: &Maildir) -> Arc<Folder> {
        let account = AccountName::new("work").unwrap();
        let mut sorted = maildir.folders.sort(&account, &envelope());
        sorted.folders.pop().unwrap()
    }

    async fn message() -> Message {
        let spool = Spool::new(&std::env::temp_dir());
        let mut draft = spool.begin(spool.room_for(None));
        draft.write(b"Subject: x\r\n\r\n").await.unwrap();
        draft.finish().await.unwrap()
    }

    fn origin() -> Origin {
        Origin {
            account: AccountName::new("work").unwrap(),
            unique_id: UniqueId::new(b"1").unwrap(),
        }
    }

    fn envelope() -> Envelope {
        Envelope {
            sender: Sender::Null,
            recipients: vec![crate::mail::Recipient::new("jane").unwrap()],
        }
    }

    #[tokio::test]
    async fn an_offer_that_was_dropped_before_it_was_written_is_not_delivered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Maildir");
        let maildir = Maildir::new(&path);
        let message = message().await;
        let (dropped, _) = oneshot::channel();
        let job = WriteJob {
            folder: folder_of(&maildir),
            message: message.clone(),
            trace: String::new(),
            sender: Sender::Null,
            recipient: None,
            begin: Begin::default(),
            answer: dropped,
        };
        // While the test has the turn, nothing is written.
        let turn = turn_of(&maildir.desk.offered, job).await;
        let (origin, envelope) = (origin(), envelope());
        let mut offer = maildir.offer(offer(&origin, &envelope, &message));
        assert!(futures_util::poll!(&mut offer).is_pending());
        let desk = Arc::clone(&maildir.desk);
        let worked = tokio::task::spawn_blocking(move || desk.write(turn));
        worked.await.unwrap();
        assert!(matches!(offer.await[..], [Outcome::Accepted(_)]));
        assert_eq!(std::fs::read_dir(path.join("new")).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(path.join("tmp")).unwrap().count(), 0);
    }

    fn offer<'a>(origin: &'a Origin, envelope: &'a Envelope, message: &'a Message) -> Offer<'a> {
        Offer {
            origin,
            envelope,
            trace: "",
            message,
        }
    }

    /// Takes the turn of a stage, for the test.
    async fn turn_of<T: Send + 'static>(stage: &Arc<Stage<T>>, item: T) -> Turn<T> {
        let (took, taken) = std::sync::mpsc::channel();
        stage.put(item, move |turn| took.send(turn).unwrap());
        let turn = tokio::task::spawn_blocking(move || taken.recv().unwrap());
        turn.await.unwrap()
    }

    /// Makes this many offers, written as far as they may be, and returns the turn to publish them.
    async fn written<'a>(
        maildir: &'a Maildir,
        offer: Offer<'a>,
        count: usize,
    ) -> (Vec<BoxFuture<'a, Vec<Outcome>>>, Turn<Vec<NewCopy>>) {
        let publishing = turn_of(&maildir.desk.written, Vec::new()).await;
        let (answer, _) = oneshot::channel();
        let dropped = WriteJob {
            folder: folder_of(maildir),
            message: offer.message.clone(),
            trace: String::new(),
            sender: Sender::Null,
            recipient: None,
            begin: Begin::default(),
            answer,
        };
        let writing = turn_of(&maildir.desk.offered, dropped).await;
        let mut offers: Vec<_> = (0..count).map(|_| maildir.offer(offer)).collect();
        for offer in &mut offers {
            assert!(futures_util::poll!(offer).is_pending());
        }
        let desk = Arc::clone(&maildir.desk);
        let written = tokio::task::spawn_blocking(move || desk.write(writing));
        written.await.unwrap();
        (offers, publishing)
    }

    #[tokio::test]
    async fn the_limit_of_open_files_is_held_and_waiting_messages_are_delivered_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Maildir");
        let maildir = Maildir::new(&path);
        let (origin, envelope, message) = (origin(), envelope(), message().await);
        let offer = offer(&origin, &envelope, &message);
        let most = limits::MAILDIR_OPEN_MESSAGES_MAX;
        let (offers, publishing) = written(&maildir, offer, most + 70).await;
        let count = |part: &str| std::fs::read_dir(path.join(part)).unwrap().count();
        assert_eq!((count("tmp"), count("new")), (most, 0));
        let desk = Arc::clone(&maildir.desk);
        let published = tokio::task::spawn_blocking(move || desk.publish(publishing));
        published.await.unwrap();
        for outcomes in futures_util::future::join_all(offers).await {
            assert!(matches!(outcomes[..], [Outcome::Accepted(_)]));
        }
        assert_eq!((count("tmp"), count("new")), (0, most + 70));
        assert_eq!(maildir.desk.room(), most);
    }

    #[tokio::test]
    async fn an_offer_that_was_dropped_before_it_was_published_is_not_delivered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Maildir");
        let maildir = Maildir::new(&path);
        let (origin, envelope, message) = (origin(), envelope(), message().await);
        let offer = offer(&origin, &envelope, &message);
        let (mut offers, publishing) = written(&maildir, offer, 3).await;
        let kept = offers.pop().unwrap();
        drop(offers);
        let desk = Arc::clone(&maildir.desk);
        let published = tokio::task::spawn_blocking(move || desk.publish(publishing));
        published.await.unwrap();
        assert!(matches!(kept.await[..], [Outcome::Accepted(_)]));
        let count = |part: &str| std::fs::read_dir(path.join(part)).unwrap().count();
        assert_eq!((count("tmp"), count("new")), (0, 1));
    }

    #[tokio::test]
    async fn after_a_thread_that_panicked_the_next_offer_starts_another() {
        let directory = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(&directory.path().join("Maildir"));
        let (answer, answered) = oneshot::channel();
        let job = WriteJob {
            folder: folder_of(&maildir),
            message: message().await,
            trace: String::new(),
            sender: Sender::Null,
            recipient: None,
            begin: Begin::default(),
            answer,
        };
        let offered = &maildir.desk.offered;
        offered.put(job, |_turn| std::panic::resume_unwind(Box::new("")));
        assert!(answered.await.is_err(), "its offers are refused");
        let (origin, envelope, message) = (origin(), envelope(), message().await);
        let outcomes = maildir.offer(offer(&origin, &envelope, &message)).await;
        assert!(matches!(outcomes[..], [Outcome::Accepted(_)]));
    }
}
