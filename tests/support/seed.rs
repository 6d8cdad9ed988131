//! Chance that can be repeated: MAILFERRY_SEED.

use proptest::test_runner::{FailurePersistence, FileFailurePersistence};

/// The file that keeps the seeds of failed cases, for a property's configuration. Every later run
/// tries them first, so commit the file with the mend.
pub fn saved_in(file: &'static str) -> Option<Box<dyn FailurePersistence>> {
    Some(Box::new(FileFailurePersistence::Direct(file)))
}

/// The seed of this run, printed; `MAILFERRY_SEED` gives it again.
pub fn seed() -> u64 {
    let given = std::env::var("MAILFERRY_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("MAILFERRY_SEED={seed}");
    seed
}
