//! The mirror: what we last knew of the contacts of a location.

mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::{Contact, ContactId, FieldKey, Namespace, Reading, Tag};
use crate::plan::{Mirrored, Sent, TagStamp, Written};

use super::error::StoreError;
use super::jobs::next_tick;

pub use values::{by_value, forget_key, index_chunk};
use values::{index_value, reindex};

/// For this long after a write no page of the list or of search is believed about what it touched, in ms.
///
/// Source: search lags "a few seconds" officially, up to about a minute reported by several clients; five minutes is our
/// margin.
pub const INDEX_LAG_MS: i64 = 5 * 60 * 1000;

/// Which parts of a contact some job cares about; everything else is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// The managed fields.
    pub fields: BTreeSet<FieldKey>,
    /// The fields that records are matched by.
    pub match_fields: BTreeSet<FieldKey>,
    /// What a tag that a job could name starts with; an empty text keeps every tag.
    pub tag_prefixes: BTreeSet<String>,
}

impl Keeping {
    fn keeps_tag(&self, tag: &Tag) -> bool {
        self.tag_prefixes
            .iter()
            .any(|prefix| tag.as_str().starts_with(prefix.as_str()))
    }
}

/// A mirror row as it is stored.
struct Stored {
    no: i64,
    seen: String,
    tags: Option<String>,
    written: Option<String>,
    gone_ms: Option<i64>,
}

/// Takes in contacts as a page or an answer showed them; returns their rows' numbers, which are small and dense.
///
/// `date_ms` is the `Date` of the answer. What a write of ours touched within [`INDEX_LAG_MS`] before it is not believed to a list or search row, and
/// neither is a row of a contact that the vendor said is gone, unless the row itself is younger. Later than that it is there again.
pub fn ingest(
    db: &Connection,
    location_no: i64,
    contacts: &[Contact],
    reading: Reading,
    date_ms: i64,
    keeping: &Keeping,
) -> Result<Vec<i64>, StoreError> {
    let ids: Vec<&str> = contacts.iter().map(|contact| contact.id.as_str()).collect();
    // One statement for a page, because a full pass takes a million contacts in; a contact that comes twice is looked up again.
    let mut stored = stored(db, location_no, &ids)?;
    let mut taken = HashSet::new();
    contacts
        .iter()
        .map(|contact| {
            let id = contact.id.as_str();
            let row = if taken.insert(id) {
                stored.remove(id)
            } else {
                one_stored(db, location_no, &contact.id)?
            };
            take_in(db, location_no, contact, row, reading, date_ms, keeping)
        })
        .collect()
}

