//! The fingerprint of what a job wants.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::model::{By, Channel, Destination, Digest, Job, Missing, Own};

/// Everything of a job that changes what a record wants, in the form that is hashed.
#[derive(Serialize)]
struct Fingerprint<'j> {
    version: u32,
    source: &'j str,
    from: &'j str,
    channel: &'j Channel,
    destination: &'j Destination,
    to: &'j str,
    location: &'j str,
    match_by: &'j [By],
    missing: Missing,
    recreate_deleted: bool,
    timezone: &'j str,
    fields: BTreeMap<&'j str, (&'j str, Own)>,
    on: [BTreeSet<&'j str>; 8],
}

/// Returns the fingerprint of what a job wants: when it changes, every record is looked at again and a person is asked first.
///
/// Comments, the order of fields and tags, the schedule, limits, `strict`, `recheck`, `create_fields` and the reader have no part in it.
pub fn mapping_hash(job: &Job) -> Digest {
    fn set(templates: &[String]) -> BTreeSet<&str> {
        templates.iter().map(String::as_str).collect()
    }
    let Job {
        name: _,
        schedule: _,
        timezone,
        full: _,
        jitter: _,
        time_budget: _,
        quiet: _,
        full_at_most_every: _,
        source,
        from,
        channel,
        destination,
        to,
        location,
        match_by,
        missing,
        recreate_deleted,
        fields,
        on,
        limits: _,
        recheck: _,
        create_fields: _,
        strict: _,
        contacts_reader: _,
        drift: _,
    } = job;
    let fingerprint = Fingerprint {
        version: 1,
        source: source.word(),
        from: from.as_str(),
        channel,
        destination,
        to: to.as_str(),
        location: location.as_str(),
        match_by,
        missing: *missing,
        recreate_deleted: *recreate_deleted,
        timezone: timezone.name(),
        fields: fields
            .iter()
            .map(|rule| (rule.key.as_str(), (rule.template.as_str(), rule.own)))
            .collect(),
        on: [
            set(&on.join.add_tags),
            set(&on.join.remove_tags),
            set(&on.leave.add_tags),
            set(&on.leave.remove_tags),
            set(&on.returns.add_tags),
            set(&on.returns.remove_tags),
            set(&on.gone.add_tags),
            set(&on.gone.remove_tags),
        ],
    };
    let json = serde_json::to_vec(&fingerprint).expect("a mapping is always JSON");
    Digest::of_bytes(&Sha256::digest(&json))
}
