//! The notes and tasks of a record: what came up, and what became of it.

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde::Serialize;

use crate::model::{Change, EventTarget, RecordKey, StepKind};
use crate::plan::events::EventState;
use crate::report::hidden;
use crate::store::events;

use super::super::error::CliError;
use super::super::look::ms;
use super::super::status::moment;

/// One note or task.
#[derive(Debug, Serialize)]
pub(super) struct Jotted {
    pub(super) kind: StepKind,
    /// `join`, `leave`, `return`, `gone`, `change NAME` or `milestone NAME`.
    pub(super) moment: String,
    pub(super) occurrence: String,
    /// Whose contact it is for: `contact` or `channel`.
    pub(super) to: &'static str,
    /// Its text, or the title of the task.
    pub(super) text: Option<String>,
    pub(super) state: &'static str,
    /// Nothing is sent before.
    pub(super) not_before: Option<DateTime<Utc>>,
    pub(super) came_up_at: DateTime<Utc>,
    pub(super) done_at: Option<DateTime<Utc>>,
    /// When the task was marked as done by us.
    pub(super) completed_at: Option<DateTime<Utc>>,
    /// HighLevel's id of it.
    pub(super) id: Option<String>,
    pub(super) why: Option<String>,
}

/// Returns the notes and tasks of a record of a job, oldest first.
pub(super) fn of_record(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    show_personal: bool,
) -> Result<Vec<Jotted>, CliError> {
    let kept = events::of_record(db, job_no, key)?.into_iter();
    Ok(kept.map(|kept| Jotted::of(kept, show_personal)).collect())
}

impl Jotted {
    fn of(kept: events::Kept, show_personal: bool) -> Jotted {
        let shown = |text: &str| match show_personal {
            true => text.to_owned(),
            false => hidden(text).into_owned(),
        };
        let change = &kept.past.change;
        let text = match change {
            Change::Note { body, .. } => Some(shown(body)),
            Change::Task { title, .. } => Some(shown(title)),
            Change::CompleteTask { .. }
            | Change::Link { .. }
            | Change::Relink { .. }
            | Change::Tombstone { .. }
            | Change::Create { .. }
            | Change::Update { .. }
            | Change::AddTags { .. }
            | Change::RemoveTags { .. }
            | Change::Attach { .. } => None,
        };
        let (moment, occurrence, to) = match change.event() {
            Some((event, to)) => (event.moment.clone(), event.occurrence.clone(), to),
            None => (String::new(), String::new(), EventTarget::Contact),
        };
        Jotted {
            kind: change.kind(),
            moment,
            occurrence,
            to: to.word(),
            text,
            state: kept.past.state.word(),
            not_before: kept.past.not_before_ms.map(ms),
            came_up_at: ms(kept.made_ms),
            done_at: kept.done_ms.map(ms),
            completed_at: kept.completed_ms.map(ms),
            id: kept.vendor_id,
            why: kept.why.as_deref().map(shown),
        }
    }

    /// Returns its line.
    pub(super) fn line(&self, now: DateTime<Utc>) -> String {
        let mut line = format!("    {} of {}", self.kind, self.moment);
        // The number of a transition tells nobody anything; a day, a stream or a threshold does.
        if !is_number_of_transition(&self.occurrence) {
            line.push_str(&format!(" {}", self.occurrence));
        }
        if self.to == EventTarget::Channel.word() {
            line.push_str(", for the channel's contact");
        }
        if let Some(text) = &self.text {
            line.push_str(&format!(": `{}`", text.replace('\n', " / ")));
        }
        let state = EventState::from_word(self.state);
        line.push_str(&match (state, self.done_at) {
            (Some(EventState::Done), Some(at)) => format!("; done, {}", moment(at, now)),
            (Some(EventState::Due), _) => match self.not_before {
                Some(at) if at > now => {
                    format!("; due, not before {}", at.format("%Y-%m-%d %H:%M:%S UTC"))
                }
                Some(_) | None => "; due".to_owned(),
            },
            (Some(EventState::Sent), _) => "; sent, and its answer is not known".to_owned(),
            (_, _) => format!("; {}", self.state),
        });
        if let Some(at) = self.completed_at {
            line.push_str(&format!("; marked as done, {}", moment(at, now)));
        }
        if let Some(id) = &self.id {
            line.push_str(&format!("; id {id}"));
        }
        if let Some(why) = &self.why {
            line.push_str(&format!("; {why}"));
        }
        line
    }
}

/// Returns whether this occurrence is only counted: `t` and the number of the record's transition.
fn is_number_of_transition(occurrence: &str) -> bool {
    occurrence.strip_prefix('t').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_that_is_only_counted_is_told_from_a_day_and_a_stream() {
        for counted in ["t0", "t12"] {
            assert!(is_number_of_transition(counted), "{counted}");
        }
        for told in [
            "",
            "t",
            "40000000001",
            "2026-11-22T03:25:41Z",
            "tier",
            "t1x",
        ] {
            assert!(!is_number_of_transition(told), "{told}");
        }
    }
}
