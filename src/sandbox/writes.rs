//! Reading the bodies of create, update and upsert: strict about keys and types, all problems at once.

use serde_json::{Map, Value};

use super::clock::{millis_text, read_birth_date, read_time};
use super::filters::unknown_keys;
use super::location::{Field, Location};
use super::person::{Dialect, Key, Person};
use super::wire::{Answer, Outcome};
use super::world::World;

/// Which endpoint the body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Create,
    Update,
    Upsert,
}

const CREATE: &[&str] = &[
    "locationId",
    "firstName",
    "lastName",
    "name",
    "email",
    "gender",
    "phone",
    "address1",
    "city",
    "state",
    "postalCode",
    "website",
    "timezone",
    "dnd",
    "dndSettings",
    "inboundDndSettings",
    "tags",
    "customFields",
    "source",
    "dateOfBirth",
    "country",
    "companyName",
    "assignedTo",
];
const UPDATE: &[&str] = &[
    "firstName",
    "lastName",
    "name",
    "email",
    "phone",
    "address1",
    "city",
    "state",
    "postalCode",
    "website",
    "timezone",
    "dnd",
    "dndSettings",
    "inboundDndSettings",
    "tags",
    "customFields",
    "source",
    "dateOfBirth",
    "country",
    "assignedTo",
];
/// Texts that may not be null.
const NEVER_NULL: &[&str] = &["locationId", "gender", "postalCode", "country"];

/// A body that passed.
pub(crate) struct Reading {
    texts: Vec<(Key, Option<String>)>,
    name: Option<String>,
    tags: Option<Vec<String>>,
    custom: Vec<(u16, Value)>,
    dnd: Option<bool>,
    dnd_settings: Option<Value>,
    inbound_dnd_settings: Option<Value>,
    /// `createNewIfDuplicateAllowed`.
    pub(crate) create_anew: bool,
}

/// Reads a body, or refuses it with everything that is wrong with it.
pub(crate) fn read(
    body: &Map<String, Value>,
    form: Form,
    dialect: Dialect,
    location: &Location,
) -> Outcome<Reading> {
    let mut problems = Vec::new();
    let mut allowed = match form {
        Form::Create | Form::Upsert => CREATE.to_vec(),
        Form::Update => UPDATE.to_vec(),
    };
    if form == Form::Upsert {
        allowed.push("createNewIfDuplicateAllowed");
    }
    unknown_keys(body, &allowed, &mut problems);
    if form != Form::Update
        && body
            .get("locationId")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
    {
        problems.push("locationId must be a string".to_string());
    }
    let mut reading = Reading {
        texts: Vec::new(),
        name: None,
        tags: None,
        custom: Vec::new(),
        dnd: None,
        dnd_settings: None,
        inbound_dnd_settings: None,
        create_anew: false,
    };
    for (name, value) in body
        .iter()
        .filter(|(name, _)| allowed.contains(&name.as_str()))
    {
        reading.take(name, value, dialect, location, &mut problems);
    }
    match problems.is_empty() {
        true => Ok(reading),
        false => Err(Box::new(Answer::unprocessable(&problems))),
    }
}

impl Reading {
    fn take(
        &mut self,
        name: &str,
        value: &Value,
        dialect: Dialect,
        location: &Location,
        problems: &mut Vec<String>,
    ) {
        let mut bool = |into: &mut Option<bool>| match value {
            Value::Bool(yes) => *into = Some(*yes),
            _ => problems.push(format!("{name} must be a boolean value")),
        };
        match name {
            "locationId" => {}
            "dnd" => bool(&mut self.dnd),
            "createNewIfDuplicateAllowed" => {
                let mut yes = None;
                bool(&mut yes);
                self.create_anew = yes.unwrap_or(false);
            }
            "dndSettings" | "inboundDndSettings" => match value {
                Value::Object(_) if name == "dndSettings" => {
                    self.dnd_settings = Some(dnd_keys(value))
                }
                Value::Object(_) => self.inbound_dnd_settings = Some(value.clone()),
                _ => problems.push(format!("{name} must be an object")),
            },
            "tags" => self.tags = read_texts(name, value, problems),
            "customFields" => match value {
                Value::Array(entries) => {
                    for entry in entries {
                        self.custom
                            .extend(read_custom(entry, dialect, location, problems));
                    }
                }
                _ => problems.push("customFields must be an array".to_string()),
            },
            _ => self.take_text(name, value, problems),
        }
    }

