//! Many accounts for a long time: schedule, places, clocks, waits, and neighbours in trouble.

mod clock;
mod daemon;
mod no_descriptors;
mod places;
mod poll_state;
mod simulation;
mod stalls_and_floods;
mod unreachable;
mod unread_log;
mod waits;
