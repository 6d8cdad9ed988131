//! The limits of the seen store: its journal, its index and their directory.

/// The most commits that share one `fdatasync`; it limits memory.
pub const GROUP_COMMITS_MAX: usize = 1024;

/// Changes that may wait for the index: it limits memory, and the time of the next look-up.
pub const UNAPPLIED_CHANGES_MAX: usize = 1024;

/// Commits between two flushes of the index: it limits the lines that are replayed at a start.
/// Durability does not depend on it.
pub const INDEX_FLUSH_COMMITS: usize = 2048;

/// A shorter journal is never compacted: it is read in a moment.
pub const JOURNAL_COMPACTED_LINES_MIN: u64 = 4096;

/// Space that the journal reserves at a time: for the records of some thousand messages with
/// ordinary unique-ids, or of several hundred with the longest.
pub const JOURNAL_ROOM_OCTETS: u64 = 256 * 1024;

/// Batches that are applied together when the journal is replayed; it limits memory.
pub const REPLAYED_BATCHES_MAX: usize = 1024;

/// Records in one block of the index: a change of one rewrites all of them.
pub const BLOCK_RECORDS_MAX: usize = 32;

/// Blocks that are written to the index together. One change costs about as much as this many, and
/// more would only take memory.
pub const BLOCKS_TOGETHER_MAX: usize = 64;

/// The cache of the index. sled takes more than it is told. A scan reads each page once, and the
/// system caches the file.
pub const INDEX_CACHE_OCTETS: u64 = 2 * 1024 * 1024;

/// How often a locked index is tried again: an index that was closed is free within two seconds.
pub const INDEX_LOCK_TRIES_MAX: u32 = 100;

/// The pause between such tries.
pub const INDEX_LOCK_MILLISECONDS: u64 = 20;

/// Octets of the lock file that are read to name its holder: a process's number and name.
pub const LOCK_HOLDER_OCTETS_MAX: u64 = 4096;

/// Damaged folders that are kept for examination: each takes as much space as the index.
pub const DAMAGED_FOLDERS_MAX: usize = 3;

/// The file with the number of the journal's last line; a whole one is shorter.
pub const WITNESS_OCTETS_MAX: u64 = 256;

/// Notes that may be open at once beside the newest. A message that is listed with another
/// unique-id is found at the next listing, so old notes are not needed.
pub const OPEN_NOTES_MAX: usize = 64;

/// Octets of the set of unique-ids that were listed beside a note of deletes.
pub const NAME_SET_OCTETS_MAX: usize = 1024;

/// Octets of those sets of all open notes.
pub const NAMES_BESIDE_OCTETS_MAX: usize = 2048;

/// Amendments to records that are remembered. A session is shorter than the time in which so many
/// refusals are taken back.
pub const AMENDMENTS_MAX: usize = 4096;
