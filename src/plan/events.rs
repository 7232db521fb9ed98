//! Which notes and tasks are due for one record: those that its transition calls for, and those that came up before and were not sent.
//!
//! An event is remembered when it comes up and stays, so that it never comes twice; what is sent is what it said then.

use crate::model::{Change, ContactId, EventKey, EventTarget, GuardKind, StepKind};

use super::diff::{Planned, Verdict, Wait};
use super::row::{Linked, Presence, Row};

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventState {
    /// It came up and was not sent.
    Due,
    /// It was sent; the answer is not known.
    Sent,
    /// It was carried out.
    Done,
    /// The vendor said no.
    Refused,
    /// Nobody wants it any more.
    Dropped,
}

impl EventState {
    /// All states.
    pub const ALL: [EventState; 5] = [
        EventState::Due,
        EventState::Sent,
        EventState::Done,
        EventState::Refused,
        EventState::Dropped,
    ];

    /// Returns the word in the database.
    pub fn word(self) -> &'static str {
        match self {
            EventState::Due => "due",
            EventState::Sent => "sent",
            EventState::Done => "done",
            EventState::Refused => "refused",
            EventState::Dropped => "dropped",
        }
    }

    /// Returns the state that a stored word names, `None` for no such word.
    pub fn from_word(word: &str) -> Option<EventState> {
        EventState::ALL
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// An event of a record that came up before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// What it says.
    pub change: Change,
    /// The record's transition when it came up.
    pub transition: u32,
    /// Nothing is sent before, in ms.
    pub not_before_ms: Option<i64>,
    /// Where it stands.
    pub state: EventState,
    /// Whether it is a task that we made and have not marked as done.
    pub is_open_task: bool,
}

/// What is known for the events of one record.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// What came up before, oldest first.
    pub past: Vec<Past>,
    /// What the transition of this pass calls for, in the order of the job file.
    pub fired: Vec<Change>,
    /// Nothing of a leave is sent before, in ms: a channel may come back within minutes.
    pub leave_not_before_ms: Option<i64>,
    /// The contact of the job's channel, where it is known.
    pub channel: Option<(i64, ContactId)>,
    /// The present moment in ms.
    pub now_ms: i64,
}

/// What becomes of the events of one record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Steps, in the order of their moments.
    pub steps: Vec<(Planned, Option<i64>)>,
    /// Events that came up in this pass, to be remembered as due, with the moment before which they are not sent.
    pub remember: Vec<(Change, Option<i64>)>,
    /// Events that never happened after all; they may come up again.
    pub forget: Vec<EventKey>,
    /// Events that nobody wants any more, with the reason.
    pub drop: Vec<(EventKey, &'static str)>,
    /// Whether some are due and wait for the contact of the channel.
    pub wait_for_channel: bool,
    /// Whether some are due and not sent in this pass, so that the record is looked at again.
    pub waits: bool,
}

/// Decides about the events of one record, after `verdict` decided about its contact.
///
/// `still_wanted` says whether the job still calls for an event that came up before.
pub fn decide(
    row: &Row,
    verdict: &Verdict,
    scene: Scene,
    still_wanted: impl Fn(&Change) -> bool,
) -> Decided {
    let Scene {
        past,
        fired,
        leave_not_before_ms,
        channel,
        now_ms,
    } = scene;
    let mut decided = Decided::default();
    let mut due: Vec<(Change, Option<i64>)> = Vec::new();
    for event in &past {
        match event.state {
            EventState::Due => {}
            // It may turn out not to have been carried out; then it is due again, and somebody has to look.
            EventState::Sent => {
                decided.waits = true;
                continue;
            }
            EventState::Done | EventState::Refused | EventState::Dropped => continue,
        }
        let Some((key, _)) = event.change.event() else {
            continue;
        };
        if !still_wanted(&event.change) {
            decided
                .drop
                .push((key.clone(), "the job no longer calls for it"));
        } else if is_of_state(&key.moment) && event.transition > row.transition {
            // It was about to leave or to return, a guard held that, and it is as it was before.
            decided.forget.push(key.clone());
        } else {
            due.push((event.change.clone(), event.not_before_ms));
        }
    }
    for change in fired {
        let Some((key, _)) = change.event() else {
            continue;
        };
        if past.iter().any(|past| is_same(&past.change, key)) {
            continue;
        }
        let not_before_ms = leave_not_before_ms.filter(|_| is_of_leave(&key.moment));
        decided.remember.push((change.clone(), not_before_ms));
        due.push((change, not_before_ms));
    }
    for place in 0..due.len() {
        let (change, not_before_ms) = due[place].clone();
        let Some((key, to)) = change.event() else {
            continue;
        };
        let key = key.clone();
        if change.kind() == StepKind::CompleteTask
            && !has_task_before(&past, &key, to, &due[..place])
        {
            give_up(&mut decided, key, "there is no task to complete");
            continue;
        }
        if not_before_ms.is_some_and(|not_before_ms| now_ms < not_before_ms) {
            decided.waits = true;
            continue;
        }
        match contact(row, verdict, to, channel.as_ref()) {
            Whose::Known(contact, no) => {
                let guard = guard(row, &key.moment, change.kind());
                let reason = reason(&key.moment);
                let step = Planned {
                    change,
                    contact,
                    reason,
                    guard: Some(guard),
                };
                decided.steps.push((step, no));
            }
            Whose::Later => decided.waits = true,
            Whose::OfChannel => {
                decided.waits = true;
                decided.wait_for_channel = true;
            }
            Whose::Nobody => give_up(&mut decided, key, "the record has no contact"),
        }
    }
    decided
}

