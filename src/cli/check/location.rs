//! What a HighLevel location says of itself, and whether its custom fields are as the jobs need them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::apis::highlevel::{self, CustomField, Keys, Location, Search};
use crate::config::{HighLevelAccount, HubLogin, scopes};
use crate::model::{BusinessId, By, FieldKey, Job, Scope};
use crate::net::{CallError, Line, Purpose, Reach, Tally};
use crate::report::plain;

use super::super::exit::Exit;
use super::super::worlds::Worlds;
use super::findings::{About, Found};
use super::offline::marker;
use super::online::{Asking, Next};

/// The scope that reading the location takes; no job needs it.
pub(super) const SCOPE: &str = "locations.readonly";
/// The scope that reading definitions takes.
const FIELDS: &str = "locations/customFields.readonly";
/// The scope that `create_fields` takes.
const FIELDS_WRITE: &str = "locations/customFields.write";
/// The scope that reading businesses takes; no job needs it.
const BUSINESSES: &str = "businesses.readonly";
/// The scope that reading contacts takes.
const CONTACTS: &str = "contacts.readonly";

/// Asks a location: itself, its custom fields, one contact.
pub(super) async fn ask(
    asking: &mut Asking<'_>,
    worlds: &mut Worlds,
    hub: &HighLevelAccount,
    is_tested: bool,
) {
    if !matches!(hub.login, HubLogin::Fixed(_)) && asking.login().is_none() {
        let mend = asking.log_in();
        return asking.wrong("not logged in yet", mend);
    }
    let auth = worlds.auth(asking.account);
    let line = auth
        .and_then(|auth| worlds.line(asking.account, Reach::ReadsOnly, auth, &Tally::default()));
    let line = match line {
        Ok(line) => line,
        Err(why) => return asking.no_call(&why),
    };
    let is_known = asking.granted();
    let mut next = Next::GoOn;
    let mut works = false;

    let call = highlevel::location(&hub.location);
    match line.send(&call, Purpose::Announced).await {
        Ok(answer) => {
            works = true;
            duplicates(asking, &answer.value);
        }
        // No job needs to read the location.
        Err(CallError::Scope { said, .. }) => {
            if !is_known {
                let mend = asking.grant(SCOPE);
                asking.note(
                    format!(
                        "the token lacks the scope {SCOPE} ({said}), which this check alone uses"
                    ),
                    Some(mend),
                );
            }
        }
        Err(error) => next = asking.failed(error, SCOPE),
    }
    if next == Next::GoOn {
        let call = highlevel::custom_fields(&hub.location);
        match line.send(&call, Purpose::Announced).await {
            Ok(answer) => {
                works = true;
                fields(asking, &answer.value);
            }
            Err(error) => next = asking.failed(error, FIELDS),
        }
    }
    if next == Next::GoOn {
        let call = Search::by_added()
            .limit(1)
            .call(&hub.location, &Arc::new(Keys::default()));
        match line.send(&call, Purpose::Announced).await {
            Ok(answer) => {
                works = true;
                // The search may stop counting at 10,000.
                let total = match answer.value.total {
                    Some(total @ 0..10_000) => format!(" ({total} in all)"),
                    Some(_) | None => String::new(),
                };
                asking.well(format!("contacts can be read{total}"));
            }
            Err(error) => next = asking.failed(error, CONTACTS),
        }
    }
    if next == Next::GoOn {
        businesses(asking, &line).await;
    }
    if works && !is_known {
        unknown(asking, is_tested);
    }
    asking.clock("HighLevel", &line);
    if works {
        asking.budget(worlds.store(), &line, "HighLevel", hub.reserve);
    }
}

/// Looks for the businesses that jobs name.
async fn businesses(asking: &mut Asking<'_>, line: &Line) {
    let jobs = asking.config.jobs.values();
    let named: BTreeSet<BusinessId> = jobs
        .filter(|job| job.to == *asking.name)
        .flat_map(|job| {
            let scope = match &job.scope {
                Some(Scope::Business(business)) => Some(business),
                Some(Scope::Tag(_)) | None => None,
            };
            job.business.iter().chain(scope)
        })
        .cloned()
        .collect();
    for business in named {
        let call = highlevel::business(&business);
        match line.send(&call, Purpose::Announced).await {
            Ok(answer) => {
                let name = plain(&answer.value.name);
                asking.well(format!("business {business} is \"{name}\""));
            }
            // No job needs to read businesses.
            Err(CallError::Scope { said, .. }) => {
                let mend = asking.grant(BUSINESSES);
                asking.note(
                    format!(
                        "whether there is a business {business} cannot be told: the token lacks the scope {BUSINESSES} ({said}), which this check alone uses"
                    ),
                    Some(mend),
                );
                return;
            }
            Err(CallError::NotFound { .. }) => asking.wrong(
                format!("the location has no business {business}"),
                "correct `business` in [to] or [scope] of the job",
            ),
            Err(error) => {
                if asking.failed(error, BUSINESSES) == Next::Stop {
                    return;
                }
            }
        }
    }
}

/// Says which scopes cannot be tried by reading.
fn unknown(asking: &mut Asking<'_>, is_tested: bool) {
    let needed = scopes::needed(asking.config, asking.name);
    if needed.contains(&"contacts.write") && !is_tested {
        let test = asking
            .typed
            .command(&format!("check --write-test --account {}", asking.name));
        asking.note(
            "whether the token may write (contacts.write) cannot be told by reading",
            Some(format!(
                "`{test}` tries it with a contact that it removes again"
            )),
        );
    }
    if needed.contains(&FIELDS_WRITE) {
        let mend = "look at the scopes of the private integration in HighLevel (Settings, Private Integrations)";
        asking.note(
            format!("whether the token may make custom fields ({FIELDS_WRITE}) shows when `apply` makes one"),
            Some(mend.to_owned()),
        );
    }
}

