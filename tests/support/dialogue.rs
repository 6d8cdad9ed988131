//! Plays one side of a [`Script`] to a client, in pieces of any size, and compares its reports with
//! the script.

use mailferry::mail::text::Shown;
use mailferry::proto::pop3::{Client, ClientEvent, Kind, RemoteError};

use super::script::{Act, Expected, Report, Script};
use super::spoken::{command, ends_in_a_dot, words};

/// The position of a client in a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    turn: usize,
    expected: usize,
    round: u64,
    body_octets: usize,
    /// Whether it has reported an error or the end.
    over: bool,
}

/// One client in one dialogue.
pub struct Run<'s> {
    script: &'s Script,
    client: Client,
    /// Octets that the client has not consumed yet.
    input: Vec<u8>,
    /// Octets that the server has sent.
    sent: Vec<u8>,
    progress: Progress,
    /// The report after which a server may close the connection.
    last_words: bool,
}

impl<'s> Run<'s> {
    pub fn new(script: &'s Script) -> Self {
        let client = Client::new();
        Self {
            script,
            client,
            input: Vec::new(),
            sent: Vec::new(),
            progress: Progress::default(),
            last_words: false,
        }
    }

    /// Plays the script until the server has sent `until` octets, or to its last line if there are
    /// not so many. They come in pieces that end at `cuts` (in order) and at the end of each turn.
    /// Returns how far the client was at each cut.
    ///
    /// # Errors
    /// What the client reported or sent, and what it should have.
    pub fn play(&mut self, cuts: &[usize], until: usize) -> Result<Vec<Progress>, String> {
        let mut trace = Vec::new();
        let mut cuts = cuts.iter().copied().peekable();
        let mut begin = 0;
        for (at, turn) in self.script.turns.iter().enumerate() {
            self.begin(at)?;
            let end = begin + turn.wire.len();
            let mut from = begin;
            loop {
                let to = cuts.peek().copied().unwrap_or(end).min(end).min(until);
                self.hear(&turn.wire[from - begin..to - begin])?;
                while cuts.next_if_eq(&to).is_some() {
                    trace.push(self.progress);
                }
                from = to;
                if from >= end.min(until) {
                    break;
                }
            }
            if until <= end || self.progress.over {
                break;
            }
            begin = end;
        }
        Ok(trace)
    }

    fn is_last(&self, turn: usize) -> bool {
        turn + 1 == self.script.turns.len()
    }

    /// The server closes the connection. The session must have ended in order, with an error, or be
    /// lost.
    ///
    /// # Errors
    /// The client says that the end is in order although it is not, or the reverse.
    pub fn end(&mut self) -> Result<(), String> {
        if self.progress.over {
            return Ok(());
        }
        let in_order = self.client.is_end_in_order();
        if in_order == self.last_words {
            Ok(())
        } else {
            Err(format!(
                "the end is {}in order",
                if in_order { "" } else { "not " }
            ))
        }
    }

    /// The end as written in the script.
    ///
    /// # Errors
    /// It ends in another way.
    pub fn end_as_written(&mut self) -> Result<(), String> {
        self.end()?;
        if !self.progress.over {
            let end = if self.client.is_end_in_order() {
                "closed"
            } else {
                "lost"
            };
            self.reports(end.as_bytes())?;
        }
        let turn = &self.script.turns[self.progress.turn];
        match turn.expected.get(self.progress.expected) {
            Some(expected) => Err(format!("line {}: never reported", expected.line)),
            None if self.is_last(self.progress.turn) => Ok(()),
            None => Err("the script goes on".into()),
        }
    }

    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// Everything in the previous turn has been reported, and the client acts.
    fn begin(&mut self, at: usize) -> Result<(), String> {
        let script = self.script;
        if at > 0 {
            if let Some(expected) = script.turns[at - 1].expected.get(self.progress.expected) {
                return Err(format!(
                    "line {}: not reported when the turn ended",
                    expected.line
                ));
            }
            self.progress = Progress {
                turn: at,
                ..Progress::default()
            };
        }
        for act in &script.turns[at].acts {
            match act {
                Act::Tls => self.client.upgraded(),
                Act::Say(line) => self.say(line)?,
                Act::Refuse(line) => self.refuse(line)?,
            }
        }
        Ok(())
    }

    fn say(&mut self, line: &[u8]) -> Result<(), String> {
        let shown = Shown::new(line).to_string();
        let command =
            command(line, self.client.state()).ok_or_else(|| format!("no command: {shown}"))?;
        self.client
            .send(&command)
            .map_err(|error| format!("{shown}: {error}"))?;
        let sent = std::mem::take(self.client.output());
        if sent == [line, b"\r\n"].concat() {
            Ok(())
        } else {
            Err(format!("sent {} and not {shown}", Shown::new(&sent)))
        }
    }

