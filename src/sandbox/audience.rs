//! The Twitch half of the world: accounts, and who follows the channel.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::base::{Account, Base};
use super::settings::{BROADCASTER_ID, BROADCASTER_LOGIN};

/// One row of the follower list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FollowRow {
    Follower {
        account: Account,
        at: i64,
    },
    /// A deleted account that lingers without id and name.
    Blank {
        at: i64,
    },
    /// A row whose time cannot be read.
    Unreadable {
        account: Account,
    },
}

/// Accounts and follows: the start of the world, except for what changed since.
pub(crate) struct Audience {
    base: Arc<Base>,
    /// Accounts that are new or have other names than at the start.
    accounts: HashMap<String, Account>,
    suspended: HashSet<String>,
    deleted: HashSet<String>,
    /// Follows since the start, oldest first.
    joined: Vec<(String, i64)>,
    /// The same by id.
    joined_at: HashMap<String, i64>,
    /// Followers of the start who left or are hidden, by index, ascending.
    left: Vec<u64>,
    /// Rows out of the ordinary, by their place in the list.
    odd: BTreeMap<u64, FollowRow>,
    /// Accounts hidden from the list because they are suspended: id → when they followed.
    hidden: HashMap<String, i64>,
}

impl Audience {
    pub(crate) fn new(base: Arc<Base>) -> Audience {
        let broadcaster = Account {
            id: BROADCASTER_ID.to_string(),
            login: BROADCASTER_LOGIN.to_string(),
            name: "Sandbox_Channel".to_string(),
        };
        Audience {
            base,
            accounts: HashMap::from([(broadcaster.id.clone(), broadcaster)]),
            suspended: HashSet::new(),
            deleted: HashSet::new(),
            joined: Vec::new(),
            joined_at: HashMap::new(),
            left: Vec::new(),
            odd: BTreeMap::new(),
            hidden: HashMap::new(),
        }
    }

    fn known(&self, id: &str) -> Option<Account> {
        if let Some(account) = self.accounts.get(id) {
            return Some(account.clone());
        }
        Some(self.base.account(self.base.account_index(id)?))
    }

    /// Returns an account as `GET /users` shows it; suspended and deleted ones are not shown.
    pub(crate) fn account(&self, id: &str) -> Option<Account> {
        if self.suspended.contains(id) || self.deleted.contains(id) {
            return None;
        }
        self.known(id)
    }

    pub(crate) fn account_by_login(&self, login: &str) -> Option<Account> {
        let login = login.to_lowercase();
        let changed = self
            .accounts
            .values()
            .find(|account| account.login == login);
        let id = match changed {
            Some(account) => account.id.clone(),
            None => self.base.account_id(self.base.login_index(&login)?),
        };
        self.account(&id).filter(|account| account.login == login)
    }

    pub(crate) fn set_account(&mut self, account: Account) {
        self.accounts.insert(account.id.clone(), account);
    }

    /// Returns when this account followed, if it is listed.
    pub(crate) fn followed_at(&self, id: &str) -> Option<i64> {
        if let Some(at) = self.joined_at.get(id) {
            return Some(*at);
        }
        let index = self.base.account_index(id)?;
        self.left
            .binary_search(&index)
            .is_err()
            .then(|| self.base.followed_at(index))
    }

    /// Puts a follow at its place in time; the newest come first in the list.
    pub(crate) fn follow(&mut self, id: &str, at: i64) {
        self.unfollow(id);
        // A base follower who comes back is listed among the new ones.
        let place = self.joined.partition_point(|(_, known)| *known <= at);
        self.joined.insert(place, (id.to_string(), at));
        self.joined_at.insert(id.to_string(), at);
    }

    /// Takes a follow away; returns when it was made.
    pub(crate) fn unfollow(&mut self, id: &str) -> Option<i64> {
        self.hidden.remove(id);
        self.take(id)
    }

    fn take(&mut self, id: &str) -> Option<i64> {
        let at = self.followed_at(id)?;
        if self.joined_at.remove(id).is_some() {
            self.joined.retain(|(joined, _)| joined != id);
        }
        if let Some(index) = self.base.account_index(id)
            && let Err(place) = self.left.binary_search(&index)
        {
            self.left.insert(place, index);
        }
        Some(at)
    }

