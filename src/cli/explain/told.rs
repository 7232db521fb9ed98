//! What is told of one record of one job: values, with personal data hidden unless it was asked for.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde::Serialize;

use crate::model::{Change, ContactId, FieldKey, JobName, Own, RecordKey, StepKind, Tag};
use crate::plan::{
    Candidates, Linked, Mark, Match, Mirrored, Presence, Wait, Wanted, field_says, matching,
    tag_says,
};
use crate::report::{detail_lines, hidden, hidden_row, hidden_value};
use crate::run::{self, Looked};
use crate::store::findings::{self, FindingKind};
use crate::store::plans::{self, Step};
use crate::store::runs::{self, Which};
use crate::store::{mirror, people};

use super::super::error::CliError;
use super::super::look::ms;
use super::Desk;
use super::jotted::Jotted;

/// The steps that are told at most, the newest.
const STEPS_AT_MOST: i64 = 500;

/// Everything known of a record of one job.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) job: JobName,
    pub(super) key: RecordKey,
    pub(super) name: String,
    /// `None` for a record that is linked but not in the roster of this job.
    pub(super) roster: Option<Roster>,
    pub(super) link: Link,
    pub(super) matching: Option<Matched>,
    pub(super) contact: Option<Contact>,
    pub(super) wants: Option<Wants>,
    pub(super) findings: Vec<Open>,
    /// Its notes and tasks, oldest first.
    pub(super) events: Vec<Jotted>,
    pub(super) steps: Vec<Did>,
}

/// The record as the source listed it.
#[derive(Debug, Serialize)]
pub(super) struct Roster {
    pub(super) attributes: BTreeMap<String, String>,
    /// `in`, `out` or `gone`, at the last plan that was carried out.
    pub(super) state: String,
    /// What walks found since.
    pub(super) pending: Option<String>,
    /// How often the state changed.
    pub(super) transition: u32,
    pub(super) walk: i64,
    pub(super) listed_at: Option<DateTime<Utc>>,
    pub(super) missing_since_walk: Option<i64>,
    pub(super) missing_since: Option<DateTime<Utc>>,
    /// Whether the last plan left something to do.
    pub(super) open: bool,
}

/// The link of the record.
#[derive(Debug, Serialize)]
pub(super) struct Link {
    /// `none`, `claimed`, `linked` or `tombstone`.
    pub(super) state: &'static str,
    pub(super) contact: Option<ContactId>,
    /// The run whose step made it, where the journal still has it.
    pub(super) since_run: Option<i64>,
    pub(super) since: Option<DateTime<Utc>>,
}

/// How the contact is found.
#[derive(Debug, Serialize)]
pub(super) struct Matched {
    pub(super) how: String,
    /// What each rule of `[match]` finds; empty when the link decides.
    pub(super) rules: Vec<Rule>,
}

/// One rule of `[match]`.
#[derive(Debug, Serialize)]
pub(super) struct Rule {
    pub(super) by: String,
    /// The contacts, and whether each belongs to another record.
    pub(super) contacts: Vec<(ContactId, bool)>,
}

/// A contact as the mirror has it.
#[derive(Debug, Serialize)]
pub(super) struct Contact {
    pub(super) id: ContactId,
    pub(super) gone: bool,
    pub(super) fields: BTreeMap<FieldKey, Held>,
    /// `None`: not known.
    pub(super) tags: Option<BTreeSet<Tag>>,
    pub(super) claims: Vec<Claimed>,
}

/// One managed field of a contact.
#[derive(Debug, Default, Serialize)]
pub(super) struct Held {
    /// Whether what it holds is known.
    pub(super) known: bool,
    /// What it holds; `None` is empty.
    pub(super) seen: Option<String>,
    /// What we last wrote.
    pub(super) sent: Option<String>,
    /// What the answer to that showed.
    pub(super) answered: Option<String>,
}

/// A tag that some job added.
#[derive(Debug, Serialize)]
pub(super) struct Claimed {
    pub(super) tag: String,
    pub(super) job: String,
    pub(super) confirmed: bool,
}

/// What the job would make of the record now.
#[derive(Debug, Serialize)]
pub(super) struct Wants {
    /// Why a template cannot make sense of the record.
    pub(super) problem: Option<String>,
    pub(super) fields: Vec<FieldTold>,
    pub(super) tags: Vec<TagTold>,
    /// The steps of a plan, with their reasons.
    pub(super) steps: Vec<(StepKind, String)>,
    /// What stands in the way.
    pub(super) waits: Option<String>,
}

/// One field, and why it is written or not.
#[derive(Debug, Serialize)]
pub(super) struct FieldTold {
    pub(super) field: FieldKey,
    pub(super) own: Own,
    pub(super) wanted: Option<String>,
    /// `None` without a contact: a create sets what is wanted.
    pub(super) says: Option<&'static str>,
}

