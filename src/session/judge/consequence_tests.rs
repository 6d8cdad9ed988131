//! What follows from every refusal, for each cause and each place of the message.
#![allow(clippy::panic, clippy::unwrap_used)]

use super::*;
use crate::sink::Target;

const NOW: Timestamp = Timestamp(1_000_000);

const FAULTS: [Fault; 7] = [
    Fault::Ours,
    Fault::RecipientTransient,
    Fault::MessageTransient,
    Fault::MessageUnknown,
    Fault::MessagePermanent,
    Fault::RecipientOrMessage,
    Fault::Destination,
];

const BLAMES: [fn() -> Blame; 6] = [
    || Blame::Ours,
    || Blame::Unasked,
    || Blame::Breaker(Verdict::Count),
    || Blame::Breaker(Verdict::Hold),
    || {
        Blame::Breaker(Verdict::Defer {
            take_back: Vec::new(),
            released: Vec::new(),
        })
    },
    || {
        Blame::Breaker(Verdict::Opened {
            until: NOW,
            take_back: Vec::new(),
        })
    },
];

fn taken_by(destinations: &[&str]) -> Targets {
    let accepted = |destination: &&str| Target {
        destination: (*destination).to_owned(),
        recipient: "jane".to_owned(),
    };
    Targets::taken_by(destinations.iter().map(accepted).collect())
}

fn known(copy: Option<State>, hides: bool) -> KnownBefore {
    let earlier = match &copy {
        Some(State::Deferred(deferral)) => Some(deferral.clone()),
        _ => None,
    };
    let record = |state| Record::new(None, state);
    KnownBefore {
        copy: copy.map(record),
        earlier,
        targets: taken_by(&["first"]),
        hides,
        has_fallback: false,
        now: NOW,
    }
}

fn parked() -> State {
    State::Deferred(Deferral {
        tries: 3,
        parked: Some("file".to_owned()),
        targets: taken_by(&["first"]),
        ..Deferral::default()
    })
}

fn quarantined(targets: Targets) -> State {
    State::Quarantined {
        at: Timestamp(1),
        file: "file".to_owned(),
        code: "code".to_owned(),
        targets,
    }
}

/// Calls `look` with the consequence of a refusal for each fault, each cause and each place of the
/// message, when these targets have accepted it.
fn every(taken: &[&str], mut look: impl FnMut(&KnownBefore, Fault, &Blame, Consequence)) {
    let copies = [
        None,
        Some(parked()),
        Some(quarantined(taken_by(&["first"]))),
    ];
    for (copy, hides) in copies.iter().flat_map(|copy| [(copy, false), (copy, true)]) {
        for (fault, blame) in FAULTS
            .iter()
            .flat_map(|fault| BLAMES.map(|one| (*fault, one)))
        {
            let known = known(copy.clone(), hides);
            let refused = RefusedOffer {
                is_filter: false,
                destination: "second".to_owned(),
                refusal: Refusal::new(fault, "code", "no"),
                targets: taken_by(taken),
                blame: blame(),
            };
            let follows = consequence(SinkAnswer::Refused(refused), &known);
            look(&known, fault, &blame(), follows);
        }
    }
}

