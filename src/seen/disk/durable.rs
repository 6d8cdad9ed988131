//! Journal and index together: the store that survives a power cut.
//!
//! One thread writes. Commits that arrive during one `fdatasync` share the next: group commit
//! without a timer. A commit is answered when the journal is durable. The index follows, and is
//! made again from the journal if it loses or damages something.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::fault;
use crate::mail::{AccountName, Clock, Timestamp, limits};
use crate::seen::disk::compact::compact;
use crate::seen::disk::index::{Index, Unsound};
use crate::seen::disk::journal::{Journal, damaged, disk};
use crate::seen::disk::replay;
use crate::seen::disk::state_dir::{StateDirectory, set_aside};
use crate::seen::disk::unapplied::{About, Batches, Unapplied};
use crate::seen::disk::witness::Witness;
use crate::seen::{AccountState, Batch, Records, SeenStore, StoreError};

/// The seen store on disk.
pub struct DurableStore {
    shared: Arc<Shared>,
    commits: Mutex<Option<mpsc::Sender<Commit>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// The ways to repair an index that cannot be used.
#[derive(Clone, Copy)]
enum Repair {
    /// After a failed disk write, sled fails until the index is opened again.
    Reopen,
    Rebuild,
}

/// A batch, and the caller that waits for it.
struct Commit {
    batch: Box<Batch>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

struct Shared {
    directory: StateDirectory,
    clock: Arc<dyn Clock>,
    journal: Mutex<Journal>,
    witness: Witness,
    /// Durable commits not in the index yet. Locked after the journal and before the index.
    unapplied: Mutex<Unapplied>,
    /// `None` while it must be made again. Readers share it; only catching up and a repair change
    /// it.
    index: RwLock<Option<Index>>,
    /// The time of the newest line in seconds; 0 if there is none.
    newest: AtomicU64,
    /// Whether the last write was made durable. False before the first.
    proven: AtomicBool,
}

impl DurableStore {
    /// Opens the store in a state directory, or creates one. Blocks: reads the journal once from
    /// end to end.
    ///
    /// # Errors
    /// `StoreFault::InUse` when another process uses it, `StoreFault::Damaged` when continuing
    /// could deliver mail again, `StoreFault::Disk` when the directory cannot be used.
    pub fn open(directory: StateDirectory, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let path = directory.path();
        let _acting = directory.act()?;
        if std::fs::symlink_metadata(path.join(Journal::NAME)).is_err() {
            begin(path)?;
        }
        let (journal, index) = replay::load(path)?;
        let witness = Witness::open(path);
        witness.note(journal.last.sequence);
        let newest = AtomicU64::new(journal.newest.map_or(0, |at| at.0));
        let index = RwLock::new(Some(index));
        let shared = Arc::new(Shared {
            directory,
            clock,
            journal: Mutex::new(journal),
            witness,
            unapplied: Mutex::default(),
            index,
            newest,
            proven: AtomicBool::new(false),
        });
        let (commits, queue) = mpsc::channel();
        let writing = Arc::clone(&shared);
        // The writer acts as the directory's owner for its whole life, because this thread does so
        // while it starts the writer.
        let writer = std::thread::Builder::new()
            .name("seen".to_owned())
            .spawn(move || writing.write(&queue))
            .map_err(|error| disk(shared.directory.path(), &error))?;
        Ok(Self {
            shared,
            commits: Mutex::new(Some(commits)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Runs a look-up on a thread that may block, with a repair between two tries.
    async fn look<T: Send + 'static>(
        &self,
        about: About,
        look: impl Fn(&Index) -> Result<T, Unsound> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        spawn_blocking(move || shared.look(&about, look))
            .await
            .unwrap_or(Err(StoreError::closed()))
    }
}

impl SeenStore for DurableStore {
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, StoreError>> {
        let account = account.clone();
        let about = About::Account(account.clone());
        Box::pin(self.look(about, move |index| index.scan(&account)))
    }

    fn count<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<u64, StoreError>> {
        let account = account.clone();
        let about = About::Account(account.clone());
        Box::pin(self.look(about, move |index| index.count_of(&account)))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        let (done, committed) = oneshot::channel();
        let batch = Box::new(batch);
        let queued = match &*lock(&self.commits) {
            Some(commits) => commits.send(Commit { batch, done }).is_ok(),
            None => false,
        };
        Box::pin(async move {
            if !queued {
                return Err(StoreError::closed());
            }
            committed.await.unwrap_or(Err(StoreError::closed()))
        })
    }

    fn account_state<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> BoxFuture<'a, Result<Option<AccountState>, StoreError>> {
        let account = account.clone();
        let about = About::Account(account.clone());
        Box::pin(self.look(about, move |index| index.state(&account)))
    }

    fn newest(&self) -> Option<Timestamp> {
        match self.shared.newest.load(Ordering::Relaxed) {
            0 => None,
            seconds => Some(Timestamp(seconds)),
        }
    }

    fn is_proven(&self) -> bool {
        self.shared.proven.load(Ordering::Relaxed)
    }

    fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>, StoreError>> {
        Box::pin(self.look(About::All, Index::accounts))
    }

    fn account_keeping<'a>(
        &'a self,
        file: &'a str,
    ) -> BoxFuture<'a, Result<Option<AccountName>, StoreError>> {
        let file = file.to_owned();
        Box::pin(self.look(About::All, move |index| index.account_keeping(&file)))
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let made = spawn_blocking(move || lock(&shared.journal).make_room());
            made.await.unwrap_or(Err(StoreError::closed()))
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        lock(&self.commits).take();
        let writer = lock(&self.writer).take();
        Box::pin(async move {
            let joined = spawn_blocking(move || writer.map(JoinHandle::join));
            match joined.await {
                Ok(Some(Err(_))) | Err(_) => Err(StoreError::invariant(
                    "the writer of the seen store panicked",
                )),
                Ok(_) => Ok(()),
            }
        })
    }
}

impl Drop for DurableStore {
    /// The lock of the directory must not outlive the store.
    fn drop(&mut self) {
        lock(&self.commits).take();
        if let Some(writer) = lock(&self.writer).take() {
            // A panic of the writer has been reported to the callers that waited for it.
            let _ = writer.join();
        }
    }
}

impl Shared {
    /// The writer's loop: makes all waiting commits durable with one `fdatasync`, answers them.
    fn write(&self, queue: &mpsc::Receiver<Commit>) {
        let mut since_flush = 0;
        while let Ok(first) = queue.recv() {
            let (mut batches, mut waiting) = (vec![first.batch], vec![first.done]);
            for commit in queue.try_iter().take(limits::GROUP_COMMITS_MAX - 1) {
                batches.push(commit.batch);
                waiting.push(commit.done);
            }
            let count = batches.len();
            let result = self.commit(batches);
            for done in waiting {
                // A caller that has stopped waiting does not need the answer.
                let _ = done.send(result.clone());
            }
            self.catch_up_with_many();
            since_flush += count;
            if since_flush >= limits::INDEX_FLUSH_COMMITS {
                since_flush = 0;
                self.tidy();
            }
        }
        self.tidy();
    }

