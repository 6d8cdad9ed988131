//! What a breaker makes of answers.

use super::*;
use crate::mail::UniqueId;
use crate::sink::Spared;

const NOW: Timestamp = Timestamp(1000);

pub(super) fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

pub(super) fn named_in(name: &str, id: &str) -> Named {
    let key = RecordKey::new(UniqueId::new(id.as_bytes()).unwrap(), None);
    (account(name), key)
}

fn named(id: &str) -> Named {
    named_in("work", id)
}

pub(super) fn undo((account, key): Named) -> Undo {
    Undo {
        account,
        key,
        tries: 0,
    }
}

/// How many refusals are taken back, if it opened or stays open.
fn opened(verdict: &Verdict) -> Option<usize> {
    match verdict {
        Verdict::Opened { take_back, .. } => Some(take_back.len()),
        _ => None,
    }
}

/// Each message has a sender of its own.
fn refuse(state: &mut BreakerState, fault: Fault, message: Named, now: Timestamp) -> Option<usize> {
    let sender = Sender::Address(message.1.unique_id.to_string().into());
    opened(&state.refused(fault, undo(message), &sender, now, 0.0))
}

fn accept(state: &mut BreakerState, (account, key): Named) -> Relief {
    state.accepted(&account, &key)
}

fn closed(admission: &Admission) -> bool {
    matches!(admission, Admission::Closed { .. })
}

/// The spared messages of a probe.
fn probe(admission: Admission) -> Spared {
    match admission {
        Admission::Probe(_, spared) => spared,
        other => panic!("no probe: {other:?}"),
    }
}

#[test]
fn refusals_of_messages_close_the_destination_to_no_message() {
    let mut state = BreakerState::default();
    for fault in [
        Fault::MessageTransient,
        Fault::MessagePermanent,
        Fault::MessageUnknown,
        Fault::RecipientOrMessage,
        Fault::Recipient,
    ] {
        for number in 0..100 {
            let message = named(&format!("{fault:?} {number}"));
            assert_eq!(refuse(&mut state, fault, message, NOW), None);
            assert_eq!(state.admits(&account("home"), NOW), Admission::Open);
        }
    }
    assert!(state.suspicion.is_suspect());
}

#[test]
fn a_full_mailbox_makes_its_destination_neither_down_nor_suspect() {
    let mut state = BreakerState::default();
    for number in 0..100 {
        let message = named(&format!("full {number}"));
        let verdict = refuse(&mut state, Fault::RecipientTransient, message, NOW);
        assert_eq!(verdict, None);
        assert!(!state.suspicion.is_suspect(), "{number}");
    }
}

#[test]
fn an_answer_that_speaks_of_the_destination_opens_it_when_a_second_message_gets_a_like_one() {
    let mut state = BreakerState::default();
    let fault = Fault::DestinationOrMessage;
    for _ in 0..30 {
        let verdict = refuse(&mut state, fault, named("poison"), NOW);
        assert_eq!(verdict, None, "one message stops no other");
    }
    assert_eq!(refuse(&mut state, fault, named("second"), NOW), Some(1));
    let open = state.open.as_mut().unwrap();
    open.session_ended(&account("work"), true);
    assert!(closed(&state.admits(&account("home"), NOW)));
}

#[test]
fn an_acceptance_between_two_such_answers_lays_them_at_their_messages_doors() {
    let mut state = BreakerState::default();
    for number in 0..10 {
        let message = named(&number.to_string());
        let verdict = refuse(&mut state, Fault::DestinationOrMessage, message, NOW);
        assert_eq!(verdict, None, "{number}");
        accept(&mut state, named("good"));
    }
}

#[test]
fn two_messages_of_one_sender_open_it_only_when_one_of_them_is_refused_once_more() {
    let mut state = BreakerState::default();
    let sender = Sender::Null;
    let mut refuse = |id| {
        let fault = Fault::DestinationOrMessage;
        opened(&state.refused(fault, undo(named(id)), &sender, NOW, 0.0))
    };
    assert_eq!(refuse("a"), None);
    assert_eq!(refuse("b"), None);
    assert_eq!(refuse("a"), Some(1));
}

#[test]
fn many_messages_of_one_sender_stop_no_other_sender_and_very_many_only_until_one_tries() {
    let (mut state, work, home) = (BreakerState::default(), account("work"), account("home"));
    let (bad, fault) = (Sender::Null, Fault::DestinationOrMessage);
    for number in 1..50 {
        let undo = undo(named(&number.to_string()));
        let verdict = state.refused(fault, undo, &bad, NOW, 0.0);
        assert_eq!(opened(&verdict), None, "{number}");
    }
    let verdict = state.refused(fault, undo(named("50")), &bad, NOW, 0.0);
    assert_eq!(opened(&verdict), Some(49));
    state.open.as_mut().unwrap().session_ended(&work, true);
    assert!(closed(&state.admits(&work, NOW)));
    probe(state.admits(&home, NOW));
    assert!(accept(&mut state, named_in("home", "honest")).was_down);
    let verdict = state.refused(fault, undo(named("1")), &bad, NOW, 0.0);
    assert!(matches!(verdict, Verdict::Count), "it is to blame");
}

