//! Renders a message for a sink: with our fields on top, and the line ends that the receiver needs.
//!
//! The octets of a message are never decoded, re-wrapped or re-encoded. Only line ends change, and
//! only as far as [`LineEnds`] says. Dot-stuffing is left to the SMTP sink.

use std::io::{self, Read, Write};

use crate::mail::{Date, Sender, Timestamp, limits};
use crate::sink::line_ends::Converter;
use crate::spool::{Message, Reader};

use crate::mail::LineEnds;

/// The lines around a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout<'a> {
    /// The line ends.
    pub line_ends: LineEnds,
    /// Final delivery: add a `Return-Path` on top unless there is one above the first `Received`
    /// (RFC 5321 section 4.4).
    pub return_path: bool,
    /// Final delivery: add a `Delivered-To` with this recipient on top (RFC 9228), if it is an
    /// address.
    pub delivered_to: Option<&'a str>,
    /// Add an mbox `From ` line with this time above everything, unless the message begins with
    /// one.
    pub from_line: Option<Timestamp>,
    /// Leave out mbox lines at the beginning of the message: for a relay they are no fields, and
    /// end the header.
    pub without_from_lines: bool,
}

/// A message that is rendered piece by piece.
pub struct Rendering<'a> {
    /// The rest of the lines before the message itself.
    lead: Vec<u8>,
    reader: Reader<'a>,
    /// The buffer for a message in a file.
    input: Vec<u8>,
    converter: Converter,
    /// Octets of the message that have not been read yet.
    left: u64,
    finished: bool,
}

impl<'a> Rendering<'a> {
    /// Prepares a message with these fields on top, whose lines end in LF. Reads its head,
    /// which may block if it is in a file.
    ///
    /// # Errors
    /// The system's error when the spool file cannot be read.
    pub fn new(
        message: &'a Message,
        trace: &str,
        sender: &Sender,
        layout: &Layout<'_>,
    ) -> io::Result<Self> {
        let head = message.head_fields()?;
        let mut reader = message.reader();
        let mut own_from_line = vec![0; head.from_line_octets];
        reader.read_exact(&mut own_from_line)?;
        let left = message.octets() - own_from_line.len() as u64;
        if layout.without_from_lines {
            own_from_line.clear();
        }
        let mut converter = Converter::new(layout.line_ends);
        let mut lead = Vec::with_capacity(LEAD_OCTETS);
        if let Some(time) = layout.from_line
            && !own_from_line.starts_with(b"From ")
        {
            add_line(&mut lead, &from_line(sender, time), layout.line_ends);
        }
        // An mbox line is an envelope, not a field: between fields, many readers would take it as
        // the end of the header.
        converter.push(&own_from_line, &mut lead);
        if layout.return_path && !head.has_return_path {
            add_line(
                &mut lead,
                &format!("Return-Path: {sender}"),
                layout.line_ends,
            );
        }
        let is_address = |name: &&str| name.is_ascii() && name.contains('@');
        if let Some(address) = layout.delivered_to.filter(is_address) {
            add_line(
                &mut lead,
                &format!("Delivered-To: {address}"),
                layout.line_ends,
            );
        }
        for line in trace.lines() {
            add_line(&mut lead, line, layout.line_ends);
        }
        if !head.has_fields {
            add_line(&mut lead, "", layout.line_ends);
        }
        converter.at_line_start = !lead.is_empty();
        Ok(Self {
            lead,
            reader,
            input: Vec::new(),
            converter,
            left,
            finished: false,
        })
    }

