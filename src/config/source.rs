//! The files of a configuration, and places in them.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use zeroize::Zeroizing;

use crate::config::error::{Complaint, ConfigError};
use crate::disk::read_regular;
use crate::mail::limits;

/// One whole file. The text is wiped when it is dropped, because it may contain passwords.
pub(super) struct ConfigSource {
    path: PathBuf,
    text: Zeroizing<String>,
    mode: u32,
    /// Created when the first position is asked for: most files have no error.
    ruler: OnceLock<Ruler>,
}

/// A place in the files: the index of the source, and the offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SourcePlace {
    pub(super) source: usize,
    pub(super) offset: usize,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: SourcePlace,
}

impl<T> At<T> {
    /// Converts the value and keeps its place.
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> At<U> {
        At {
            value: make(self.value),
            place: self.place,
        }
    }
}

impl ConfigSource {
    /// Reads a whole file.
    ///
    /// # Errors
    /// When it is missing, unreadable, too large or not UTF-8.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |complaint| ConfigError::without_place(path, complaint);
        let unreadable = |error: io::Error| {
            failed(match error.kind() {
                io::ErrorKind::NotFound => Complaint::NotFound,
                _ => Complaint::Unreadable(error.to_string()),
            })
        };
        let (mut bytes, metadata) =
            read_regular(path, limits::CONFIG_FILE_OCTETS_MAX).map_err(unreadable)?;
        let mode = metadata.mode();
        if bytes.len() as u64 > limits::CONFIG_FILE_OCTETS_MAX {
            return Err(failed(Complaint::TooLarge(limits::CONFIG_FILE_OCTETS_MAX)));
        }
        match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Ok(Self {
                path: path.to_owned(),
                text: Zeroizing::new(text),
                mode,
                ruler: OnceLock::new(),
            }),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let bytes = Zeroizing::new(error.into_bytes());
                let before = String::from_utf8_lossy(&bytes[..good]);
                let position = Ruler::new(&before).position(&before, good);
                Err(ConfigError::at(path, position, Complaint::NotUtf8))
            }
        }
    }

    /// A text that is not from a file: the built-in defaults.
    pub(super) fn built_in(text: String) -> Self {
        Self {
            path: "the built-in defaults".into(),
            text: Zeroizing::new(text),
            mode: 0o600,
            ruler: OnceLock::new(),
        }
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder against which relative paths in the file are resolved. It is absolute, because an
    /// MDA runs in another folder.
    pub(super) fn folder(&self) -> PathBuf {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        path.parent().unwrap_or(Path::new("/")).to_owned()
    }

    /// The file's text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The permission bits of the file.
    pub(super) fn mode(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether anyone but the owner has any right to the file.
    pub(super) fn is_shared(&self) -> bool {
        self.mode & 0o077 != 0
    }

    /// Line and column of an offset, both from 1.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let ruler = self.ruler.get_or_init(|| Ruler::new(&self.text));
        ruler.position(&self.text, offset)
    }

    /// `FILE:LINE:COLUMN` of an offset.
    pub(super) fn spot(&self, offset: usize) -> String {
        let (line, column) = self.position(offset);
        format!("{}:{line}:{column}", self.path.display())
    }
}

/// Finds line and column of an offset without reading the text from its start: a file may have
/// errors in a hundred thousand places.
struct Ruler {
    /// Where each line begins.
    lines: Vec<usize>,
    /// The number of characters before each multiple of [`MARK_OCTETS`].
    marks: Vec<usize>,
}

impl Ruler {
    fn new(text: &str) -> Self {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes());
        let lines = std::iter::once(0).chain(newlines.map(|at| at + 1));
        let mut before = 0;
        let marks = text.as_bytes().chunks(MARK_OCTETS).map(|chunk| {
            let mark = before;
            before += characters(chunk);
            mark
        });
        Self {
            lines: lines.collect(),
            marks: marks.collect(),
        }
    }

    /// Line and column, both from 1. An offset inside a character means that character; an offset
    /// beyond the end means the end.
    fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let line = self.lines.partition_point(|start| *start <= end).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.characters_before(text, end) - self.characters_before(text, start);
        (line, column + 1)
    }

    fn characters_before(&self, text: &str, offset: usize) -> usize {
        let mark = (offset / MARK_OCTETS).min(self.marks.len().saturating_sub(1));
        let rest = text.as_bytes().get(mark * MARK_OCTETS..offset);
        self.marks.get(mark).copied().unwrap_or_default() + characters(rest.unwrap_or_default())
    }
}

/// The number of characters that begin in these octets of UTF-8.
fn characters(octets: &[u8]) -> usize {
    octets.iter().filter(|octet| **octet & 0xC0 != 0x80).count()
}

/// Octets between two marks of a [`Ruler`].
const MARK_OCTETS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, offset: usize) -> (usize, usize) {
        Ruler::new(text).position(text, offset)
    }

    #[test]
    fn columns_count_characters_not_octets() {
        let text = "a\n\u{e4}\u{1F600}x";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 2), (2, 1));
        assert_eq!(position(text, text.len() - 1), (2, 3));
        assert_eq!(position(text, 3), (2, 1), "inside a character");
        assert_eq!(position(text, 999), (2, 4), "after the end");
        assert_eq!(position("", 0), (1, 1));
    }

    proptest::proptest! {
        #[test]
        fn a_place_is_found_as_if_the_text_were_read_from_its_start(
            text in "[a\u{e4}\n]{0,3000}", offset in 0..7000_usize,
        ) {
            let mut end = offset.min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let line = text[..end].matches('\n').count() + 1;
            let start = text[..end].rfind('\n').map_or(0, |at| at + 1);
            let column = text[start..end].chars().count() + 1;
            proptest::prop_assert_eq!(position(&text, offset), (line, column));
        }
    }
}
