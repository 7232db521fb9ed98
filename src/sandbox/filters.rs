//! The filters of `POST /contacts/search`: read strictly, then asked of each row.

use serde_json::Value;

use super::clock::read_time;
use super::index::{By, Index};
use super::location::Location;
use super::person::{Key, Person};

/// The longest text a filter takes.
const LONGEST: usize = 75;

/// The fields that take every text operator.
const TEXTS: &[(&str, Key)] = &[
    ("address", Key::Address1),
    ("city", Key::City),
    ("companyName", Key::CompanyName),
    ("phone", Key::Phone),
    ("postalCode", Key::PostalCode),
    ("source", Key::Source),
    ("state", Key::State),
];
/// The fields that know no "contains".
const WHOLE: &[(&str, Key)] = &[
    ("email", Key::Email),
    ("website", Key::Website),
    ("assignedTo", Key::AssignedTo),
    ("country", Key::Country),
    ("timezone", Key::Timezone),
];
/// Documented fields that no row of the sandbox ever fills.
const EMPTY: &[&str] = &[
    "businessName",
    "validEmail",
    "isValidWhatsapp",
    "activeWorkflows",
    "finishedWorkflows",
    "lastEmailClickedDate",
    "lastEmailOpenedDate",
    "lastAppointment",
];

/// What a filter looks at.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Id,
    ContactName,
    FirstName,
    LastName,
    Text(Key),
    Tags,
    Watchers,
    Dnd,
    Kind,
    Date(By),
    BirthDate,
    Custom(u16),
    /// A field that no row has.
    Nothing,
}

/// What a filter asks of its subject.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Eq(Vec<Value>),
    Contains(Vec<String>),
    Exists,
    /// Half open: `from <= x < to`, in milliseconds or as plain numbers.
    Range(f64, f64),
}

/// One filter or group.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    One {
        subject: Subject,
        negated: bool,
        test: Test,
    },
}

fn operators(name: &str, location: &Location) -> Option<(Subject, &'static [&'static str])> {
    const FULL: &[&str] = &[
        "eq",
        "not_eq",
        "contains",
        "not_contains",
        "exists",
        "not_exists",
    ];
    const PLAIN: &[&str] = &["eq", "not_eq", "exists", "not_exists"];
    const DATES: &[&str] = &["range", "exists", "not_exists"];
    const NUMBERS: &[&str] = &["eq", "not_eq", "range", "exists", "not_exists"];
    if let Some((_, key)) = TEXTS.iter().find(|(known, _)| *known == name) {
        return Some((Subject::Text(*key), FULL));
    }
    if let Some((_, key)) = WHOLE.iter().find(|(known, _)| *known == name) {
        return Some((Subject::Text(*key), PLAIN));
    }
    if EMPTY.contains(&name) {
        return Some((Subject::Nothing, FULL));
    }
    if let Some(field) = name.strip_prefix("customFields.") {
        // An unknown field (or a field's name in place of its id) silently matches nothing.
        let id = field.split('.').next().unwrap_or(field);
        let Some(field) = location.field_by_id(id) else {
            return Some((
                Subject::Nothing,
                &[
                    "eq",
                    "not_eq",
                    "contains",
                    "not_contains",
                    "exists",
                    "not_exists",
                    "range",
                ],
            ));
        };
        let allowed = match field.data_type.as_str() {
            "NUMERICAL" | "MONETORY" => NUMBERS,
            "CHECKBOX" | "MULTIPLE_OPTIONS" => PLAIN,
            "DATE" => DATES,
            _ => FULL,
        };
        return Some((Subject::Custom(field.number), allowed));
    }
    match name {
        "id" => Some((Subject::Id, &["eq", "not_eq"])),
        "contactName" => Some((Subject::ContactName, PLAIN)),
        "firstNameLowerCase" => Some((Subject::FirstName, FULL)),
        "lastNameLowerCase" => Some((Subject::LastName, FULL)),
        "tags" => Some((Subject::Tags, FULL)),
        "followers" => Some((Subject::Watchers, PLAIN)),
        "dnd" => Some((Subject::Dnd, PLAIN)),
        "type" => Some((Subject::Kind, PLAIN)),
        "dateAdded" => Some((Subject::Date(By::Added), DATES)),
        "dateUpdated" => Some((Subject::Date(By::Updated), DATES)),
        "dateOfBirth" => Some((Subject::BirthDate, DATES)),
        _ => None,
    }
}

