//! Is it on disk, and ours alone? Opens files so that nothing in a directory can stop us or mislead us.

mod owner;
mod regular;

pub use owner::Acting;
pub use regular::{Identity, open_regular, read_regular};
