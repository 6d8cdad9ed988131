//! Is it on disk, and ours alone? Opens files so that nothing in a directory can stop us or mislead us.

mod full;
mod owner;
mod regular;

pub use full::is_full;
pub use owner::Acting;
pub use regular::{Identity, open_regular, read_regular};
