//! Data on disk: records, their journal and index, the state directory, and disks that fail.

mod damage;
mod damage_random;
pub mod disk;
#[cfg(feature = "fault-injection")]
mod failing_disk;
mod file_limit;
mod full_disk;
mod old_directory;
mod old_notes;
mod state_dir;
