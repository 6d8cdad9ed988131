//! RETR and TOP, with all their crimes.

use super::super::maildrop::header_end;
use super::super::{Act, Maildrop};
use super::{Pop3, dripping, endless_line, with_lf};

impl Pop3 {
    pub(super) fn retrieve(&self, at: usize) -> Vec<Act> {
        let octets = &self.mails()[at].octets;
        let is_first = self.maildrop().is_asked_first(octets);
        let announced = if self.commits("lie-about-counts") {
            3
        } else {
            octets.len()
        };
        let mut status = Act::line(&format!("+OK {announced} octets"));
        if self.commits("end-statuses-with-lf") {
            status = with_lf(status);
        }
        let body = stuffed(octets);
        let end = body.len();
        let header = header_end(&body);
        let name = self.crime.as_ref().map_or("", |crime| crime.name.as_str());
        let cut = match name {
            "cut-in-header" => header / 2,
            "cut-after-header" => header,
            "cut-in-body" => header + (end - header) / 2,
            "cut-before-dot" => end - 3,
            "cut-inside-dot" => end - 2,
            "cut-inside-dot-cr" => end - 1,
            _ => return [vec![status], handed_out(name, octets, body, is_first)].concat(),
        };
        vec![status, Act::Say(body[..cut].to_vec()), Act::Close]
    }

    /// The header and the requested number of lines of the body.
    pub(super) fn top(&self, at: usize, argument: &str) -> Vec<Act> {
        let octets = &self.mails()[at].octets;
        let count = argument
            .split(' ')
            .nth(1)
            .and_then(|count| count.parse().ok());
        let (header, body) = octets.split_at(header_end(octets));
        let lines = body.split_inclusive(|octet| *octet == b'\n');
        let lines: Vec<&[u8]> = lines.take(count.unwrap_or(0)).collect();
        let top = stuffed(&[header, &lines.concat()].concat());
        vec![Act::line("+OK"), Act::Say(top)]
    }
}

/// A message after its status line.
fn handed_out(name: &str, octets: &[u8], mut body: Vec<u8>, is_first: bool) -> Vec<Act> {
    match name {
        "cut-and-close-properly" | "empty-and-close-properly" => {
            body = stuffed(&Maildrop::stump(octets, name));
        }
        "cut-and-close-properly-once" if is_first => {
            let half = header_end(&body) + position(&body[header_end(&body)..], b"\r\n") + 2;
            body = [&body[..half], b".\r\n"].concat();
        }
        "glue-final-dots" => body.truncate(body.len() - 2),
        "forge-replies" => {
            let doubled = b"..\r\n+OK";
            if body.windows(doubled.len()).any(|window| window == doubled) {
                body.remove(position(&body, doubled));
            }
        }
        "end-bodies-with-lf" => {
            // A CR that is not part of a line end stays.
            let is_end = |at: usize| body[at] == b'\r' && body.get(at + 1) == Some(&b'\n');
            let kept = (0..body.len()).filter(|at| !is_end(*at));
            body = kept.map(|at| body[at]).collect();
        }
        "one-byte-every-nine-seconds" => return dripping(Act::Say(body)),
        "endless-message" => {
            let piece = |number| format!("Subject-{number}: without an end\r\n").into_bytes();
            let count = u64::MAX;
            return vec![Act::Flow { count, piece }];
        }
        "endless-message-line" => return vec![endless_line()],
        _ => {}
    }
    vec![Act::Say(body)]
}

/// The message as it is sent, with its final dot (RFC 1939 section 3). Our messages all end in
/// CRLF.
fn stuffed(octets: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(octets.len() + 16);
    let mut at_line_start = true;
    for (at, octet) in octets.iter().enumerate() {
        if at_line_start && *octet == b'.' {
            body.push(b'.');
        }
        body.push(*octet);
        at_line_start = *octet == b'\n' && at > 0 && octets[at - 1] == b'\r';
    }
    body.extend_from_slice(b".\r\n");
    body
}

fn position(octets: &[u8], words: &[u8]) -> usize {
    let mut windows = octets.windows(words.len());
    windows.position(|window| window == words).unwrap_or(0)
}
