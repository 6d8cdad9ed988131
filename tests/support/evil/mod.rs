//! A POP3 and an SMTP/LMTP server that commit one crime each, by name, and are honest in everything
//! else.
//!
//! The machines here touch no socket and no clock: a line of the client goes in, and what the
//! server does about it comes out as [`Act`]s. `stage` plays them on loopback, for tests and for
//! `cargo run --example evil`; tests also play them over pipes, where hours pass in no time.

pub mod crimes;
pub mod maildrop;
pub mod pop3;
pub mod smtp;
pub mod stage;

use std::time::Duration;

pub use crimes::{Crime, Side, crimes};
pub use maildrop::Maildrop;

/// The user and the password that the servers let in.
pub const USER: &str = "jane";
pub const PASSWORD: &str = "sample";

/// What a server does, in order.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these octets.
    Say(Vec<u8>),
    /// Sends the pieces 0 to `count`, one after the other, each made when it is sent.
    Flow {
        count: u64,
        piece: fn(u64) -> Vec<u8>,
    },
    /// Waits.
    Wait(Duration),
    /// Waits until the client has sent something more.
    Hear,
    /// Does TLS from here on.
    StartTls,
    /// Says nothing any more; the connection stays.
    Stall,
    /// Hangs up.
    Close,
}

impl Act {
    /// A line and its end.
    pub fn line(text: &str) -> Self {
        Self::Say(format!("{text}\r\n").into_bytes())
    }

    /// One octet every nine seconds.
    pub fn drip(octets: &[u8]) -> Vec<Self> {
        let one = |octet: &u8| [Self::Wait(Duration::from_secs(9)), Self::Say(vec![*octet])];
        octets.iter().flat_map(one).collect()
    }
}

/// One connection to either server.
pub trait Session: Send {
    /// What is said before anything was heard.
    fn greet(&mut self) -> Vec<Act>;

    /// What is done about a line, which comes without its end.
    fn hear(&mut self, line: &[u8]) -> Vec<Act>;

    /// TLS is up.
    fn secured(&mut self);
}
