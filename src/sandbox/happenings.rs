//! What happens on a channel of Twitch: people come and go, streams begin and end.

use serde::Deserialize;

use super::audience::{Cheer, Live, Subscription, add};
use super::script::{NoSuchThing, missing};
use super::world::World;

fn first_tier() -> String {
    "1000".to_string()
}

/// One happening on a channel. Everybody in it must be an account that exists: one of the start, a follower, or one that
/// `POST /control/user` or `Sandbox::add_user` made.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Happening {
    /// An account follows the channel now.
    Follow {
        /// The user id.
        id: String,
    },
    /// An account follows no more.
    Unfollow {
        /// The user id.
        id: String,
    },
    /// So many of a hundred followers vanish at once, evenly over the list.
    PurgeShare {
        /// 0 to 100.
        percent: u64,
        /// Whether Twitch deletes their accounts too, as it does with bots.
        #[serde(default)]
        deleted: bool,
    },
    /// An account subscribes, or takes another tier on its own account.
    Subscribe {
        /// The user id.
        id: String,
        /// `1000`, `2000` or `3000`.
        #[serde(default = "first_tier")]
        tier: String,
    },
    /// Accounts get a subscription as a gift.
    Gift {
        /// The user ids.
        ids: Vec<String>,
        /// `1000`, `2000` or `3000`.
        #[serde(default = "first_tier")]
        tier: String,
        /// Who gives; nobody gives anonymously.
        #[serde(default)]
        gifter: Option<String>,
    },
    /// A subscription takes another tier and stays what it is otherwise.
    ChangeTier {
        /// The user id.
        id: String,
        /// `1000`, `2000` or `3000`.
        tier: String,
    },
    /// A subscription ends.
    Unsubscribe {
        /// The user id.
        id: String,
    },
    /// An account becomes a VIP.
    AddVip {
        /// The user id.
        id: String,
    },
    /// An account is a VIP no more.
    RemoveVip {
        /// The user id.
        id: String,
    },
    /// An account becomes a moderator.
    AddModerator {
        /// The user id.
        id: String,
    },
    /// An account is a moderator no more, and is not listed as a stale one either.
    RemoveModerator {
        /// The user id.
        id: String,
    },
    /// A moderator of years ago stands in the list again, without the role (issue 1137 of Twitch's tracker).
    StaleModerator {
        /// The user id.
        id: String,
    },
    /// An account cheers now.
    Cheer {
        /// The user id.
        id: String,
        /// How many bits.
        bits: u64,
    },
    /// A stream begins now, under a new id; one that is live ends.
    GoLive {
        /// The title.
        #[serde(default)]
        title: String,
        /// The id of the game; empty without one.
        #[serde(default)]
        game_id: String,
        /// The name of the game; empty without one.
        #[serde(default)]
        game: String,
    },
    /// The stream that is live changes; what is not named stays.
    EditStream {
        /// The title.
        #[serde(default)]
        title: Option<String>,
        /// The id and the name of the game.
        #[serde(default)]
        game: Option<(String, String)>,
        /// How many watch.
        #[serde(default)]
        viewers: Option<u64>,
    },
    /// The stream ends.
    EndStream,
}

impl World {
    /// Lets something happen on a channel; returns the id of a new stream.
    ///
    /// Errors: an account, a subscription or a stream that it speaks of does not exist.
    pub(crate) fn happen(
        &mut self,
        channel: &str,
        what: Happening,
    ) -> Result<Option<String>, NoSuchThing> {
        let now = self.clock.now() / 1000 * 1000;
        let stream = match &what {
            Happening::GoLive { .. } => Some(self.audience.stream_id()),
            _ => None,
        };
        for id in what.people() {
            if self.audience.accounts.known(id).is_none() {
                return missing("account", id);
            }
        }
        let Some(place) = self.audience.channel_mut(channel) else {
            return missing("channel", channel);
        };
        match what {
            Happening::Follow { id } => place.follows.follow(&id, now),
            Happening::Unfollow { id } => drop(place.follows.unfollow(&id)),
            Happening::PurgeShare { percent, deleted } => {
                for id in place.follows.purge_share(percent.min(100)) {
                    if deleted {
                        self.audience.delete(&id);
                    }
                }
            }
            Happening::Subscribe { id, tier } => place.subscribe(Subscription {
                id,
                tier,
                gift: false,
                gifter: None,
            }),
            Happening::Gift { ids, tier, gifter } => {
                for id in ids {
                    place.subscribe(Subscription {
                        id,
                        tier: tier.clone(),
                        gift: true,
                        gifter: gifter.clone(),
                    });
                }
            }
            Happening::ChangeTier { id, tier } => {
                let mut held = place.subscriptions.iter_mut();
                match held.find(|held| held.id == id) {
                    Some(held) => held.tier = tier,
                    None => return missing("subscription of", &id),
                }
            }
            Happening::Unsubscribe { id } => place.subscriptions.retain(|held| held.id != id),
            Happening::AddVip { id } => add(&mut place.vips, id),
            Happening::RemoveVip { id } => place.vips.retain(|known| *known != id),
            Happening::AddModerator { id } => add(&mut place.moderators, id),
            Happening::RemoveModerator { id } => {
                place.moderators.retain(|known| *known != id);
                place.stale_moderators.retain(|known| *known != id);
            }
            Happening::StaleModerator { id } => add(&mut place.stale_moderators, id),
            Happening::Cheer { id, bits } => place.cheers.push(Cheer { id, bits, at: now }),
            Happening::GoLive {
                title,
                game_id,
                game,
            } => {
                place.live = stream.clone().map(|id| Live {
                    id,
                    title,
                    game_id,
                    game,
                    language: "en".to_string(),
                    started_at: now,
                    viewers: 0,
                });
            }
            Happening::EditStream {
                title,
                game,
                viewers,
            } => {
                let Some(live) = &mut place.live else {
                    return missing("stream of", channel);
                };
                if let Some(title) = title {
                    live.title = title;
                }
                if let Some((id, name)) = game {
                    (live.game_id, live.game) = (id, name);
                }
                live.viewers = viewers.unwrap_or(live.viewers);
            }
            Happening::EndStream => place.live = None,
        }
        Ok(stream)
    }
}

impl Happening {
    /// Returns everybody who must exist for it.
    fn people(&self) -> Vec<&String> {
        match self {
            Happening::Follow { id }
            | Happening::Subscribe { id, .. }
            | Happening::AddVip { id }
            | Happening::AddModerator { id }
            | Happening::StaleModerator { id }
            | Happening::Cheer { id, .. } => vec![id],
            Happening::Gift { ids, gifter, .. } => ids.iter().chain(gifter).collect(),
            Happening::Unfollow { .. }
            | Happening::PurgeShare { .. }
            | Happening::ChangeTier { .. }
            | Happening::Unsubscribe { .. }
            | Happening::RemoveVip { .. }
            | Happening::RemoveModerator { .. }
            | Happening::GoLive { .. }
            | Happening::EditStream { .. }
            | Happening::EndStream => Vec::new(),
        }
    }
}
