//! Changes the time of day for the real program: libfaketime, preloaded. Timers are not affected.

use std::path::PathBuf;
use std::process::Command;

/// Sets the time of day of a command, in the syntax of libfaketime: `+2m`, `-1d`, `1970-01-01
/// 00:01:00`, or `%` for a file that is read repeatedly.
pub fn at(command: &mut Command, time: &str) {
    command
        .env("LD_PRELOAD", library())
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_DONT_RESET", "1")
        .env("TZ", "UTC")
        .env("FAKETIME", time);
}

/// The same with a file that contains the setting, which may change while the program runs.
pub fn by_file(command: &mut Command, file: &std::path::Path) {
    at(command, "");
    command
        .env_remove("FAKETIME")
        .env("FAKETIME_TIMESTAMP_FILE", file)
        .env("FAKETIME_NO_CACHE", "1");
}

fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    folders
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|library| library.exists())
        .expect("libfaketime is missing: run contrib/setup test")
}
