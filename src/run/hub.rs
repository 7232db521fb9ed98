//! The hub as one run sees it: the location and its fields.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::apis::highlevel::{self, CustomField, Keys, Search};
use crate::model::{Contact, ContactId, FieldKey, LocationId, Reading};
use crate::net::{CallError, Purpose};
use crate::plan::same;
use crate::store::findings;
use crate::store::jobs::{self};
use crate::store::mirror;

use super::error::RunError;
use super::world::World;
/// How long the definitions of custom fields are kept.
const DEFINITIONS_MS: i64 = 24 * 60 * 60 * 1000;
/// How long they are believed about a field that they lack and that other jobs name: as far as a reading of contacts looks back, so that
/// contacts whose new field was filled meanwhile are read once more.
const LACKING_ELSEWHERE_MS: i64 = 10 * 60 * 1000;
/// How long about a field that this job will make, so that jobs that run at the same minute read them once; before it does, they are read again.
const LACKING_HERE_MS: i64 = 60 * 1000;

/// The hub as one run sees it: the location, and which fields have which ids there.
#[derive(Clone, Debug)]
pub(super) struct Hub {
    /// The location's number in the database.
    pub location_no: i64,
    /// The managed keys with their ids.
    pub keys: Arc<Keys>,
    /// Custom fields that jobs name and the location lacks.
    pub lacking: Vec<FieldKey>,
    /// Those among them that this job names.
    pub lacking_here: Vec<FieldKey>,
}

impl Hub {
    /// Returns one contact as a list, completed.
    pub(super) fn completed(&self, contact: Contact) -> Vec<Contact> {
        self.complete(vec![contact])
    }

    /// Completes what a reading shows: a field that the location lacks is known to be empty everywhere.
    pub(super) fn complete(&self, mut contacts: Vec<Contact>) -> Vec<Contact> {
        for contact in &mut contacts {
            for key in &self.lacking {
                contact.fields.insert(key.clone(), None);
            }
        }
        contacts
    }

    /// Takes contacts into the mirror; returns their rows.
    pub(super) async fn take_in(
        &self,
        world: &World,
        contacts: Vec<Contact>,
        reading: Reading,
        date_ms: i64,
    ) -> Result<Vec<i64>, RunError> {
        let contacts = self.complete(contacts);
        let (location_no, keeping) = (self.location_no, Arc::clone(&world.keeping));
        Ok(world
            .store
            .write(move |db| mirror::ingest(db, location_no, &contacts, reading, date_ms, &keeping))
            .await?)
    }

    /// Reads one contact fresh into the mirror; returns whether it exists.
    pub(super) async fn look_at(
        &self,
        world: &World,
        id: &ContactId,
        purpose: Purpose,
    ) -> Result<bool, RunError> {
        match world
            .hub_line
            .send(&highlevel::get(id, &self.keys), purpose)
            .await
        {
            Ok(answer) => {
                let date_ms = world.date_ms(answer.date);
                self.take_in(world, vec![answer.value], Reading::Get, date_ms)
                    .await?;
                Ok(true)
            }
            Err(CallError::NotFound { .. }) => {
                let (location_no, id, now_ms) = (self.location_no, id.clone(), world.now_ms());
                world
                    .store
                    .write(move |db| mirror::note_gone(db, location_no, &id, now_ms))
                    .await?;
                Ok(false)
            }
            // Something is wrong with this one contact; it is left as it is known, and the others go on.
            Err(CallError::Refused { .. } | CallError::BadReply { .. }) => {
                tracing::warn!(contact.id = %id, "HighLevel cannot show contact {id}");
                Ok(true)
            }
            Err(error) => Err(of_hub(world, error)),
        }
    }

    /// Looks for the contacts that carry a record's marker, in the index, and takes them into the mirror.
    pub(super) async fn look_for_marker(
        &self,
        world: &World,
        key: &str,
        purpose: Purpose,
    ) -> Result<Vec<Contact>, RunError> {
        let Some(marker) = world.mapping.marker() else {
            return Ok(Vec::new());
        };
        let Some(search) = Search::with_field(marker, key, &self.keys) else {
            return Ok(Vec::new());
        };
        let call = search.limit(10).call(&world.hub.location, &self.keys);
        let answer = world
            .hub_line
            .send(&call, purpose)
            .await
            .map_err(|error| of_hub(world, error))?;
        let date_ms = world.date_ms(answer.date);
        // The index may still show a value that was changed since; only exact hits count.
        let hits: Vec<Contact> = answer
            .value
            .rows
            .into_iter()
            .filter(|contact| {
                let seen = contact.fields.get(marker).and_then(Option::as_deref);
                seen.is_some_and(|seen| same(marker, seen, key))
            })
            .collect();
        self.take_in(world, hits.clone(), Reading::Search, date_ms)
            .await?;
        Ok(hits)
    }
}

pub(super) fn of_hub(world: &World, error: CallError) -> RunError {
    RunError::of_call(&world.job.name, &world.hub.name, error)
}

