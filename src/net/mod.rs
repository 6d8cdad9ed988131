//! Can I reach them, and is it really them? This is the only room that uses the TLS library.
//!
//! async-native-tls builds an OpenSSL context for each connection. OpenSSL reads the system's
//! certificates into each context, which costs 45 ms and 0.9 MB and cannot be switched off. So the
//! roots are parsed once ([`Roots`]) and given to contexts without built-in ones, and `main.rs`
//! points `SSL_CERT_FILE` and `SSL_CERT_DIR` to an empty file before threads start
//! ([`SystemRoots`]). A program that embeds this crate and does not do so gets the same results,
//! slower.

mod dial;
mod error;
mod names;
mod openssl_words;
mod roots;
mod tls;
mod tls_stream;
mod wire;

pub use dial::{dial, dial_socket};
pub use error::{CertificateFault, NetError};
pub use roots::{Roots, SystemRoots};
pub use tls::Connector;
pub use wire::{IoStream, Read, Wire};
