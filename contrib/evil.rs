//! A server on loopback that commits a crime by name, for seeing what a mail fetcher makes of it. Not part of the product.
//!
//! `cargo run --example evil -- --list` tells all crimes. `cargo run --example evil -- CRIME` prints `PORT` on its first line,
//! commits the crime in every session, is honest in everything else, and ends with standard input. Crimes of POP3 are played by a
//! maildrop of five messages, those named `smtp-` by a relay, and by an LMTP server with `--lmtp`. The user is `jane`, the password
//! `sample`. Where the crime is about STLS or STARTTLS, the second line is the file of the authority that signed `localhost`.

#[path = "../tests/support/certificates.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::panic)]
mod certificates;
#[path = "../tests/support/evil/mod.rs"]
#[allow(dead_code)]
mod evil;

use std::io::{self, Read};
use std::net::TcpListener;
use std::process::ExitCode;

use evil::stage::{Protocol, Stage};
use evil::{Crime, Side, crimes};
use native_tls::{Identity, TlsAcceptor};

fn main() -> io::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--list"] => list(),
        [name] => return play(name, false),
        [name, "--lmtp"] | ["--lmtp", name] => return play(name, true),
        _ => {
            eprintln!("usage: evil --list | evil CRIME [--lmtp]");
            return Ok(ExitCode::from(64));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list() {
    for Crime { name, what, .. } in crimes() {
        println!("{name:<42} {what}");
    }
}

fn play(name: &str, lmtp: bool) -> io::Result<ExitCode> {
    let Some(crime) = evil::crimes::find(name) else {
        eprintln!("evil: there is no crime {name}; --list tells those that there are");
        return Ok(ExitCode::from(64));
    };
    let protocol = match crime.side {
        Side::Pop3 => Protocol::Pop3,
        Side::Smtp if !lmtp => Protocol::Smtp,
        Side::Smtp | Side::Lmtp => Protocol::Lmtp,
    };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    // Removed when this function ends.
    let certificates = crime.stls.then(certificates::Certificates::new);
    let acceptor = certificates.as_ref().map(acceptor).transpose()?;
    if let Some(certificates) = &certificates {
        println!("{}", certificates.authority().display());
    }
    let stage = Stage::new(protocol, Some(crime), acceptor);
    std::thread::spawn(move || {
        if let Err(error) = stage.play(&listener) {
            eprintln!("evil: {error}");
        }
    });
    // Whoever started us holds the other end: when it is closed, we are not needed any more.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}

fn acceptor(certificates: &certificates::Certificates) -> io::Result<TlsAcceptor> {
    let pair = certificates.signed("evil", "DNS:localhost,IP:127.0.0.1", 30);
    let (certificate, key) = (std::fs::read(pair.certificate)?, std::fs::read(pair.key)?);
    let identity = Identity::from_pkcs8(&certificate, &key).map_err(io::Error::other)?;
    TlsAcceptor::new(identity).map_err(io::Error::other)
}
