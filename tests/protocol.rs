//! The POP3 client in every dialogue of `tests/corpus/pop3`, cut in every way, and which check of the protocol is held where.

use crate::support::dialogue::{Progress, Run};
use crate::support::script::Script;

/// Plays a script whole, and says what went wrong with it and where.
fn play(script: &Script, cuts: &[usize]) -> Vec<Progress> {
    let mut run = Run::new(script);
    let played = run
        .play(cuts, usize::MAX)
        .and_then(|trace| run.end_as_written().map(|()| trace));
    played.unwrap_or_else(|what| panic!("{}, cut at {}: {what}", script.name, shown(cuts)))
}

/// The server is gone after so many octets: the client has reported just what it does when they come one by one, and calls
/// nothing whole, nor the end in order, that is not.
fn play_until(script: &Script, until: usize, expected: Progress) {
    let mut run = Run::new(script);
    let played = run.play(&[], until).and_then(|_| run.end());
    played.unwrap_or_else(|what| panic!("{}, gone after octet {until}: {what}", script.name));
    assert_eq!(
        run.progress(),
        expected,
        "{}, gone after octet {until}",
        script.name
    );
}

fn shown(cuts: &[usize]) -> String {
    match cuts {
        [] => "none".into(),
        [one] => format!("octet {one}"),
        many => format!("{} octets", many.len()),
    }
}

fn short() -> impl Iterator<Item = Script> {
    Script::all()
        .into_iter()
        .filter(|script| script.octets <= SHORT_OCTETS_MAX)
}

fn long() -> impl Iterator<Item = Script> {
    Script::all()
        .into_iter()
        .filter(|script| script.octets > SHORT_OCTETS_MAX)
}

#[test]
fn every_dialogue_goes_as_it_is_written() {
    for script in Script::all() {
        play(&script, &[]);
    }
}

#[test]
fn a_dialogue_goes_the_same_octet_by_octet_and_at_every_split() {
    for script in short() {
        let octets: Vec<usize> = (0..=script.octets).collect();
        play(&script, &octets);
        for at in octets {
            play(&script, &[at]);
        }
    }
}

#[test]
fn a_server_that_is_gone_after_any_octet_makes_no_message_whole() {
    for script in short() {
        let octets: Vec<usize> = (0..=script.octets).collect();
        let trace = play(&script, &octets);
        for (until, progress) in octets.into_iter().zip(trace) {
            play_until(&script, until, progress);
        }
    }
}

#[test]
fn a_long_dialogue_goes_the_same_at_every_line_end_and_anywhere_else() {
    let seed = std::env::var("MAILFERRY_SEED").ok();
    let seed = seed
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("MAILFERRY_SEED={seed}");
    for script in long() {
        // Each script has its own row of points, so that one more script moves no other's.
        let mut random = fastrand::Rng::with_seed(seed);
        let mut points: Vec<usize> = (0..RANDOM_POINTS)
            .map(|_| random.usize(..=script.octets))
            .collect();
        for boundary in &script.boundaries {
            points.extend(boundary.saturating_sub(3)..=boundary + 1);
        }
        points.retain(|point| *point <= script.octets);
        points.sort_unstable();
        points.dedup();
        let trace = play(&script, &points);
        // What is endless would take endless time at each of its lines.
        let at_most = (LONG_OCTETS_TOTAL / script.octets).max(2);
        let stride = points.len().div_ceil(at_most);
        for (until, progress) in points.into_iter().zip(trace).step_by(stride) {
            play(&script, &[until]);
            play_until(&script, until, progress);
        }
    }
}

/// Points at which a long dialogue is cut besides its line ends.
const RANDOM_POINTS: usize = 200;

/// How much is said, twice, of one long dialogue, all ways of cutting it together.
const LONG_OCTETS_TOTAL: usize = 16 * 1024 * 1024;

/// What is at most so long is cut at every octet.
const SHORT_OCTETS_MAX: usize = 4 * 1024;