#[test]
fn an_account_of_another_sender_that_tried_in_vain_waits_like_the_others() {
    let (mut state, work, home) = (BreakerState::default(), account("work"), account("home"));
    let fault = Fault::DestinationOrMessage;
    for id in ["a", "b", "a"] {
        state.refused(fault, undo(named(id)), &Sender::Null, NOW, 0.0);
    }
    state.open.as_mut().unwrap().session_ended(&work, true);
    probe(state.admits(&home, NOW));
    assert_eq!(
        refuse(&mut state, fault, named_in("home", "c"), NOW),
        Some(0)
    );
    state.open.as_mut().unwrap().probe_ended(Probe(1), true);
    assert!(closed(&state.admits(&home, NOW)));
    assert!(closed(&state.admits(&account("third"), NOW)));
}

#[test]
fn one_message_probes_it_and_the_others_wait() {
    let (mut state, work, home) = (BreakerState::default(), account("work"), account("home"));
    let down = Fault::Destination;
    assert_eq!(refuse(&mut state, down, named("a"), NOW), Some(0));
    let until = NOW.plus(30);
    let early = state.admits(&work, NOW.plus(29));
    assert_eq!(early, Admission::Closed { until });
    probe(state.admits(&work, until));
    assert_eq!(state.admits(&home, until), Admission::Busy);
    refuse(&mut state, down, named("b"), NOW.plus(31));
    state.open.as_mut().unwrap().probe_ended(Probe(1), true);
    let early = state.admits(&home, NOW.plus(31 + 59));
    assert!(closed(&early), "the wait has doubled");
    probe(state.admits(&home, NOW.plus(31 + 60)));
    assert!(accept(&mut state, named_in("home", "b")).was_down);
    assert_eq!(state.admits(&work, NOW.plus(92)), Admission::Open);
}

#[test]
fn a_session_that_delays_its_probe_does_not_delay_others_for_long() {
    let (mut state, work, home) = (BreakerState::default(), account("work"), account("home"));
    refuse(&mut state, Fault::Destination, named("a"), NOW);
    let begun = NOW.plus(30);
    probe(state.admits(&work, begun));
    assert_eq!(state.admits(&home, begun.plus(359)), Admission::Busy);
    probe(state.admits(&home, begun.plus(360)));
    state.open.as_mut().unwrap().probe_ended(Probe(1), true);
    let busy = state.admits(&account("third"), begun.plus(361));
    assert_eq!(
        busy,
        Admission::Busy,
        "the late end of the first probe ends no other"
    );
    assert!(accept(&mut state, named_in("home", "b")).was_down);
}

#[test]
fn a_session_that_had_nothing_to_probe_with_leaves_the_probe_to_the_next() {
    let (mut state, work) = (BreakerState::default(), account("work"));
    refuse(&mut state, Fault::Destination, named("a"), NOW);
    let later = NOW.plus(30);
    probe(state.admits(&work, later));
    state.open.as_mut().unwrap().probe_ended(Probe(1), false);
    probe(state.admits(&work, later));
    state.open.as_mut().unwrap().probe_ended(Probe(1), false);
    assert_eq!(
        state.admits(&work, later),
        Admission::Busy,
        "the end of an old probe is not the end of this one"
    );
}

#[test]
fn a_probe_is_no_culprit_while_another_account_may_have_something_due() {
    let (mut state, work, home) = (BreakerState::default(), account("work"), account("home"));
    for id in ["a", "b"] {
        refuse(&mut state, Fault::DestinationOrMessage, named(id), NOW);
    }
    let culprits = |admission| {
        let Spared { never, last } = probe(admission);
        (never.len(), last.len())
    };
    state.open.as_mut().unwrap().session_ended(&home, true);
    assert!(closed(&state.admits(&work, NOW)));
    let later = NOW.plus(61);
    assert_eq!(culprits(state.admits(&work, later)), (2, 0));
    state.open.as_mut().unwrap().probe_ended(Probe(1), false);
    assert!(
        closed(&state.admits(&work, later)),
        "it is the other's turn now"
    );
    assert_eq!(culprits(state.admits(&home, later)), (0, 0));
    state.open.as_mut().unwrap().probe_ended(Probe(2), false);
    // No other account has anything due: the culprits are tried by the back-off of messages.
    assert_eq!(culprits(state.admits(&work, later)), (0, 2));
}

