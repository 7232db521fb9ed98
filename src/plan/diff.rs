//! One record in, its steps out.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Change, ContactId, FieldChange, FieldKey, GuardKind, Missing, Own, Tag};

use super::matching::{Match, matching};
use super::row::{Claim, Mirrored, Presence, Row, Wanted, WantedField};
use super::same::{same, same_or_both_empty};

/// The parts of a job and of the world that bear on every row alike.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What happens to a record without a contact.
    pub missing: Missing,
    /// Whether a deleted contact may be made again.
    pub recreate_deleted: bool,
    /// Whether the mirror is good enough to say "there is no such contact".
    pub mirror_complete: bool,
}

/// What the planner makes of one record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The steps, in the order of their kinds.
    pub steps: Vec<Planned>,
    /// What to remember besides; costs no call and shows in no report.
    pub remember: Vec<Remember>,
    /// Fields that a person must decide.
    pub conflicts: Vec<Conflict>,
    /// Why nothing more is done, if something stands in the way.
    pub waits: Option<Wait>,
    /// The contact that the verdict is about.
    pub contact_no: Option<i64>,
}

/// One planned step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What to do.
    pub change: Change,
    /// The contact it goes to; `None` for a create.
    pub contact: Option<ContactId>,
    /// Why, in a word or two.
    pub reason: String,
    /// The guard that counts it; `None` for steps that only we remember.
    pub guard: Option<GuardKind>,
}

/// Something we learn without a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remember {
    /// A field holds what we want already: later changes of the record may flow through.
    Agreed {
        /// The field.
        key: FieldKey,
        /// What the mapping makes.
        wanted: String,
        /// What the contact shows for it.
        seen: String,
    },
    /// Another job added this tag and we want it too, or our own claim must be brought up to date.
    Claim(Tag),
    /// We no longer want this tag; someone else does, or it is gone already.
    Unclaim(Tag),
}

/// A field where a person's value stands against ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The field.
    pub key: FieldKey,
    /// Ours.
    pub wanted: String,
    /// The person's; `None` is empty.
    pub seen: Option<String>,
}

/// What stands in the way of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No full contacts walk has ended yet, so nobody can say that there is no such contact.
    MirrorIncomplete,
    /// A step of an earlier run is not settled.
    Unsettled,
    /// Keys of the contact are unknown and must be read first.
    NeedsRead,
    /// A rule found several contacts, or one that belongs to another record.
    Ambiguous {
        /// The rule.
        by: String,
        /// The contacts.
        contacts: Vec<ContactId>,
    },
    /// A person deleted the contact.
    Tombstone,
    /// There is no contact, and the job only enriches those that exist.
    Skipped,
    /// The vendor refused this record as it is.
    Refused,
}

/// Plans one record: a pure function of what is known about it.
pub fn plan_row(row: &Row, wanted: &Wanted, terms: Terms, basis: &str) -> Verdict {
    if row.unsettled {
        return Verdict {
            waits: Some(Wait::Unsettled),
            ..Verdict::default()
        };
    }
    if row.refused.as_deref() == Some(basis) {
        return Verdict {
            waits: Some(Wait::Refused),
            ..Verdict::default()
        };
    }
    match matching(row) {
        Match::Linked(contact) => for_contact(row, wanted, contact, None),
        Match::Found { contact, by } => for_contact(row, wanted, contact, Some(by)),
        Match::Returned(contact) => for_contact(row, wanted, contact, Some("seen again")),
        Match::Lost { from, to: Some(to) } => {
            let change = Change::Relink {
                from: from.id.clone(),
                to: to.id.clone(),
            };
            // What we wrote is there under another id; a value that is still ours is no person's edit.
            let mut heir = to.clone();
            heir.written.inherit(&from.written);
            let mut verdict = for_contact(row, wanted, &heir, None);
            verdict
                .steps
                .insert(0, only_remembered(change, to, "merged"));
            verdict
        }
        Match::Lost { from, to: None } if terms.recreate_deleted => {
            absent(row, wanted, terms, Some(from))
        }
        Match::Lost { from, to: None } => {
            let change = Change::Tombstone {
                contact: from.id.clone(),
            };
            Verdict {
                steps: vec![only_remembered(change, from, "deleted")],
                waits: Some(Wait::Tombstone),
                contact_no: Some(from.no),
                ..Verdict::default()
            }
        }
        Match::Buried(contact) if terms.recreate_deleted => {
            absent(row, wanted, terms, Some(contact))
        }
        Match::Buried(contact) => Verdict {
            waits: Some(Wait::Tombstone),
            contact_no: Some(contact.no),
            ..Verdict::default()
        },
        Match::Ambiguous { by, contacts } => {
            let contacts = contacts
                .into_iter()
                .map(|contact| contact.id.clone())
                .collect();
            Verdict {
                waits: Some(Wait::Ambiguous {
                    by: by.to_owned(),
                    contacts,
                }),
                ..Verdict::default()
            }
        }
        Match::Nobody => absent(row, wanted, terms, None),
    }
}

