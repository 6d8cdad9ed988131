//! A POP3 and an SMTP/LMTP server that commit one crime each, by name, and are honest in everything
//! else.
//!
//! The machines here use no socket and no clock: a line of the client goes in, and the server's
//! reaction comes out as [`Act`]s. `stage` plays them on loopback, for tests and for `cargo run
//! --example evil`. Tests also play them over pipes, where hours pass in no time.

pub mod crimes;
mod lmtp;
pub mod maildrop;
pub mod pop3;
pub mod smtp;
pub mod stage;

use std::time::Duration;

pub use crimes::{Crime, Side, crimes};
pub use maildrop::Maildrop;

/// The user and the password that the servers accept.
pub const USER: &str = "jane";
pub const PASSWORD: &str = "sample";

/// One action of a server.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these octets.
    Say(Vec<u8>),
    /// Sends the pieces 0 to `count`, one after the other. Each is created when it is sent.
    Flow {
        count: u64,
        piece: fn(u64) -> Vec<u8>,
    },
    /// Waits.
    Wait(Duration),
    /// Waits until the client has sent more.
    Hear,
    /// Starts TLS.
    StartTls,
    /// Sends nothing more; the connection stays open.
    Stall,
    /// Closes the connection.
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
    /// The actions before the first line of the client.
    fn greet(&mut self) -> Vec<Act>;

    /// The reaction to a line, which is given without its end.
    fn hear(&mut self, line: &[u8]) -> Vec<Act>;

    /// TLS has started.
    fn secured(&mut self);
}