/// One tag, and why it comes, goes or stays.
#[derive(Debug, Serialize)]
pub(super) struct TagTold {
    pub(super) tag: Tag,
    pub(super) wanted: bool,
    pub(super) says: Option<&'static str>,
}

/// Something that waits for a person.
#[derive(Debug, Serialize)]
pub(super) struct Open {
    pub(super) kind: &'static str,
    pub(super) what: String,
    pub(super) told_by_run: i64,
    pub(super) command: Option<String>,
}

/// One step of one run.
#[derive(Debug, Serialize)]
pub(super) struct Did {
    pub(super) run: i64,
    /// `plan` or `apply`.
    pub(super) mode: String,
    pub(super) at: DateTime<Utc>,
    pub(super) kind: StepKind,
    pub(super) reason: String,
    pub(super) mark: &'static str,
    pub(super) why: Option<String>,
    pub(super) contact: Option<ContactId>,
    pub(super) change: Change,
    /// The call, if it takes one.
    pub(super) call: Option<&'static str>,
    /// How often it was sent.
    pub(super) tries: i64,
    pub(super) sent_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(super) details: Vec<String>,
}

impl Told {
    pub(super) fn of(
        db: &Connection,
        desk: &Desk<'_>,
        key: &RecordKey,
        looked: Option<&Looked>,
        show_personal: bool,
    ) -> Result<Told, CliError> {
        let steps = plans::of_record(db, desk.state.no, key, STEPS_AT_MOST)?;
        let steps = steps
            .into_iter()
            .map(|step| Did::of(db, step, show_personal))
            .collect::<Result<Vec<_>, _>>()?;
        let contact_no = match looked {
            Some(looked) => contact(&looked.row).map(|contact| contact.no),
            None => people::linked(db, desk.location_no, desk.job.source.namespace(), key)?
                .and_then(|(_, no)| no),
        };
        Ok(Told {
            job: desk.job.name.clone(),
            key: key.clone(),
            name: shown(
                looked.map_or("", |looked| looked.name.as_str()),
                show_personal,
            ),
            roster: Roster::of(db, desk, key, looked, show_personal)?,
            link: Link::of(db, desk, key, &steps)?,
            matching: looked.map(Matched::of),
            contact: contact_no
                .map(|no| Contact::of(db, no, show_personal))
                .transpose()?,
            wants: looked.map(|looked| Wants::of(looked, show_personal)),
            findings: open(db, desk, key, show_personal)?,
            events: super::jotted::of_record(db, desk.state.no, key, show_personal)?,
            steps,
        })
    }
}

/// Returns the contact that a plan would speak of: the linked one, else the one that is found.
fn contact(row: &crate::plan::Row) -> Option<&Mirrored> {
    match matching(row) {
        Match::Linked(contact)
        | Match::Returned(contact)
        | Match::Buried(contact)
        | Match::Found { contact, .. }
        | Match::Lost {
            from: _,
            to: Some(contact),
        }
        | Match::Lost {
            from: contact,
            to: None,
        } => Some(contact),
        Match::Ambiguous { .. } | Match::Nobody => None,
    }
}

fn shown(text: &str, show_personal: bool) -> String {
    match show_personal {
        true => text.to_owned(),
        false => hidden(text).into_owned(),
    }
}

fn shown_value(key: &FieldKey, value: &str, show_personal: bool) -> String {
    match show_personal {
        true => value.to_owned(),
        false => hidden_value(key, value),
    }
}

impl Roster {
    fn of(
        db: &Connection,
        desk: &Desk<'_>,
        key: &RecordKey,
        looked: Option<&Looked>,
        show_personal: bool,
    ) -> Result<Option<Roster>, CliError> {
        let (Some(listed), Some(looked)) = (people::listed(db, desk.state.no, key)?, looked) else {
            return Ok(None);
        };
        let attributes = looked.listing.record.attributes.iter();
        let (walk, began_ms) = listed.walk;
        Ok(Some(Roster {
            attributes: attributes
                .map(|(name, value)| (name.clone(), shown(value, show_personal)))
                .collect(),
            state: listed.state,
            pending: listed.pending,
            transition: looked.listing.transition,
            walk,
            listed_at: began_ms.map(ms),
            missing_since_walk: listed.missing.map(|(walk, _)| walk),
            missing_since: listed.missing.and_then(|(_, began_ms)| began_ms).map(ms),
            open: looked.listing.open,
        }))
    }
}

