//! Which account's record names a copy in the quarantine, read while an agent may be running.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::mail::{AccountName, RecordKey};
use crate::seen::disk::journal::{Journal, JournalLine};
use crate::seen::{Change, StoreError};

/// The accounts whose records name copies in the quarantine, by the file of the copy. The label of
/// a copy has the name that the account had when it was made; `seen rename` changes the record.
/// Reads the journal and takes no lock, so that it works while an agent is running.
///
/// # Errors
/// The journal cannot be read.
pub fn holders(directory: &Path) -> Result<HashMap<String, AccountName>, StoreError> {
    if !directory.join(Journal::NAME).exists() {
        return Ok(HashMap::new());
    }
    let mut files: BTreeMap<(AccountName, RecordKey), String> = BTreeMap::new();
    Journal::read(directory, 0, u64::MAX, &mut |_, line| {
        let JournalLine::Batch(batch) = line else {
            return Ok(());
        };
        let account = batch.account().clone();
        for change in batch.changes {
            let (key, file) = match change {
                Change::Put(key, record) => (key, record.kept().map(str::to_owned)),
                Change::Forget(key) => (key, None),
                Change::Asked { .. } => continue,
            };
            let key = (account.clone(), key);
            match file {
                Some(file) => drop(files.insert(key, file)),
                None => drop(files.remove(&key)),
            }
        }
        Ok(())
    })?;
    let files = files
        .into_iter()
        .filter(|((account, _), _)| account.is_account());
    Ok(files.map(|((account, _), file)| (file, account)).collect())
}
