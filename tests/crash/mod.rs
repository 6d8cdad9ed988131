//! The state after a kill or a power cut.

mod kill;
#[cfg(feature = "fault-injection")]
mod kill_kept;
#[cfg(feature = "fault-injection")]
pub mod kill_points;
mod kill_recipients;
#[cfg(feature = "fault-injection")]
mod kill_several;
mod matrix;