    /// Replaces the content of `piece` by the next piece, about [`limits::RENDERED_PIECE_OCTETS`]
    /// long; returns `false` when none is left.
    ///
    /// # Errors
    /// The system's error when the spool file cannot be read, or is shorter than the message.
    pub fn next(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
        piece.clear();
        if self.finished {
            return Ok(false);
        }
        loop {
            let size = usize::try_from(self.left).map_or(limits::RENDERED_PIECE_OCTETS, |left| {
                left.min(limits::RENDERED_PIECE_OCTETS)
            });
            let octets = match self.reader.next_in_memory(size) {
                Some(octets) if octets.len() == size => octets,
                _ => {
                    self.input.resize(size, 0);
                    self.reader.read_exact(&mut self.input)?;
                    &self.input
                }
            };
            self.left -= octets.len() as u64;
            piece.reserve(self.lead.len() + octets.len() + octets.len() / 32);
            piece.append(&mut self.lead);
            self.converter.push(octets, piece);
            if self.left == 0 {
                self.converter.finish(piece);
                self.finished = true;
                return Ok(!piece.is_empty());
            }
            if !piece.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Writes the whole message.
    ///
    /// # Errors
    /// The system's error when the spool file cannot be read or `out` cannot be written.
    pub fn write_to(mut self, out: &mut impl Write) -> io::Result<u64> {
        let mut piece = Vec::new();
        let mut octets = 0;
        while self.next(&mut piece)? {
            out.write_all(&piece)?;
            octets += piece.len() as u64;
        }
        Ok(octets)
    }
}

/// Initial room for the lines on top, which are seldom longer.
const LEAD_OCTETS: usize = 512;

fn add_line(lead: &mut Vec<u8>, line: &str, line_ends: LineEnds) {
    lead.extend_from_slice(line.as_bytes());
    lead.extend_from_slice(match line_ends {
        LineEnds::Lf => b"\n",
        LineEnds::Crlf | LineEnds::Network => b"\r\n",
    });
}

/// `From jane@example.org Mon Nov 23 12:00:00 2026`: the envelope of an mbox, in UTC.
fn from_line(sender: &Sender, time: Timestamp) -> String {
    let sender = match sender {
        Sender::Null => "MAILER-DAEMON",
        Sender::Address(address) => address,
    };
    format!("From {sender} {}", Date::of(time).asctime())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sink::line_ends::naive;
    use crate::spool::Spool;

    const RECEIVED: &str = "Received: from a\n\tby b\n";

    fn message(octets: &[u8]) -> Message {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let spool = Spool::new(&std::env::temp_dir());
            let mut draft = spool.begin(spool.room_for(None));
            draft.write(octets).await.unwrap();
            draft.finish().await.unwrap()
        })
    }

    fn rendered(octets: &[u8], layout: Layout<'_>) -> Vec<u8> {
        let message = message(octets);
        let mut out = Vec::new();
        let sender = Sender::from_path(b"s@x");
        let written = Rendering::new(&message, RECEIVED, &sender, &layout)
            .unwrap()
            .write_to(&mut out)
            .unwrap();
        assert_eq!(written, out.len() as u64);
        out
    }

    fn shown(octets: &[u8], layout: Layout<'_>) -> String {
        String::from_utf8(rendered(octets, layout)).unwrap()
    }

