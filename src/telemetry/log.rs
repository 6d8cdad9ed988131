//! The destination, format and level of log lines.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::mail::{LogFormat, LogLevel};
use crate::telemetry::burst as together;
use crate::telemetry::burst::LineWriter;
use crate::telemetry::journal::{self, Journald};
use crate::telemetry::line::LogLine;

/// The settings of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The format of a line.
    pub format: LogFormat,
    /// The least important level that is logged.
    pub level: LogLevel,
    /// Whether the level may be coloured in text. Use `false` unless the writer is a terminal.
    pub colour: bool,
}

/// A running log.
#[derive(Clone)]
pub struct Log {
    filter: reload::Handle<Targets, Registry>,
}

/// The log could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process has a log already")]
pub struct AlreadyLogging;

/// Starts the log of this process. Lines go to `writer` (usually standard error), one `write` for
/// each line or burst of lines. Journal entries go to the journal, and to `writer` as text when the
/// journal does not accept them.
///
/// # Errors
/// [`AlreadyLogging`] when a `tracing` subscriber was set up before: an embedder's own subscriber
/// stays active.
pub fn start(settings: &Settings, writer: Box<dyn Write + Send>) -> Result<Log, AlreadyLogging> {
    let (filter, handle) = reload::Layer::new(filter_of(settings.level));
    let scribe = Scribe::new(settings, writer, Path::new(journal::SOCKET));
    let lost = scribe.journal_lost();
    tracing_subscriber::registry()
        .with(filter)
        .with(scribe)
        .try_init()
        .map_err(|_| AlreadyLogging)?;
    if lost {
        tracing::warn!("there is no systemd journal here: logging text to standard error");
    }
    Ok(Log { filter: handle })
}

impl Log {
    /// Changes the level from now on.
    pub fn set_level(&self, level: LogLevel) {
        // It fails only when the subscriber is gone, and then there is no log to change.
        let _ = self.filter.reload(filter_of(level));
    }
}

/// Passes our own lines from `level` up, and those of other crates only from warnings up: at debug
/// level some print the data that they send.
fn filter_of(level: LogLevel) -> Targets {
    let (ours, theirs) = match level {
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
        LogLevel::Trace => (LevelFilter::TRACE, LevelFilter::WARN),
    };
    Targets::new()
        .with_default(theirs)
        .with_target("mailferry", ours)
}

/// Writes every event that passes the filter.
struct Scribe {
    format: LogFormat,
    colour: bool,
    journal: Option<Journald>,
    writer: LineWriter,
}

impl Scribe {
    fn new(settings: &Settings, writer: Box<dyn Write + Send>, socket: &Path) -> Self {
        let wanted = settings.format == LogFormat::Journald;
        Self {
            format: settings.format,
            colour: settings.colour,
            journal: wanted.then(|| Journald::at(socket).ok()).flatten(),
            writer: Arc::new(Mutex::new(writer)),
        }
    }

    fn journal_lost(&self) -> bool {
        self.format == LogFormat::Journald && self.journal.is_none()
    }

    fn write(&self, line: &LogLine, level: Level) {
        let now = SystemTime::now();
        if let Some(journal) = &self.journal
            && journal.send(&line.as_journal_entry(level)).is_ok()
        {
            return;
        }
        let mut out = match self.format {
            LogFormat::Json => line.as_json(now, level),
            LogFormat::Text | LogFormat::Journald => line.as_text(now, level, self.colour),
        };
        out.push('\n');
        together::say(&self.writer, &out);
    }
}

impl<S: Subscriber> Layer<S> for Scribe {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.write(&LogLine::of(event), *event.metadata().level());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn said(format: LogFormat, level: LogLevel, socket: &Path, events: impl Fn()) -> String {
        let paper = Paper::default();
        let settings = Settings {
            format,
            level,
            colour: false,
        };
        let scribe = Scribe::new(&settings, Box::new(paper.clone()), socket);
        let subscriber = tracing_subscriber::registry()
            .with(filter_of(level))
            .with(scribe);
        tracing::subscriber::with_default(subscriber, events);
        paper.text()
    }

    #[test]
    fn a_delivery_is_the_line_that_is_greppable_for_twenty_years() {
        let account = "work";
        let text = said(LogFormat::Text, LogLevel::Info, Path::new(""), || {
            tracing::info!(%account, unique_id = %"000001a2", octets = 4321_u64, delivery = "local",
                status = "delivered", delay_ms = 812_u64);
        });
        let (_, line) = text.split_once(" INFO ").unwrap();
        assert_eq!(
            line,
            "account=work unique_id=000001a2 octets=4321 delivery=local status=delivered \
             delay_ms=812\n"
        );
    }

    /// Holds 4.4.log.
    #[test]
    fn a_hostile_server_cannot_add_a_line_or_move_the_cursor() {
        let text = said(LogFormat::Text, LogLevel::Info, Path::new(""), || {
            tracing::warn!(said = "no\r\n2026 INFO fake \x1b]0;pwn\x07 \u{202E}");
        });
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.trim_end()
                .chars()
                .all(|c| !crate::mail::text::is_hostile(c))
        );
    }

    #[test]
    fn other_crates_are_heard_only_when_they_warn() {
        let text = said(LogFormat::Text, LogLevel::Trace, Path::new(""), || {
            tracing::debug!(target: "lettre::client", "AUTH PLAIN c2VjcmV0");
            tracing::warn!(target: "lettre::client", "odd reply");
            tracing::trace!(target: "mailferry::session", "step");
        });
        assert!(!text.contains("AUTH"), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn nothing_below_the_level_is_logged() {
        let text = said(LogFormat::Json, LogLevel::Warn, Path::new(""), || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        });
        assert!(
            !text.contains("quiet") && text.contains("\"msg\":\"loud\""),
            "{text}"
        );
    }

    #[test]
    fn the_journal_gets_a_message_even_for_an_event_that_has_only_fields() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journald = UnixDatagram::bind(&path).unwrap();
        let text = said(LogFormat::Journald, LogLevel::Info, &path, || {
            tracing::info!(account = "work", octets = 3_u64);
        });
        assert_eq!(text, "", "nothing goes to standard error as well");
        let mut buffer = [0; 4096];
        assert_eq!(journald.recv(&mut buffer).unwrap(), 0, "the greeting");
        let length = journald.recv(&mut buffer).unwrap();
        assert_eq!(
            std::str::from_utf8(&buffer[..length]).unwrap(),
            "MESSAGE=account=work octets=3\nPRIORITY=6\nSYSLOG_IDENTIFIER=mailferry\n\
             MAILFERRY_ACCOUNT=work\nMAILFERRY_OCTETS=3\n"
        );
    }

    #[test]
    fn a_journal_that_goes_away_loses_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journald = UnixDatagram::bind(&path).unwrap();
        let text = said(LogFormat::Journald, LogLevel::Info, &path, || {
            std::fs::remove_file(&path).unwrap();
            tracing::info!(account = "work");
        });
        drop(journald);
        assert!(text.ends_with(" INFO account=work\n"), "{text}");
    }
}
