//! Repeatable randomness: MAILFERRY_SEED.

use proptest::test_runner::{FailurePersistence, FileFailurePersistence};

/// The file with the seeds of failed cases, for a property's configuration. Every later run tries
/// them first, so commit the file with the fix.
pub fn saved_in(file: &'static str) -> Option<Box<dyn FailurePersistence>> {
    Some(Box::new(FileFailurePersistence::Direct(file)))
}

/// The seed of this run, which is printed; `MAILFERRY_SEED` sets it.
pub fn seed() -> u64 {
    let given = std::env::var("MAILFERRY_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("MAILFERRY_SEED={seed}");
    seed
}
