//! The state of an account as words of text.

use std::fmt::Write as _;

use crate::mail::Timestamp;
use crate::seen::disk::word::{read_text, text};
use crate::seen::{
    AccountState, DeletesCheck, Hold, NameSet, NamesBeside, RecipientSince, Seal, Sizes,
};

/// Writes an account's state: only the known parts.
pub(in crate::seen) fn write_state(state: &AccountState) -> String {
    let AccountState {
        maildrop,
        pacing,
        clock,
        hiding,
        names,
        deletes,
        ..
    } = state;
    let mut words = format!(
        "host={} user={}",
        text(&maildrop.host),
        text(&maildrop.user)
    );
    let times = [
        ("last_login", pacing.last_login),
        ("last_success", pacing.last_success),
        ("backoff_until", pacing.backoff_until),
        ("clock_doubted_since", clock.doubted_since),
        ("last_poll", clock.last_poll),
        ("began_again", names.began_again),
        ("sampled", names.sampled),
        ("gone_through", names.gone_through),
        ("heads_unreliable", names.heads_unreliable),
        ("lone_delete", deletes.lone),
        ("elsewhere", names.elsewhere),
        ("hides_since", hiding.hides_since),
        ("hiding_suspected", hiding.suspected_since),
        ("retrieved_since", hiding.retrieved_since),
        ("deletes_attempted", deletes.attempted),
        ("check_refused", deletes.check_refused),
    ];
    for (key, at) in times {
        if let Some(at) = at {
            let _ = write!(words, " {key}={}", at.0);
        }
    }
    if let Some(seconds) = pacing.login_delay_seconds {
        let _ = write!(words, " login_delay={seconds}");
    }
    for (key, count) in [
        ("failures", pacing.failures),
        ("uidl_refusals", names.uidl_refusals),
        ("deletes_unconfirmed", deletes.unconfirmed),
        ("deletes_found_again", deletes.found_again),
    ] {
        if count > 0 {
            let _ = write!(words, " {key}={count}");
        }
    }
    let numbers = [
        ("port", maildrop.port.map(u64::from)),
        ("deletes_after", deletes.after_seconds),
        ("poll_pause", clock.pause_seconds),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            let _ = write!(words, " {key}={number}");
        }
    }
    push_facts(&mut words, state);
    for (key, value) in state.odd.words() {
        let _ = write!(words, " {key}={value}");
    }
    push_wait(&mut words, state);
    words
}

/// Writes which facts are so.
fn push_facts(words: &mut String, state: &AccountState) {
    let facts = [
        ("had_unique_ids", state.names.had_unique_ids),
        ("hid_retrieved", state.hiding.hid_retrieved),
        ("retrieved_without_quit", state.hiding.without_quit),
        ("adopted", state.maildrop.adopted),
        ("hides_retrieved", state.hiding.hides_retrieved),
        ("shows_retrieved", state.hiding.shows_retrieved),
        ("moving", state.names.moving),
        ("marking", state.names.marking),
        ("same_maildrop", state.names.same_maildrop),
        ("quit_refused", state.deletes.quit_refused),
        ("began_with_retry", state.pacing.began_with_retry),
        ("quit_unanswered", state.deletes.quit_unanswered),
    ];
    for (key, _) in facts.into_iter().filter(|(_, fact)| *fact) {
        let _ = write!(words, " {key}=1");
    }
}

/// Writes other names, times of changes and of deletes, the recipient, the facts about sizes, why
/// the account waits, and for which settings.
fn push_wait(words: &mut String, state: &AccountState) {
    for (key, name) in [
        ("came_from", &state.names.came_from),
        ("renaming", &state.names.renaming),
    ] {
        if let Some(name) = name {
            let _ = write!(words, " {key}={}", text(name));
        }
    }
    for at in &state.names.renamed {
        let _ = write!(words, " renamed={}", at.0);
    }
    for at in &state.deletes.open_notes {
        let _ = write!(words, " open_note={}", at.0);
    }
    for at in &state.deletes.undone_notes {
        let _ = write!(words, " undone_note={}", at.0);
    }
    for beside in &state.deletes.beside {
        let (noted, names) = (beside.noted.0, beside.names.to_hex());
        let _ = write!(words, " names_beside={noted}>{names}");
    }
    if let Some(check) = state.deletes.check {
        let (listed, deleted) = (check.listed, check.deleted);
        let _ = write!(words, " deletes_check={}>{listed}>{deleted}", check.noted.0);
        if let Some(still) = check.still {
            let _ = write!(words, ">{still}");
        }
    }
    if let Some(RecipientSince { digest, since }) = state.maildrop.recipient {
        let _ = write!(words, " recipient={digest:x}@{}", since.0);
    }
    if let Some(sizes) = state.sizes.word() {
        let _ = write!(words, " sizes={sizes}");
    }
    if let Some(hold) = &state.pacing.hold {
        let (code, said) = (text(&hold.code), text(&hold.words));
        let _ = write!(words, " hold={}>{}>{code}>{said}", hold.tries, hold.until.0);
    }
    if let Some(Seal {
        salt,
        settings,
        secret,
    }) = state.pacing.seal
    {
        let _ = write!(words, " seal={salt}>{settings}>{secret}");
    }
}