/// Says which location it is, and what its setting about duplicates means for jobs.
fn duplicates(asking: &mut Asking<'_>, location: &Location) {
    let name = match &location.name {
        Some(name) => format!("the location is \"{}\"", plain(name)),
        None => "the location is there".to_owned(),
    };
    let zone = match &location.timezone {
        Some(zone) => format!(", {}", plain(zone)),
        None => String::new(),
    };
    asking.well(format!("{name}{zone}"));
    let by = match location.unique_identifiers.as_slice() {
        [] => "e-mail or phone".to_owned(),
        identifiers => plain(&identifiers.join(" or ")),
    };
    match location.allows_duplicates {
        Some(false) => asking.well(format!(
            "duplicates are not allowed: a create whose {by} another contact has is refused, and the job tells of it"
        )),
        Some(true) => {
            let writes = |key: &str| {
                let mut jobs = asking.config.jobs.values().filter(|job| job.to == *asking.name);
                jobs.any(|job| job.fields.iter().any(|rule| rule.key.as_str() == key))
            };
            let what = "duplicates are allowed: HighLevel keeps nobody from creating a second contact with the same e-mail or phone; ghl-sync itself creates nobody twice";
            if writes("email") || writes("phone") {
                let mend = "match by that field (`[match] by`), or do not allow duplicates in the settings of the location";
                asking.note(what, Some(mend.to_owned()));
            } else {
                asking.well(what);
            }
        }
        None => asking.note("the location does not say whether it allows duplicates", None),
    }
}

/// What a field of some type does with the text that a job writes.
enum Takes {
    /// Keeps it as it is.
    Text,
    /// Keeps what fits this.
    Some(&'static str),
    /// Does not take it.
    Nothing,
    /// Nobody knows: a type that is newer than this program.
    Unknown,
}

/// Sorts HighLevel's types. Source: its OpenAPI file of custom fields (`MONETORY` is its spelling).
fn takes(data_type: &str) -> Takes {
    match data_type {
        "TEXT" | "LARGE_TEXT" => Takes::Text,
        "NUMERICAL" => Takes::Some("numbers, and drops leading zeros"),
        "MONETORY" => Takes::Some("amounts of money"),
        "PHONE" => Takes::Some("phone numbers"),
        "EMAIL" => Takes::Some("e-mail addresses"),
        "DATE" => Takes::Some("dates as YYYY-MM-DD, as the filter `date` makes them"),
        "CHECKBOX" | "SINGLE_OPTIONS" | "MULTIPLE_OPTIONS" | "RADIO" | "TEXTBOX_LIST"
        | "FILE_UPLOAD" | "SIGNATURE" => Takes::Nothing,
        _ => Takes::Unknown,
    }
}

/// Holds the location's custom fields against those that its jobs name.
fn fields(asking: &mut Asking<'_>, defined: &[CustomField]) {
    for job in asking
        .config
        .jobs
        .values()
        .filter(|job| job.to == *asking.name)
    {
        fields_of(asking.found, job, asking.name.as_str(), defined);
    }
}

fn fields_of(found: &mut Found, job: &Job, account: &str, defined: &[CustomField]) {
    let about = || About::Job(job.name.clone());
    let marker = marker(job);
    let matched = job.match_by.iter().filter_map(|by| match by {
        By::Link => None,
        By::Field(key) => Some(key),
    });
    let named: BTreeSet<&FieldKey> = job
        .fields
        .iter()
        .map(|rule| &rule.key)
        .chain(matched)
        .filter(|key| key.standard().is_none())
        .collect();
    let mut fine = Vec::new();
    for key in named {
        let Some(field) = defined.iter().find(|field| field.key == *key) else {
            if job.create_fields {
                let what =
                    format!("account {account} has no custom field `{key}` yet; `apply` makes it");
                found.note(about(), what, None);
            } else {
                found.wrong(
                    about(),
                    format!("account {account} has no custom field `{key}`"),
                    format!(
                        "make it in HighLevel (Settings, Custom Fields; object Contact, single line text) with exactly this key, or set `create_fields = true` in {}",
                        job.part_of.as_ref().unwrap_or(&job.name)
                    ),
                    Exit::BadConfig,
                );
            }
            continue;
        };
        let data_type = plain(&field.data_type);
        let is_marker = marker.as_ref() == Some(key);
        if is_marker && field.data_type != "TEXT" {
            found.wrong(
                about(),
                format!(
                    "custom field `{key}` of account {account} is the marker and of type {data_type}, expected TEXT"
                ),
                "make another field of type single line text and name that one in the job",
                Exit::BadConfig,
            );
            continue;
        }
        match takes(&field.data_type) {
            Takes::Text => fine.push(key.as_str()),
            Takes::Some(what) => found.note(
                about(),
                format!("custom field `{key}` of account {account} is of type {data_type}: it takes {what}"),
                Some("a value that does not fit is refused; a single line text takes everything".to_owned()),
            ),
            Takes::Nothing => found.wrong(
                about(),
                format!("custom field `{key}` of account {account} is of type {data_type}, which takes no free text"),
                "name a field of type single line text in the job",
                Exit::BadConfig,
            ),
            Takes::Unknown => found.note(
                about(),
                format!("custom field `{key}` of account {account} is of type {data_type}, which this program does not know"),
                Some("look at the first contacts that `apply --limit 3` writes".to_owned()),
            ),
        }
    }
    if !fine.is_empty() {
        let what = format!("account {account} has the text fields {}", fine.join(", "));
        found.well(about(), what);
    }
}