    /// Makes the batches durable in the journal. The index follows later.
    fn commit(&self, batches: Batches) -> Result<(), StoreError> {
        let mut journal = lock(&self.journal);
        let appended = journal.append(&batches, self.clock.now());
        self.proven.store(appended.is_ok(), Ordering::Relaxed);
        appended?;
        self.witness.note(journal.last.sequence);
        self.newest
            .store(journal.newest.map_or(0, |at| at.0), Ordering::Relaxed);
        fault::pass("journal.synced");
        lock(&self.unapplied).add(batches, journal.last);
        Ok(())
    }

    /// Brings the index up to the journal when many commits wait for it. The callers have their
    /// answers by then: the note of 10,000 deletes takes the index longer than the disk.
    fn catch_up_with_many(&self) {
        let mut unapplied = lock(&self.unapplied);
        if unapplied.are_many() {
            self.catch_up(&mut unapplied);
        }
    }

    /// Brings the index up to the journal.
    fn catch_up(&self, unapplied: &mut Unapplied) {
        if unapplied.is_empty() {
            return;
        }
        let (batches, last) = unapplied.take();
        let mut index = write(&self.index);
        // The batches are durable even if the index fails: it is made again at the next look-up.
        if index
            .as_ref()
            .is_some_and(|index| index.apply(&batches, last).is_err())
        {
            *index = None;
        }
        fault::pass("index.applied");
    }

