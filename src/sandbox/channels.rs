//! The handle by which programs script one channel of Twitch.

use super::handle::Sandbox;
use super::happenings::Happening;
use super::script::Change;
use super::server::lock;

/// One channel of a running sandbox.
///
/// Everybody a method names must exist, see [`Happening`]; else it panics, because the script is wrong.
pub struct ChannelHandle<'a> {
    sandbox: &'a Sandbox,
    id: String,
}

impl Sandbox {
    /// Returns the handle of a channel, by the broadcaster's user id; any account can have one.
    pub fn channel(&self, id: &str) -> ChannelHandle<'_> {
        ChannelHandle {
            sandbox: self,
            id: id.to_string(),
        }
    }

    /// Gives a login to a new account. Whoever still has it is deleted, as Twitch does before it gives one away again.
    pub fn recycle_login(&self, id: &str, login: &str, name: &str) {
        let (id, login, name) = (id.to_string(), login.to_string(), name.to_string());
        self.change(Change::RecycleLogin { id, login, name });
    }
}

impl ChannelHandle<'_> {
    /// Lets something happen here; returns the id of a new stream.
    ///
    /// Panics when it speaks of something that is not there.
    pub fn happen(&self, what: Happening) -> Option<String> {
        self.sandbox.change(Change::On {
            channel: self.id.clone(),
            what,
        })
    }

    /// Lets an account follow now.
    pub fn follow(&self, id: &str) {
        self.happen(Happening::Follow { id: id.to_string() });
    }

    /// Lets an account stop following.
    pub fn unfollow(&self, id: &str) {
        self.happen(Happening::Unfollow { id: id.to_string() });
    }

    /// Takes so many of a hundred followers away, evenly over the list; `deleted` deletes their accounts too.
    pub fn purge_share(&self, percent: u64, deleted: bool) {
        self.happen(Happening::PurgeShare { percent, deleted });
    }

    /// Lets an account subscribe with a tier of `1000`, `2000` or `3000`.
    pub fn subscribe(&self, id: &str, tier: &str) {
        let (id, tier) = (id.to_string(), tier.to_string());
        self.happen(Happening::Subscribe { id, tier });
    }

    /// Gives subscriptions of the first tier to accounts; without a giver they are anonymous.
    pub fn gift(&self, gifter: Option<&str>, ids: &[&str]) {
        self.happen(Happening::Gift {
            ids: ids.iter().map(ToString::to_string).collect(),
            tier: "1000".to_string(),
            gifter: gifter.map(String::from),
        });
    }

    /// Gives a subscription another tier.
    pub fn change_tier(&self, id: &str, tier: &str) {
        let (id, tier) = (id.to_string(), tier.to_string());
        self.happen(Happening::ChangeTier { id, tier });
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, id: &str) {
        self.happen(Happening::Unsubscribe { id: id.to_string() });
    }

    /// Makes an account a VIP.
    pub fn add_vip(&self, id: &str) {
        self.happen(Happening::AddVip { id: id.to_string() });
    }

    /// Takes the role of a VIP away.
    pub fn remove_vip(&self, id: &str) {
        self.happen(Happening::RemoveVip { id: id.to_string() });
    }

    /// Makes an account a moderator.
    pub fn add_moderator(&self, id: &str) {
        self.happen(Happening::AddModerator { id: id.to_string() });
    }

    /// Takes the role of a moderator away.
    pub fn remove_moderator(&self, id: &str) {
        self.happen(Happening::RemoveModerator { id: id.to_string() });
    }

    /// Lists an account among the moderators although it is none any more.
    pub fn stale_moderator(&self, id: &str) {
        self.happen(Happening::StaleModerator { id: id.to_string() });
    }

    /// Lets an account cheer now.
    pub fn cheer(&self, id: &str, bits: u64) {
        let id = id.to_string();
        self.happen(Happening::Cheer { id, bits });
    }

    /// Begins a stream now and returns its id; the id of the game is made from its name, and an empty name is no game.
    pub fn go_live(&self, title: &str, game: &str) -> String {
        let (title, (game_id, game)) = (title.to_string(), game_of(game));
        self.happen(Happening::GoLive {
            title,
            game_id,
            game,
        })
        .expect("a stream that begins always has an id")
    }

    /// Sets how many watch the stream.
    pub fn viewers(&self, count: u64) {
        self.happen(Happening::EditStream {
            title: None,
            game: None,
            viewers: Some(count),
        });
    }

    /// Gives the stream another title and another game.
    pub fn retitle(&self, title: &str, game: &str) {
        self.happen(Happening::EditStream {
            title: Some(title.to_string()),
            game: Some(game_of(game)),
            viewers: None,
        });
    }

    /// Ends the stream.
    pub fn end_stream(&self) {
        self.happen(Happening::EndStream);
    }

    /// Returns the user ids of the followers as they stand, newest first.
    pub fn followers(&self) -> Vec<String> {
        use super::audience::FollowRow;
        let world = lock(&self.sandbox.world);
        let Some(channel) = world.audience.channel(&self.id) else {
            return Vec::new();
        };
        let rows = (0..channel.follows.rows())
            .filter_map(|place| channel.follows.row(place, &world.audience.accounts));
        rows.filter_map(|row| match row {
            FollowRow::Follower { account, .. } | FollowRow::Unreadable { account } => {
                Some(account.id)
            }
            FollowRow::Blank { .. } => None,
        })
        .collect()
    }

    /// Returns the user ids of the subscribers, oldest first, without the broadcaster.
    pub fn subscribers(&self) -> Vec<String> {
        let world = lock(&self.sandbox.world);
        let channel = world.audience.channel(&self.id);
        let held = channel.map_or(&[][..], |channel| &channel.subscriptions);
        held.iter().map(|held| held.id.clone()).collect()
    }

    /// Returns the user ids of the VIPs, oldest first.
    pub fn vips(&self) -> Vec<String> {
        let world = lock(&self.sandbox.world);
        let channel = world.audience.channel(&self.id);
        channel.map_or_else(Vec::new, |channel| channel.vips.clone())
    }

    /// Returns the user ids of the moderators, oldest first, without stale ones.
    pub fn moderators(&self) -> Vec<String> {
        let world = lock(&self.sandbox.world);
        let channel = world.audience.channel(&self.id);
        channel.map_or_else(Vec::new, |channel| channel.moderators.clone())
    }
}

/// Returns the id and the name of a game.
fn game_of(name: &str) -> (String, String) {
    let id = match name {
        "" => String::new(),
        name => name
            .bytes()
            .fold(500_000u64, |id, byte| {
                (id * 31 + u64::from(byte)) % 1_000_000
            })
            .to_string(),
    };
    (id, name.to_string())
}
