//! Delivery into a Maildir.
//!
//! Every message is durable before it counts as accepted. One thread writes offered messages, and
//! another makes written messages durable. Messages that are written during one sync are collected
//! for the next, so that many messages share one sync, and nothing waits for a timer.

mod error;
mod folder;
mod sync;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::mail::LineEnds;
use crate::mail::{Sender, limits};
use crate::sink::mda::{FileUser, MdaError};
use crate::sink::render::{Layout, Rendering};
use crate::sink::worker::{Stage, Turn};
use crate::sink::{Begin, Fault, Offer, Outcome, Refusal, Sink};
use crate::spool::Message;

pub use error::MaildirError;
use folder::{FilesOf, Written, unique_name};
pub(crate) use folder::{Folder, disk, sync_folder};

/// A sink that stores messages in one Maildir, in the order of their offers. All recipients of an
/// offer share one file.
pub struct Maildir {
    desk: Arc<Desk>,
}

/// The state that the threads share.
struct Desk {
    folder: Folder,
    offered: Arc<Stage<WriteJob>>,
    written: Arc<Stage<Vec<NewCopy>>>,
    /// The number of messages that are in `tmp` and open.
    open: AtomicUsize,
    swept: AtomicBool,
}

struct WriteJob {
    message: Message,
    trace: String,
    sender: Sender,
    begin: Begin,
    answer: oneshot::Sender<Outcome>,
}

/// A message in `tmp`, and the caller that waits until it is durable.
struct NewCopy {
    file: Written,
    answer: oneshot::Sender<Outcome>,
    place: FilePlace,
}

/// A permit for one of the few messages that may be open.
struct FilePlace(Arc<Desk>);

impl Drop for FilePlace {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets writing continue when publishing ends, however it ends.
struct GoOn(Arc<Desk>);

impl Drop for GoOn {
    fn drop(&mut self) {
        self.0.go_on();
    }
}

impl Maildir {
    /// A Maildir at a path. [`Sink::ready`] or the first message creates the folder, if its parent
    /// exists.
    ///
    /// If we are root, files belong to the owner of the folder, or of its parent if the folder is
    /// new.
    pub fn new(path: &Path) -> Self {
        Self::with_files_of(path, FilesOf::Owner)
    }

    /// Like [`Self::new`], with files of a given user and group, which only root can create. Looks
    /// them up, which may block.
    ///
    /// # Errors
    /// [`MdaError`] when the user or group does not exist.
    pub fn of_user(path: &Path, user: Option<&str>, group: Option<&str>) -> Result<Self, MdaError> {
        if user.is_none() && group.is_none() {
            return Ok(Self::new(path));
        }
        let named = FileUser::named(user, group)?;
        Ok(Self::with_files_of(
            path,
            named.map_or(FilesOf::Us, FilesOf::User),
        ))
    }

    fn with_files_of(path: &Path, files_of: FilesOf) -> Self {
        Self {
            desk: Arc::new(Desk {
                folder: Folder::with_files_of(path, files_of),
                offered: Stage::new(1),
                written: Stage::new(1),
                open: AtomicUsize::new(0),
                swept: AtomicBool::new(false),
            }),
        }
    }
}

impl Sink for Maildir {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        self.offer_in_turn(offer, Begin::default())
    }

    fn offer_in_turn<'a>(&'a self, offer: Offer<'a>, begin: Begin) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let job = WriteJob {
                message: offer.message.clone(),
                trace: offer.trace.to_owned(),
                sender: offer.envelope.sender.clone(),
                begin,
                answer,
            };
            let desk = Arc::clone(&self.desk);
            self.desk.offered.put(job, move |turn| desk.write(turn));
            let outcome = answered.await.unwrap_or_else(|_| stopped());
            vec![outcome; offer.envelope.recipients.len()]
        })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        let folder = self.desk.folder.clone();
        Box::pin(async move {
            let made = spawn_blocking(move || folder.make()).await;
            match made {
                Ok(made) => made.map_err(|error| refusal(&error)),
                Err(error) => Err(Refusal::new(
                    Fault::Destination,
                    "maildir_stopped",
                    error.to_string(),
                )),
            }
        })
    }
}