/// Reads one entry of `filters`; what is wrong with it goes to `problems`.
pub(crate) fn read(
    value: &Value,
    location: &Location,
    problems: &mut Vec<String>,
) -> Option<Filter> {
    let Some(object) = value.as_object() else {
        problems.push("each value in filters must be an object".to_string());
        return None;
    };
    if let Some(group) = object.get("group") {
        let inner = object.get("filters").and_then(Value::as_array);
        let inner: Vec<Filter> = inner
            .into_iter()
            .flatten()
            .filter_map(|inner| read(inner, location, problems))
            .collect();
        unknown_keys(object, &["group", "filters"], problems);
        return match group.as_str() {
            Some("AND") => Some(Filter::All(inner)),
            Some("OR") => Some(Filter::Any(inner)),
            _ => {
                problems.push("group must be one of the following values: AND, OR".to_string());
                None
            }
        };
    }
    unknown_keys(object, &["field", "operator", "value"], problems);
    let name = object.get("field").and_then(Value::as_str).unwrap_or("");
    let operator = object.get("operator").and_then(Value::as_str).unwrap_or("");
    let Some((subject, allowed)) = operators(name, location) else {
        problems.push(format!("Invalid field: {name}"));
        return None;
    };
    if !allowed.contains(&operator) {
        problems.push(format!("Invalid operator {operator} for field {name}"));
        return None;
    }
    let value = object.get("value").unwrap_or(&Value::Null);
    let items: Vec<Value> = match value {
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    };
    if items.iter().any(|item| {
        item.as_str()
            .is_some_and(|text| text.chars().count() > LONGEST)
    }) {
        problems.push(format!(
            "value of {name} must be shorter than or equal to {LONGEST} characters"
        ));
        return None;
    }
    let test = match operator {
        "exists" | "not_exists" => Test::Exists,
        "range" => read_range(name, value, problems)?,
        _ if items
            .iter()
            .any(|item| item.is_null() || item.is_object() || item.is_array()) =>
        {
            problems.push(format!(
                "value of {name} must be a string, a number or a boolean"
            ));
            return None;
        }
        "eq" | "not_eq" => Test::Eq(items),
        _ => Test::Contains(
            items
                .iter()
                .map(|item| plain(item).to_lowercase())
                .collect(),
        ),
    };
    Some(Filter::One {
        subject,
        negated: operator.starts_with("not_"),
        test,
    })
}

pub(crate) fn unknown_keys(
    object: &serde_json::Map<String, Value>,
    known: &[&str],
    problems: &mut Vec<String>,
) {
    for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
        problems.push(format!("property {key} should not exist"));
    }
}

fn read_range(name: &str, value: &Value, problems: &mut Vec<String>) -> Option<Test> {
    let (mut from, mut to) = (f64::NEG_INFINITY, f64::INFINITY);
    let bounds = value.as_object().filter(|bounds| !bounds.is_empty());
    for (bound, value) in bounds.into_iter().flatten() {
        let at = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => read_time(text)
                .map(|ms| ms as f64)
                .or_else(|| text.parse().ok()),
            _ => None,
        };
        match (bound.as_str(), at) {
            ("gte", Some(at)) => from = from.max(at),
            ("gt", Some(at)) => from = from.max(at + 1.0),
            ("lt", Some(at)) => to = to.min(at),
            ("lte", Some(at)) => to = to.min(at + 1.0),
            _ => problems.push(format!("invalid range bound {bound} of {name}")),
        }
    }
    if bounds.is_none() {
        problems.push(format!("value of {name} must be a range"));
    }
    Some(Test::Range(from, to))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Subject {
    /// Returns the row's texts for this subject, in lower case unless they are ids.
    fn texts(&self, person: &Person) -> Vec<String> {
        let lower = |text: Option<&str>| text.map(str::to_lowercase).into_iter().collect();
        match self {
            Subject::Id => vec![person.id.to_string()],
            Subject::ContactName => vec![person.full_name().to_lowercase()],
            Subject::FirstName => lower(person.get(Key::FirstName)),
            Subject::LastName => lower(person.get(Key::LastName)),
            Subject::Text(key) => lower(person.get(*key)),
            Subject::Tags => person.tags.iter().map(ToString::to_string).collect(),
            Subject::Watchers => person.watchers.clone(),
            Subject::Dnd => vec![person.dnd.unwrap_or(false).to_string()],
            Subject::Kind => vec!["lead".to_string()],
            Subject::Date(By::Added) => vec![person.added.to_string()],
            Subject::Date(By::Updated) => vec![person.indexed_at().to_string()],
            Subject::BirthDate => lower(person.get(Key::DateOfBirth)),
            Subject::Custom(field) => match person.field(*field) {
                Some(Value::Array(items)) => items.iter().map(plain).collect(),
                Some(value) => vec![plain(value)],
                None => Vec::new(),
            },
            Subject::Nothing => Vec::new(),
        }
    }

    fn folds_case(&self) -> bool {
        !matches!(self, Subject::Id | Subject::Watchers | Subject::Custom(_))
    }

    fn number(&self, person: &Person) -> Option<f64> {
        match self {
            Subject::Date(By::Added) => Some(person.added as f64),
            Subject::Date(By::Updated) => Some(person.indexed_at() as f64),
            _ => {
                let text = self.texts(person).into_iter().next()?;
                read_time(&text.to_uppercase())
                    .map(|ms| ms as f64)
                    .or_else(|| text.parse().ok())
            }
        }
    }
}

