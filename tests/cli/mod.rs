//! Commands, and their output.

mod check;
mod check_message;
mod commands;
mod config;
mod dry_run;
mod errors;
mod no_regular_file;
mod operator;
mod quarantine;
mod repointed;
mod terminal;
