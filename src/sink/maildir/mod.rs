//! Delivery into a Maildir.
//!
//! Every message is durable before it counts as accepted. What is offered while one batch is being made durable
//! gathers for the next, so that many messages cost one sync; nothing waits for a clock.

mod folder;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::mail::{Envelope, Sender, limits};
use crate::sink::render::{Layout, LineEnds, Rendering};
use crate::sink::{Fault, Outcome, Refusal, Sink};
use crate::spool::Message;

pub use folder::MaildirError;
pub(super) use folder::{Folder, disk, sync_folder};
use folder::{Written, unique_name};

/// A sink that stores messages in one Maildir, in the order in which they were offered. All recipients of an offer
/// share one file.
pub struct Maildir {
    folder: Folder,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Whether a thread is working on the jobs, or about to.
    busy: bool,
    swept: bool,
}

struct Job {
    message: Message,
    sender: Sender,
    answer: oneshot::Sender<Outcome>,
}

impl Maildir {
    /// A Maildir at a path. The folder is made by [`Sink::ready`] or the first message, when its parent exists.
    pub fn new(path: &Path) -> Self {
        Self {
            folder: Folder::new(path),
            queue: Arc::default(),
        }
    }

    /// Puts a job in the queue, and a thread to work if none is.
    fn enqueue(&self, job: Job) {
        let was_busy = {
            let mut queue = lock(&self.queue);
            queue.jobs.push_back(job);
            std::mem::replace(&mut queue.busy, true)
        };
        if !was_busy {
            let worker = Worker {
                folder: self.folder.clone(),
                queue: self.queue.clone(),
                finished: false,
            };
            spawn_blocking(move || worker.run());
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
            self.enqueue(Job {
                message: message.clone(),
                sender: envelope.sender.clone(),
                answer,
            });
            let outcome = answered.await.unwrap_or_else(|_| stopped());
            vec![outcome; envelope.recipients.len()]
        })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        let folder = self.folder.clone();
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

/// The thread that works until the queue is empty.
struct Worker {
    folder: Folder,
    queue: Arc<Mutex<Queue>>,
    finished: bool,
}

impl Worker {
    fn run(mut self) {
        if !std::mem::replace(&mut lock(&self.queue).swept, true) {
            self.folder.sweep();
        }
        while let Some(batch) = self.next_batch() {
            self.deliver(batch);
        }
        self.finished = true;
    }

    /// The jobs that have gathered; `None` when there are none and the thread ends.
    fn next_batch(&self) -> Option<Vec<Job>> {
        let mut queue = lock(&self.queue);
        let count = queue.jobs.len().min(limits::MAILDIR_BATCH_MESSAGES_MAX);
        let batch: Vec<Job> = queue.jobs.drain(..count).collect();
        queue.busy = !batch.is_empty();
        queue.busy.then_some(batch)
    }

    fn deliver(&self, batch: Vec<Job>) {
        let mut written = Vec::with_capacity(batch.len());
        let mut answers = Vec::with_capacity(batch.len());
        for job in batch {
            // Its offer was dropped: nobody would know that it was delivered.
            if job.answer.is_closed() {
                continue;
            }
            match self.write(&job) {
                Ok(file) => {
                    written.push(file);
                    answers.push(job.answer);
                }
                Err(error) => {
                    let _ = job.answer.send(Outcome::Refused(refusal(&error)));
                }
            }
        }
        for (answer, published) in answers.into_iter().zip(self.folder.publish(written)) {
            let outcome = match published {
                Ok(name) => Outcome::Accepted(format!("stored as new/{name}")),
                Err(error) => Outcome::Refused(refusal(&error)),
            };
            // An offer that was dropped meanwhile is delivered again: the price of knowing nothing.
            let _ = answer.send(outcome);
        }
    }

    /// Writes one message to tmp; makes the folder when it is not there.
    fn write(&self, job: &Job) -> Result<Written, MaildirError> {
        let written = self.write_once(job);
        match written {
            Err(MaildirError::Disk { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                self.folder.make()?;
                self.write_once(job)
            }
            written => written,
        }
    }

    fn write_once(&self, job: &Job) -> Result<Written, MaildirError> {
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

impl Drop for Worker {
    /// One that panicked, or that the runtime never let run, answers nobody: the next offer starts another.
    fn drop(&mut self) {
        if !self.finished {
            let mut queue = lock(&self.queue);
            queue.jobs.clear();
            queue.busy = false;
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

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

    #[tokio::test]
    async fn an_offer_that_was_dropped_before_its_batch_is_not_delivered() {
        let directory = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(&directory.path().join("Maildir"));
        let worker = Worker {
            folder: maildir.folder.clone(),
            queue: maildir.queue.clone(),
            finished: false,
        };
        let message = message().await;
        let job = |answer| Job {
            message: message.clone(),
            sender: Sender::Null,
            answer,
        };
        let (dropped, _) = oneshot::channel();
        let (kept, answered) = oneshot::channel();
        worker.deliver(vec![job(dropped), job(kept)]);
        assert!(matches!(answered.await.unwrap(), Outcome::Accepted(_)));
        assert_eq!(
            std::fs::read_dir(directory.path().join("Maildir/new"))
                .unwrap()
                .count(),
            1
        );
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
        lock(&maildir.queue).jobs.push_back(job);
        lock(&maildir.queue).busy = true;
        drop(Worker {
            folder: maildir.folder.clone(),
            queue: maildir.queue.clone(),
            finished: false,
        });
        assert!(answered.await.is_err(), "its offers are refused");
        let recipients = vec![crate::mail::Recipient::new("jane").unwrap()];
        let envelope = Envelope {
            sender: Sender::Null,
            recipients,
        };
        let outcomes = maildir.offer(&envelope, &message().await).await;
        assert!(matches!(outcomes[..], [Outcome::Accepted(_)]));
    }
}
