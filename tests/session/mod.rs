//! One poll of one account, over a maildrop in memory.

mod adopt;
mod attacked;
mod clock;
mod comparing;
mod erase;
mod heads;
mod held_back;
mod hiding;
mod identity;
mod identity_property;
mod long_work;
mod marks;
mod moved;
mod moved_copies;
mod one_name;
mod poll;
mod retries;
mod rewritten;
mod shared_copies;
mod shared_unique_ids;
mod short;
mod stop;
mod suspect;
mod twins;
mod unconfirmed;
mod unnamed;