fn take_in(
    db: &Connection,
    location_no: i64,
    contact: &Contact,
    stored: Option<Stored>,
    reading: Reading,
    date_ms: i64,
    keeping: &Keeping,
) -> Result<i64, StoreError> {
    let fields: BTreeMap<&FieldKey, &Option<String>> = contact
        .fields
        .iter()
        .filter(|(key, _)| keeping.fields.contains(*key))
        .collect();
    let tags = contact.tags.as_ref().map(|tags| {
        tags.iter()
            .filter(|tag| keeping.keeps_tag(tag))
            .cloned()
            .collect::<BTreeSet<_>>()
    });
    let added_ms = contact.date_added.map(|moment| moment.timestamp_millis());
    let Some(stored) = stored else {
        let tick = next_tick(db)?;
        let tags = tags.as_ref().map(json);
        db.prepare_cached(
            "INSERT INTO mirror (location_no, id, seen, tags, added_ms, tick) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![location_no, contact.id.as_str(), json(&fields), tags, added_ms, tick])?;
        let no = db.last_insert_rowid();
        for (key, value) in &fields {
            if let Some(value) = value {
                index_value(db, location_no, no, key, value, keeping)?;
            }
        }
        return Ok(no);
    };
    if let Some(gone_ms) = stored.gone_ms
        && !reading.is_fresh()
        && date_ms < gone_ms + INDEX_LAG_MS
        && contact
            .date_updated
            .is_none_or(|updated| updated.timestamp_millis() <= gone_ms)
    {
        return Ok(stored.no);
    }
    // Most rows of a full pass are as they were: the comparison of two texts decides without parsing either.
    let whole = fields.len() == keeping.fields.len() && tags.is_some();
    if whole
        && stored.gone_ms.is_none()
        && stored.seen == json(&fields)
        && stored.tags == tags.as_ref().map(json)
    {
        return Ok(stored.no);
    }
    let old: BTreeMap<FieldKey, Option<String>> = parsed(&stored.seen, "mirror.seen")?;
    let mut written: Written = stored
        .written
        .as_deref()
        .map_or(Ok(Written::default()), |text| {
            parsed(text, "mirror.written")
        })?;
    let believed = |at_ms: i64| reading.is_fresh() || date_ms >= at_ms + INDEX_LAG_MS;
    let mut seen = old.clone();
    seen.retain(|key, _| keeping.fields.contains(key));
    for (key, value) in fields {
        if believed(written.fields.get(key).map_or(0, |sent| sent.at_ms)) {
            seen.insert(key.clone(), value.clone());
        }
    }
    let new_tags = match tags {
        None => stored.tags.clone(),
        Some(mut tags) => {
            for (tag, TagStamp { present, at_ms }) in &written.tags {
                match (believed(*at_ms), present) {
                    (true, _) => {}
                    (false, true) => {
                        tags.insert(tag.clone());
                    }
                    (false, false) => {
                        tags.remove(tag);
                    }
                }
            }
            Some(json(&tags))
        }
    };
    let new_seen = json(&seen);
    if new_seen == stored.seen && new_tags == stored.tags && stored.gone_ms.is_none() {
        return Ok(stored.no);
    }
    written.tags.retain(|_, stamp| !believed(stamp.at_ms));
    let tick = next_tick(db)?;
    db.prepare_cached(
        "UPDATE mirror SET seen = ?2, tags = ?3, written = ?4, added_ms = coalesce(?5, added_ms), gone_ms = NULL, tick = ?6 WHERE no = ?1",
    )?
    .execute(params![stored.no, new_seen, new_tags, written_json(&written), added_ms, tick])?;
    reindex(db, location_no, stored.no, &old, &seen, keeping)?;
    Ok(stored.no)
}

/// What a write of ours did to a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrote {
    /// What was sent, by field.
    pub fields: BTreeMap<FieldKey, String>,
    /// Tags that are there now because of it.
    pub added: BTreeSet<Tag>,
    /// Tags that are not there any more because of it.
    pub removed: BTreeSet<Tag>,
}

/// Notes a confirmed write: what was sent, what the mirror shows after the answer was taken in, and when. Returns the mirror row.
pub fn confirm(
    db: &Connection,
    location_no: i64,
    id: &ContactId,
    wrote: &Wrote,
    date_ms: i64,
) -> Result<i64, StoreError> {
    let Some(stored) = one_stored(db, location_no, id)? else {
        return Err(StoreError::Corrupt {
            what: format!("contact {id} was written but is not in the mirror"),
        });
    };
    let seen: BTreeMap<FieldKey, Option<String>> = parsed(&stored.seen, "mirror.seen")?;
    let mut written: Written = stored
        .written
        .as_deref()
        .map_or(Ok(Written::default()), |text| {
            parsed(text, "mirror.written")
        })?;
    for (key, sent) in &wrote.fields {
        let answered = seen.get(key).cloned().flatten();
        written.fields.insert(
            key.clone(),
            Sent {
                sent: Some(sent.clone()),
                answered,
                at_ms: date_ms,
            },
        );
    }
    let mut tags: Option<BTreeSet<Tag>> = stored
        .tags
        .as_deref()
        .map(|text| parsed(text, "mirror.tags"))
        .transpose()?;
    for (tag, present) in wrote
        .added
        .iter()
        .map(|tag| (tag, true))
        .chain(wrote.removed.iter().map(|tag| (tag, false)))
    {
        written.tags.insert(
            tag.clone(),
            TagStamp {
                present,
                at_ms: date_ms,
            },
        );
        if let Some(tags) = &mut tags {
            if present {
                tags.insert(tag.clone());
            } else {
                tags.remove(tag);
            }
        }
    }
    let tick = next_tick(db)?;
    db.prepare_cached(
        "UPDATE mirror SET tags = ?2, written = ?3, gone_ms = NULL, tick = ?4 WHERE no = ?1",
    )?
    .execute(params![
        stored.no,
        tags.as_ref().map(json),
        written_json(&written),
        tick
    ])?;
    Ok(stored.no)
}

