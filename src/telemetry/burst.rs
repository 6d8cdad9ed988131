//! Writes log lines of one burst in one call.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Write;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

/// The destination of lines.
pub(super) type LineWriter = Arc<Mutex<Box<dyn Write + Send>>>;

/// While this exists, log lines of this thread are collected. They are written when it is dropped,
/// or when there are 4 KiB of them. For a burst of events without waiting between them.
#[must_use]
pub struct Together {
    /// Not `Send`: it belongs to its thread.
    _thread: PhantomData<*const ()>,
}

#[derive(Default)]
struct HeldLines {
    depth: usize,
    lines: Vec<u8>,
    writer: Option<LineWriter>,
}

thread_local! {
    static HELD: RefCell<HeldLines> = RefCell::default();
}

impl Together {
    /// Begins to collect lines.
    pub fn begin() -> Self {
        let _ = HELD.try_with(|held| held.borrow_mut().depth += 1);
        Self {
            _thread: PhantomData,
        }
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        let taken = HELD.try_with(|held| {
            let mut held = held.borrow_mut();
            held.depth -= 1;
            match held.depth {
                0 => (std::mem::take(&mut held.lines), held.writer.take()),
                _ => (Vec::new(), None),
            }
        });
        if let Ok((lines, Some(writer))) = taken {
            write(&writer, &lines);
        }
    }
}

/// Writes a line, or stores it for the burst.
pub(super) fn say(writer: &LineWriter, line: &str) {
    let now = HELD.try_with(|held| {
        let mut held = held.borrow_mut();
        if held.depth == 0 {
            return Some(Cow::Borrowed(line.as_bytes()));
        }
        let full = held.lines.len() + line.len() > WRITE_OCTETS_MAX;
        let before = full.then(|| std::mem::take(&mut held.lines));
        held.lines.extend_from_slice(line.as_bytes());
        held.writer = Some(Arc::clone(writer));
        before.map(Cow::Owned)
    });
    // A thread that is ending cannot store it.
    if let Some(lines) = now.unwrap_or(Some(Cow::Borrowed(line.as_bytes()))) {
        write(writer, &lines);
    }
}

fn write(writer: &LineWriter, lines: &[u8]) {
    // A panic while writing one line must not lose the next one.
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    // When standard error is gone, the error cannot be reported.
    let _ = writer.write_all(lines).and_then(|()| writer.flush());
}

/// Octets that a pipe takes at once (`PIPE_BUF`): the output of other writers comes before or after
/// them, never inside a line.
const WRITE_OCTETS_MAX: usize = 4096;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;

    use super::*;

    /// Records every write separately.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<String>>>);

    impl Write for Paper {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(octets.to_vec()).unwrap();
            self.0.lock().unwrap().push(text);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(work: impl FnOnce(&LineWriter)) -> Vec<String> {
        let paper = Paper::default();
        let writer: LineWriter = Arc::new(Mutex::new(Box::new(paper.clone())));
        work(&writer);
        paper.0.lock().unwrap().clone()
    }

    #[test]
    fn lines_are_written_one_by_one_or_together_in_their_order() {
        let writes = written(|writer| {
            say(writer, "alone\n");
            let outer = Together::begin();
            say(writer, "first\n");
            drop(Together::begin());
            say(writer, "second\n");
            drop(outer);
            say(writer, "alone again\n");
        });
        assert_eq!(writes, ["alone\n", "first\nsecond\n", "alone again\n"]);
    }

    #[test]
    fn no_write_is_longer_than_a_pipe_takes_whole() {
        let line = "x".repeat(999) + "\n";
        let writes = written(|writer| {
            let _together = Together::begin();
            (0..10).for_each(|_| say(writer, &line));
        });
        let lengths: Vec<usize> = writes.iter().map(String::len).collect();
        assert_eq!(lengths, [4000, 4000, 2000]);
    }

    #[test]
    fn a_panic_loses_no_line() {
        let writes = written(|writer| {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _together = Together::begin();
                say(writer, "last\n");
                std::panic::resume_unwind(Box::new(""));
            }));
            assert!(ended.is_err());
        });
        assert_eq!(writes, ["last\n"]);
    }
}
