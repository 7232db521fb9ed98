//! The accounts of Twitch: those of the start, except for what changed since.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::base::{Account, Base};

/// Every account, whoever it follows.
pub(crate) struct Accounts {
    base: Arc<Base>,
    /// Accounts that are new or have other names than at the start.
    changed: HashMap<String, Account>,
    suspended: HashSet<String>,
    deleted: HashSet<String>,
}

impl Accounts {
    pub(crate) fn new(base: Arc<Base>) -> Accounts {
        Accounts {
            base,
            changed: HashMap::new(),
            suspended: HashSet::new(),
            deleted: HashSet::new(),
        }
    }

    /// Returns an account whatever became of it.
    pub(crate) fn known(&self, id: &str) -> Option<Account> {
        if let Some(account) = self.changed.get(id) {
            return Some(account.clone());
        }
        Some(self.base.account(self.base.account_index(id)?))
    }

    /// Returns an account as `GET /users` shows it; suspended and deleted ones are not shown.
    pub(crate) fn get(&self, id: &str) -> Option<Account> {
        if self.suspended.contains(id) || self.deleted.contains(id) {
            return None;
        }
        self.known(id)
    }

    pub(crate) fn by_login(&self, login: &str) -> Option<Account> {
        let login = login.to_lowercase();
        // Of several that had the login, one at most still shows it.
        let mut changed = self.changed.values().filter(|held| held.login == login);
        if let Some(account) = changed.find_map(|held| self.get(&held.id)) {
            return Some(account);
        }
        let id = self.base.account_id(self.base.login_index(&login)?);
        self.get(&id).filter(|account| account.login == login)
    }

    pub(crate) fn set(&mut self, account: Account) {
        self.changed.insert(account.id.clone(), account);
    }

    pub(crate) fn suspend(&mut self, id: &str) {
        self.suspended.insert(id.to_string());
    }

    pub(crate) fn reinstate(&mut self, id: &str) {
        self.suspended.remove(id);
    }

    pub(crate) fn delete(&mut self, id: &str) {
        self.deleted.insert(id.to_string());
    }

    pub(crate) fn is_deleted(&self, id: &str) -> bool {
        self.deleted.contains(id)
    }
}