/// Remembers that a field holds what we want, so that later changes of the record may flow through.
pub fn agree(
    db: &Connection,
    contact_no: i64,
    key: &FieldKey,
    wanted: &str,
    seen: &str,
) -> Result<(), StoreError> {
    let answered = (!seen.is_empty()).then(|| seen.to_owned());
    change_written(db, contact_no, |written| {
        let at_ms = written.fields.get(key).map_or(0, |sent| sent.at_ms);
        written.fields.insert(
            key.clone(),
            Sent {
                sent: Some(wanted.to_owned()),
                answered: answered.clone(),
                at_ms,
            },
        );
    })
}

/// Lets the next plan overwrite a field's present value, because a person said so.
pub fn take_field(
    db: &Connection,
    contact_no: i64,
    key: &FieldKey,
    seen: Option<&str>,
) -> Result<(), StoreError> {
    change_written(db, contact_no, |written| {
        let answered = seen.map(ToOwned::to_owned);
        written.fields.insert(
            key.clone(),
            Sent {
                sent: None,
                answered,
                at_ms: 0,
            },
        );
    })
}

/// Takes what we wrote to a contact over to the one that it was merged into, as far as that one has nothing of ours.
pub fn move_written(db: &Connection, from_no: i64, to_no: i64) -> Result<(), StoreError> {
    let from = mirrored(db, from_no)?.written;
    change_written(db, to_no, |written| written.inherit(&from))
}

fn change_written(
    db: &Connection,
    contact_no: i64,
    change: impl FnOnce(&mut Written),
) -> Result<(), StoreError> {
    let text: Option<String> = db
        .prepare_cached("SELECT written FROM mirror WHERE no = ?1")?
        .query_row([contact_no], |row| row.get(0))?;
    let mut written: Written = text.as_deref().map_or(Ok(Written::default()), |text| {
        parsed(text, "mirror.written")
    })?;
    change(&mut written);
    db.prepare_cached("UPDATE mirror SET written = ?2 WHERE no = ?1")?
        .execute(params![contact_no, written_json(&written)])?;
    Ok(())
}

/// Touches a contact, so that the next plan looks at its records.
pub fn touch(db: &Connection, contact_no: i64) -> Result<(), StoreError> {
    let tick = next_tick(db)?;
    db.prepare_cached("UPDATE mirror SET tick = ?2 WHERE no = ?1")?
        .execute(params![contact_no, tick])?;
    Ok(())
}

/// Forgets what a write whose answer was lost may have changed: its fields become unknown, and so do the tags if it touched any.
pub fn unsure(
    db: &Connection,
    contact_no: i64,
    fields: &[FieldKey],
    tags: bool,
) -> Result<(), StoreError> {
    let text: String = db.query_row(
        "SELECT seen FROM mirror WHERE no = ?1",
        [contact_no],
        |row| row.get(0),
    )?;
    let mut seen: BTreeMap<FieldKey, Option<String>> = parsed(&text, "mirror.seen")?;
    for key in fields {
        seen.remove(key);
    }
    let tick = next_tick(db)?;
    db.execute(
        "UPDATE mirror SET seen = ?2, tags = CASE WHEN ?3 THEN NULL ELSE tags END, tick = ?4 WHERE no = ?1",
        params![contact_no, json(&seen), tags, tick],
    )?;
    Ok(())
}

/// Notes that the vendor says a contact does not exist.
pub fn note_gone(
    db: &Connection,
    location_no: i64,
    id: &ContactId,
    date_ms: i64,
) -> Result<(), StoreError> {
    let tick = next_tick(db)?;
    db.prepare_cached("UPDATE mirror SET gone_ms = ?3, tick = ?4 WHERE location_no = ?1 AND id = ?2 AND gone_ms IS NULL")?
        .execute(params![location_no, id.as_str(), date_ms, tick])?;
    Ok(())
}

/// Returns the number of a contact's mirror row; `None` when the mirror does not have it.
pub fn find_contact(
    db: &Connection,
    location_no: i64,
    id: &ContactId,
) -> Result<Option<i64>, StoreError> {
    Ok(db
        .prepare_cached("SELECT no FROM mirror WHERE location_no = ?1 AND id = ?2")?
        .query_row(params![location_no, id.as_str()], |row| row.get(0))
        .optional()?)
}

