//! A small MDA for the benchmark: copies its input into a new file in the directory it is given.

use std::fs::File;
use std::io::{Error, Result, stdin};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1);
    let directory = directory.ok_or_else(|| Error::other("usage: bench_mda DIRECTORY"))?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let name = format!("{}.P{}.bench", now.as_nanos(), std::process::id());
    let mut file = File::create_new(Path::new(&directory).join(name))?;
    std::io::copy(&mut stdin().lock(), &mut file)?;
    Ok(())
}
