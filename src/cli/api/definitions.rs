//! Which custom field has which key: answers show ids alone, people type keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::apis::highlevel;
use crate::model::{FieldKey, LocationId};
use crate::net::{CallError, Line, Purpose};
use crate::run::definitions_name;
use crate::store::{Store, StoreError, jobs};

/// How long definitions are kept, as the jobs keep theirs.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// The custom fields of a location, as far as they were needed.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    /// Key by id; `None` before anybody asked.
    known: Option<BTreeMap<String, String>>,
    /// Whether they were read from HighLevel by this process, so that reading them again would show nothing new.
    is_fresh: bool,
}

impl Definitions {
    /// Returns the id of a key; asks HighLevel when what is kept does not have it.
    ///
    /// Errors: the definitions cannot be read.
    pub(super) async fn id_of(
        &mut self,
        key: &FieldKey,
        from: &Source<'_>,
    ) -> Result<Option<String>, CallError> {
        self.load(from)?;
        if self.find(key).is_none() {
            self.refresh(from).await?;
        }
        Ok(self.find(key))
    }

    /// Returns the id of a key as far as it is known without a call.
    pub(super) fn known_id(
        &mut self,
        key: &FieldKey,
        from: &Source<'_>,
    ) -> Result<Option<String>, StoreError> {
        self.load(from)?;
        Ok(self.find(key))
    }

    /// Puts the `key` beside the id of every custom field of a contact; asks HighLevel when one is not known.
    ///
    /// Errors: the definitions cannot be read; the contact is left as it was then.
    pub(super) async fn name(
        &mut self,
        contact: &mut Value,
        from: &Source<'_>,
    ) -> Result<(), CallError> {
        let Some(fields) = contact
            .get_mut("customFields")
            .and_then(Value::as_array_mut)
            .filter(|fields| !fields.is_empty())
        else {
            return Ok(());
        };
        self.load(from)?;
        let is_unknown = |this: &Definitions, field: &Value| {
            let id = field.get("id").and_then(Value::as_str);
            id.is_some_and(|id| this.key_of(id).is_none())
        };
        if fields.iter().any(|field| is_unknown(self, field)) {
            self.refresh(from).await?;
        }
        for field in fields {
            let key = field.get("id").and_then(Value::as_str);
            let key = key.and_then(|id| self.key_of(id)).map(|key| json!(key));
            if let (Some(field), Some(key)) = (field.as_object_mut(), key) {
                field.insert("key".to_owned(), key);
            }
        }
        Ok(())
    }

    /// Returns the keys that are known.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.known
            .iter()
            .flat_map(|known| known.values().map(String::as_str))
    }

    fn find(&self, key: &FieldKey) -> Option<String> {
        let known = self.known.as_ref()?;
        let found = known.iter().find(|(_, known)| *known == key.as_str());
        found.map(|(id, _)| id.clone())
    }

    fn key_of(&self, id: &str) -> Option<&str> {
        self.known.as_ref()?.get(id).map(String::as_str)
    }

    /// Takes what is kept, by the jobs or by an earlier command, whichever is younger.
    fn load(&mut self, from: &Source<'_>) -> Result<(), StoreError> {
        if self.known.is_some() {
            return Ok(());
        }
        let db = from.store.reader()?;
        let since_ms = from.now_ms - KEPT_MS;
        let mut kept = Vec::new();
        for name in [definitions_name(from.location), from.name()] {
            kept.extend(jobs::kept_at(&db, &name, since_ms)?);
        }
        kept.sort_by_key(|(_, kept_ms)| *kept_ms);
        let youngest = kept.pop();
        self.known = youngest
            .and_then(|(text, _)| serde_json::from_str::<Vec<(String, String)>>(&text).ok())
            .map(|pairs| pairs.into_iter().collect());
        Ok(())
    }

    async fn refresh(&mut self, from: &Source<'_>) -> Result<(), CallError> {
        if self.is_fresh {
            return Ok(());
        }
        let call = highlevel::custom_fields(from.location);
        let answer = from.line.send(&call, Purpose::Announced).await?;
        let known: BTreeMap<String, String> = answer
            .value
            .into_iter()
            .map(|field| (field.id, field.key.to_string()))
            .collect();
        // Under a name of its own: a job compares what it reads with what it read itself.
        let (name, now_ms) = (from.name(), from.now_ms);
        let pairs: Vec<(&String, &String)> = known.iter().collect();
        let text = json!(pairs).to_string();
        from.store
            .write(move |db| jobs::keep(db, &name, &text, now_ms))
            .await?;
        self.known = Some(known);
        self.is_fresh = true;
        Ok(())
    }
}

/// Where definitions come from.
pub(super) struct Source<'a> {
    pub(super) store: &'a Store,
    pub(super) line: &'a Line,
    pub(super) location: &'a LocationId,
    pub(super) now_ms: i64,
}

impl Source<'_> {
    fn name(&self) -> String {
        format!("api.fields:{}", self.location)
    }
}