/// Returns the numbers of linked contacts after `after`, in order, a chunk at a time; read from one index alone.
pub fn linked_contacts(
    db: &Connection,
    location_no: i64,
    after: i64,
) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT contact_no FROM link INDEXED BY link_contact WHERE contact_no > ?2 AND location_no = ?1
         ORDER BY contact_no LIMIT 20000",
    )?;
    let rows = statement.query_map(params![location_no, after], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns a contact's id if it exists as far as we know and was added before `added_before_ms`: an index may not show younger ones yet.
pub fn expected(
    db: &Connection,
    no: i64,
    added_before_ms: i64,
) -> Result<Option<ContactId>, StoreError> {
    let id: Option<String> = db
        .prepare_cached(
            "SELECT id FROM mirror WHERE no = ?1 AND gone_ms IS NULL AND coalesce(added_ms, 0) < ?2",
        )?
        .query_row(params![no, added_before_ms], |row| row.get(0))
        .optional()?;
    id.map(parsed_contact).transpose()
}

/// Returns a job's records whose linked contact was found to be gone since a tick and that are not buried yet, at most 1,000.
pub fn lost_keys(
    db: &Connection,
    location_no: i64,
    job_no: i64,
    namespace: Namespace,
    since_tick: i64,
) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT l.key FROM mirror m INDEXED BY mirror_gone CROSS JOIN link l ON l.contact_no = m.no AND l.namespace = ?2
         JOIN roster r ON r.job_no = ?3 AND r.key = l.key
         WHERE m.location_no = ?1 AND m.gone_ms IS NOT NULL AND m.tick > ?4 AND l.state = 'linked' ORDER BY l.key LIMIT 1000",
    )?;
    let rows = statement.query_map(
        params![location_no, namespace.as_str(), job_no, since_tick],
        |row| row.get(0),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns how many contacts the mirror holds, roughly: the numbers given out so far.
pub fn count_contacts(db: &Connection) -> Result<i64, StoreError> {
    let last: Option<i64> = db.query_row("SELECT max(no) FROM mirror", [], |row| row.get(0))?;
    Ok(last.unwrap_or_default())
}

/// Returns a mirror row by its number.
pub fn mirrored(db: &Connection, no: i64) -> Result<Mirrored, StoreError> {
    let (id, seen, tags, written, gone): (String, String, Option<String>, Option<String>, bool) =
        db.prepare_cached(
            "SELECT id, seen, tags, written, gone_ms IS NOT NULL FROM mirror WHERE no = ?1",
        )?
        .query_row([no], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })?;
    Ok(Mirrored {
        no,
        id: parsed_contact(id)?,
        seen: parsed(&seen, "mirror.seen")?,
        tags: tags
            .as_deref()
            .map(|text| parsed(text, "mirror.tags"))
            .transpose()?,
        written: written.as_deref().map_or(Ok(Written::default()), |text| {
            parsed(text, "mirror.written")
        })?,
        gone,
    })
}

fn one_stored(
    db: &Connection,
    location_no: i64,
    id: &ContactId,
) -> Result<Option<Stored>, StoreError> {
    Ok(stored(db, location_no, &[id.as_str()])?.remove(id.as_str()))
}

fn stored(
    db: &Connection,
    location_no: i64,
    ids: &[&str],
) -> Result<HashMap<String, Stored>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT m.id, m.no, m.seen, m.tags, m.written, m.gone_ms
         FROM json_each(?2) j CROSS JOIN mirror m ON m.location_no = ?1 AND m.id = j.value",
    )?;
    let mut rows = statement.query(params![location_no, json(&ids)])?;
    let mut found = HashMap::with_capacity(ids.len());
    while let Some(row) = rows.next()? {
        let stored = Stored {
            no: row.get(1)?,
            seen: row.get(2)?,
            tags: row.get(3)?,
            written: row.get(4)?,
            gone_ms: row.get(5)?,
        };
        found.insert(row.get(0)?, stored);
    }
    Ok(found)
}

fn written_json(written: &Written) -> Option<String> {
    (*written != Written::default()).then(|| json(written))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("maps and lists of texts are always JSON")
}

pub(super) fn parsed<T: serde::de::DeserializeOwned>(
    text: &str,
    what: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt {
        what: format!("{what}: {error}"),
    })
}

pub(super) fn parsed_contact(id: String) -> Result<ContactId, StoreError> {
    ContactId::try_from(id).map_err(|error| StoreError::Corrupt {
        what: error.to_string(),
    })
}
