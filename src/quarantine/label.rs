//! The header fields on top of a quarantine copy: the facts about the message, in a form that can
//! be read back exactly.

use crate::mail::text::Shown;
use crate::mail::{
    AccountName, Date, Digest, Envelope, Origin, Percent, Recipient, Sender, Timestamp, UniqueId,
};

/// The facts about a message when it was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its account and unique-id.
    pub origin: Origin,
    /// Its sender and recipients.
    pub envelope: Envelope,
    /// The stable code of the reason.
    pub reason: String,
    /// The words of the sink, safe to show.
    pub words: String,
    /// Its size as received.
    pub octets: u64,
    /// SHA-256 of its octets as received.
    pub digest: Digest,
    /// When it was copied.
    pub at: Timestamp,
    /// The `Received` field that sinks put on top, lines ended by LF; empty for none.
    pub received: String,
}

impl Label {
    /// The fields, with lines that end in CRLF. `has_fields` says whether the message begins with
    /// header fields; otherwise an empty line follows ours.
    pub(super) fn write(&self, has_fields: bool) -> String {
        let mut out = String::new();
        // The size comes first: only it shows where our fields end and the message's own fields,
        // possibly forged, begin.
        field(&mut out, "Octets", &self.octets.to_string());
        field(&mut out, "Digest", &self.digest.to_string());
        field(&mut out, "Account", self.origin.account.as_str());
        let unique_id = Percent(self.origin.unique_id.as_bytes());
        field(&mut out, "Unique-Id", &unique_id.to_string());
        field(&mut out, "Reason", &Shown::new(&self.reason).to_string());
        field(&mut out, "Words", &Shown::new(&self.words).to_string());
        let kept = format!("{} ({})", self.at.0, Date::of(self.at).rfc5322());
        field(&mut out, "Kept", &kept);
        field(&mut out, "Sender", self.envelope.sender.as_str());
        for recipient in &self.envelope.recipients {
            field(&mut out, "Recipient", recipient.as_str());
        }
        for line in self.received.lines() {
            out.push_str(line);
            out.push_str("\r\n");
        }
        if !has_fields {
            out.push_str("\r\n");
        }
        out
    }

    /// The size of the message, from the first line of a file. The rest of the file's size is our
    /// fields.
    pub(super) fn octets_of(file: &[u8]) -> Option<u64> {
        let line = file.strip_prefix(b"X-Mailferry-Octets: ")?;
        let digits = line.split(|&b| b == b'\r').next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Parses the fields; `None` when they are not ours.
    pub(super) fn read(fields: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(fields).ok()?;
        let at_received = if text.starts_with("Received:") {
            Some(0)
        } else {
            text.find("\r\nReceived:").map(|at| at + 2)
        };
        let (ours, received) = text.split_at(at_received.unwrap_or(text.len()));
        let ours = ours.replace(FOLD, "");
        let value = |name: &str| values(&ours, name).next();
        let origin = Origin {
            account: AccountName::new(value("Account")?).ok()?,
            unique_id: UniqueId::new(&Percent::decode(value("Unique-Id")?)?).ok()?,
        };
        let recipients = values(&ours, "Recipient").map(Recipient::new);
        let envelope = Envelope {
            sender: Sender::from_path(value("Sender")?.as_bytes()),
            recipients: recipients.collect::<Result<_, _>>().ok()?,
        };
        let received = received.trim_end_matches("\r\n").replace("\r\n", "\n");
        Some(Self {
            origin,
            envelope,
            reason: value("Reason")?.to_owned(),
            words: value("Words")?.to_owned(),
            octets: value("Octets")?.parse().ok()?,
            digest: Digest::from_hex(value("Digest")?)?,
            at: Timestamp(value("Kept")?.split(' ').next()?.parse().ok()?),
            received: if received.is_empty() {
                received
            } else {
                received + "\n"
            },
        })
    }
}

/// The values of a field, in order.
fn values<'a>(fields: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let prefix = format!("{PREFIX}{name}: ");
    fields
        .split("\r\n")
        .filter_map(move |line| line.strip_prefix(&prefix))
}

/// Adds a field. It is folded if it is so long that a mail reader might not accept the line.
fn field(out: &mut String, name: &str, value: &str) {
    out.push_str(PREFIX);
    out.push_str(name);
    out.push_str(": ");
    let mut length = 0;
    for c in value.chars() {
        if length + c.len_utf8() > LINE_OCTETS_MAX {
            out.push_str(FOLD);
            length = 0;
        }
        out.push(c);
        length += c.len_utf8();
    }
    out.push_str("\r\n");
}

const PREFIX: &str = "X-Mailferry-";

/// A line end inside a value. No value contains a control character of its own, so it can be
/// removed safely.
const FOLD: &str = "\r\n\t";

/// RFC 5322 section 2.1.1 allows 998; the name of the field needs some of them.
const LINE_OCTETS_MAX: usize = 900;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn label(unique_id: &[u8], sender: &str, words: &str, received: &str) -> Label {
        Label {
            origin: Origin {
                account: AccountName::new("work").unwrap(),
                unique_id: UniqueId::new(unique_id).unwrap(),
            },
            envelope: Envelope {
                sender: Sender::from_path(sender.as_bytes()),
                recipients: ["jane@home.lan", "jürgen"]
                    .map(|r| Recipient::new(r).unwrap())
                    .into(),
            },
            reason: "mda_refused".to_owned(),
            words: Shown::new(words).to_string(),
            octets: 4321,
            digest: Digest::new([7; 32]),
            at: Timestamp(1_795_435_200),
            received: received.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn written_values_are_read_back(
            id in proptest::collection::vec(1u8..=255, 1..1024),
            sender: String,
            words: String,
            traced: bool,
        ) {
            let id: Vec<u8> = id
                .into_iter()
                .filter(|b| !b"\r\n".contains(b))
                .chain([b'x'])
                .take(1024)
                .collect();
            let received = if traced {
                "Received: from a\n\tby b\n"
            } else {
                ""
            };
            let label = label(&id, &sender, &words, received);
            for has_fields in [true, false] {
                let text = label.write(has_fields);
                prop_assert!(text.lines().all(|line| line.len() < 998));
                prop_assert_eq!(Label::octets_of(text.as_bytes()), Some(4321));
                let read = Label::read(text.as_bytes()).unwrap();
                // A text that is cut at 512 characters says so, and is cut again at the same place.
                prop_assert_eq!(&read.words, &Shown::new(&label.words).to_string());
                prop_assert_eq!(
                    Label {
                        words: label.words.clone(),
                        ..read
                    },
                    label.clone()
                );
            }
        }
    }

    #[test]
    fn files_of_other_programs_are_not_read() {
        assert_eq!(Label::octets_of(b"Subject: x\r\n"), None);
        assert_eq!(Label::octets_of(b"X-Mailferry-Octets: 1x\r\n"), None);
        let text = label(b"1", "s@x", "no", "").write(true);
        for name in ["Digest", "Account", "Unique-Id", "Reason", "Kept", "Sender"] {
            let broken = text.replace(&format!("X-Mailferry-{name}: "), "X-Other: ");
            assert_eq!(Label::read(broken.as_bytes()), None, "{name}");
        }
    }
}