fn only_remembered(change: Change, contact: &Mirrored, reason: &str) -> Planned {
    Planned {
        change,
        contact: Some(contact.id.clone()),
        reason: reason.to_owned(),
        guard: None,
    }
}

/// A record without a contact.
fn absent(row: &Row, wanted: &Wanted, terms: Terms, deleted: Option<&Mirrored>) -> Verdict {
    let waits = |wait| Verdict {
        waits: wait,
        ..Verdict::default()
    };
    match (row.presence, terms.missing, terms.mirror_complete) {
        (Presence::Out | Presence::Gone, _, _) => waits(None),
        (Presence::In, Missing::Skip, _) => waits(Some(Wait::Skipped)),
        (Presence::In, Missing::Create, false) => waits(Some(Wait::MirrorIncomplete)),
        (Presence::In, Missing::Create, true) => {
            let value = |field: &WantedField| Some((field.key.clone(), field.value.clone()?));
            let change = Change::Create {
                fields: wanted.fields.iter().filter_map(value).collect(),
                tags: wanted.tags.clone(),
            };
            let reason = match (row.was, deleted) {
                (_, Some(_)) => "deleted before",
                (None, None) => "joined",
                (Some(Presence::In), None) => "no contact",
                (Some(Presence::Out | Presence::Gone), None) => "returned",
            };
            Verdict {
                steps: vec![Planned {
                    change,
                    contact: None,
                    reason: reason.to_owned(),
                    guard: Some(GuardKind::Create),
                }],
                ..Verdict::default()
            }
        }
    }
}

/// A record with a contact: linked already, or to be linked because `found_by` found it.
fn for_contact(row: &Row, wanted: &Wanted, contact: &Mirrored, found_by: Option<&str>) -> Verdict {
    let mut verdict = Verdict {
        contact_no: Some(contact.no),
        ..Verdict::default()
    };
    if let Some(by) = found_by {
        // A record that is out needs no contact; it is linked when it comes back.
        if row.presence != Presence::In {
            return verdict;
        }
        let change = Change::Link {
            contact: contact.id.clone(),
            by: by.to_owned(),
        };
        verdict.steps.push(only_remembered(
            change,
            contact,
            &format!("matched by {by}"),
        ));
    }
    let mut unknown = false;
    if row.presence == Presence::In {
        unknown |= fields(wanted, contact, &mut verdict, reason(row, found_by));
    }
    let tags_matter = !wanted.tags.is_empty() || row.claims.iter().any(|claim| claim.mine);
    match &contact.tags {
        Some(present) => tags(
            row,
            wanted,
            contact,
            present,
            &mut verdict,
            reason(row, found_by),
        ),
        None => unknown |= tags_matter,
    }
    if unknown {
        verdict.waits = Some(Wait::NeedsRead);
    }
    verdict
}

fn reason(row: &Row, found_by: Option<&str>) -> &'static str {
    match (row.was, row.presence) {
        (Some(Presence::In), Presence::Out) => "left",
        (Some(Presence::In), Presence::Gone) => "suspended or deleted",
        (Some(Presence::Out | Presence::Gone), Presence::In) => "returned",
        (None, Presence::In) => "joined",
        (_, Presence::Out | Presence::Gone) => "left before",
        (Some(Presence::In), Presence::In) if found_by.is_some() => "matched",
        (Some(Presence::In), Presence::In) => "changed",
    }
}

