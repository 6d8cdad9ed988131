//! mailferry polls POP3 maildrops and hands every message, once, to a sink.
