//! Who follows a channel: the followers of the start, except for what changed since.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::base::{Account, Base};
use super::Accounts;

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

/// The follower list of one channel.
pub(crate) struct Follows {
    base: Arc<Base>,
    /// How many accounts of the start followed then; they are the first ones.
    at_start: u64,
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

impl Follows {
    pub(crate) fn new(base: Arc<Base>, followers: u64) -> Follows {
        Follows {
            at_start: followers.min(base.followers),
            base,
            joined: Vec::new(),
            joined_at: HashMap::new(),
            left: Vec::new(),
            odd: BTreeMap::new(),
            hidden: HashMap::new(),
        }
    }

    /// Returns the index of a follower of the start.
    fn index(&self, id: &str) -> Option<u64> {
        let index = self.base.account_index(id)?;
        (index < self.at_start).then_some(index)
    }

    /// Returns when this account followed, if it is listed.
    pub(crate) fn followed_at(&self, id: &str) -> Option<i64> {
        if let Some(at) = self.joined_at.get(id) {
            return Some(*at);
        }
        let index = self.index(id)?;
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
        if let Some(index) = self.index(id)
            && let Err(place) = self.left.binary_search(&index)
        {
            self.left.insert(place, index);
        }
        Some(at)
    }

    /// Takes away the followers of the start with these indexes, all at once.
    pub(crate) fn purge(&mut self, indexes: impl Iterator<Item = u64>) {
        self.left
            .extend(indexes.filter(|index| *index < self.at_start));
        self.left.sort_unstable();
        self.left.dedup();
    }

    /// Takes away so many of a hundred followers, evenly over the list; returns who they were.
    pub(crate) fn purge_share(&mut self, percent: u64) -> Vec<String> {
        let chosen = |place: u64| (place + 1) * percent / 100 > place * percent / 100;
        let places = (0..self.listed()).filter(|place| chosen(*place));
        let ids: Vec<String> = places.filter_map(|place| self.ordinary(place)).collect();
        let mut indexes = Vec::new();
        for id in &ids {
            if self.joined_at.remove(id).is_none() {
                indexes.extend(self.index(id));
            }
        }
        let joined_at = &self.joined_at;
        self.joined.retain(|(id, _)| joined_at.contains_key(id));
        self.purge(indexes.into_iter());
        ids
    }

    pub(crate) fn hide(&mut self, id: &str) {
        if let Some(at) = self.take(id) {
            self.hidden.insert(id.to_string(), at);
        }
    }

    pub(crate) fn show(&mut self, id: &str) {
        let Some(at) = self.hidden.remove(id) else {
            return;
        };
        let index = self.index(id);
        match index.filter(|index| self.base.followed_at(*index) == at) {
            Some(index) => self.left.retain(|left| *left != index),
            None => self.follow(id, at),
        }
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
        self.joined.len() as u64 + self.at_start - self.left.len() as u64
    }

    /// Returns `total` as Twitch says it.
    pub(crate) fn total(&self, ghosts: bool) -> u64 {
        match ghosts {
            true => self.listed() + self.at_start.div_ceil(100) + self.hidden.len() as u64,
            false => self.listed(),
        }
    }

    /// Returns the length of the list, odd rows included.
    pub(crate) fn rows(&self) -> u64 {
        self.listed() + self.odd.len() as u64
    }

    /// Returns the row at this place of the list.
    pub(crate) fn row(&self, place: u64, accounts: &Accounts) -> Option<FollowRow> {
        if let Some(odd) = self.odd.get(&place) {
            return Some(odd.clone());
        }
        let place = place - self.odd.range(..place).count() as u64;
        let id = self.ordinary(place)?;
        let at = self.followed_at(&id)?;
        let account = accounts.known(&id)?;
        Some(FollowRow::Follower { account, at })
    }

    /// Returns the id of the follower at this place of the ordinary rows.
    fn ordinary(&self, place: u64) -> Option<String> {
        let joined = self.joined.len() as u64;
        if place < joined {
            let (id, _) = &self.joined[(joined - 1 - place) as usize];
            return Some(id.clone());
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
        (index < self.at_start).then(|| self.base.account_id(index))
    }
}
