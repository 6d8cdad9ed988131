//! The meaning of a refusal without a response code, from its words.

use crate::mail::limits;
use crate::mail::text::Shown;
use crate::proto::pop3::Kind;
use words::RefusalWords;

mod words;

/// The words of a refusal, safe to show; for a refusal without words, says so and names the
/// command.
pub(in crate::session) fn reason(text: &[u8], command: Kind) -> String {
    if text.trim_ascii().is_empty() {
        format!(
            "it gave no reason (-ERR and nothing more, to {})",
            command.as_str()
        )
    } else {
        Shown::new(text).to_string()
    }
}

/// The meaning of the words of a refused login, if they are not about the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Told {
    /// Another session uses the maildrop, or as many as are allowed.
    InUse,
    /// The last login is too recent.
    TooOften,
    /// A temporary fault of the server.
    ServerFault,
}

/// Interprets the words of a refused login. `None`: they are about the account or its password, or
/// not known.
///
/// Words about the password win over all others, because repeated wrong passwords lock an account.
/// A server that says `temporary` or `unavailable` has not checked the password: `Temporary
/// authentication failure` does not mean a wrong one.
pub(in crate::session) fn told(text: &str) -> Option<Told> {
    let words = RefusalWords::of(text);
    // Neither is said about a wrong password, so a user or account in the words does not matter.
    let named = if words.hold(words::TOO_MANY_CONNECTIONS) || words.begin(words::MAINTENANCE) {
        words.begin(words::OF_BLAME)
    } else {
        words.begin(words::OF_BLAME) || words.begin(words::OF_THE_ACCOUNT)
    };
    let failed = words.begin(words::OF_A_STEP);
    let locked = words.begin(words::TAKEN) || words.hold(words::TAKEN_PHRASES);
    if named || (failed && words.begin(words::MANY)) {
        None
    } else if failed {
        words.tell_of_a_fault().then_some(Told::ServerFault)
    } else if words.hold(words::TOO_MANY_CONNECTIONS)
        || (locked && words.begin(words::OF_THE_MAILDROP))
    {
        Some(Told::InUse)
    } else if words.hold(words::TOO_OFTEN) || words.wait_seconds().is_some() {
        Some(Told::TooOften)
    } else if words.tell_of_a_fault() {
        Some(Told::ServerFault)
    } else if words.hold(words::LATER) {
        let of_the_maildrop = words.begin(words::OF_THE_MAILDROP);
        Some(if of_the_maildrop {
            Told::InUse
        } else {
            Told::ServerFault
        })
    } else {
        None
    }
}

/// Whether the words say that the password is wrong, and name no fault of the server. They count
/// even if the server announces AUTH-RESP-CODE and says no code: repeated wrong passwords lock an
/// account.
pub(in crate::session) fn calls_the_password_wrong(text: &str) -> bool {
    let words = RefusalWords::of(text);
    words.begin(words::OF_THE_PASSWORD) && words.begin(words::NOT_RIGHT) && !words.tell_of_a_fault()
}

/// How long the words of a refused login ask to wait, as in `login allowed only every 15 minutes`.
pub(in crate::session) fn told_wait_seconds(text: &str) -> Option<u64> {
    let seconds = RefusalWords::of(text).wait_seconds();
    seconds.map(|seconds| seconds.min(limits::TOLD_WAIT_SECONDS_MAX))
}

#[cfg(test)]
mod tests;
