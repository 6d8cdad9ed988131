//! Is it on disk, and ours alone? Opens files so that nothing in a directory can block or mislead
//! us.

mod directory;
mod full;
mod lock;
mod new_file;
mod owner;
mod regular;

pub use directory::{check_owner, make_private, sync_directory, sync_entries};
pub use full::{Lack, advice, is_full};
pub use lock::Lock;
pub use new_file::NewFile;
pub use owner::Acting;
pub use regular::{Identity, open_regular, read_regular};