impl Link {
    fn of(
        db: &Connection,
        desk: &Desk<'_>,
        key: &RecordKey,
        steps: &[Did],
    ) -> Result<Link, CliError> {
        let namespace = desk.job.source.namespace();
        let Some((state, no)) = people::linked(db, desk.location_no, namespace, key)? else {
            return Ok(Link {
                state: "none",
                contact: None,
                since_run: None,
                since: None,
            });
        };
        let contact = no
            .map(|no| mirror::mirrored(db, no))
            .transpose()?
            .map(|contact| contact.id);
        let made = steps.iter().rev().find(|did| {
            let makes = matches!(
                did.kind,
                StepKind::Link | StepKind::Relink | StepKind::Create | StepKind::Tombstone
            );
            makes && did.mark == Mark::Done.word()
        });
        Ok(Link {
            state: match state.as_str() {
                "claimed" => "claimed",
                "tombstone" => "tombstone",
                _ => "linked",
            },
            contact,
            since_run: made.map(|did| did.run),
            since: made.map(|did| did.at),
        })
    }
}

impl Matched {
    fn of(looked: &Looked) -> Matched {
        let how = match matching(&looked.row) {
            Match::Linked(_) => "the link decides".to_owned(),
            Match::Lost { to: Some(to), .. } => {
                format!(
                    "the linked contact is gone, and {} carries the marker",
                    to.id
                )
            }
            Match::Lost { to: None, .. } => {
                "the linked contact is gone, and nobody carries the marker".to_owned()
            }
            Match::Returned(_) => "the deleted contact is there again".to_owned(),
            Match::Buried(_) => "a person deleted the contact".to_owned(),
            Match::Found { contact, by } => format!("{by} finds contact {}", contact.id),
            Match::Ambiguous { by, contacts } => {
                let ids: Vec<&str> = contacts.iter().map(|contact| contact.id.as_str()).collect();
                format!("{by} finds {}: a person decides", ids.join(", "))
            }
            Match::Nobody => match looked.row.link {
                Linked::Claimed => "a create is under way, or its answer was lost".to_owned(),
                Linked::No | Linked::To(_) | Linked::Tombstone(_) => {
                    "no contact is found".to_owned()
                }
            },
        };
        let rules = looked.row.found.iter();
        Matched {
            how,
            rules: rules
                .map(|Candidates { by, contacts }| Rule {
                    by: by.clone(),
                    contacts: contacts
                        .iter()
                        .map(|found| (found.contact.id.clone(), found.taken))
                        .collect(),
                })
                .collect(),
        }
    }
}

impl Contact {
    pub(super) fn of(db: &Connection, no: i64, show_personal: bool) -> Result<Contact, CliError> {
        let Mirrored {
            no,
            id,
            seen,
            tags,
            written,
            gone,
        } = mirror::mirrored(db, no)?;
        let mut fields: BTreeMap<FieldKey, Held> = BTreeMap::new();
        let hide = |key: &FieldKey, value: &Option<String>| {
            value
                .as_deref()
                .map(|value| shown_value(key, value, show_personal))
        };
        for (key, value) in &seen {
            let held = fields.entry(key.clone()).or_default();
            held.known = true;
            held.seen = hide(key, value);
        }
        for (key, sent) in &written.fields {
            let held = fields.entry(key.clone()).or_default();
            held.sent = hide(key, &sent.sent);
            held.answered = hide(key, &sent.answered);
        }
        let claims = people::claims(db, no)?.into_iter();
        Ok(Contact {
            id,
            gone,
            fields,
            tags: tags.map(|tags| {
                tags.into_iter()
                    .map(|tag| shown_tag(tag, show_personal))
                    .collect()
            }),
            claims: claims
                .map(|(tag, job, confirmed)| Claimed {
                    tag: shown(&tag, show_personal),
                    job,
                    confirmed,
                })
                .collect(),
        })
    }
}

fn shown_tag(tag: Tag, show_personal: bool) -> Tag {
    Tag::try_from(shown(tag.as_str(), show_personal)).unwrap_or(tag)
}

impl Wants {
    fn of(looked: &Looked, show_personal: bool) -> Wants {
        let mut wants = Wants {
            problem: None,
            fields: Vec::new(),
            tags: Vec::new(),
            steps: Vec::new(),
            waits: None,
        };
        let (wanted, verdict) = match &looked.decided {
            Ok(decided) => decided,
            Err(problem) => {
                wants.problem = Some(problem.to_string());
                return wants;
            }
        };
        let contact = contact(&looked.row);
        let Wanted {
            fields,
            tags,
            unwanted,
        } = wanted;
        // The fields of a record that is out are left alone.
        let is_in = looked.listing.presence == Presence::In;
        for field in fields {
            wants.fields.push(FieldTold {
                field: field.key.clone(),
                own: field.own,
                wanted: field
                    .value
                    .as_deref()
                    .map(|value| shown_value(&field.key, value, show_personal)),
                says: match (contact, is_in) {
                    (None, _) => None,
                    (Some(contact), true) => Some(field_says(field, contact).words()),
                    (Some(_), false) => Some("left alone: the record is not in the source"),
                },
            });
        }
        let all = tags.iter().map(|tag| (tag, true));
        let all = all.chain(unwanted.difference(tags).map(|tag| (tag, false)));
        for (tag, is_wanted) in all {
            wants.tags.push(TagTold {
                tag: shown_tag(tag.clone(), show_personal),
                wanted: is_wanted,
                says: contact.map(|contact| {
                    tag_says(&looked.row, tag, is_wanted, contact.tags.as_ref()).words()
                }),
            });
        }
        let steps = verdict.steps.iter();
        wants.steps = steps
            .map(|step| (step.change.kind(), step.reason.clone()))
            .collect();
        wants.waits = verdict.waits.as_ref().map(waits);
        wants
    }
}

