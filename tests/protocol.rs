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

/// The scripts whose server says so many octets.
fn scripts(from: usize, to: usize) -> impl Iterator<Item = Script> {
    let all = Script::all().into_iter();
    all.filter(move |script| (from..=to).contains(&script.octets))
}

fn short() -> impl Iterator<Item = Script> {
    scripts(0, SHORT_OCTETS_MAX)
}

#[test]
fn every_dialogue_goes_as_it_is_written() {
    for script in scripts(0, LONG_OCTETS_MAX) {
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
    let seed = seed();
    for script in scripts(SHORT_OCTETS_MAX + 1, LONG_OCTETS_MAX) {
        // Each script has its own row of points, so that one more script moves no other's.
        let mut points = random_points(&script, seed);
        for end in &script.boundaries {
            points.extend(end.saturating_sub(3)..=end + 1);
        }
        points.retain(|point| *point <= script.octets);
        points.sort_unstable();
        points.dedup();
        let trace = play(&script, &points);
        for (until, progress) in points.into_iter().zip(trace) {
            play(&script, &[until]);
            play_until(&script, until, progress);
        }
    }
}

#[test]
fn a_dialogue_without_end_ends_with_an_error() {
    let seed = seed();
    for script in scripts(LONG_OCTETS_MAX + 1, usize::MAX) {
        let mut points = random_points(&script, seed);
        points.sort_unstable();
        play(&script, &points);
    }
}

fn seed() -> u64 {
    let given = std::env::var("MAILFERRY_SEED").ok();
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("MAILFERRY_SEED={seed}");
    seed
}

fn random_points(script: &Script, seed: u64) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..RANDOM_POINTS)
        .map(|_| random.usize(..=script.octets))
        .collect()
}

/// Points at which a long dialogue is cut besides its line ends.
const RANDOM_POINTS: usize = 200;

/// What is longer is as good as endless: it is cut at random points, all in one run, and takes seconds even so.
const LONG_OCTETS_MAX: usize = 1024 * 1024;

/// What is at most so long is cut at every octet.
const SHORT_OCTETS_MAX: usize = 4 * 1024;