#[test]
fn who_has_taken_a_message_is_never_forgotten() {
    let all = taken_by(&["first", "third"]);
    every(&["first", "third"], |_, _, _, follows| {
        let noted = match &follows.fate {
            Fate::Parked(deferral, _) | Fate::Recorded(State::Deferred(deferral)) => {
                &deferral.targets
            }
            Fate::Quarantined(targets) | Fate::Recorded(State::Quarantined { targets, .. }) => {
                targets
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(*noted, all);
    });
}

#[test]
fn a_copy_is_not_copied_again_but_a_message_that_the_server_would_hide_is() {
    for taken in [&["first"][..], &["first", "third"]] {
        every(taken, |known, _, _, follows| match follows.fate {
            Fate::Parked(..) => assert!(known.hides && known.copy.is_none()),
            Fate::Left | Fate::Recorded(_) => assert!(!known.hides || known.copy.is_some()),
            Fate::Quarantined(_) | Fate::InDoubt => {}
            Fate::Delivered(_) | Fate::Fallback => panic!("it was refused, and has no fallback"),
        });
    }
}

#[test]
fn a_refusal_counts_only_if_the_breaker_says_that_the_message_is_at_fault() {
    every(&["first", "third"], |known, fault, blame, follows| {
        let counts = matches!(
            blame,
            Blame::Breaker(Verdict::Count | Verdict::Defer { .. })
        );
        let tries = known.earlier.as_ref().map_or(0, |earlier| earlier.tries);
        let after = match &follows.fate {
            Fate::Quarantined(_) => tries + 1,
            Fate::Parked(deferral, _) | Fate::Recorded(State::Deferred(deferral)) => deferral.tries,
            _ => tries,
        };
        assert_eq!(after, tries + u32::from(counts), "{fault:?}");
        let deferred = |effect: &Effect| matches!(effect, Effect::CountDeferred);
        assert!(counts || !follows.effects.iter().any(deferred), "{fault:?}");
    });
}

#[test]
fn the_session_ends_when_we_the_recipient_or_the_destination_are_to_blame() {
    every(&["first"], |_, fault, blame, follows| {
        let ends = |effect: &Effect| matches!(effect, Effect::EndSession(_));
        let is_in_doubt = matches!(follows.fate, Fate::InDoubt);
        let held = matches!(blame, Blame::Breaker(Verdict::Hold));
        assert_eq!(is_in_doubt, held && fault == Fault::RecipientOrMessage);
        let expected = matches!(
            blame,
            Blame::Ours | Blame::Breaker(Verdict::Hold | Verdict::Opened { .. })
        );
        let ends = follows.effects.iter().any(ends);
        assert_eq!(ends, expected && !is_in_doubt, "{fault:?}");
    });
}

#[test]
fn an_operators_retry_that_is_refused_changes_only_who_has_taken_the_message() {
    every(&["first", "third"], |known, _, blame, follows| {
        let copy = known.copy.as_ref().map(|record| &record.state);
        if let (Blame::Unasked, Some(State::Quarantined { .. })) = (blame, copy) {
            let Fate::Recorded(state) = follows.fate else {
                panic!("{:?}", follows.fate)
            };
            assert_eq!(state, quarantined(taken_by(&["first", "third"])));
        }
    });
}

#[test]
fn the_fallback_is_asked_only_about_what_a_destination_that_is_up_refuses_for_good() {
    for (fault, blame) in FAULTS
        .iter()
        .flat_map(|fault| BLAMES.map(|one| (*fault, one)))
    {
        let known = KnownBefore {
            has_fallback: true,
            ..known(None, false)
        };
        let refused = refused("second", fault, blame());
        let follows = consequence(SinkAnswer::Refused(refused), &known);
        let is_for_good = matches!(
            fault,
            Fault::MessagePermanent | Fault::RecipientOrMessage | Fault::Recipient
        );
        let expected = match blame() {
            Blame::Breaker(Verdict::Hold) => true,
            Blame::Breaker(Verdict::Count) | Blame::Unasked => is_for_good,
            _ => false,
        };
        let is_asked = matches!(follows.fate, Fate::Fallback);
        assert_eq!(is_asked, expected, "{fault:?}");
        assert!(!is_asked || follows.effects.is_empty(), "{fault:?}");
    }
}

fn refused(destination: &str, fault: Fault, blame: Blame) -> RefusedOffer {
    RefusedOffer {
        is_filter: false,
        destination: destination.to_owned(),
        refusal: Refusal::new(fault, "code", "no"),
        targets: Targets::default(),
        blame,
    }
}

#[test]
fn an_end_of_the_session_decides_before_a_deferral_and_that_before_a_refusal_for_good() {
    let count = || Blame::Breaker(Verdict::Count);
    let opened = || {
        Blame::Breaker(Verdict::Opened {
            until: NOW,
            take_back: Vec::new(),
        })
    };
    let ends = || refused("ends", Fault::Destination, opened());
    let waits = || refused("waits", Fault::MessageTransient, count());
    let for_good = || refused("for good", Fault::MessagePermanent, count());
    let in_doubt = || {
        let hold = Blame::Breaker(Verdict::Hold);
        refused("in doubt", Fault::RecipientOrMessage, hold)
    };
    for (all, expected) in [
        (vec![for_good(), waits(), ends()], "ends"),
        (vec![ends(), for_good()], "ends"),
        (vec![for_good(), waits()], "waits"),
        (vec![for_good(), in_doubt()], "in doubt"),
        (vec![for_good()], "for good"),
    ] {
        let several = all.len() > 1;
        let (decides, _) = deciding(all, &Targets::default(), false).unwrap();
        assert_eq!(decides.destination, expected);
        let fate = consequence(SinkAnswer::Refused(decides), &known(None, false)).fate;
        let is_in_doubt = matches!(fate, Fate::InDoubt);
        assert!(!(several && is_in_doubt), "it waits for the other one");
    }
    assert!(deciding(Vec::new(), &Targets::default(), false).is_none());
}

#[test]
fn counted_refusals_are_taken_back_whichever_refusal_decides() {
    let opened = Blame::Breaker(Verdict::Opened {
        until: NOW,
        take_back: Vec::new(),
    });
    let suspect = Blame::Breaker(Verdict::Defer {
        take_back: Vec::new(),
        released: Vec::new(),
    });
    let all = vec![
        refused("down", Fault::Destination, opened),
        refused("suspect", Fault::MessagePermanent, suspect),
    ];
    let (decides, others) = deciding(all, &Targets::default(), false).unwrap();
    assert_eq!(decides.destination, "down");
    assert!(
        matches!(others[..], [Effect::TakeBack(_, Cause::Suspect)]),
        "{others:?}"
    );
}