    fn refuse(&mut self, line: &[u8]) -> Result<(), String> {
        let shown = Shown::new(line).to_string();
        let command =
            command(line, self.client.state()).ok_or_else(|| format!("no command: {shown}"))?;
        let before = self.client.state();
        match self.client.send(&command) {
            Ok(()) => Err(format!("{shown}: was sent in {before:?}")),
            Err(_) if !self.client.output().is_empty() => {
                Err(format!("{shown}: was refused and sent"))
            }
            Err(error) => self.reports(format!("refused {}", error.code()).as_bytes()),
        }
    }

    fn hear(&mut self, octets: &[u8]) -> Result<(), String> {
        self.input.extend_from_slice(octets);
        self.sent.extend_from_slice(octets);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        let mut idle = 0;
        while !self.progress.over {
            let before = rest.len();
            let event = self.client.next(&mut rest);
            let taken = self.sent.len() - rest.len();
            if !self.event(event, taken)? {
                break;
            }
            idle = if rest.len() < before { 0 } else { idle + 1 };
            if idle > 1 {
                return Err("events without end, and nothing taken".into());
            }
        }
        self.input = rest.to_vec();
        Ok(())
    }

    /// Compares an event with the script; returns false when the client needs more input.
    fn event(
        &mut self,
        event: Result<Option<ClientEvent<'_>>, RemoteError>,
        taken: usize,
    ) -> Result<bool, String> {
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(false),
            Err(error) => {
                self.reports(format!("error {}", error.code()).as_bytes())?;
                self.progress.over = true;
                return Ok(true);
            }
        };
        self.last_words = matches!(
            event,
            ClientEvent::Rejected { .. }
                | ClientEvent::Ok {
                    command: Kind::Quit,
                    ..
                }
                | ClientEvent::Err {
                    command: Kind::Quit,
                    ..
                }
        );
        match event {
            ClientEvent::Body { number, octets } => self.body(number, octets)?,
            ClientEvent::BodyEnd { .. } if !ends_in_a_dot(&self.sent[..taken]) => {
                return Err(format!("octet {taken}: called whole without its final dot"));
            }
            event => self.reports(&words(&event, self.client.capabilities()))?,
        }
        Ok(true)
    }

    fn next_expected(&self, got: &dyn Fn() -> String) -> Result<&'s Expected, String> {
        let turn = &self.script.turns[self.progress.turn];
        let expected = turn.expected.get(self.progress.expected);
        expected.ok_or_else(|| format!("not expected: {}", got()))
    }

    fn reports(&mut self, got: &[u8]) -> Result<(), String> {
        let expected = self.next_expected(&|| Shown::new(got).to_string())?;
        let wanted = match &expected.report {
            Report::Line(text) => text.round(self.progress.round + 1),
            Report::Body { number, .. } => format!("body {number} ...").into_bytes().into(),
        };
        if *got != *wanted {
            let (got, wanted) = (Shown::new(got), Shown::new(&wanted));
            return Err(format!(
                "line {}: expected: {wanted}\n  reported: {got}",
                expected.line
            ));
        }
        self.one_round_on(expected);
        Ok(())
    }

    /// Octets of a message, in pieces of any size.
    fn body(&mut self, number: u32, mut octets: &[u8]) -> Result<(), String> {
        if octets.is_empty() {
            return Err("a piece of a message without octets".into());
        }
        while !octets.is_empty() {
            let shown = || format!("body {number} {}", Shown::new(octets));
            let expected = self.next_expected(&shown)?;
            let Report::Body {
                number: of,
                octets: text,
            } = &expected.report
            else {
                return Err(format!(
                    "line {}: not expected before it: {}",
                    expected.line,
                    shown()
                ));
            };
            let text = text.round(self.progress.round + 1);
            let wanted = &text[self.progress.body_octets..];
            let common = wanted.len().min(octets.len());
            if *of != number || wanted[..common] != octets[..common] {
                let (line, wanted) = (expected.line, Shown::new(wanted));
                return Err(format!(
                    "line {line}: expected: body {of} {wanted}\n  reported: {}",
                    shown()
                ));
            }
            octets = &octets[common..];
            self.progress.body_octets += common;
            if common == wanted.len() {
                self.one_round_on(expected);
            }
        }
        Ok(())
    }

    fn one_round_on(&mut self, expected: &Expected) {
        let progress = &mut self.progress;
        progress.body_octets = 0;
        progress.round += 1;
        if progress.round == expected.rounds {
            progress.round = 0;
            progress.expected += 1;
        }
    }
}
