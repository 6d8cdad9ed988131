//! Chance that can be repeated: MAILFERRY_SEED.

/// The seed of this run, printed; `MAILFERRY_SEED` gives it again.
pub fn seed() -> u64 {
    let given = std::env::var("MAILFERRY_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("MAILFERRY_SEED={seed}");
    seed
}