    fn take_text(&mut self, name: &str, value: &Value, problems: &mut Vec<String>) {
        let text = match value {
            Value::String(text) => Some(text.clone()),
            Value::Null if !NEVER_NULL.contains(&name) => None,
            _ => {
                problems.push(format!("{name} must be a string"));
                return;
            }
        };
        let Some(key) = Key::named(name) else {
            self.name = text;
            return;
        };
        let text = match (key, text) {
            (Key::Email, Some(email)) if !email.is_empty() && !well_formed(&email) => {
                problems.push("email must be an email".to_string());
                return;
            }
            (Key::Phone, Some(phone)) => Some(e164(&phone)),
            (Key::DateOfBirth, Some(date)) if !date.is_empty() => match read_birth_date(&date) {
                Some(ms) => Some(millis_text(ms)),
                None => {
                    problems.push("dateOfBirth must be a valid date".to_string());
                    return;
                }
            },
            (_, text) => text,
        };
        self.texts.push((key, text));
    }

    /// Tells whether a contact made of this would have an email, a phone, a first or a last name.
    pub(crate) fn names_someone(&self) -> bool {
        let enough = [Key::Email, Key::Phone, Key::FirstName, Key::LastName];
        self.texts.iter().any(|(key, text)| {
            enough.contains(key) && text.as_deref().is_some_and(|text| !text.is_empty())
        })
    }

    /// Leaves a field out after all.
    pub(crate) fn forget(&mut self, key: Key) {
        self.texts.retain(|(known, _)| *known != key);
    }

    /// Carries the body over into a contact. Tags, where sent, replace all others.
    pub(crate) fn apply(&self, person: &mut Person, world: &mut World) {
        if let Some(name) = &self.name {
            let (first, last) = name.split_once(' ').unwrap_or((name, ""));
            person.set(Key::FirstName, Some(first));
            person.set(Key::LastName, Some(last));
        }
        for (key, text) in &self.texts {
            person.set(*key, text.as_deref());
        }
        if person.get(Key::Country).is_none() {
            person.set(Key::Country, Some("US"));
        }
        if let Some(tags) = &self.tags {
            person.tags.clear();
            for tag in tags {
                let tag = world.location.tag(tag);
                if !person.has_tag(&tag) {
                    person.tags.push(tag);
                }
            }
        }
        for (field, value) in &self.custom {
            person.set_field(*field, value.clone());
        }
        if let Some(dnd) = self.dnd {
            person.dnd = Some(dnd);
        }
        if let Some(settings) = &self.dnd_settings {
            person.dnd_settings = Some(settings.clone());
        }
        if let Some(settings) = &self.inbound_dnd_settings {
            person.inbound_dnd_settings = Some(settings.clone());
        }
    }
}

/// Stores the channel names as v2 spells them.
fn dnd_keys(settings: &Value) -> Value {
    let known = ["Call", "Email", "SMS", "WhatsApp", "GMB", "FB", "RCS"];
    let spelled = |key: &String| {
        let found = known.iter().find(|known| known.eq_ignore_ascii_case(key));
        found.map_or_else(|| key.clone(), ToString::to_string)
    };
    let entries = settings.as_object().into_iter().flatten();
    Value::Object(
        entries
            .map(|(key, value)| (spelled(key), value.clone()))
            .collect(),
    )
}

