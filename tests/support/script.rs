//! A POP3 dialogue as plain text, read into turns. `tests/corpus/pop3/README.md` describes the
//! syntax.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

/// A dialogue.
pub struct Script {
    /// Its path below `tests/`.
    pub name: String,
    /// The checks that it says it covers.
    pub holds: Vec<String>,
    pub turns: Vec<Turn>,
    /// The octets that the server sends in all turns together.
    pub octets: usize,
    /// Where the server's lines end, counted from its first octet.
    pub boundaries: Vec<usize>,
}

/// The client acts, then the server sends, then the client reports something.
#[derive(Default)]
pub struct Turn {
    pub acts: Vec<Act>,
    pub wire: Vec<u8>,
    pub expected: Vec<Expected>,
}

/// What the client does before the server sends.
pub enum Act {
    /// It must send exactly this line.
    Say(Vec<u8>),
    /// It must refuse to send this line.
    Refuse(Vec<u8>),
    /// TLS has started.
    Tls,
}

/// An expected report of the client.
pub struct Expected {
    /// The line in the script.
    pub line: usize,
    /// How often, with the number of the round in place of `\#`.
    pub rounds: u64,
    /// A report as [`Run`](super::dialogue::Run) writes it, or the octets of a message.
    pub report: Report,
}

pub enum Report {
    Line(Text),
    Body { number: u32, octets: Text },
}

/// Octets, with places for the number of the round between the pieces.
pub struct Text(Vec<Vec<u8>>);

impl Text {
    fn new(text: &str) -> Self {
        Self(text.split(r"\#").map(unescaped).collect())
    }

    pub fn round(&self, round: u64) -> Cow<'_, [u8]> {
        match &self.0[..] {
            [plain] => Cow::Borrowed(plain),
            pieces => Cow::Owned(pieces.join(round.to_string().as_bytes())),
        }
    }

    fn with_crlf(mut self) -> Self {
        if let Some(last) = self.0.last_mut() {
            last.extend_from_slice(b"\r\n");
        }
        self
    }
}

impl Script {
    pub fn read(path: &Path) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let name = path.strip_prefix(tests).unwrap().display().to_string();
        let text = fs::read_to_string(path).unwrap();
        Self::parse(name, &text)
            .unwrap_or_else(|(line, what)| panic!("{}:{line}: {what}", path.display()))
    }

    /// Every script of the corpus.
    pub fn all() -> Vec<Self> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/pop3");
        let files = |path: &Path| {
            let entries = fs::read_dir(path).unwrap();
            entries
                .map(|entry| entry.unwrap().path())
                .collect::<Vec<_>>()
        };
        let rooms = files(&corpus).into_iter().filter(|path| path.is_dir());
        let mut paths: Vec<PathBuf> = rooms.flat_map(|room| files(&room)).collect();
        paths.sort();
        assert!(!paths.is_empty(), "no scripts in {}", corpus.display());
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn parse(name: String, text: &str) -> Result<Self, (usize, String)> {
        let mut script = Self {
            name,
            holds: Vec::new(),
            turns: vec![Turn::default()],
            octets: 0,
            boundaries: Vec::new(),
        };
        for (at, line) in text.lines().enumerate() {
            script.line(at + 1, line).map_err(|what| (at + 1, what))?;
        }
        let ends = script.turns.last().and_then(|turn| turn.expected.last());
        let Some(Expected {
            report: Report::Line(end),
            line,
            ..
        }) = ends
        else {
            return Err((
                text.lines().count(),
                "a script ends with closed, lost or error".into(),
            ));
        };
        let end = end.round(1);
        if *end != *b"closed" && *end != *b"lost" && !end.starts_with(b"error ") {
            return Err((*line, "a script ends with closed, lost or error".into()));
        }
        Ok(script)
    }

    fn line(&mut self, at: usize, line: &str) -> Result<(), String> {
        if let Some(checks) = line.strip_prefix("# holds:") {
            self.holds
                .extend(checks.split_whitespace().map(str::to_owned));
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (mark, text) = line
            .split_once(':')
            .ok_or("a line begins with a mark and a colon")?;
        let text = text.strip_prefix(' ').unwrap_or(text);
        let (mark, rounds) = match mark.split_once('*') {
            Some((mark, rounds)) => (mark, rounds.parse().map_err(|_| "a repeat is a number")?),
            None => (mark, 1),
        };
        let (mark, with_crlf) = match mark.strip_suffix('-') {
            Some(mark) => (mark, false),
            None => (mark, true),
        };
        let repeats = matches!(mark, "S" | "E");
        if !repeats && (rounds != 1 || !with_crlf) {
            return Err(format!("{mark} takes neither * nor -"));
        }
        match mark {
            "C" => self.turn().acts.push(Act::Say(unescaped(text))),
            "N" => self.turn().acts.push(Act::Refuse(unescaped(text))),
            "T" => self.turn().acts.push(Act::Tls),
            "S" => self.server(text, rounds, with_crlf),
            "E" => self.expect(at, text, rounds, with_crlf)?,
            _ => return Err(format!("no such mark: {mark}")),
        }
        Ok(())
    }

    /// The turn in which the client acts: a new one if the server has sent something, or something
    /// was reported, since the client last acted.
    fn turn(&mut self) -> &mut Turn {
        let begun = self
            .turns
            .last()
            .is_some_and(|turn| !turn.wire.is_empty() || !turn.expected.is_empty());
        if begun {
            self.turns.push(Turn::default());
        }
        self.turns.last_mut().unwrap()
    }

    fn server(&mut self, text: &str, rounds: u64, with_crlf: bool) {
        let text = Text::new(text);
        let text = if with_crlf { text.with_crlf() } else { text };
        let wire = &mut self.turns.last_mut().unwrap().wire;
        for round in 1..=rounds {
            let octets = text.round(round);
            self.octets += octets.len();
            wire.extend_from_slice(&octets);
            if octets.ends_with(b"\n") {
                self.boundaries.push(self.octets);
            }
        }
    }

    fn expect(
        &mut self,
        line: usize,
        text: &str,
        rounds: u64,
        with_crlf: bool,
    ) -> Result<(), String> {
        let report = match text.strip_prefix("body ") {
            Some(body) => {
                let (number, octets) = body.split_once(' ').unwrap_or((body, ""));
                let number = number.parse().map_err(|_| "body NUMBER TEXT")?;
                let octets = Text::new(octets);
                let octets = if with_crlf {
                    octets.with_crlf()
                } else {
                    octets
                };
                Report::Body { number, octets }
            }
            None if with_crlf => Report::Line(Text::new(text)),
            None => return Err("only a body has no line end".into()),
        };
        let turn = self.turns.last_mut().unwrap();
        turn.expected.push(Expected {
            line,
            rounds,
            report,
        });
        Ok(())
    }
}

/// `\r`, `\n`, `\t`, `\s` (a blank), `\\` and `\xHH`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        if *octet != b'\\' {
            octets.push(*octet);
            continue;
        }
        let (escape, after) = rest
            .split_first()
            .unwrap_or_else(|| panic!("a lone \\ in: {text}"));
        rest = after;
        octets.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b's' => b' ',
            b'\\' => b'\\',
            b'x' => {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                rest = &rest[2..];
                u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("\\x{digits} in: {text}"))
            }
            _ => panic!("no such escape: \\{} in: {text}", char::from(*escape)),
        });
    }
    octets
}