impl Filter {
    pub(crate) fn matches(&self, person: &Person) -> bool {
        match self {
            Filter::All(inner) => inner.iter().all(|filter| filter.matches(person)),
            Filter::Any(inner) => inner.iter().any(|filter| filter.matches(person)),
            Filter::One {
                subject,
                negated,
                test,
            } => {
                let hit = match test {
                    Test::Exists => !subject.texts(person).is_empty(),
                    Test::Eq(values) => {
                        let texts = subject.texts(person);
                        let fold = subject.folds_case();
                        values.iter().map(plain).any(|value| {
                            let value = if fold { value.to_lowercase() } else { value };
                            texts.contains(&value)
                        })
                    }
                    Test::Contains(parts) => {
                        let texts = subject.texts(person);
                        parts
                            .iter()
                            .any(|part| texts.iter().any(|text| text.to_lowercase().contains(part)))
                    }
                    Test::Range(from, to) => subject
                        .number(person)
                        .is_some_and(|at| *from <= at && at < *to),
                };
                hit != *negated
            }
        }
    }

    /// Returns the few rows that can match at all, where an index can name them.
    pub(crate) fn candidates(
        &self,
        index: &mut Index,
        ids: &dyn Fn(&str) -> Option<u64>,
    ) -> Option<Vec<u64>> {
        match self {
            Filter::All(inner) => inner
                .iter()
                .filter_map(|filter| filter.candidates(index, ids))
                .min_by_key(Vec::len),
            Filter::Any(inner) => {
                let mut all = Vec::new();
                for filter in inner {
                    all.extend(filter.candidates(index, ids)?);
                }
                all.sort_unstable();
                all.dedup();
                Some(all)
            }
            Filter::One {
                subject,
                negated: false,
                test: Test::Eq(values),
            } => {
                let mut all = Vec::new();
                for value in values {
                    match subject {
                        Subject::Id => all.extend(value.as_str().and_then(ids)),
                        Subject::Custom(field) => all.extend(index.holders(*field, &plain(value))?),
                        Subject::Text(key @ (Key::Email | Key::Phone)) => {
                            all.extend(index.reachable_at(*key, &plain(value).to_lowercase()));
                        }
                        _ => return None,
                    }
                }
                Some(all)
            }
            Filter::One {
                subject: Subject::Nothing,
                negated: false,
                ..
            } => Some(Vec::new()),
            Filter::One { .. } => None,
        }
    }

    /// Narrows `from..to` to what this filter asks of the date; returns whether it asks nothing else.
    pub(crate) fn narrow(&self, by: By, from: &mut i64, to: &mut i64) -> bool {
        match self {
            Filter::All(inner) => {
                // Every filter narrows, also after one that asks for something else.
                let mut only = true;
                for filter in inner {
                    only &= filter.narrow(by, from, to);
                }
                only
            }
            Filter::One {
                subject: Subject::Date(date),
                negated: false,
                test: Test::Range(low, high),
            } if *date == by => {
                // A float turns into the nearest integer; infinities into the ends.
                *from = (*from).max(low.ceil() as i64);
                *to = (*to).min(high.ceil() as i64);
                true
            }
            Filter::Any(_) | Filter::One { .. } => false,
        }
    }
}

/// Returns a filter for the free text of `query`: part of a name, an email or a phone number.
pub(crate) fn free_text(query: &str) -> Filter {
    let part = query.to_lowercase();
    let subjects = [
        Subject::ContactName,
        Subject::Text(Key::Email),
        Subject::Text(Key::Phone),
    ];
    let one = |subject| Filter::One {
        subject,
        negated: false,
        test: Test::Contains(vec![part.clone()]),
    };
    Filter::Any(subjects.into_iter().map(one).collect())
}