    const LOCAL: Layout<'static> = Layout {
        line_ends: LineEnds::Lf,
        return_path: true,
        delivered_to: None,
        from_line: None,
        without_from_lines: false,
    };
    const NETWORK: Layout<'static> = Layout {
        line_ends: LineEnds::Network,
        return_path: false,
        delivered_to: None,
        from_line: None,
        without_from_lines: true,
    };

    /// Holds 4.3.6.
    #[test]
    fn large_messages_are_the_same_from_a_file_as_in_one_buffer() {
        let mut state = 7u64;
        let mut octets = b"Subject: large\r\n\r\n".to_vec();
        while octets.len() < 9 * limits::RENDERED_PIECE_OCTETS / 2 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            octets.push(b"\r\n\r\nabcdefghijkl"[(state >> 40) as usize % 16]);
        }
        // Puts a line end across every boundary of pieces.
        for boundary in
            (limits::RENDERED_PIECE_OCTETS..octets.len()).step_by(limits::RENDERED_PIECE_OCTETS)
        {
            octets[boundary - 1] = b'\r';
            octets[boundary] = b'\n';
        }
        for line_ends in [LineEnds::Lf, LineEnds::Crlf, LineEnds::Network] {
            let layout = Layout {
                line_ends,
                ..Layout::default()
            };
            let mut expected = naive(RECEIVED.replace('\n', "\r\n").as_bytes(), line_ends);
            expected.extend(naive(&octets, line_ends));
            assert!(rendered(&octets, layout) == expected, "{line_ends:?}");
        }
    }

    #[test]
    fn the_trace_goes_on_top_and_a_return_path_above_it_when_there_is_none() {
        assert_eq!(
            shown(b"Subject: x\r\n\r\nbody\r\n", LOCAL),
            "Return-Path: <s@x>\nReceived: from a\n\tby b\nSubject: x\n\nbody\n"
        );
        assert_eq!(
            shown(b"Return-Path: <o@x>\r\nReceived: z\r\n\r\n", LOCAL),
            "Received: from a\n\tby b\nReturn-Path: <o@x>\nReceived: z\n\n"
        );
        assert_eq!(
            shown(b"Received: z\r\nReturn-Path: <o@x>\r\n\r\n", LOCAL),
            "Return-Path: <s@x>\nReceived: from a\n\tby b\nReceived: z\nReturn-Path: <o@x>\n\n"
        );
        assert_eq!(
            shown(b"Subject: x\r\n\r\nbody", NETWORK),
            "Received: from a\r\n\tby b\r\nSubject: x\r\n\r\nbody\r\n"
        );
    }

    #[test]
    fn the_recipient_is_named_below_the_return_path_if_it_is_an_address() {
        for (recipient, line) in [
            ("jane@home.lan", "Delivered-To: jane@home.lan\n"),
            ("jane", ""),
            ("j\u{fc}rgen@home.lan", ""),
        ] {
            let layout = Layout {
                delivered_to: Some(recipient),
                ..LOCAL
            };
            let expected =
                format!("Return-Path: <s@x>\n{line}Received: from a\n\tby b\nSubject: x\n\n");
            assert_eq!(shown(b"Subject: x\r\n\r\n", layout), expected);
        }
    }

    #[test]
    fn a_message_without_header_block_gets_an_empty_line_after_the_trace() {
        assert_eq!(
            shown(b"just text\r\n", NETWORK),
            "Received: from a\r\n\tby b\r\n\r\njust text\r\n"
        );
        assert_eq!(shown(b"", NETWORK), "Received: from a\r\n\tby b\r\n\r\n");
        assert_eq!(
            shown(b"", LOCAL),
            "Return-Path: <s@x>\nReceived: from a\n\tby b\n\n"
        );
        assert_eq!(
            shown(b"\r\nbody\r\n", NETWORK),
            "Received: from a\r\n\tby b\r\n\r\nbody\r\n"
        );
        assert_eq!(
            shown(b"\r", LOCAL),
            "Return-Path: <s@x>\nReceived: from a\n\tby b\n\n\r"
        );
    }

    #[test]
    fn an_mbox_line_is_put_on_top_and_one_that_is_there_stays_on_top() {
        let layout = Layout {
            from_line: Some(Timestamp(1_795_435_200)),
            ..Layout::default()
        };
        assert_eq!(
            shown(b"Subject: x\r\n\r\n", layout),
            "From s@x Mon Nov 23 12:00:00 2026\nReceived: from a\n\tby b\nSubject: x\n\n"
        );
        for layout in [layout, Layout::default()] {
            assert_eq!(
                shown(
                    b"From z@x Thu Jan  1 00:00:00 1970\r\nSubject: x\r\n\r\n",
                    layout
                ),
                "From z@x Thu Jan  1 00:00:00 1970\nReceived: from a\n\tby b\nSubject: x\n\n"
            );
        }
    }

    #[test]
    fn mbox_lines_stay_on_top_for_local_delivery_and_are_left_out_for_a_relay() {
        let from = "From z@x Thu Jan  1 00:00:00 1970";
        for lines in [
            format!(">{from}\r\n"),
            format!("{from}\r\n>{from}\r\n"),
            format!(">{from}\r\n>{from}\r\n"),
        ] {
            let message = format!("{lines}Subject: x\r\n\r\nbody\r\n");
            let on_top = lines.replace('\r', "");
            assert_eq!(
                shown(message.as_bytes(), LOCAL),
                format!(
                    "{on_top}Return-Path: <s@x>\nReceived: from a\n\tby b\nSubject: x\n\nbody\n"
                )
            );
            assert_eq!(
                shown(message.as_bytes(), NETWORK),
                "Received: from a\r\n\tby b\r\nSubject: x\r\n\r\nbody\r\n"
            );
        }
        assert_eq!(
            shown(b" folded\r\nSubject: x\r\n\r\n", NETWORK),
            "Received: from a\r\n\tby b\r\n folded\r\nSubject: x\r\n\r\n"
        );
        assert_eq!(
            shown(b"From now on\r\nall is well\r\n", NETWORK),
            "Received: from a\r\n\tby b\r\n\r\nFrom now on\r\nall is well\r\n"
        );
    }

    #[test]
    fn smuggled_ends_of_data_become_lines_of_a_dot() {
        assert_eq!(
            shown(b"A: b\r\n\r\nx\n.\nMAIL FROM:<e@x>\r.\r\n\n.\r\n", NETWORK),
            "Received: from a\r\n\tby b\r\nA: b\r\n\r\nx\r\n.\r\nMAIL FROM:<e@x>\r\n.\r\n\r\n.\r\n"
        );
    }
}
