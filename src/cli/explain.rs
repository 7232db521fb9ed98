//! `explain`: one person, offline: the record, the contact, what the job wants and why, and every step of all runs.

mod jotted;
mod text;
mod told;

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde::Serialize;

use crate::config::Config;
use crate::model::{ContactId, Job, JobName, RecordKey};
use crate::plan::wanted::Mapping;
use crate::report::hidden;
use crate::run;
use crate::store::jobs::{self, JobState};
use crate::store::{Store, mirror, people};

use super::args::{Explain, Form};
use super::error::CliError;
use super::exit::Exit;
use super::look;
use super::runs::{chosen, load};
use super::shell::Shell;

use told::Told;

/// The number of the JSON shape.
const SCHEMA: u32 = 1;

/// Runs `explain`.
pub(super) fn explain(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Explain,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let now = shell.clock.now();
    let db = Store::look(&config.state)?.ok_or_else(|| look::never_ran(&shell.typed))?;
    // One snapshot: what is told fits together, whatever runs meanwhile.
    let db = db
        .unchecked_transaction()
        .map_err(crate::store::StoreError::from)?;
    let desks = desks(&config, &db, args)?;
    let who = args.who.trim();
    let found = Found::look(&db, &desks, who)?;
    let all = All::of(&db, &desks, &found, args)?;
    let exit = match (all.people.is_empty(), all.hits.is_empty()) {
        (true, false) => Exit::BadConfig,
        (true, true) | (false, _) => Exit::Done,
    };
    if all.people.is_empty() && all.hits.is_empty() && all.contacts.is_empty() {
        return Err(nobody(who, args, &desks));
    }
    match args.format {
        Form::Json => shell.say(&look::json("what is known", &all)?)?,
        Form::Text => {
            let text = all.text(&config, shell, now);
            let width = shell.width;
            shell.write(|out| look::page(out, &text, width))?;
        }
    }
    Ok(exit)
}

fn nobody(who: &str, args: &Explain, desks: &[Desk<'_>]) -> CliError {
    let which = match (&args.job, desks) {
        (Some(job), _) => format!("job {job} does not know"),
        (None, [only]) => format!("job {} does not know", only.job.name),
        (None, _) => "no job knows".to_owned(),
    };
    CliError::Usage {
        what: format!("{which} `{}`", hidden(who).escape_debug()),
        hint: Some(
            "it looks for a record's key, a Twitch login or name, the id of a contact, and an e-mail address or phone number that a job maps; \
             somebody who followed since the last run is not known yet"
                .to_owned(),
        ),
    }
}

/// A job that ran, and what it takes to look at its records.
struct Desk<'c> {
    job: &'c Job,
    mapping: Mapping,
    state: JobState,
    location_no: i64,
}

fn desks<'c>(
    config: &'c Config,
    db: &Connection,
    args: &Explain,
) -> Result<Vec<Desk<'c>>, CliError> {
    let names = chosen(config, args.job.as_slice())?;
    let mut desks = Vec::new();
    for job in names.iter().filter_map(|name| config.jobs.get(name)) {
        let (Some(state), Some(location_no)) = (
            jobs::find_job(db, &job.name)?,
            people::location_no(db, &job.location)?,
        ) else {
            continue;
        };
        let mapping = Mapping::new(job)
            .map_err(|problem| CliError::usage(format!("{}: {problem}", job.name)))?;
        desks.push(Desk {
            job,
            mapping,
            state,
            location_no,
        });
    }
    Ok(desks)
}

/// What `WHO` fits.
#[derive(Debug, Default)]
struct Found {
    /// Records, and the jobs that have them (by their place among the desks).
    records: BTreeMap<RecordKey, Vec<usize>>,
    /// Contacts that no record is linked to.
    contacts: BTreeMap<ContactId, (usize, i64)>,
}

