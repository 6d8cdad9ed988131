//! The parts of a `Received` field that say who added it, and for whom.

use crate::mail::Recipient;
use crate::route::addresses::addresses;

/// The words of a `Received` field, without comments and the date.
pub(super) struct ReceivedWords(Vec<String>);

impl ReceivedWords {
    /// Reads the value of a field. What the client called itself, and perhaps the sender, is part
    /// of it and may contain anything: a value with quotes, or with a comment that does not fit
    /// together, has no words, because it cannot be told who wrote which of them. Nor has one with
    /// more than a date after the first semicolon: if the first line of a message begins with a
    /// blank, it continues the field that the server put above it.
    pub(super) fn of(value: &[u8]) -> Self {
        let read = words(&String::from_utf8_lossy(value));
        Self(read.unwrap_or_default())
    }

    /// The host that added the field: a name in lower case without trailing dot, or an address
    /// without brackets.
    /// `None` if more than one `by` is there.
    pub(super) fn by(&self) -> Option<String> {
        let host = self.0.get(self.at_by()? + 1)?.to_ascii_lowercase();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(host.strip_suffix('.').unwrap_or(host).to_owned())
    }

    /// The recipient after `for`, which follows the host; `None` if there is none, or more than one
    /// such word.
    pub(super) fn recipient(&self) -> Option<Recipient> {
        let rest = self.0.get(self.at_by()? + 2..)?;
        match &addresses(rest.get(only(rest, "for")? + 1)?.as_bytes())?[..] {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// Whether one of these hosts may have added a field with this value, as far as its text goes.
    /// If another host is read from it, or none, something in the text was meant to mislead.
    pub(super) fn may_be_by(value: &[u8], hosts: &[String]) -> bool {
        let text = String::from_utf8_lossy(value).to_ascii_lowercase();
        let is_between = |c: char| c.is_whitespace() || "()<>[];,\"\\".contains(c);
        let words = text.split(is_between).filter(|word| !word.is_empty());
        let mut is_after_by = false;
        words.into_iter().any(|word| {
            let host = word.strip_suffix('.').unwrap_or(word);
            let is_it = is_after_by && hosts.iter().any(|one| one == host);
            is_after_by = word == "by";
            is_it
        })
    }

    fn at_by(&self) -> Option<usize> {
        only(&self.0, "by")
    }
}

/// The words before the date, which follows a semicolon, without comments.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '"' | '\\' => return None,
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ if depth > 0 => {}
            ';' => words.extend([";".to_owned(), String::new()]),
            c if c.is_whitespace() => words.push(String::new()),
            c => words.last_mut()?.push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    if let Some(end) = words.iter().position(|word| word == ";") {
        let is_no_date = |word: &String| {
            let is = |known: &&str| word.eq_ignore_ascii_case(known);
            [";", "by", "for"].iter().any(is)
        };
        if words.iter().skip(end + 1).any(is_no_date) {
            return None;
        }
        words.truncate(end);
    }
    (depth == 0).then_some(words)
}

/// Where a word is, if it is there just once.
fn only(words: &[String], wanted: &str) -> Option<usize> {
    let is_it = |word: &&String| word.eq_ignore_ascii_case(wanted);
    let is_alone = words.iter().filter(is_it).count() == 1;
    let at = words.iter().position(|word| is_it(&word));
    at.filter(|_| is_alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> (Option<String>, Option<String>) {
        let words = ReceivedWords::of(value.as_bytes());
        (words.by(), words.recipient().map(|one| one.to_string()))
    }

    #[test]
    fn host_and_recipient_are_found_as_mail_servers_write_them() {
        for (value, by, to) in [
            (
                " from a.example (a.example [192.0.2.1])\r\n\tby MX.Provider.example. (Postfix) \
                 with ESMTPS id 4C\r\n\tfor <jane@example.org>; 1 Dec 2026 10:00:00 +0000 (UTC)",
                "mx.provider.example",
                "jane@example.org",
            ),
            (
                "from [192.0.2.1] (helo=a) by mx with esmtp (Exim 4.96) (envelope-from <x@y>) id \
                 1-2-3 for jane@example.org; Tue, 1 Dec 2026",
                "mx",
                "jane@example.org",
            ),
            (
                "by [192.0.2.9] with LMTP id 1 for <a@b>; x",
                "192.0.2.9",
                "a@b",
            ),
            ("(qmail 12 invoked by uid 89); 1 Dec 2026", "", ""),
            ("from a by b with SMTP id 1; 1 Dec", "b", ""),
            ("from a by b id 1 for <a@b> for <c@d>; x", "b", ""),
            ("from a by b id 1 for <a@b,c@d>; x", "b", ""),
            ("from a by b id 1 for jane; x", "b", ""),
            ("from a by", "", ""),
        ] {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            assert_eq!(read(value), (some(by), some(to)), "{value}");
        }
    }

    /// Holds 4.4.envelope.
    #[test]
    fn a_client_that_calls_itself_by_another_host_is_not_believed() {
        for helo in [
            "by trusted.example for <root@x>",
            "x by trusted.example id 1 for <root@x>; x",
            "x) by trusted.example for <root@x> (",
            "x ( by trusted.example",
            "x; by trusted.example for <root@x>",
            "\"by trusted.example for <root@x>\"",
        ] {
            let (by, to) = read(&format!(
                "from {helo} ([192.0.2.1]) by mx.example id 1; now"
            ));
            assert_ne!(by.as_deref(), Some("trusted.example"), "{helo}");
            assert_eq!(to, None, "{helo}");
        }
        for continued in [
            " for <root@x>",
            " for <root@x>; x",
            " by trusted.example; x",
        ] {
            let continued = format!("from a by mx.example id 1; now\r\n{continued}");
            assert_eq!(read(&continued), (None, None), "{continued}");
        }
        let sender = "\"a) for <root@x> (\"@evil.example";
        let exim = format!("from a by mx.example (Exim 4.96) (envelope-from <{sender}>) id 1; now");
        assert_eq!(read(&exim), (None, None));
    }
}