#[test]
fn culprits_that_are_alone_keep_no_other_mail_waiting_and_are_tried_by_their_own_back_off() {
    let (mut state, work) = (BreakerState::default(), account("work"));
    let fault = Fault::DestinationOrMessage;
    for id in ["a", "b"] {
        refuse(&mut state, fault, named(id), NOW);
    }
    let mut now = NOW;
    for (round, wait) in (1..).zip([60, 300, 1800, 7200, 21_600, 86_400]) {
        // Retrieval goes on beside them.
        let Spared { never, last } = probe(state.admits(&work, now));
        assert_eq!((never.len(), last.len()), (2, 0), "{round}");
        let id = Probe(state.probes);
        state.open.as_mut().unwrap().probe_ended(id, false);
        now = now.plus(wait);
        let Spared { never, last } = probe(state.admits(&work, now));
        assert_eq!((never.len(), last.len()), (0, 2), "{round}");
        for message in ["a", "b"] {
            refuse(&mut state, fault, named(message), now);
        }
        let id = Probe(state.probes);
        state.open.as_mut().unwrap().probe_ended(id, false);
    }
}

#[test]
fn an_account_that_does_not_use_its_turn_is_not_waited_for_for_ever() {
    let (mut state, work) = (BreakerState::default(), account("work"));
    refuse(&mut state, Fault::Destination, named("a"), NOW);
    let open = state.open.as_mut().unwrap();
    open.session_ended(&account("gone"), true);
    open.last = Some(work.clone());
    let until = open.until;
    assert!(closed(&state.admits(&work, until)));
    let Spared { never, last } = probe(state.admits(&work, until.plus(300)));
    assert_eq!((never.len(), last.len()), (0, 1));
}

#[test]
fn a_poll_that_is_asked_for_probes_at_once_and_with_any_message() {
    let (mut state, work) = (BreakerState::default(), account("work"));
    for id in ["a", "b"] {
        refuse(&mut state, Fault::DestinationOrMessage, named(id), NOW);
    }
    state
        .open
        .as_mut()
        .unwrap()
        .session_ended(&account("home"), true);
    state.probe_now(NOW);
    let Spared { never, last } = probe(state.admits(&work, NOW));
    assert_eq!((never.len(), last.len()), (0, 2));
}

#[test]
fn a_probe_that_is_refused_for_its_own_sake_shows_that_the_destination_is_up() {
    let (mut state, work) = (BreakerState::default(), account("work"));
    refuse(&mut state, Fault::Destination, named("a"), NOW);
    let before = refuse(&mut state, Fault::MessagePermanent, named("b"), NOW);
    assert_eq!(before, Some(0), "it was offered before");
    probe(state.admits(&work, NOW.plus(61)));
    let spam = refuse(&mut state, Fault::MessagePermanent, named("spam"), NOW);
    assert_eq!(spam, None);
    assert_eq!(state.admits(&work, NOW), Admission::Open);
}

#[test]
fn a_message_refused_before_others_were_accepted_is_to_blame_and_opens_it_no_more() {
    for fault in [Fault::Destination, Fault::MessagePermanent] {
        let mut state = BreakerState::default();
        refuse(&mut state, Fault::Destination, named("poison"), NOW);
        assert!(accept(&mut state, named("good")).was_down);
        let verdict = refuse(&mut state, fault, named("poison"), NOW);
        assert_eq!(verdict, None, "{fault:?}");
        assert_eq!(state.admits(&account("work"), NOW), Admission::Open);
        accept(&mut state, named("poison"));
        let verdict = refuse(&mut state, Fault::Destination, named("poison"), NOW);
        assert_eq!(verdict, Some(0), "accepted once, it is like any other");
    }
}

#[test]
fn a_clock_that_was_years_ahead_does_not_keep_it_open_for_years() {
    let (mut state, work) = (BreakerState::default(), account("work"));
    let ahead = Timestamp(2_000_000_000);
    for id in ["a", "b"] {
        refuse(&mut state, Fault::DestinationOrMessage, named(id), ahead);
    }
    state.open.as_mut().unwrap().session_ended(&work, true);
    let Spared { never, last } = probe(state.admits(&work, NOW));
    assert_eq!((never.len(), last.len()), (0, 2));
}

#[test]
fn the_number_of_remembered_deletes_is_limited() {
    let mut state = BreakerState::default();
    for number in 0..3000 {
        let message = named(&number.to_string());
        refuse(&mut state, Fault::Destination, message, NOW);
    }
    accept(&mut state, named("good"));
    let remembered = (state.culprits.0.len(), state.blamed.len());
    assert_eq!(remembered, (0, limits::CULPRITS_MAX));
}
