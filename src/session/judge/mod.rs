//! Decisions from what is known. Everything here is a pure function of values: no server, no store,
//! no clock.

pub(in crate::session) mod absence;
pub(in crate::session) mod alike;
pub(in crate::session) mod arrival;
pub(in crate::session) mod budget;
pub(in crate::session) mod clock;
pub(in crate::session) mod compared_too;
pub(in crate::session) mod consequence;
pub(in crate::session) mod counters;
pub(in crate::session) mod deferral;
pub mod disposition;
pub(in crate::session) mod fallback;
pub(in crate::session) mod first_run;
pub(in crate::session) mod fruitless;
pub(in crate::session) mod group;
pub(in crate::session) mod guard;
pub(in crate::session) mod heads_said;
pub(in crate::session) mod made_names;
pub(in crate::session) mod marks;
pub(in crate::session) mod marks_together;
pub(in crate::session) mod new_count;
pub(in crate::session) mod octets;
pub mod plan;
pub(in crate::session) mod quota;
pub(in crate::session) mod recipient;
pub(in crate::session) mod session_limit;
pub(in crate::session) mod short;
pub(in crate::session) mod spared;
pub(in crate::session) mod struck;
pub(in crate::session) mod struck_deletes;
pub(in crate::session) mod superseded;
pub(in crate::session) mod taken;
pub(in crate::session) mod taken_back;
