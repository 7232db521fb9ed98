//! What the answers of all Helix endpoints have in common.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::apis::loose::Loose;
use crate::model::RecordKey;
use crate::net::Unreadable;

/// The envelope of every Helix answer.
#[derive(Deserialize)]
pub(super) struct Reply {
    pub(super) data: Value,
    pub(super) total: Option<u64>,
    pub(super) pagination: Option<Value>,
}

/// Returns the cursor from `{"cursor": …}` or a bare text; `{}`, `""` and nothing at all end the listing.
pub(super) fn cursor(pagination: Option<&Value>) -> Option<String> {
    let pagination = pagination?;
    let text = pagination
        .as_str()
        .or_else(|| pagination.get("cursor")?.as_str())?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the rows of an answer. `null` was seen where an empty list is documented (issue 30 of Twitch's tracker).
pub(super) fn rows(data: Value) -> Result<Vec<Value>, Unreadable> {
    match data {
        Value::Array(rows) => Ok(rows),
        Value::Null => Ok(Vec::new()),
        _ => Err(Unreadable::Shape("`data` is not a list".to_owned())),
    }
}

/// Reads an RFC 3339 time.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    Some(moment.with_timezone(&Utc))
}

/// Writes a time as Twitch's own records have it: UTC, whole seconds.
pub(super) fn moment_text(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Returns the id in a value, if it is a usable one.
pub(super) fn key(value: &Loose<'_>) -> Option<RecordKey> {
    RecordKey::try_from(value.text()?.trim()).ok()
}

/// Returns the text in a value without blanks around it; `None` when nothing is left.
///
/// A blank login or name is "unknown", never a value to write (issue 717 of Twitch's tracker).
pub(super) fn known(value: &Loose<'_>) -> Option<String> {
    let text = value.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the attributes that records of all people have.
pub(super) fn person(
    key: &RecordKey,
    login: &Loose<'_>,
    name: &Loose<'_>,
) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::from([("user_id".to_owned(), key.as_str().to_owned())]);
    put(&mut attributes, "user_login", known(login));
    put(&mut attributes, "user_name", known(name));
    attributes
}

/// Sets an attribute that has a value.
pub(super) fn put(
    attributes: &mut BTreeMap<String, String>,
    name: &'static str,
    value: Option<String>,
) {
    if let Some(value) = value {
        attributes.insert(name.to_owned(), value);
    }
}
