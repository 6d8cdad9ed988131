//! A bare program for the benchmark: opens mailferry's index as mailferry opens it, reads every record once, says how many, and waits
//! until its input ends. What it then holds in memory is sled's, and not mailferry's.

use std::io::{Error, Result, Write, stdin, stdout};

/// As in `src/seen/sled.rs`.
const CACHE_OCTETS: u64 = 2 * 1024 * 1024;

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
        let (key, block) = item.map_err(Error::other)?;
        records += entries(&block).ok_or_else(|| Error::other("that is no block"))?;
        octets += key.len() + block.len();
    }
    println!("{records} {octets}");
    stdout().flush()?;
    std::io::copy(&mut stdin().lock(), &mut std::io::sink())?;
    Ok(())
}

/// How many records a block holds; its form is in `src/seen/block.rs`.
fn entries(mut block: &[u8]) -> Option<u64> {
    let mut count = 0;
    while !block.is_empty() {
        let _shared = number(&mut block)?;
        for _key_then_value in 0..2 {
            let length = number(&mut block)?;
            block = block.get(length..)?;
        }
        count += 1;
    }
    Some(count)
}

/// LEB128.
fn number(octets: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = octets.split_first()?;
        *octets = rest;
        number |= usize::from(first & 0x7F).checked_shl(shift)?;
        if first & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}