/// Reads the text of [`write_state`].
pub(in crate::seen) fn read_state(words: &str) -> Option<AccountState> {
    let mut state = AccountState::default();
    for word in words.split(' ') {
        let (key, value) = word.split_once('=')?;
        let at = || Some(Timestamp(value.parse().ok()?));
        match key {
            "host" => state.maildrop.host = read_text(value)?,
            "user" => state.maildrop.user = read_text(value)?,
            "last_login" => state.pacing.last_login = Some(at()?),
            "last_success" => state.pacing.last_success = Some(at()?),
            "backoff_until" => state.pacing.backoff_until = Some(at()?),
            "clock_doubted_since" => state.clock.doubted_since = Some(at()?),
            "last_poll" => state.clock.last_poll = Some(at()?),
            "began_again" => state.names.began_again = Some(at()?),
            "sampled" => state.names.sampled = Some(at()?),
            "gone_through" => state.names.gone_through = Some(at()?),
            "heads_unreliable" => state.names.heads_unreliable = Some(at()?),
            "renamed" => state.names.renamed.push(at()?),
            "elsewhere" => state.names.elsewhere = Some(at()?),
            "hides_since" => state.hiding.hides_since = Some(at()?),
            "hiding_suspected" => state.hiding.suspected_since = Some(at()?),
            "hides_retrieved" => state.hiding.hides_retrieved = value == "1",
            "shows_retrieved" => state.hiding.shows_retrieved = value == "1",
            "came_from" => state.names.came_from = Some(read_text(value)?),
            "renaming" => state.names.renaming = Some(read_text(value)?),
            "same_maildrop" => state.names.same_maildrop = value == "1",
            "recipient" => {
                let (digest, since) = value.split_once('@')?;
                state.maildrop.recipient = Some(RecipientSince {
                    digest: u64::from_str_radix(digest, 16).ok()?,
                    since: Timestamp(since.parse().ok()?),
                });
            }
            "moving" => state.names.moving = value == "1",
            "marking" => state.names.marking = value == "1",
            "deletes_attempted" => state.deletes.attempted = Some(at()?),
            "began_with_retry" => state.pacing.began_with_retry = value == "1",
            "quit_refused" => state.deletes.quit_refused = value == "1",
            "quit_unanswered" => state.deletes.quit_unanswered = value == "1",
            "check_refused" => state.deletes.check_refused = Some(at()?),
            "deletes_check" => state.deletes.check = Some(read_check(value)?),
            "open_note" => state.deletes.open_notes.push(at()?),
            "undone_note" => state.deletes.undone_notes.push(at()?),
            // Unreleased versions wrote these.
            "gone_note" | "beside" => {}
            "names_beside" => state.deletes.beside.push(read_beside(value)?),
            "poll_pause" => state.clock.pause_seconds = Some(value.parse().ok()?),
            "lone_delete" => state.deletes.lone = Some(at()?),
            "deletes_unconfirmed" => state.deletes.unconfirmed = value.parse().ok()?,
            "deletes_found_again" => state.deletes.found_again = value.parse().ok()?,
            "login_delay" => state.pacing.login_delay_seconds = Some(value.parse().ok()?),
            "failures" => state.pacing.failures = value.parse().ok()?,
            "uidl_refusals" => state.names.uidl_refusals = value.parse().ok()?,
            "port" => state.maildrop.port = Some(value.parse().ok()?),
            "deletes_after" => state.deletes.after_seconds = Some(value.parse().ok()?),
            "had_unique_ids" => state.names.had_unique_ids = value == "1",
            "hid_retrieved" => state.hiding.hid_retrieved = value == "1",
            "retrieved_without_quit" => state.hiding.without_quit = value == "1",
            "retrieved_since" => state.hiding.retrieved_since = Some(at()?),
            "adopted" => state.maildrop.adopted = value == "1",
            "sizes" => state.sizes = Sizes::from_word(value)?,
            "hold" => state.pacing.hold = Some(read_hold(value)?),
            "seal" => state.pacing.seal = Some(read_seal(value)?),
            _ => state.odd.read(key, value)?,
        }
    }
    Some(state)
}

fn read_hold(value: &str) -> Option<Hold> {
    let mut parts = value.splitn(4, '>');
    let tries = parts.next()?.parse().ok()?;
    let until = Timestamp(parts.next()?.parse().ok()?);
    let (code, words) = (read_text(parts.next()?)?, read_text(parts.next()?)?);
    Some(Hold {
        code,
        words,
        tries,
        until,
    })
}

fn read_beside(value: &str) -> Option<NamesBeside> {
    let (noted, names) = value.split_once('>')?;
    Some(NamesBeside {
        noted: Timestamp(noted.parse().ok()?),
        names: NameSet::from_hex(names)?,
    })
}

fn read_check(value: &str) -> Option<DeletesCheck> {
    let mut numbers = value.split('>').map(str::parse);
    Some(DeletesCheck {
        noted: Timestamp(numbers.next()?.ok()?),
        listed: numbers.next()?.ok()?,
        deleted: numbers.next()?.ok()?,
        still: numbers.next().transpose().ok()?,
    })
}

fn read_seal(value: &str) -> Option<Seal> {
    let mut parts = value.splitn(3, '>');
    Some(Seal {
        salt: parts.next()?.parse().ok()?,
        settings: parts.next()?.parse().ok()?,
        secret: parts.next()?.parse().ok()?,
    })
}
