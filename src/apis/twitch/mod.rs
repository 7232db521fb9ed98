//! Twitch: the token, users, and what a channel's people and streams are: followers, subscribers, VIPs, moderators, cheerers, live streams.
//!
//! Source: Twitch API Reference, and the threads of Twitch's own issue tracker about what it leaves out. Rows are read leniently: a row
//! that cannot be used costs itself alone and is counted.

mod bits;
mod followers;
mod people;
mod streams;
mod subscriptions;
mod token;
mod users;
mod wire;

pub use bits::{BITS_SCOPE, bits};
pub use followers::{
    FOLLOWERS_SCOPE, Followers, FollowersPage, Follows, follower_total, followers, follows,
};
pub use people::{
    MODERATORS_SCOPES, PeoplePage, VIPS_SCOPES, moderators, moderators_of, vips, vips_of,
};
pub use streams::{Stream, Streams, streams};
pub use subscriptions::{SUBSCRIBERS_SCOPE, subscribers, subscribers_of};
pub use token::{Token, validate};
pub use users::{User, users, users_by_login};

/// The most rows of one page, and the most ids of one look-up.
pub const PAGE_LIMIT: usize = 100;

#[cfg(test)]
mod tests {
    use crate::model::RecordKey;

    pub(super) fn id(text: &str) -> RecordKey {
        RecordKey::try_from(text).unwrap()
    }
}