/// Returns whether there is a task to complete on the contact that is meant: one that came up before, because a later one is of the next broadcast
/// or of another life.
fn has_task_before(
    past: &[Past],
    key: &EventKey,
    to: EventTarget,
    due_before: &[(Change, Option<i64>)],
) -> bool {
    let is_open = |past: &Past| {
        past.change.is_task_for(to)
            && (past.is_open_task || matches!(past.state, EventState::Due | EventState::Sent))
    };
    past.iter()
        .take_while(|past| !is_same(&past.change, key))
        .any(is_open)
        || due_before.iter().any(|(change, _)| change.is_task_for(to))
}

/// Gives an event up: one that came up in this pass is not remembered at all.
fn give_up(decided: &mut Decided, key: EventKey, why: &'static str) {
    let before = decided.remember.len();
    decided
        .remember
        .retain(|(change, _)| !is_same(change, &key));
    if decided.remember.len() == before {
        decided.drop.push((key, why));
    }
}

fn is_same(change: &Change, key: &EventKey) -> bool {
    change.event().is_some_and(|(event, _)| event == key)
}

fn is_of_leave(moment: &str) -> bool {
    matches!(moment, "leave" | "gone")
}

/// Returns whether a moment is a step from one state to another, which a guard may hold until it is taken back.
fn is_of_state(moment: &str) -> bool {
    is_of_leave(moment) || matches!(moment, "join" | "return")
}

fn reason(moment: &str) -> String {
    match moment {
        "join" => "joined".to_owned(),
        "leave" => "left".to_owned(),
        "return" => "returned".to_owned(),
        "gone" => "suspended or deleted".to_owned(),
        other => match other.split_once(' ') {
            Some(("change", name)) => format!("{name} changed"),
            Some((_, name)) => format!("{name} reached a milestone"),
            None => other.to_owned(),
        },
    }
}

/// What came of a leave or a return that a guard may still hold is held with it.
fn guard(row: &Row, moment: &str, kind: StepKind) -> GuardKind {
    match (row.was, row.presence, moment) {
        (Some(Presence::In), Presence::Out | Presence::Gone, "leave" | "gone") => GuardKind::Leave,
        (Some(Presence::Out | Presence::Gone), Presence::In, "join" | "return") => {
            GuardKind::Return
        }
        _ if kind == StepKind::Note => GuardKind::Note,
        _ => GuardKind::Task,
    }
}

/// Whose contact an event goes to.
enum Whose {
    /// This one, or the one that is made in the same plan.
    Known(Option<ContactId>, Option<i64>),
    /// It will be known in a later pass.
    Later,
    /// The channel's, which nobody linked.
    OfChannel,
    /// There is none, and none is made.
    Nobody,
}

fn contact(
    row: &Row,
    verdict: &Verdict,
    to: EventTarget,
    channel: Option<&(i64, ContactId)>,
) -> Whose {
    match to {
        EventTarget::Channel => match channel {
            Some((no, id)) => Whose::Known(Some(id.clone()), Some(*no)),
            None => Whose::OfChannel,
        },
        EventTarget::Contact => {
            let mut creates = verdict
                .steps
                .iter()
                .filter(|step| step.change.kind() == StepKind::Create);
            if creates.next().is_some() {
                return Whose::Known(None, None);
            }
            let is_linked = matches!(row.link, Linked::To(_))
                || verdict
                    .steps
                    .iter()
                    .any(|step| matches!(step.change.kind(), StepKind::Link | StepKind::Relink));
            let linked = verdict
                .contact_no
                .filter(|_| is_linked)
                .and_then(|no| Some((no, id_of(row, no)?)));
            match (&verdict.waits, linked) {
                (Some(Wait::Tombstone | Wait::Skipped | Wait::OutOfScope), _) => Whose::Nobody,
                // An ambiguity lasts until a person says which contact it is.
                (
                    Some(
                        Wait::MirrorIncomplete
                        | Wait::ScopeUnknown
                        | Wait::Unsettled
                        | Wait::Refused
                        | Wait::Unreadable
                        | Wait::Ambiguous { .. },
                    ),
                    _,
                ) => Whose::Later,
                (Some(Wait::NeedsRead) | None, Some((no, id))) => Whose::Known(Some(id), Some(no)),
                (Some(Wait::NeedsRead), None) => Whose::Later,
                (None, None) => Whose::Nobody,
            }
        }
    }
}

/// Returns the vendor's id of the contact that a verdict is about.
fn id_of(row: &Row, no: i64) -> Option<ContactId> {
    let linked = match &row.link {
        Linked::To(contact) | Linked::Tombstone(contact) => Some(contact.as_ref()),
        Linked::No | Linked::Claimed => None,
    };
    let candidates = row.found.iter().flat_map(|found| &found.contacts);
    linked
        .into_iter()
        .chain(candidates.map(|candidate| &candidate.contact))
        .find(|contact| contact.no == no)
        .map(|contact| contact.id.clone())
}
