//! A bare program for the benchmark: opens mailferry's index as mailferry opens it, reads every record once, says how many, and waits
//! until its input ends. What it then holds in memory is sled's, and not mailferry's.

use std::io::{Error, Result, Write, stdin, stdout};

/// As in `src/seen/sled.rs`.
const CACHE_OCTETS: u64 = 8 * 1024 * 1024;

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1);
    let path = path.ok_or_else(|| Error::other("usage: bench_sled STATE_DIR/index"))?;
    let db = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_OCTETS)
        .flush_every_ms(None)
        .open()
        .map_err(Error::other)?;
    let (mut records, mut octets) = (0_u64, 0);
    for item in db.scan_prefix(b"r") {
        let (key, value) = item.map_err(Error::other)?;
        records += 1;
        octets += key.len() + value.len();
    }
    println!("{records} {octets}");
    stdout().flush()?;
    std::io::copy(&mut stdin().lock(), &mut std::io::sink())?;
    Ok(())
}