    /// Runs a look-up. An index that cannot be used is opened again, and at last made again.
    fn look<T>(
        &self,
        about: &About,
        look: impl Fn(&Index) -> Result<T, Unsound>,
    ) -> Result<T, StoreError> {
        let mut unapplied = lock(&self.unapplied);
        if unapplied.concerns(about) {
            self.catch_up(&mut unapplied);
        }
        drop(unapplied);
        let mut why = None;
        for repair in [None, Some(Repair::Reopen), Some(Repair::Rebuild)] {
            match (repair, &why) {
                // A damaged file is still damaged after it is opened again.
                (Some(Repair::Reopen), Some(Unsound::Damaged(_))) => continue,
                (Some(repair), _) => self.repair(repair)?,
                (None, _) => {}
            }
            match read(&self.index).as_ref().map(&look) {
                Some(Ok(found)) => return Ok(found),
                Some(Err(unsound)) => why = Some(unsound),
                None => {}
            }
        }
        let what = why.as_ref().map_or("", Unsound::words);
        let what = format!("the index cannot be used: {what}");
        Err(disk(self.directory.path(), &std::io::Error::other(what)))
    }

    /// Opens the index again, or makes it again from the journal; in the second case the old one is
    /// put aside first.
    fn repair(&self, repair: Repair) -> Result<(), StoreError> {
        let journal = lock(&self.journal);
        // The directory at this path may belong to another store now.
        journal.check_place()?;
        let path = self.directory.path();
        let _acting = self.directory.act()?;
        let mut unapplied = lock(&self.unapplied);
        let mut index = write(&self.index);
        // The journal contains these commits, and so will the index.
        *unapplied = Unapplied::default();
        // sled keeps its lock until the last handle is dropped.
        drop(index.take());
        *index = match repair {
            Repair::Reopen => replay::reopen(path, journal.durable)?.ok(),
            Repair::Rebuild => {
                set_aside(path, Index::NAME, self.clock.now())?;
                Some(replay::rebuild(path, journal.durable)?)
            }
        };
        Ok(())
    }

    /// Flushes the index, and compacts the journal when most of its lines are obsolete.
    fn tidy(&self) {
        let mut journal = lock(&self.journal);
        self.witness.sync();
        // If another directory has this path now, nothing of ours is written there.
        if journal.check_place().is_err() {
            return;
        }
        self.catch_up(&mut lock(&self.unapplied));
        let mut index = write(&self.index);
        let Some(sound) = index.as_ref() else { return };
        let compacted = sound.flush().and_then(|()| sound.count()).and_then(|live| {
            if journal.lines < limits::JOURNAL_COMPACTED_LINES_MIN || journal.lines < 2 * live {
                return Ok(None);
            }
            compact(self.directory.path(), &journal, sound, self.clock.now())
        });
        match compacted {
            Ok(Some(fresh)) => {
                if sound.apply(&[], fresh.last).is_err() {
                    *index = None;
                }
                *journal = fresh;
                self.proven.store(false, Ordering::Relaxed);
            }
            Ok(None) => {}
            Err(_) => *index = None,
        }
    }
}

/// Creates a journal where there is none. If there is an index or a witness without a journal, the
/// journal is lost.
fn begin(path: &Path) -> Result<(), StoreError> {
    if path.join(Index::NAME).exists() {
        let marked = Index::open(path).and_then(|index| index.mark());
        match marked {
            Err(Unsound::Full(what)) => return Err(replay::no_room(path, what)),
            Err(Unsound::InUse) => return Err(replay::in_use(path)),
            _ => {}
        }
        if !matches!(marked, Ok(None)) {
            return Err(damaged(
                path,
                format!(
                    "{} is missing, and the index says that there was one",
                    Journal::NAME
                ),
            ));
        }
    }
    if let Some(last @ 1..) = Witness::read(path) {
        let (journal, witness) = (Journal::NAME, Witness::NAME);
        let what = format!("{journal} is missing, and {witness} says that it had {last} lines");
        return Err(damaged(path, what));
    }
    Journal::create(path, 0, |_| Ok(())).map(drop)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(shared: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(shared: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}
