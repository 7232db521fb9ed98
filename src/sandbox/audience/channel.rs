//! One channel: its people besides the followers, and what it streams.

use std::sync::Arc;

use super::super::base::Base;
use super::super::settings::Crew;
use super::Follows;

/// Points of the channel by tier. Source: Twitch API Reference, "Get Broadcaster Subscriptions".
const POINTS: [(&str, u64); 3] = [("1000", 1), ("2000", 2), ("3000", 6)];

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    /// `1000`, `2000` or `3000`.
    pub(crate) tier: String,
    pub(crate) gift: bool,
    /// Who gave it; a gift of nobody is an anonymous one.
    pub(crate) gifter: Option<String>,
}

impl Subscription {
    pub(crate) fn points(&self) -> u64 {
        let known = POINTS.iter().find(|(tier, _)| *tier == self.tier);
        known.map_or(0, |(_, points)| *points)
    }
}

/// Some bits that somebody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cheer {
    pub(crate) id: String,
    pub(crate) bits: u64,
    pub(crate) at: i64,
}

/// A stream while it is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) game_id: String,
    pub(crate) game: String,
    pub(crate) language: String,
    pub(crate) started_at: i64,
    pub(crate) viewers: u64,
}

/// One channel.
pub(crate) struct Channel {
    pub(crate) follows: Follows,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) vips: Vec<String>,
    pub(crate) moderators: Vec<String>,
    /// Users who moderate no more and are listed all the same.
    pub(crate) stale_moderators: Vec<String>,
    pub(crate) cheers: Vec<Cheer>,
    pub(crate) live: Option<Live>,
}

impl Channel {
    /// Makes a channel whose people are the first accounts of the start.
    pub(crate) fn new(base: Arc<Base>, followers: u64, crew: &Crew, start: i64) -> Channel {
        let first = |count: u64| (0..count.min(base.followers)).map(|index| base.account_id(index));
        let subscriptions = first(crew.subscribers)
            .zip(0u64..)
            .map(|(id, place)| {
                let gift = place % 4 == 3;
                let tier = match place % 10 {
                    1 => "2000",
                    5 => "3000",
                    _ => "1000",
                };
                Subscription {
                    id,
                    tier: tier.to_string(),
                    gift,
                    gifter: gift.then(|| base.account_id(0)),
                }
            })
            .collect();
        let cheers = first(crew.cheerers)
            .zip(1u64..)
            .map(|(id, place)| Cheer {
                id,
                bits: 100 * place,
                at: start - 3_600_000,
            })
            .collect();
        Channel {
            subscriptions,
            vips: first(crew.vips).collect(),
            moderators: first(crew.moderators).collect(),
            stale_moderators: Vec::new(),
            cheers,
            live: None,
            follows: Follows::new(Arc::clone(&base), followers),
        }
    }

    /// Tells whether a user has the role of a moderator.
    pub(crate) fn moderates(&self, id: &str) -> bool {
        self.moderators.iter().any(|known| known == id)
    }

    /// Sets a subscription, at the end of the list if it is new.
    pub(crate) fn subscribe(&mut self, subscription: Subscription) {
        let mut known = self.subscriptions.iter_mut();
        match known.find(|known| known.id == subscription.id) {
            Some(known) => *known = subscription,
            None => self.subscriptions.push(subscription),
        }
    }
}

/// Puts an id at the end of a list that lacks it.
pub(crate) fn add(list: &mut Vec<String>, id: String) {
    if !list.contains(&id) {
        list.push(id);
    }
}
