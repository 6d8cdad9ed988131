//! A relay for the benchmark: takes every message, and at the end writes down what it took, one digest a line.
//!
//! With the word `plain` it does not announce PIPELINING. A digest is SHA-256 over everything from the field `X-Bench-Id` on, without CR and without dot-stuffing.

use std::io::{BufRead, BufReader, BufWriter, Error, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

type Taken = Arc<Mutex<Vec<String>>>;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(port), Some(path)) = (words.next(), words.next()) else {
        return Err(Error::other("usage: bench_relay PORT FILE [plain]"));
    };
    let pipelining = words.next().as_deref() != Some("plain");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    let taken = Taken::default();
    let log = taken.clone();
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM])?;
    std::thread::spawn(move || {
        signals.forever().next();
        let lines = log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n");
        let written = std::fs::write(path, lines);
        std::process::exit(i32::from(written.is_err()));
    });
    for stream in listener.incoming() {
        let (stream, taken) = (stream?, taken.clone());
        // A client that hangs up ends its own connection only.
        std::thread::spawn(move || serve(stream, &taken, pipelining));
    }
    Ok(())
}

fn serve(stream: TcpStream, taken: &Taken, pipelining: bool) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::with_capacity(64 * 1024, stream.try_clone()?);
    let mut output = BufWriter::new(stream);
    output.write_all(b"220 bench ready\r\n")?;
    let mut line = Vec::new();
    loop {
        // Answers go out together, once nothing more is there to be answered (RFC 2920 section 3.2).
        if input.buffer().is_empty() {
            output.flush()?;
        }
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_slice() {
            b"EHLO" if !pipelining => b"250-bench\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n",
            b"EHLO" => b"250-bench\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n",
            b"DATA" => {
                output.write_all(b"354 go on\r\n")?;
                output.flush()?;
                let Some(digest) = read_message(&mut input)? else {
                    return Ok(());
                };
                taken
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(digest);
                b"250 taken\r\n"
            }
            b"QUIT" => {
                output.write_all(b"221 bye\r\n")?;
                return output.flush();
            }
            _ => b"250 ok\r\n",
        };
        output.write_all(reply)?;
    }
}

/// The digest of a message, or nothing if the client hangs up before the dot.
fn read_message(input: &mut impl BufRead) -> Result<Option<String>> {
    let (mut digest, mut is_counted) = (Sha256::new(), false);
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line == b".\r\n" {
            let digest = digest.finalize();
            return Ok(Some(
                digest.iter().map(|octet| format!("{octet:02x}")).collect(),
            ));
        }
        is_counted = is_counted || line.starts_with(b"X-Bench-Id:");
        if is_counted {
            line.retain(|octet| *octet != b'\r');
            digest.update(line.strip_prefix(b".").unwrap_or(&line));
        }
    }
}
