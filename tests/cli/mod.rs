//! What a person says, and what they are answered.

mod check;
mod commands;
mod config;
mod errors;
mod no_regular_file;
mod operator;
mod quarantine;
