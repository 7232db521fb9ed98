//! Which broadcast of the channel a follower followed in.

use rusqlite::Connection;

use chrono::DateTime;

use crate::model::{EventWhat, Job, Record, RecordKey};
use crate::plan::Presence;
use crate::store::StoreError;
use crate::store::broadcasts;
use crate::store::walks::Listed;

/// What all attributes of a cohort begin with, in templates too.
const MENTION: &str = "stream_";
const FOLLOWED_AT: &str = "followed_at";

/// The cohorts of one channel's followers.
#[derive(Clone, Debug)]
pub(super) struct Cohorts {
    /// The user id of the channel.
    channel: RecordKey,
}

impl Cohorts {
    /// Returns the cohorts that a job asks for; `None` for one whose templates mention none, and for all sources but followers.
    pub(super) fn of(job: &Job, channel: &RecordKey) -> Option<Cohorts> {
        let asks = job.source.attributes().contains(&"stream_id")
            && !job.source.is_of_channels()
            && templates(job).any(|template| template.contains(MENTION));
        asks.then(|| Cohorts {
            channel: channel.clone(),
        })
    }

    /// Tells in a record that is about to be staged which broadcast its follow was in.
    ///
    /// `stored` is what the roster has of it. One who was there and follows since the same moment keeps what was told of them then: the title of a
    /// broadcast changes, and its end is known later.
    ///
    /// Errors: the state cannot be read.
    pub(super) fn tell(
        &self,
        reader: &Connection,
        record: &mut Record,
        stored: Option<&Listed>,
    ) -> Result<(), StoreError> {
        let followed_at = record.attributes.get(FOLLOWED_AT).cloned();
        if let Some(stored) = stored
            && stored.presence == Presence::In
            && followed_of(&stored.attributes) == followed_at
        {
            return Ok(());
        }
        let at = followed_at.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
        let broadcast = match at {
            Some(at) => {
                broadcasts::of_moment(reader, self.channel.as_str(), at.timestamp_millis())?
            }
            None => None,
        };
        broadcasts::stamp(&mut record.attributes, broadcast.as_ref());
        Ok(())
    }
}

fn followed_of(attributes: &str) -> Option<String> {
    let attributes: std::collections::BTreeMap<String, String> =
        serde_json::from_str(attributes).ok()?;
    attributes.get(FOLLOWED_AT).cloned()
}

/// Returns the templates of a job in which a cohort may be mentioned.
fn templates(job: &Job) -> impl Iterator<Item = &str> {
    let fields = job.fields.iter().map(|rule| rule.template.as_str());
    let on = &job.on;
    let moments = [&on.join, &on.leave, &on.returns, &on.gone];
    let tags = moments
        .into_iter()
        .flat_map(|actions| actions.add_tags.iter().chain(&actions.remove_tags))
        .map(String::as_str);
    let events = moments
        .into_iter()
        .map(|actions| &actions.events)
        .chain(on.changes.iter().map(|rule| &rule.events))
        .chain(on.milestones.iter().map(|rule| &rule.events))
        .flatten()
        .flat_map(|rule| {
            let (first, second, third) = match &rule.what {
                EventWhat::Note { body } => (Some(body), None, None),
                EventWhat::Task {
                    title,
                    body,
                    due,
                    assigned: _,
                } => (Some(title), body.as_ref(), Some(due)),
                EventWhat::CompleteTask => (None, None, None),
            };
            [rule.when.as_ref(), first, second, third]
        })
        .flatten()
        .map(String::as_str);
    fields.chain(tags).chain(events)
}
