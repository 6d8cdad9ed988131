//! The files a configuration is read from, and the places in them.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::error::{Complaint, ConfigError};
use crate::disk::read_regular;
use crate::mail::limits;

/// One file, whole. The text is wiped when it is dropped, because it may hold passwords.
pub(super) struct Source {
    path: PathBuf,
    text: Zeroizing<String>,
    mode: u32,
}

/// Where something stands: which of the sources, and the offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) source: usize,
    pub(super) offset: usize,
}

/// A value and where it was given.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T> At<T> {
    /// Something made from the value, at the same place.
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> At<U> {
        At {
            value: make(self.value),
            place: self.place,
        }
    }
}

impl Source {
    /// Reads a file whole.
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
            }),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let bytes = Zeroizing::new(error.into_bytes());
                let before = String::from_utf8_lossy(&bytes[..good]);
                let position = position(&before, good);
                Err(ConfigError::at(path, position, Complaint::NotUtf8))
            }
        }
    }

    /// A text that is no file: the defaults that are built in.
    pub(super) fn built_in(text: String) -> Self {
        Self {
            path: "the built-in defaults".into(),
            text: Zeroizing::new(text),
            mode: 0o600,
        }
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder relative paths in the file are relative to; absolute, because an MDA runs in another one.
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
        position(&self.text, offset)
    }

    /// `FILE:LINE:COLUMN` of an offset.
    pub(super) fn spot(&self, offset: usize) -> String {
        let (line, column) = self.position(offset);
        format!("{}:{line}:{column}", self.path.display())
    }
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_octets() {
        let text = "a\n\u{e4}\u{1F600}x";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 2), (2, 1));
        assert_eq!(position(text, text.len() - 1), (2, 3));
        assert_eq!(position(text, 3), (2, 1), "inside a character");
        assert_eq!(position(text, 999), (2, 4), "behind the end");
    }
}
