//! A long line for the benchmark: every packet that comes in at one end leaves at the other after so many milliseconds.
//!
//! The ends are tun devices on standard input and standard output; `contrib/bench` opens them. Nothing is lost or reordered,
//! and there is no limit of bandwidth but this machine's.

use std::io::{Error, Result, stdin, stdout};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{read, write};

/// Packets on their way in one direction: 25 ms of 1,500 octets each at more than 1 GB/s.
const PACKETS_MAX: usize = 20_000;

fn main() -> Result<()> {
    let delay = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let delay = delay.ok_or_else(|| Error::other("usage: bench_line MILLISECONDS <>TUN 1<>TUN"))?;
    let delay = Duration::from_millis(delay);
    let (one, other) = (
        stdin().as_fd().try_clone_to_owned()?,
        stdout().as_fd().try_clone_to_owned()?,
    );
    let back = carry(other.try_clone()?, one.try_clone()?, delay);
    let forth = carry(one, other, delay);
    for direction in [back, forth] {
        direction
            .join()
            .map_err(|_| Error::other("a direction ended"))??;
    }
    Ok(())
}

/// Carries packets from one end to the other until an end is gone.
fn carry(from: OwnedFd, to: OwnedFd, delay: Duration) -> thread::JoinHandle<Result<()>> {
    let (sender, receiver) = sync_channel(PACKETS_MAX);
    thread::spawn(move || send(&to, &receiver));
    thread::spawn(move || receive(&from, &sender, delay))
}

fn receive(from: &OwnedFd, sender: &SyncSender<(Instant, Vec<u8>)>, delay: Duration) -> Result<()> {
    let mut buffer = vec![0; 65536];
    loop {
        let length = read(from, &mut buffer)?;
        let packet = buffer.get(..length).unwrap_or_default().to_vec();
        sender
            .send((Instant::now() + delay, packet))
            .map_err(Error::other)?;
    }
}

fn send(to: &OwnedFd, receiver: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, packet)) = receiver.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A device that is down takes nothing; that is a lost packet, as on any line.
        let _lost = write(to, &packet);
    }
}
