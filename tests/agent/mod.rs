//! Many accounts over a long time: schedule, places, clocks, waits, and failing accounts beside
//! working ones.

mod clock;
mod daemon;
mod no_descriptors;
mod own_sink;
mod places;
mod poll_state;
mod simulation;
mod stalls_and_floods;
mod unreachable;
mod unread_log;
mod waits;
