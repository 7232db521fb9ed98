//! The fingerprint of what a job wants.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::model::{
    BitsPeriod, BusinessId, By, ChangeRule, Channel, Destination, Digest, EventRule, Job,
    Lifecycle, Milestone, Missing, Own, Scope,
};

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
    // What follows came later: left out where a job has none of it, so that no job is taken for an edited one.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<More<'j>>,
}

/// The parts of a job that not every job has.
#[derive(PartialEq, Eq, Serialize)]
struct More<'j> {
    channels: &'j [Channel],
    period: Option<BitsPeriod>,
    scope: Option<&'j Scope>,
    business: Option<&'j BusinessId>,
    backfill: bool,
    label: Option<&'j str>,
    events: [&'j [EventRule]; 4],
    changes: &'j [ChangeRule],
    milestones: &'j [Milestone],
}

impl<'j> More<'j> {
    /// Returns what a job has of it, `None` for nothing at all.
    fn of(job: &'j Job) -> Option<More<'j>> {
        let Lifecycle {
            join,
            leave,
            returns,
            gone,
            changes,
            milestones,
        } = &job.on;
        let more = More {
            channels: &job.channels,
            period: job.period,
            scope: job.scope.as_ref(),
            business: job.business.as_ref(),
            backfill: job.backfill,
            label: mentions_channel(job).then_some(job.label.as_str()),
            events: [&join.events, &leave.events, &returns.events, &gone.events],
            changes,
            milestones,
        };
        let nothing = More {
            channels: &[],
            period: None,
            scope: None,
            business: None,
            backfill: false,
            label: None,
            events: [&[]; 4],
            changes: &[],
            milestones: &[],
        };
        (more != nothing).then_some(more)
    }
}

/// Returns whether any template could say what the channel is called: then another label wants something else.
fn mentions_channel(job: &Job) -> bool {
    let fields = job.fields.iter().map(|rule| rule.template.as_str());
    let moments = [&job.on.join, &job.on.leave, &job.on.returns, &job.on.gone];
    let tags = moments
        .into_iter()
        .flat_map(|actions| actions.add_tags.iter().chain(&actions.remove_tags))
        .map(String::as_str);
    fields
        .chain(tags)
        .any(|template| template.contains("channel"))
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
        part_of: _,
        channels: _,
        label: _,
        period: _,
        scope: _,
        business: _,
        backfill: _,
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
        more: More::of(job),
    };
    let json = serde_json::to_vec(&fingerprint).expect("a mapping is always JSON");
    Digest::of_bytes(&Sha256::digest(&json))
}
