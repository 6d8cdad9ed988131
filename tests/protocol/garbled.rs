//! The dialogues of the corpus with octets changed, lost and doubled at random. Whatever a server
//! sends, the client reports the same however it is cut, calls no message complete without its
//! final dot, and never panics.

use mailferry::proto::pop3::{Client, ClientEvent};

use crate::support::script::{Act, Script};
use crate::support::spoken::{command, ends_in_a_dot, words};

/// The result of a dialogue: reports, with the pieces of a message joined.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    reports: Vec<Vec<u8>>,
    in_order: bool,
}

/// Sends the commands of a script as far as the client allows, and uses `wires` as the server's
/// data in its turns, in pieces of `piece` octets.
fn play(script: &Script, wires: &[Vec<u8>], piece: usize) -> Heard {
    let mut client = Client::new();
    let mut heard = Heard::default();
    let mut sent = Vec::new();
    for (turn, wire) in script.turns.iter().zip(wires) {
        for act in &turn.acts {
            match act {
                Act::Tls => client.upgraded(),
                Act::Say(line) | Act::Refuse(line) => {
                    // In another state than the script's, the line is another command or none.
                    if let Some(command) = command(line, client.state()) {
                        let _ = client.send(&command);
                    }
                }
            }
        }
        for octets in wire.chunks(piece) {
            sent.extend_from_slice(octets);
            let mut input = octets;
            loop {
                let event = client.next(&mut input);
                let taken = sent.len() - input.len();
                match event {
                    Ok(None) => break,
                    Ok(Some(event)) => heard.add(&event, &client, &sent[..taken]),
                    Err(error) => {
                        heard
                            .reports
                            .push(format!("error {}", error.code()).into_bytes());
                        return heard;
                    }
                }
            }
            assert!(input.is_empty(), "{}: left over: {input:?}", script.name);
        }
    }
    heard.in_order = client.is_end_in_order();
    heard
}

impl Heard {
    fn add(&mut self, event: &ClientEvent<'_>, client: &Client, sent: &[u8]) {
        match event {
            ClientEvent::Body { number, octets } => {
                let head = format!("body {number} ").into_bytes();
                match self.reports.last_mut() {
                    Some(last) if last.starts_with(&head) => last.extend_from_slice(octets),
                    _ => self.reports.push([&head[..], octets].concat()),
                }
                return;
            }
            ClientEvent::BodyEnd { .. } => {
                assert!(ends_in_a_dot(sent), "whole without a final dot: {sent:?}")
            }
            _ => {}
        }
        self.reports.push(words(event, client.capabilities()));
    }
}

/// The octets of a script with up to four random changes, mostly at critical places.
fn garbled(script: &Script, random: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let mut wires: Vec<Vec<u8>> = script.turns.iter().map(|turn| turn.wire.clone()).collect();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..wires.len());
        let wire = &mut wires[at];
        if wire.is_empty() {
            continue;
        }
        let at = random.usize(..wire.len());
        match random.u8(..6) {
            0 => wire[at] = random.u8(..),
            1 => wire[at] = *random.choice(b"\r\n.+- \0[").unwrap(),
            2 => drop(wire.remove(at)),
            3 => wire.insert(at, *random.choice(b"\r\n.+- ").unwrap()),
            4 => wire.truncate(at),
            _ => {
                let to = random.usize(at..=wire.len()).min(at + 40);
                let doubled = wire[at..to].to_vec();
                wire.splice(at..at, doubled);
            }
        }
    }
    wires
}

#[test]
fn arbitrary_input_has_the_same_result_however_it_is_split() {
    let given = std::env::var("MAILFERRY_SEED").ok();
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("MAILFERRY_SEED={seed}");
    for script in Script::all()
        .into_iter()
        .filter(|script| script.octets < OCTETS_MAX)
    {
        let mut random = fastrand::Rng::with_seed(seed);
        for round in 0..ROUNDS {
            let wires = garbled(&script, &mut random);
            let whole = play(&script, &wires, usize::MAX);
            for piece in [1, random.usize(2..40)] {
                let cut = play(&script, &wires, piece);
                assert_eq!(
                    cut, whole,
                    "{}, seed {seed}, round {round}, in pieces of {piece}",
                    script.name
                );
            }
        }
    }
}

/// Longer dialogues consist of long lines, where random changes find nothing.
const OCTETS_MAX: usize = 4 * 1024;

/// How often each script is garbled.
const ROUNDS: usize = 100;
