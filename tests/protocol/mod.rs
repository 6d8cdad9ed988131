//! The POP3 protocol: the client, its dialogues, and servers that break the rules.

mod dialogues;
mod evil;
mod fuzz_corpus;
mod garbled;
mod late;
mod octets;
mod odd_answers;
mod odd_proofs;
mod odd_sessions;
mod tls;
mod whole_session;