impl Found {
    fn look(db: &Connection, desks: &[Desk<'_>], who: &str) -> Result<Found, CliError> {
        let mut found = Found::default();
        for (place, desk) in desks.iter().enumerate() {
            let source = desk.job.source;
            let names: Vec<&str> = source
                .attributes()
                .iter()
                .copied()
                .filter(|name| name.ends_with("_login") || name.ends_with("_name"))
                .collect();
            let mut keys = people::records(db, desk.state.no, who, &names)?;
            for (no, id) in people::contacts(db, desk.location_no, who)? {
                let linked = people::record_of(db, source.namespace(), no)?;
                match linked.or(marked(db, desk, no)?) {
                    Some(key) => {
                        keys.insert(key);
                    }
                    None => {
                        found.contacts.entry(id).or_insert((place, no));
                    }
                }
            }
            if keys.is_empty()
                && let Ok(key) = RecordKey::try_from(who)
                && people::linked(db, desk.location_no, source.namespace(), &key)?.is_some()
            {
                keys.insert(key);
            }
            for key in keys {
                found.records.entry(key).or_default().push(place);
            }
        }
        Ok(found)
    }
}

/// Returns the record whose key a contact carries as its marker.
fn marked(db: &Connection, desk: &Desk<'_>, no: i64) -> Result<Option<RecordKey>, CliError> {
    let Some(marker) = desk.mapping.marker() else {
        return Ok(None);
    };
    let contact = mirror::mirrored(db, no)?;
    let value = contact.seen.get(marker).cloned().flatten();
    let Some(key) = value.and_then(|value| RecordKey::try_from(value).ok()) else {
        return Ok(None);
    };
    let listed = people::listed(db, desk.state.no, &key)?;
    Ok(listed.map(|_| key))
}

/// Everything that `explain` tells.
#[derive(Debug, Serialize)]
struct All {
    schema: u32,
    /// One for each job that has the record; empty when several people fit.
    people: Vec<Told>,
    /// The people that fit, for choosing; empty when there is one.
    hits: Vec<Hit>,
    /// Contacts that fit and that no record is linked to.
    contacts: Vec<told::Contact>,
}

/// One of several people that fit.
#[derive(Debug, Serialize)]
struct Hit {
    key: RecordKey,
    name: String,
    jobs: Vec<JobName>,
}

impl All {
    fn of(
        db: &Connection,
        desks: &[Desk<'_>],
        found: &Found,
        args: &Explain,
    ) -> Result<All, CliError> {
        let mut all = All {
            schema: SCHEMA,
            people: Vec::new(),
            hits: Vec::new(),
            contacts: Vec::new(),
        };
        let is_one = found.records.len() == 1;
        for (key, places) in &found.records {
            let mut hit = Hit {
                key: key.clone(),
                name: String::new(),
                jobs: Vec::new(),
            };
            for desk in places.iter().filter_map(|place| desks.get(*place)) {
                let looked = run::look(
                    db,
                    desk.job,
                    &desk.mapping,
                    &desk.state,
                    desk.location_no,
                    key,
                )?;
                if is_one {
                    all.people.push(Told::of(
                        db,
                        desk,
                        key,
                        looked.as_ref(),
                        args.show_personal,
                    )?);
                } else {
                    hit.name = looked.map(|looked| looked.name).unwrap_or_default();
                    hit.jobs.push(desk.job.name.clone());
                }
            }
            if !is_one {
                hit.name = hidden(&hit.name).into_owned();
                all.hits.push(hit);
            }
        }
        if found.records.is_empty() {
            for (_, no) in found.contacts.values() {
                all.contacts
                    .push(told::Contact::of(db, *no, args.show_personal)?);
            }
        }
        Ok(all)
    }

    fn text(&self, config: &Config, shell: &Shell, now: DateTime<Utc>) -> String {
        let mut lines = Vec::new();
        for told in &self.people {
            if let Some(job) = config.jobs.get(&told.job) {
                lines.extend(told.lines(job, &shell.typed, now));
            }
        }
        if !self.hits.is_empty() {
            lines.push(format!(
                "{} people fit; name one by its key:",
                self.hits.len()
            ));
            for hit in &self.hits {
                let jobs: Vec<&str> = hit.jobs.iter().map(JobName::as_str).collect();
                lines.push(format!("  {} ({}), {}", hit.name, hit.key, jobs.join(", ")));
            }
        }
        for contact in &self.contacts {
            lines.push(format!(
                "contact {} is known, and no record is linked to it",
                contact.id
            ));
            lines.extend(contact.lines());
        }
        lines.join("\n")
    }
}
