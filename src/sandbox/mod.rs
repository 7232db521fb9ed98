//! A loopback simulator of HighLevel and Twitch, written from the vendors' documents alone.
//!
//! It shares no type with the rest of the program, so that a mistake of ours cannot hide in both. It serves `demo`, the
//! tests and, as a process of its own, the benchmark: one port with the prefixes `/highlevel`, `/helix`, `/id` and
//! `/control`. It is strict where the vendors are (unknown keys, scopes, versions, page sizes, limits), as late as they
//! are (search and list lag behind writes), and whatever the documents leave open is a switch. Its people are invented
//! from a seed when they are looked at; only changes are kept, so a million of them cost nothing.
//!
//! Virtual time drives all time stamps, the lag, the cursors, the tokens and the daily budget; the burst limits run in
//! real time, multiplied by `Settings::speed`.

mod audience;
mod base;
mod calls;
mod chance;
mod channels;
mod clock;
mod control;
mod faults;
mod fields;
mod filters;
mod handle;
mod happenings;
mod highlevel;
mod highlevel_login;
mod index;
mod jottings;
mod json;
mod limits;
mod location;
mod logins;
mod office;
mod person;
mod redirects;
mod routes;
mod script;
mod search;
mod server;
mod settings;
mod steering;
mod store;
mod tags;
mod tokens;
mod twitch;
mod twitch_login;
mod wire;
mod world;
mod writes;

pub use calls::SeenCall;
pub use channels::ChannelHandle;
pub use faults::{Fault, FaultKind};
pub use handle::{Follower, Sandbox};
pub use happenings::Happening;
pub use logins::{Issued, IssuedKind};
pub use script::Change;
pub use settings::{
    BROADCASTER_ID, BROADCASTER_LOGIN, BulkMax, COMPANY_ID, ChannelSettings, Crew, DeletedAnswer,
    HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET, HIGHLEVEL_SCOPES, HIGHLEVEL_TOKEN, LOCATION_ID,
    Lingering, ListNames, SearchTotal, Settings, StaleAfter, Switches, TWITCH_CLIENT_ID,
    TWITCH_CLIENT_SECRET, TWITCH_SCOPES, TWITCH_TOKEN, UserType, channel_token,
};
pub use settings::{CAMPAIGN_ID, USER_IDS, WORKFLOW_ID};
pub use tokens::{Holder, Token};

#[cfg(test)]
mod tests;