pub(crate) fn read_texts(
    name: &str,
    value: &Value,
    problems: &mut Vec<String>,
) -> Option<Vec<String>> {
    let Value::Array(items) = value else {
        problems.push(format!("{name} must be an array"));
        return None;
    };
    let texts: Vec<String> = items
        .iter()
        .filter_map(Value::as_str)
        .map(String::from)
        .collect();
    if texts.len() < items.len() {
        problems.push(format!("each value in {name} must be a string"));
    }
    Some(texts)
}

/// Reads `{"id"|"key", "field_value"}`; `value`, the spelling of answers, is dropped without a word.
fn read_custom(
    entry: &Value,
    dialect: Dialect,
    location: &Location,
    problems: &mut Vec<String>,
) -> Option<(u16, Value)> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let by_id = text("id").map(|id| (id, location.field_by_id(id)));
    let by_key = text("key").map(|key| (key, location.field_by_key(key)));
    let field = match (by_id, by_key) {
        (None, None) => {
            problems.push("customFields: pass either id or key".to_string());
            return None;
        }
        (Some((name, None)), _) | (_, Some((name, None))) => {
            problems.push(format!("customFields: no field {name}"));
            return None;
        }
        (Some((_, Some(one))), Some((_, Some(other)))) if one.number != other.number => {
            problems.push("customFields: id and key name two fields".to_string());
            return None;
        }
        (Some((_, Some(field))), _) | (None, Some((_, Some(field)))) => field,
    };
    let fresh = entry.get("fieldValue").filter(|_| dialect == Dialect::V3);
    let value = fresh.or_else(|| entry.get("field_value"))?;
    let value = fit(field, value);
    if value.is_none() {
        problems.push(format!("customFields: invalid value for {}", field.name));
    }
    Some((field.number, value?))
}

/// Turns a value into what a field of this type stores; `None` when it does not fit.
pub(crate) fn fit(field: &Field, value: &Value) -> Option<Value> {
    let empty = value.is_null()
        || value.as_str() == Some("")
        || value.as_array().is_some_and(Vec::is_empty);
    if empty {
        return Some(Value::Null);
    }
    match (field.data_type.as_str(), value) {
        ("NUMERICAL" | "MONETORY", Value::Number(_)) => Some(value.clone()),
        ("NUMERICAL" | "MONETORY", Value::String(text)) => {
            let whole = text.parse::<i64>().ok().map(Value::from);
            whole.or_else(|| text.parse::<f64>().ok().map(Value::from))
        }
        ("CHECKBOX" | "MULTIPLE_OPTIONS", Value::Array(items)) => {
            items.iter().all(Value::is_string).then(|| value.clone())
        }
        ("CHECKBOX" | "MULTIPLE_OPTIONS", Value::String(_)) => {
            Some(Value::Array(vec![value.clone()]))
        }
        ("DATE", Value::String(text)) => {
            let day = text.len() == 10 && read_time(text).is_some();
            day.then(|| value.clone())
        }
        ("TEXTBOX_LIST" | "FILE_UPLOAD", Value::Object(_)) => Some(value.clone()),
        (_, Value::String(_)) => Some(value.clone()),
        (_, Value::Number(number)) => Some(Value::String(number.to_string())),
        (_, Value::Bool(yes)) => Some(Value::String(yes.to_string())),
        _ => None,
    }
}

fn well_formed(email: &str) -> bool {
    let Some((name, host)) = email.split_once('@') else {
        return false;
    };
    let odd = |letter: char| letter.is_whitespace() || letter == '@';
    !name.is_empty()
        && host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && !email.replacen('@', "", 1).contains(odd)
}

/// Writes a phone number as it is read back: `+` and digits; without a country code it is taken for a US one.
pub(crate) fn e164(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return String::new();
    }
    match phone.trim_start().starts_with('+') {
        true => format!("+{digits}"),
        false if digits.len() == 11 && digits.starts_with('1') => format!("+{digits}"),
        false => format!("+1{digits}"),
    }
}