/// Finds out which custom fields the location has; kept for a day, read again when `fresh`, or when a needed one is not among them, by each job
/// that would write it and by the others now and then.
pub(super) async fn hub(world: &World, fresh: bool) -> Result<Hub, RunError> {
    let location = world.hub.location.clone();
    let name = definitions_name(&location);
    let now_ms = world.now_ms();
    let (state, kept, before) = {
        let (name, location, since) = (name.clone(), location.clone(), now_ms - DEFINITIONS_MS);
        world
            .store
            .write(move |db| {
                Ok((
                    jobs::location_state(db, &location)?,
                    jobs::kept_at(db, &name, since)?,
                    jobs::kept(db, &name, i64::MIN)?,
                ))
            })
            .await?
    };
    let kept: Option<(Vec<(String, FieldKey)>, i64)> = kept
        .filter(|_| !fresh)
        .and_then(|(text, at_ms)| Some((serde_json::from_str(&text).ok()?, at_ms)));
    let wanted: BTreeSet<&FieldKey> = world.keeping.fields.iter().collect();
    if let Some((kept, at_ms)) = kept {
        let hub = hub_of(world, state.no, &wanted, kept);
        let believed_ms = match (hub.lacking.is_empty(), hub.lacking_here.is_empty()) {
            (true, _) => DEFINITIONS_MS,
            (false, true) => LACKING_ELSEWHERE_MS,
            (false, false) if world.job.create_fields => LACKING_HERE_MS,
            // A person was told to make it, and wants to see that it is there.
            (false, false) => 0,
        };
        // Not those of a clock that was ahead.
        if (0..believed_ms).contains(&(now_ms - at_ms)) {
            return Ok(hub);
        }
    }
    let answer = world
        .hub_line
        .send(&highlevel::custom_fields(&location), Purpose::Announced)
        .await
        .map_err(|error| of_hub(world, error))?;
    let defined: Vec<(String, FieldKey)> = answer
        .value
        .into_iter()
        .map(|field| (field.id, field.key))
        .collect();
    let text = serde_json::to_string(&defined).expect("texts are always JSON");
    // A field that was deleted and made again has another id: what was refused with the old one may go through now.
    let before: Vec<(String, FieldKey)> = before
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let vanished = before.iter().any(|field| !defined.contains(field));
    let job = world.job.name.clone();
    world
        .store
        .write(move |db| {
            jobs::keep(db, &name, &text, now_ms)?;
            if vanished {
                findings::forget_refusals(db, &job)?;
            }
            Ok(())
        })
        .await?;
    Ok(hub_of(world, state.no, &wanted, defined))
}

/// Returns the name under which the definitions of a location's fields are kept, as a list of ids and keys.
pub fn definitions_name(location: &LocationId) -> String {
    format!("highlevel.fields:{location}")
}

fn hub_of(
    world: &World,
    location_no: i64,
    wanted: &BTreeSet<&FieldKey>,
    defined: Vec<(String, FieldKey)>,
) -> Hub {
    let defined: Vec<CustomField> = defined
        .into_iter()
        .map(|(id, key)| CustomField {
            id,
            name: key.to_string(),
            key,
            data_type: String::new(),
        })
        .collect();
    let (keys, lacking) = Keys::of(wanted.iter().copied(), &defined);
    let here: BTreeSet<&FieldKey> = world.job.fields.iter().map(|rule| &rule.key).collect();
    let lacking_here = lacking
        .iter()
        .filter(|key| here.contains(key))
        .cloned()
        .collect();
    Hub {
        location_no,
        keys: Arc::new(keys),
        lacking,
        lacking_here,
    }
}

/// Makes the custom fields that the job names and the location lacks; looked for by key first, because a second call makes a second one.
pub(super) async fn create_fields(world: &World, hub: &Hub) -> Result<Hub, RunError> {
    if hub.lacking_here.is_empty() {
        return Ok(hub.clone());
    }
    let before = self::hub(world, true).await?;
    for key in before.lacking_here.clone() {
        let call = highlevel::create_custom_field(&world.hub.location, key.as_str());
        match world.hub_line.send(&call, Purpose::Announced).await {
            Ok(answer) if answer.value.key == key => {}
            Ok(answer) => {
                return Err(RunError::Setup {
                    job: world.job.name.clone(),
                    account: Some(world.hub.name.clone()),
                    what: format!(
                        "HighLevel made the custom field `{}` where the job names `{key}`; rename it in the job, or make the field by hand",
                        answer.value.key
                    ),
                });
            }
            // Whether it was made is seen when the definitions are read again.
            Err(CallError::Unsure { .. } | CallError::Refused { .. }) => {}
            Err(error) => return Err(of_hub(world, error)),
        }
    }
    let hub = self::hub(world, true).await?;
    if let Some(key) = hub.lacking_here.first() {
        return Err(RunError::OutOfTouch {
            account: world.hub.name.clone(),
            why: format!(
                "the custom field `{key}` could not be made; make it by hand (type: single line text), or run it again"
            ),
        });
    }
    Ok(hub)
}
