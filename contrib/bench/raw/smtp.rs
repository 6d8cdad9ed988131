//! Fills a relay with messages over one connection, everything in flight that RFC 2920 allows.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Result, Write};
use std::net::TcpStream;

use crate::wire::broken;

pub fn fill(port: u16, count: usize, octets: usize) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut replies = BufReader::new(stream.try_clone()?);
    expect(&mut replies, 1)?;
    stream.write_all(b"EHLO bench\r\n")?;
    expect(&mut replies, 1)?;
    let line = "abcdefgh ".repeat(8);
    for number in 1..=count {
        // The end of one message and the envelope of the next go together.
        let mut text =
            String::from("MAIL FROM:<jane@example.org>\r\nRCPT TO:<jane@home.lan>\r\nDATA\r\n");
        stream.write_all(text.as_bytes())?;
        expect(&mut replies, 3)?;
        text.clear();
        let _ = write!(text, "X-Bench-Id: {number}\r\n\r\n");
        while text.len() < octets {
            text.push_str(&line);
            text.push_str("\r\n");
        }
        text.push_str(".\r\n");
        stream.write_all(text.as_bytes())?;
        expect(&mut replies, 1)?;
    }
    stream.write_all(b"QUIT\r\n")?;
    expect(&mut replies, 1)
}

/// Reads so many replies, each to its last line.
fn expect(replies: &mut impl BufRead, count: usize) -> Result<()> {
    for _ in 0..count {
        loop {
            let mut line = String::new();
            replies.read_line(&mut line)?;
            if !line.starts_with(['2', '3']) {
                return Err(broken("the relay said no"));
            }
            if line.as_bytes().get(3) == Some(&b' ') {
                break;
            }
        }
    }
    Ok(())
}
