//! Whether notes and tasks for the channel will find its contact.

use rusqlite::Connection;

use crate::config::Config;
use crate::model::{Channel, EventTarget, Job, Namespace, RecordKey, SourceKind};
use crate::store::{StoreError, jobs, links, people};

use super::Typed;
use super::findings::{About, Found};

/// Says of every job whose notes and tasks go to the channel whether some job links the channel's contact, and whether one is linked.
pub(super) fn look(found: &mut Found, config: &Config, state: Option<&Connection>, typed: &Typed) {
    for job in config.jobs.values().filter(|job| asks_for_it(job)) {
        let about = About::Job(job.name.clone());
        match is_linked(job, state) {
            Ok(true) => {
                found.well(
                    about,
                    format!("the contact of channel {} is linked", job.label),
                );
                continue;
            }
            Ok(false) => {}
            // The state said so itself.
            Err(_) => continue,
        }
        let waits = "its notes and tasks for the channel wait";
        let (what, mend) = match config.jobs.values().find(|other| links_it(other, job)) {
            Some(streams) => (
                format!(
                    "{waits} until {} links the contact of channel {}, which it does when the channel is live",
                    streams.name, job.label
                ),
                format!(
                    "nothing, or `{}` with the user id of the channel",
                    typed.command(&format!("link {} KEY CONTACT", streams.name))
                ),
            ),
            None => (
                format!(
                    "{waits}: no job over {} links the contact of channel {}",
                    SourceKind::TwitchStreams.word(),
                    job.label
                ),
                format!(
                    "add such a job for {}, as schedules/twitch-streams.toml of ghl-sync is",
                    job.to
                ),
            ),
        };
        found.note(about, what, Some(mend));
    }
}

fn asks_for_it(job: &Job) -> bool {
    let on = &job.on;
    let moments = [&on.join, &on.leave, &on.returns, &on.gone];
    let of_moments = moments.into_iter().flat_map(|actions| &actions.events);
    let of_changes = on.changes.iter().flat_map(|rule| &rule.events);
    let of_milestones = on.milestones.iter().flat_map(|rule| &rule.events);
    of_moments
        .chain(of_changes)
        .chain(of_milestones)
        .any(|rule| rule.to == EventTarget::Channel)
}

/// Returns whether a job watches the channel of the other one, for the same location.
fn links_it(streams: &Job, job: &Job) -> bool {
    let watched = match streams.channels.as_slice() {
        [] => std::slice::from_ref(&streams.channel),
        channels => channels,
    };
    let is_it = |channel: &Channel| match (channel, &job.channel) {
        (Channel::Own, Channel::Own) => streams.from == job.from,
        (one, other) => one == other,
    };
    // Whose channel an account's own is, no file says: a login may name it.
    let may_be = job.channel == Channel::Own && !streams.channels.is_empty();
    streams.source.is_of_channels()
        && streams.location == job.location
        && (watched.iter().any(is_it) || may_be)
}

fn is_linked(job: &Job, state: Option<&Connection>) -> Result<bool, StoreError> {
    let Some(db) = state else { return Ok(false) };
    let Some(location) = people::location_no(db, &job.location)? else {
        return Ok(false);
    };
    let known = jobs::find_job(db, &job.name)?;
    let channel = known
        .and_then(|known| known.channel)
        .and_then(|id| RecordKey::try_from(id).ok());
    match channel {
        Some(channel) => {
            let linked = links::linked_contact(db, location, Namespace::TwitchChannel, &channel)?;
            Ok(linked.is_some())
        }
        None => Ok(false),
    }
}