impl Desk {
    /// Writes offered messages to `tmp`, as far as more files may be open.
    fn write(self: Arc<Self>, mut turn: Turn<WriteJob>) {
        if !self.swept.swap(true, Ordering::Relaxed) {
            self.folder.sweep();
        }
        loop {
            let room = self.room();
            if room == 0 {
                turn.leave();
                // Open messages may have been published in the meantime, and no other thread will
                // check again.
                return self.go_on();
            }
            let Some(jobs) = turn.next(room) else {
                return;
            };
            let user = self.folder.user();
            let mut drafts = Vec::with_capacity(jobs.len());
            for job in jobs {
                // Its offer was dropped: the caller would not learn that it was delivered.
                if job.answer.is_closed() || !job.begin.begin() {
                    continue;
                }
                match self.draft(&job, user) {
                    Ok(file) => {
                        self.open.fetch_add(1, Ordering::SeqCst);
                        drafts.push(NewCopy {
                            file,
                            answer: job.answer,
                            place: FilePlace(Arc::clone(&self)),
                        });
                    }
                    Err(error) => {
                        let _ = job.answer.send(Outcome::Refused(refusal(&error)));
                    }
                }
            }
            if drafts.is_empty() {
                continue;
            }
            let desk = Arc::clone(&self);
            self.written.put(drafts, move |turn| desk.publish(turn));
        }
    }

    /// Makes written messages durable and visible, and answers their offers.
    fn publish(self: Arc<Self>, turn: Turn<Vec<NewCopy>>) {
        let _after = GoOn(Arc::clone(&self));
        self.publish_all(turn);
    }

    fn publish_all(self: &Arc<Self>, mut turn: Turn<Vec<NewCopy>>) {
        while let Some(batches) = turn.next(limits::MAILDIR_OPEN_MESSAGES_MAX) {
            // An offer that was dropped in the meantime would be delivered again.
            let drafts = batches.into_iter().flatten();
            let drafts = drafts.filter(|draft| !draft.answer.is_closed());
            let drafts = drafts.map(|draft| (draft.file, (draft.answer, draft.place)));
            let (files, waiting): (Vec<_>, Vec<_>) = drafts.unzip();
            let published = self.folder.publish(files);
            let (answers, places): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            drop(places);
            self.go_on();
            for (answer, published) in answers.into_iter().zip(published) {
                let outcome = match published {
                    Ok(name) => Outcome::Accepted(format!("stored as new/{name}")),
                    Err(error) => Outcome::Refused(refusal(&error)),
                };
                // If the offer was dropped after that, it is delivered again, because its caller
                // does not know the result.
                let _ = answer.send(outcome);
            }
        }
    }

    /// How many more messages may be open. File descriptors are few, and a lack of them is no
    /// reason to refuse mail.
    fn room(&self) -> usize {
        limits::MAILDIR_OPEN_MESSAGES_MAX.saturating_sub(self.open.load(Ordering::SeqCst))
    }

    /// Lets writing continue if it stopped for lack of room, and there is room now.
    fn go_on(self: &Arc<Self>) {
        if self.room() > 0 {
            let desk = Arc::clone(self);
            self.offered.resume(move |turn| desk.write(turn));
        }
    }

    /// Writes one message to tmp; creates the folder if it does not exist.
    fn draft(&self, job: &WriteJob, user: Option<FileUser>) -> Result<Written, MaildirError> {
        let written = self.draft_once(job, user);
        match written {
            Err(MaildirError::Disk { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                self.folder.make()?;
                self.draft_once(job, self.folder.user())
            }
            written => written,
        }
    }

    fn draft_once(&self, job: &WriteJob, user: Option<FileUser>) -> Result<Written, MaildirError> {
        let layout = Layout {
            line_ends: LineEnds::Lf,
            return_path: true,
            from_line: None,
            without_from_lines: false,
        };
        self.folder.write(user, unique_name(), true, |file| {
            Rendering::new(&job.message, &job.trace, &job.sender, &layout)?.write_to(file)
        })
    }
}

/// Any failure of a Maildir concerns every message.
fn refusal(error: &MaildirError) -> Refusal {
    Refusal::of_system(error.lack(), error.code(), error.to_string())
}

fn stopped() -> Outcome {
    let words = "the Maildir's thread stopped before it answered";
    Outcome::Refused(Refusal::new(Fault::Destination, "maildir_stopped", words))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{AccountName, Envelope, Origin, UniqueId};
    use crate::spool::Spool;

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
            message: message.clone(),
            trace: String::new(),
            sender: Sender::Null,
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
            message: offer.message.clone(),
            trace: String::new(),
            sender: Sender::Null,
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
            message: message().await,
            trace: String::new(),
            sender: Sender::Null,
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
