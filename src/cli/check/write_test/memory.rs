//! What write tests left behind, as the state remembers it.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::model::{ContactId, LocationId};
use crate::store::{Store, StoreError, jobs};

/// A contact that a test made, or was about to make, and that is not known to be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    /// Its last name when it is made; no two tests have the same.
    pub(super) name: String,
    /// When the test began, in ms.
    pub(super) at_ms: i64,
    /// Its id; `None` while the create was not answered.
    pub(super) contact: Option<ContactId>,
}

/// What tests left in a location, as the state remembers it.
pub(super) struct Memory {
    store: Store,
    key: String,
    pub(super) left: Vec<Left>,
}

impl Memory {
    /// Reads what is remembered of a location.
    pub(super) fn open(store: &Store, location: &LocationId) -> Result<Memory, StoreError> {
        let key = format!("write-test:{location}");
        let left = Memory::read(&store.reader()?, &key)?;
        let store = store.clone();
        Ok(Memory { store, key, left })
    }

    fn read(db: &Connection, key: &str) -> Result<Vec<Left>, StoreError> {
        let kept = jobs::kept(db, key, i64::MIN)?;
        Ok(kept
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    /// Remembers this, in place of what was known of the same name.
    pub(super) async fn note(&mut self, left: Left) -> Result<(), StoreError> {
        self.left.retain(|known| known.name != left.name);
        self.left.push(left);
        self.save().await
    }

    /// Forgets what is known to be gone.
    pub(super) async fn forget(&mut self, name: &str) -> Result<(), StoreError> {
        self.left.retain(|known| known.name != name);
        self.save().await
    }

    async fn save(&self) -> Result<(), StoreError> {
        let key = self.key.clone();
        let text = match self.left.as_slice() {
            [] => None,
            left => Some(serde_json::to_string(left).expect("names and ids are always JSON")),
        };
        let at_ms = self.left.iter().map(|left| left.at_ms).max().unwrap_or(0);
        self.store
            .write(move |db| match text {
                None => jobs::unkeep(db, &key),
                Some(text) => jobs::keep(db, &key, &text, at_ms),
            })
            .await
    }
}