/// The three-way table for every field; returns whether a key that matters is unknown.
fn fields(wanted: &Wanted, contact: &Mirrored, verdict: &mut Verdict, reason: &str) -> bool {
    let mut unknown = false;
    let mut update = BTreeMap::new();
    for WantedField { key, own, value } in &wanted.fields {
        let Some(value) = value else { continue };
        if *own == Own::Create {
            continue;
        }
        let Some(seen) = contact.seen.get(key) else {
            unknown = true;
            continue;
        };
        let before = contact.written.fields.get(key);
        let sent = before.and_then(|written| written.sent.as_deref());
        let answered = before.map(|written| written.answered.as_deref());
        if seen.as_deref().is_some_and(|seen| same(key, seen, value)) {
            // Remembered as if written: when the record changes later, this is the value to compare with.
            if sent != Some(value) && *own != Own::Fill {
                let seen = seen.clone().unwrap_or_default();
                verdict.remember.push(Remember::Agreed {
                    key: key.clone(),
                    wanted: value.clone(),
                    seen,
                });
            }
            continue;
        }
        let write = match own {
            Own::Create => false,
            // What the vendor made of exactly this value is not a difference: writing it again would change nothing, for ever.
            Own::Force => {
                let as_answered = |answered| same_or_both_empty(key, seen.as_deref(), answered);
                sent != Some(value) || !answered.is_some_and(as_answered)
            }
            Own::Fill => seen.is_none() && sent != Some(value),
            Own::Owned if sent == Some(value) => false,
            Own::Owned => match answered {
                Some(answered) if same_or_both_empty(key, seen.as_deref(), answered) => true,
                None if seen.is_none() => true,
                Some(_) | None => {
                    verdict.conflicts.push(Conflict {
                        key: key.clone(),
                        wanted: value.clone(),
                        seen: seen.clone(),
                    });
                    false
                }
            },
        };
        if write {
            update.insert(
                key.clone(),
                FieldChange {
                    before: seen.clone(),
                    after: value.clone(),
                },
            );
        }
    }
    if !update.is_empty() {
        verdict.steps.push(Planned {
            change: Change::Update { fields: update },
            contact: Some(contact.id.clone()),
            reason: reason.to_owned(),
            guard: Some(GuardKind::Update),
        });
    }
    unknown
}

fn tags(
    row: &Row,
    wanted: &Wanted,
    contact: &Mirrored,
    present: &BTreeSet<Tag>,
    verdict: &mut Verdict,
    reason: &str,
) {
    let mine = |tag: &Tag| {
        row.claims
            .iter()
            .find(|claim| claim.mine && claim.tag == *tag)
    };
    let others = |tag: &Tag| {
        row.claims
            .iter()
            .any(|claim| !claim.mine && claim.tag == *tag)
    };
    let mut add = BTreeSet::new();
    for tag in &wanted.tags {
        match (present.contains(tag), mine(tag)) {
            (true, None) if others(tag) => verdict.remember.push(Remember::Claim(tag.clone())),
            (true, None) => {}
            (true, Some(claim)) => {
                if !claim.confirmed || claim.transition != row.transition {
                    verdict.remember.push(Remember::Claim(tag.clone()));
                }
            }
            // A person took it off since: it stays away until the record changes state.
            (
                false,
                Some(Claim {
                    confirmed: true,
                    transition,
                    ..
                }),
            ) if *transition == row.transition => {}
            (false, Some(_) | None) => {
                add.insert(tag.clone());
            }
        }
    }
    let mut remove = BTreeSet::new();
    for tag in wanted.unwanted.difference(&wanted.tags) {
        if mine(tag).is_none() {
            continue;
        }
        match (present.contains(tag), others(tag)) {
            (true, false) => {
                remove.insert(tag.clone());
            }
            (true, true) | (false, _) => verdict.remember.push(Remember::Unclaim(tag.clone())),
        }
    }
    let guard = match (row.was, row.presence) {
        (_, Presence::Out | Presence::Gone) => GuardKind::Leave,
        (Some(Presence::Out | Presence::Gone), Presence::In) => GuardKind::Return,
        (Some(Presence::In) | None, Presence::In) => GuardKind::Tag,
    };
    let mut step = |change| {
        verdict.steps.push(Planned {
            change,
            contact: Some(contact.id.clone()),
            reason: reason.to_owned(),
            guard: Some(guard),
        });
    };
    if !remove.is_empty() {
        step(Change::RemoveTags { tags: remove });
    }
    if !add.is_empty() {
        step(Change::AddTags { tags: add });
    }
}
