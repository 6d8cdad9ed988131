//! The mailferry binary.

fn main() {}
