//! The desk at which messages for the Maildirs of one destination are written and made durable.
//!
//! One thread writes offered messages, and another makes written messages durable. Messages that
//! are written during one sync are collected for the next, so that many messages share one sync,
//! and nothing waits for a timer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

use crate::mail::{LineEnds, Recipient, Sender, limits};
use crate::sink::maildir::MaildirError;
use crate::sink::maildir::folder::{Folder, Written};
use crate::sink::maildir::name::{Measured, unique_name};
use crate::sink::mda::FileUser;
use crate::sink::render::{Layout, Rendering};
use crate::sink::worker::{Stage, Turn};
use crate::sink::{Begin, Outcome};
use crate::spool::Message;

/// The state that the threads share.
pub(super) struct Desk {
    pub(super) offered: Arc<Stage<WriteJob>>,
    pub(super) written: Arc<Stage<Vec<NewCopy>>>,
    /// The number of messages that are in `tmp` and open.
    open: AtomicUsize,
}

/// A message to write, and the caller that waits for the answer.
pub(super) struct WriteJob {
    pub(super) folder: Arc<Folder>,
    pub(super) message: Message,
    pub(super) trace: String,
    pub(super) sender: Sender,
    /// The recipient to name on top.
    pub(super) recipient: Option<Recipient>,
    pub(super) begin: Begin,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// A message in `tmp`, and the caller that waits until it is durable.
pub(super) struct NewCopy {
    folder: Arc<Folder>,
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

impl Desk {
    /// A desk at which nothing was written yet.
    pub(super) fn new() -> Self {
        Self {
            offered: Stage::new(1),
            written: Stage::new(1),
            open: AtomicUsize::new(0),
        }
    }

    /// Writes offered messages to `tmp`, as far as more files may be open.
    pub(super) fn write(self: Arc<Self>, mut turn: Turn<WriteJob>) {
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
            let mut last = None;
            let mut drafts = Vec::with_capacity(jobs.len());
            for job in jobs {
                // Its offer was dropped: the caller would not learn that it was delivered.
                if job.answer.is_closed() || !job.begin.begin() {
                    continue;
                }
                let user = user_of(&job.folder, &mut last);
                match draft(&job, user) {
                    Ok(file) => {
                        self.open.fetch_add(1, Ordering::SeqCst);
                        drafts.push(NewCopy {
                            folder: job.folder,
                            file,
                            answer: job.answer,
                            place: FilePlace(Arc::clone(&self)),
                        });
                    }
                    Err(error) => {
                        let refusal = job.folder.refusal(&error);
                        let _ = job.answer.send(Outcome::Refused(refusal));
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
    pub(super) fn publish(self: Arc<Self>, turn: Turn<Vec<NewCopy>>) {
        let _after = GoOn(Arc::clone(&self));
        self.publish_all(turn);
    }

    fn publish_all(self: &Arc<Self>, mut turn: Turn<Vec<NewCopy>>) {
        while let Some(batches) = turn.next(limits::MAILDIR_OPEN_MESSAGES_MAX) {
            // An offer that was dropped in the meantime would be delivered again.
            let drafts = batches.into_iter().flatten();
            let drafts = drafts.filter(|draft| !draft.answer.is_closed());
            for (folder, drafts) in by_folder(drafts) {
                self.publish_in(&folder, drafts);
            }
        }
    }

    fn publish_in(self: &Arc<Self>, folder: &Folder, drafts: Vec<NewCopy>) {
        let drafts = drafts.into_iter();
        let drafts = drafts.map(|draft| (draft.file, (draft.answer, draft.place)));
        let (files, waiting): (Vec<_>, Vec<_>) = drafts.unzip();
        let published = folder.publish(files);
        let (answers, places): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        drop(places);
        self.go_on();
        for (answer, published) in answers.into_iter().zip(published) {
            let outcome = match published {
                Ok(name) => Outcome::Accepted(format!("stored as new/{name}")),
                Err(error) => Outcome::Refused(folder.refusal(&error)),
            };
            // If the offer was dropped after that, it is delivered again, because its caller
            // does not know the result.
            let _ = answer.send(outcome);
        }
    }

    /// How many more messages may be open. File descriptors are few, and a lack of them is no
    /// reason to refuse mail.
    pub(super) fn room(&self) -> usize {
        limits::MAILDIR_OPEN_MESSAGES_MAX.saturating_sub(self.open.load(Ordering::SeqCst))
    }

    /// Lets writing continue if it stopped for lack of room, and there is room now.
    fn go_on(self: &Arc<Self>) {
        if self.room() > 0 {
            let desk = Arc::clone(self);
            self.offered.resume(move |turn| desk.write(turn));
        }
    }
}

/// The user of a folder, which is looked up once for messages of one folder in a row.
fn user_of(
    folder: &Arc<Folder>,
    last: &mut Option<(Arc<Folder>, Option<FileUser>)>,
) -> Option<FileUser> {
    match last {
        Some((known, user)) if Arc::ptr_eq(known, folder) => *user,
        _ => {
            folder.sweep_once();
            let user = folder.user();
            *last = Some((Arc::clone(folder), user));
            user
        }
    }
}

/// The messages of each folder, in their order.
fn by_folder(drafts: impl Iterator<Item = NewCopy>) -> Vec<(Arc<Folder>, Vec<NewCopy>)> {
    let mut folders: Vec<(Arc<Folder>, Vec<NewCopy>)> = Vec::with_capacity(1);
    for draft in drafts {
        let mut known = folders.iter_mut().rev();
        match known.find(|(folder, _)| Arc::ptr_eq(folder, &draft.folder)) {
            Some((_, drafts)) => drafts.push(draft),
            None => folders.push((Arc::clone(&draft.folder), vec![draft])),
        }
    }
    folders
}

/// Writes one message to tmp; creates the folder if it does not exist.
fn draft(job: &WriteJob, user: Option<FileUser>) -> Result<Written, MaildirError> {
    match draft_once(job, user) {
        Err(MaildirError::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            job.folder.make()?;
            draft_once(job, job.folder.user())
        }
        written => written,
    }
}

fn draft_once(job: &WriteJob, user: Option<FileUser>) -> Result<Written, MaildirError> {
    let layout = Layout {
        line_ends: LineEnds::Lf,
        return_path: true,
        delivered_to: job.recipient.as_ref().map(Recipient::as_str),
        from_line: None,
        without_from_lines: false,
    };
    job.folder.write(user, unique_name(), |file| {
        let mut measured = Measured::new(file);
        Rendering::new(&job.message, &job.trace, &job.sender, &layout)?.write_to(&mut measured)?;
        Ok(Some(measured.sizes()))
    })
}
