//! Floor 4: whom we speak to. Requests and decoding of each vendor, tested with the vendor's recorded JSON.
//!
//! Wire structs stay in here; what leaves are model types. Nothing in here sends: a function returns a [`crate::net::Call`].

pub mod highlevel;
pub mod twitch;
