//! One row of a source.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::RecordKey;

/// One row that a source returned.
///
/// `attributes` hold what templates may use (`user_login`, `followed_at`, …), as text; a blank one is left out, because a vendor's
/// blank means "unknown", never "empty".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The stable key within the source's namespace.
    pub key: RecordKey,
    /// What is known of it, by attribute name.
    pub attributes: BTreeMap<String, String>,
}

impl Record {
    /// Returns the attributes as compact JSON with sorted keys: the form the database keeps and compares.
    pub fn attributes_json(&self) -> String {
        serde_json::to_string(&self.attributes).expect("a map of texts is always JSON")
    }
}
