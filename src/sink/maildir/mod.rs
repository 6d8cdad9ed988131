//! Delivery into a Maildir.
//!
//! Every message is durable before it counts as accepted. One thread writes what is offered, another makes durable what has been
//! written: what is written while one sync runs gathers for the next, so that many messages cost one sync, and nothing waits for
//! a clock.

mod folder;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::mail::{Envelope, Sender, limits};
use crate::sink::render::{Layout, LineEnds, Rendering};
use crate::sink::stage::{Stage, Turn};
use crate::sink::{Fault, Outcome, Refusal, Sink};
use crate::spool::Message;

pub use folder::MaildirError;
pub(super) use folder::{Folder, disk, sync_folder};
use folder::{Written, unique_name};

/// A sink that stores messages in one Maildir, in the order in which they were offered. All recipients of an offer
/// share one file.
pub struct Maildir {
    desk: Arc<Desk>,
}

/// What the threads share.
struct Desk {
    folder: Folder,
    offered: Arc<Stage<Job>>,
    written: Arc<Stage<Vec<Draft>>>,
    swept: AtomicBool,
}

struct Job {
    message: Message,
    sender: Sender,
    answer: oneshot::Sender<Outcome>,
}

/// A message in `tmp`, and who waits for it to be durable.
struct Draft {
    file: Written,
    answer: oneshot::Sender<Outcome>,
}

impl Maildir {
    /// A Maildir at a path. The folder is made by [`Sink::ready`] or the first message, when its parent exists.
    pub fn new(path: &Path) -> Self {
        Self {
            desk: Arc::new(Desk {
                folder: Folder::new(path),
                offered: Stage::new(1),
                written: Stage::new(1),
                swept: AtomicBool::new(false),
            }),
        }
    }
}

impl Sink for Maildir {
    fn offer<'a>(
        &'a self,
        envelope: &'a Envelope,
        message: &'a Message,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let job = Job {
                message: message.clone(),
                sender: envelope.sender.clone(),
                answer,
            };
            let desk = Arc::clone(&self.desk);
            self.desk.offered.put(job, move |turn| desk.write(turn));
            let outcome = answered.await.unwrap_or_else(|_| stopped());
            vec![outcome; envelope.recipients.len()]
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
    /// Writes what is offered to `tmp`.
    fn write(self: Arc<Self>, mut turn: Turn<Job>) {
        if !self.swept.swap(true, Ordering::Relaxed) {
            self.folder.sweep();
        }
        while let Some(jobs) = turn.next(limits::MAILDIR_BATCH_MESSAGES_MAX) {
            let mut drafts = Vec::with_capacity(jobs.len());
            for job in jobs {
                // Its offer was dropped: nobody would know that it was delivered.
                if job.answer.is_closed() {
                    continue;
                }
                match self.draft(&job) {
                    Ok(file) => drafts.push(Draft {
                        file,
                        answer: job.answer,
                    }),
                    Err(error) => {
                        let _ = job.answer.send(Outcome::Refused(refusal(&error)));
                    }
                }
            }
            let desk = Arc::clone(&self);
            self.written.put(drafts, move |turn| desk.publish(turn));
        }
    }

    /// Makes what was written durable, shows it, and says so.
    fn publish(self: Arc<Self>, mut turn: Turn<Vec<Draft>>) {
        while let Some(batches) = turn.next(BATCHES_MAX) {
            let drafts = batches.into_iter().flatten();
            let drafts = drafts.map(|draft| (draft.file, draft.answer));
            let (files, answers): (Vec<_>, Vec<_>) = drafts.unzip();
            for (answer, published) in answers.into_iter().zip(self.folder.publish(files)) {
                let outcome = match published {
                    Ok(name) => Outcome::Accepted(format!("stored as new/{name}")),
                    Err(error) => Outcome::Refused(refusal(&error)),
                };
                // An offer that was dropped meanwhile is delivered again: the price of knowing nothing.
                let _ = answer.send(outcome);
            }
        }
    }

    /// Writes one message to tmp; makes the folder when it is not there.
    fn draft(&self, job: &Job) -> Result<Written, MaildirError> {
        let written = self.draft_once(job);
        match written {
            Err(MaildirError::Disk { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                self.folder.make()?;
                self.draft_once(job)
            }
            written => written,
        }
    }

    fn draft_once(&self, job: &Job) -> Result<Written, MaildirError> {
        let layout = Layout {
            line_ends: LineEnds::Lf,
            return_path: true,
            from_line: None,
        };
        self.folder.write(unique_name(), true, |file| {
            Rendering::new(&job.message, &job.sender, &layout)?.write_to(file)
        })
    }
}

/// Batches that share one sync at most; bounds how long the first has to wait for the last.
const BATCHES_MAX: usize = 4;

/// Whatever is wrong with a Maildir is wrong for every message.
fn refusal(error: &MaildirError) -> Refusal {
    Refusal::new(Fault::Destination, error.code(), error.to_string())
}

fn stopped() -> Outcome {
    let words = "the Maildir's thread stopped before it answered";
    Outcome::Refused(Refusal::new(Fault::Destination, "maildir_stopped", words))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{AccountName, Origin, UniqueId};
    use crate::spool::Spool;

    async fn message() -> Message {
        let spool = Spool::new(&std::env::temp_dir());
        let mut draft = spool.begin(spool.room_for(None));
        draft.write(b"Subject: x\r\n\r\n").await.unwrap();
        let account = AccountName::new("work").unwrap();
        let unique_id = UniqueId::new(b"1").unwrap();
        draft
            .finish(Origin { account, unique_id }, String::new())
            .await
            .unwrap()
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
        // While this thread holds the turn, nothing is written.
        let (took, taken) = std::sync::mpsc::channel();
        let (dropped, _) = oneshot::channel();
        let job = Job {
            message: message.clone(),
            sender: Sender::Null,
            answer: dropped,
        };
        let offered = &maildir.desk.offered;
        offered.put(job, move |turn| took.send(turn).unwrap());
        let turn = tokio::task::spawn_blocking(move || taken.recv().unwrap());
        let turn = turn.await.unwrap();
        let envelope = envelope();
        let mut offer = maildir.offer(&envelope, &message);
        assert!(futures_util::poll!(&mut offer).is_pending());
        let desk = Arc::clone(&maildir.desk);
        let worked = tokio::task::spawn_blocking(move || desk.write(turn));
        worked.await.unwrap();
        assert!(matches!(offer.await[..], [Outcome::Accepted(_)]));
        assert_eq!(std::fs::read_dir(path.join("new")).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(path.join("tmp")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn after_a_thread_that_panicked_the_next_offer_starts_another() {
        let directory = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(&directory.path().join("Maildir"));
        let (answer, answered) = oneshot::channel();
        let job = Job {
            message: message().await,
            sender: Sender::Null,
            answer,
        };
        let offered = &maildir.desk.offered;
        offered.put(job, |_turn| std::panic::resume_unwind(Box::new("")));
        assert!(answered.await.is_err(), "its offers are refused");
        let outcomes = maildir.offer(&envelope(), &message().await).await;
        assert!(matches!(outcomes[..], [Outcome::Accepted(_)]));
    }
}