    /// Takes away the followers of the start with these indexes, all at once.
    pub(crate) fn purge(&mut self, indexes: impl Iterator<Item = u64>) {
        self.left
            .extend(indexes.filter(|index| *index < self.base.followers));
        self.left.sort_unstable();
        self.left.dedup();
    }

    pub(crate) fn suspend(&mut self, id: &str) {
        if let Some(at) = self.take(id) {
            self.hidden.insert(id.to_string(), at);
        }
        self.suspended.insert(id.to_string());
    }

    pub(crate) fn reinstate(&mut self, id: &str) {
        self.suspended.remove(id);
        let Some(at) = self.hidden.remove(id) else {
            return;
        };
        let index = self.base.account_index(id);
        match index.filter(|index| self.base.followed_at(*index) == at) {
            Some(index) => self.left.retain(|left| *left != index),
            None => self.follow(id, at),
        }
    }

    pub(crate) fn delete(&mut self, id: &str) {
        self.unfollow(id);
        self.deleted.insert(id.to_string());
    }

    /// Puts a row out of the ordinary at a place of the list, shifting what follows.
    pub(crate) fn insert_odd(&mut self, place: u64, row: FollowRow) {
        self.odd.insert(place, row);
    }

    pub(crate) fn clear_odd(&mut self) {
        self.odd.clear();
    }

    /// Returns how many ordinary rows the list has.
    pub(crate) fn listed(&self) -> u64 {
        self.joined.len() as u64 + self.base.followers - self.left.len() as u64
    }

    /// Returns `total` as Twitch says it.
    pub(crate) fn total(&self, ghosts: bool) -> u64 {
        match ghosts {
            true => self.listed() + self.base.followers.div_ceil(100) + self.hidden.len() as u64,
            false => self.listed(),
        }
    }

    /// Returns the length of the list, odd rows included.
    pub(crate) fn rows(&self) -> u64 {
        self.listed() + self.odd.len() as u64
    }

    /// Returns the row at this place of the list.
    pub(crate) fn row(&self, place: u64) -> Option<FollowRow> {
        if let Some(odd) = self.odd.get(&place) {
            return Some(odd.clone());
        }
        let place = place - self.odd.range(..place).count() as u64;
        let (account, at) = self.ordinary(place)?;
        Some(FollowRow::Follower { account, at })
    }

    fn ordinary(&self, place: u64) -> Option<(Account, i64)> {
        let joined = self.joined.len() as u64;
        if place < joined {
            let (id, at) = &self.joined[(joined - 1 - place) as usize];
            return Some((self.known(id)?, *at));
        }
        // The index whose rank among those who stayed is `place`: skip as many as left before it.
        let rank = place - joined;
        let (mut low, mut high) = (0, self.left.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.left[middle] - middle as u64 <= rank {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let index = rank + low as u64;
        if index >= self.base.followers {
            return None;
        }
        let account = match self.accounts.is_empty() {
            true => self.base.account(index),
            false => self.known(&self.base.account_id(index))?,
        };
        Some((account, self.base.followed_at(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;

    fn ids(audience: &Audience) -> Vec<String> {
        (0..audience.rows())
            .map(|place| match audience.row(place) {
                Some(FollowRow::Follower { account, .. }) => account.id,
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn the_list_is_what_a_plain_list_would_be() {
        let base = Arc::new(Base::new(&Settings::default()));
        let mut audience = Audience::new(Arc::clone(&base));
        let mut plain: Vec<String> = (0..25).map(|index| base.account_id(index)).collect();
        for index in [3, 0, 24, 4, 5, 11] {
            let id = base.account_id(index);
            audience.unfollow(&id);
            plain.retain(|known| *known != id);
            assert_eq!(ids(&audience), plain);
        }
        let back = base.account_id(4);
        audience.follow(&back, base.followed_at(0) + 5_000);
        plain.insert(0, back);
        assert_eq!(ids(&audience), plain);
        let hidden = base.account_id(7);
        audience.suspend(&hidden);
        assert!(!ids(&audience).contains(&hidden));
        assert_eq!(audience.account(&hidden), None);
        audience.reinstate(&hidden);
        assert_eq!(ids(&audience), plain);
    }
}
