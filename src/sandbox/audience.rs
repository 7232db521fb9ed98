//! The Twitch half of the world: accounts, and the channels with their people.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::base::{Account, Base};
use super::settings::{BROADCASTER_ID, BROADCASTER_LOGIN, Crew, Settings};

mod accounts;
mod channel;
mod follows;

pub(crate) use accounts::Accounts;
pub(crate) use channel::{Channel, Cheer, Live, Subscription, add};
pub(crate) use follows::{FollowRow, Follows};

/// Ids of streams begin here.
const FIRST_STREAM: u64 = 40_000_000_000;

/// Accounts and channels: the start of the world, except for what changed since.
pub(crate) struct Audience {
    base: Arc<Base>,
    pub(crate) accounts: Accounts,
    channels: BTreeMap<String, Channel>,
    /// How many streams there were.
    streams: u64,
}

impl Audience {
    pub(crate) fn new(base: Arc<Base>, settings: &Settings) -> Audience {
        let start = settings.start.timestamp_millis();
        let mut audience = Audience {
            accounts: Accounts::new(Arc::clone(&base)),
            base,
            channels: BTreeMap::new(),
            streams: 0,
        };
        let own = Account {
            id: BROADCASTER_ID.to_string(),
            login: BROADCASTER_LOGIN.to_string(),
            name: "Sandbox_Channel".to_string(),
        };
        audience.open(own, settings.followers, &settings.crew, start);
        for further in &settings.channels {
            let account = Account {
                id: further.id.clone(),
                login: further.login.clone(),
                name: further.name.clone(),
            };
            audience.open(account, further.followers, &further.crew, start);
        }
        audience
    }

    fn open(&mut self, account: Account, followers: u64, crew: &Crew, start: i64) {
        let channel = Channel::new(Arc::clone(&self.base), followers, crew, start);
        self.channels.insert(account.id.clone(), channel);
        self.accounts.set(account);
    }

    /// Returns a channel; an account that nothing was said of has none.
    pub(crate) fn channel(&self, id: &str) -> Option<&Channel> {
        self.channels.get(id)
    }

    /// Returns the channel of an account, made empty if it is new; `None` when there is no such account.
    pub(crate) fn channel_mut(&mut self, id: &str) -> Option<&mut Channel> {
        self.accounts.known(id)?;
        let base = &self.base;
        let empty = || Channel::new(Arc::clone(base), 0, &Crew::default(), 0);
        Some(self.channels.entry(id.to_string()).or_insert_with(empty))
    }

    /// Returns the channel of the start.
    pub(crate) fn main(&self) -> &Channel {
        let main = self.channels.get(BROADCASTER_ID);
        main.expect("the channel of the start is never taken away")
    }

    /// Returns the channel of the start.
    pub(crate) fn main_mut(&mut self) -> &mut Channel {
        let main = self.channels.get_mut(BROADCASTER_ID);
        main.expect("the channel of the start is never taken away")
    }

    /// Returns all channels with their ids.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (&String, &Channel)> {
        self.channels.iter()
    }

    /// Returns the id of a new stream.
    pub(crate) fn stream_id(&mut self) -> String {
        self.streams += 1;
        (FIRST_STREAM + self.streams).to_string()
    }

    /// Returns a row of the follower list of the channel of the start.
    pub(crate) fn row(&self, place: u64) -> Option<FollowRow> {
        self.main().follows.row(place, &self.accounts)
    }

    pub(crate) fn suspend(&mut self, id: &str) {
        self.accounts.suspend(id);
        for channel in self.channels.values_mut() {
            channel.follows.hide(id);
        }
    }

    pub(crate) fn reinstate(&mut self, id: &str) {
        self.accounts.reinstate(id);
        for channel in self.channels.values_mut() {
            channel.follows.show(id);
        }
    }

    pub(crate) fn delete(&mut self, id: &str) {
        self.accounts.delete(id);
        for channel in self.channels.values_mut() {
            channel.follows.unfollow(id);
        }
    }

    /// Gives a login to a new account. Whoever still has it is deleted, as Twitch does before it gives one away again.
    pub(crate) fn recycle(&mut self, account: Account) {
        let holder = self.accounts.by_login(&account.login);
        if let Some(holder) = holder.filter(|holder| holder.id != account.id) {
            self.delete(&holder.id);
        }
        self.accounts.set(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(audience: &Audience) -> Vec<String> {
        (0..audience.main().follows.rows())
            .map(|place| match audience.row(place) {
                Some(FollowRow::Follower { account, .. }) => account.id,
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn the_list_is_what_a_plain_list_would_be() {
        let settings = Settings::default();
        let base = Arc::new(Base::new(&settings));
        let mut audience = Audience::new(Arc::clone(&base), &settings);
        let mut plain: Vec<String> = (0..25).map(|index| base.account_id(index)).collect();
        for index in [3, 0, 24, 4, 5, 11] {
            let id = base.account_id(index);
            audience.main_mut().follows.unfollow(&id);
            plain.retain(|known| *known != id);
            assert_eq!(ids(&audience), plain);
        }
        let back = base.account_id(4);
        let at = base.followed_at(0) + 5_000;
        audience.main_mut().follows.follow(&back, at);
        plain.insert(0, back);
        assert_eq!(ids(&audience), plain);
        let hidden = base.account_id(7);
        audience.suspend(&hidden);
        assert!(!ids(&audience).contains(&hidden));
        assert_eq!(audience.accounts.get(&hidden), None);
        audience.reinstate(&hidden);
        assert_eq!(ids(&audience), plain);
    }

    #[test]
    fn a_share_is_purged_evenly_and_once() {
        let settings = Settings::default();
        let base = Arc::new(Base::new(&settings));
        let mut audience = Audience::new(Arc::clone(&base), &settings);
        for (id, at) in [("7", 1), ("8", 2), ("9", 3)] {
            let account = Account {
                id: id.to_string(),
                login: format!("user{id}"),
                name: String::new(),
            };
            audience.accounts.set(account);
            let at = base.followed_at(0) + at;
            audience.main_mut().follows.follow(id, at);
        }
        let before = ids(&audience);
        assert_eq!(before.len(), 28);
        let gone = audience.main_mut().follows.purge_share(25);
        assert_eq!(gone.len(), 7);
        let rest: Vec<String> = before
            .iter()
            .filter(|id| !gone.contains(id))
            .cloned()
            .collect();
        assert_eq!(ids(&audience), rest);
        audience.main_mut().follows.purge_share(100);
        assert_eq!(ids(&audience), Vec::<String>::new());
    }

    #[test]
    fn a_recycled_login_belongs_to_the_new_account_alone() {
        let settings = Settings::default();
        let base = Arc::new(Base::new(&settings));
        let mut audience = Audience::new(Arc::clone(&base), &settings);
        let old = base.account(3);
        let new = Account {
            id: "77".to_string(),
            ..old.clone()
        };
        audience.recycle(new.clone());
        assert_eq!(audience.accounts.by_login(&old.login), Some(new));
        assert_eq!(audience.accounts.get(&old.id), None);
        assert_eq!(audience.main().follows.followed_at(&old.id), None);
    }
}