fn waits(wait: &Wait) -> String {
    match wait {
        Wait::MirrorIncomplete => {
            "the contacts of the location were not all read yet, so nobody can say that there is none".to_owned()
        }
        Wait::Unsettled => "the answer to an earlier step is not known; nothing is done until it is".to_owned(),
        Wait::NeedsRead | Wait::ScopeUnknown => "a part of the contact is not known and is read first".to_owned(),
        Wait::Ambiguous { by, contacts } => {
            let ids: Vec<&str> = contacts.iter().map(ContactId::as_str).collect();
            format!("{by} finds {}; a person decides", ids.join(", "))
        }
        Wait::Tombstone => {
            "a person deleted the contact, so it is not made again (`recreate_deleted = true` would)".to_owned()
        }
        Wait::OutOfScope => "its contact is not one of those that [scope] lets the job touch".to_owned(),
        Wait::Skipped => "there is no contact, and the job only enriches those that exist".to_owned(),
        Wait::Refused => {
            "HighLevel refused the record as it is; it is tried again when something of it changes".to_owned()
        }
        Wait::Unreadable => {
            "a template cannot make sense of the record; it is tried again when something of it changes".to_owned()
        }
    }
}

fn open(
    db: &Connection,
    desk: &Desk<'_>,
    key: &RecordKey,
    show_personal: bool,
) -> Result<Vec<Open>, CliError> {
    let mut open = Vec::new();
    for kind in FindingKind::ALL {
        for found in findings::findings(db, desk.state.no, kind, Some(key))? {
            let news = run::finding_news(&desk.job.name, &found);
            let field = FieldKey::try_from(found.field.as_str());
            // A conflict's words hold the values of its field, whose name may be all that tells what they are.
            let is_personal = field.is_ok_and(|field| hidden_value(&field, "1234567") != "1234567");
            let what = match (show_personal, is_personal) {
                (true, _) => news.what,
                (false, false) => hidden(&news.what).into_owned(),
                (false, true) => format!("{} holds another value than we want", found.field),
            };
            open.push(Open {
                kind: kind.word(),
                what,
                told_by_run: found.run_no,
                command: news.command,
            });
        }
    }
    Ok(open)
}

impl Did {
    fn of(db: &Connection, step: Step, show_personal: bool) -> Result<Did, CliError> {
        let (run_no, made_ms) = plans::made_by(db, step.plan_no)?;
        let which = Which {
            no: Some(run_no),
            limit: 1,
            ..Which::default()
        };
        let run = runs::list(db, &which)?.pop();
        let kind = step.change.kind();
        let at_ms = step.marked_ms.or(step.sent_ms).unwrap_or(made_ms);
        let (mark, why, tries, sent_ms) = (step.mark, step.why.clone(), step.tries, step.sent_ms);
        let row = run::row(step);
        let row = match show_personal {
            true => row,
            false => hidden_row(row),
        };
        Ok(Did {
            run: run_no,
            mode: run.map(|(_, run)| run.mode).unwrap_or_default(),
            at: ms(at_ms),
            kind,
            mark: mark.word(),
            why: why.map(|why| shown(&why, show_personal)),
            call: call(kind),
            tries,
            sent_at: sent_ms.map(ms),
            details: detail_lines(&row),
            reason: row.reason,
            contact: row.contact,
            change: row.change,
        })
    }
}

/// Returns the call that carries such a step out.
fn call(kind: StepKind) -> Option<&'static str> {
    match kind {
        StepKind::Link | StepKind::Relink | StepKind::Tombstone => None,
        StepKind::Create => Some("POST /contacts/"),
        StepKind::Update => Some("PUT /contacts/{id}"),
        StepKind::RemoveTags => Some("POST /contacts/bulk/tags/update/remove"),
        StepKind::AddTags => Some("POST /contacts/bulk/tags/update/add"),
        StepKind::Attach => Some("POST /contacts/bulk/business"),
        StepKind::Task => Some("POST /contacts/{id}/tasks"),
        StepKind::CompleteTask => Some("PUT /contacts/{id}/tasks/{taskId}/completed"),
        StepKind::Note => Some("POST /contacts/{id}/notes"),
    }
}
