//! Can I reach them, and is it really them? The only room that names the TLS library.
//!
//! async-native-tls builds an OpenSSL context for each connection, and OpenSSL reads the system's
//! certificates into each before anybody can say no: 45 ms and 0.9 MB. So the roots are parsed once
//! ([`Roots`]) and handed to contexts without built-in ones, and `main.rs` points `SSL_CERT_FILE`
//! and `SSL_CERT_DIR` to nothing before there are threads ([`SystemRoots`]). A program that embeds
//! this crate and does not do so gets the same answers, slower.

mod dial;
mod error;
mod names;
mod openssl_words;
mod roots;
mod tls;
mod tls_stream;
mod wire;

pub use dial::dial;
pub use error::NetError;
pub use roots::{Roots, SystemRoots};
pub use tls::Connector;
pub use wire::{IoStream, Read, Wire};
