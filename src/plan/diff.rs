//! One record in, its steps out.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    BUSINESS_KEY, BusinessId, Change, ContactId, FieldChange, FieldKey, GuardKind, Missing, Own,
    Scope, Tag,
};

use super::matching::{Match, matching};
use super::row::{Claim, Mirrored, Presence, Row, Wanted, WantedField};
use super::same::{same, same_or_both_empty};

/// The parts of a job and of the world that bear on every row alike.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What happens to a record without a contact.
    pub missing: Missing,
    /// Whether a deleted contact may be made again.
    pub recreate_deleted: bool,
    /// Whether the mirror is good enough to say "there is no such contact".
    pub mirror_complete: bool,
    /// Whether fields are kept while the record is out too, as those of a channel are.
    pub fields_when_out: bool,
    /// The contacts that may be touched; `None` is all.
    pub scope: Option<Scope>,
    /// The business that contacts are attached to while they belong to none.
    pub business: Option<BusinessId>,
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
    /// Whether the contact is one that the job may touch is unknown, and must be read first.
    ScopeUnknown,
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
    /// The contact is not one of those that the job may touch.
    OutOfScope,
    /// The vendor refused this record as it is.
    Refused,
    /// A template cannot make sense of the record; what it wants is not known.
    Unreadable,
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
        Match::Linked(contact) => for_contact(row, wanted, &terms, contact, None),
        Match::Found { contact, by } => for_contact(row, wanted, &terms, contact, Some(by)),
        Match::Returned(contact) => for_contact(row, wanted, &terms, contact, Some("seen again")),
        Match::Lost { from, to: Some(to) } => {
            let change = Change::Relink {
                from: from.id.clone(),
                to: to.id.clone(),
            };
            // What we wrote is there under another id; a value that is still ours is no person's edit.
            let mut heir = to.clone();
            heir.written.inherit(&from.written);
            let mut verdict = for_contact(row, wanted, &terms, &heir, None);
            verdict
                .steps
                .insert(0, only_remembered(change, to, "merged"));
            verdict
        }
        Match::Lost { from, to: None } if terms.recreate_deleted => {
            absent(row, wanted, &terms, Some(from))
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
            absent(row, wanted, &terms, Some(contact))
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
        Match::Nobody => absent(row, wanted, &terms, None),
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
fn absent(row: &Row, wanted: &Wanted, terms: &Terms, deleted: Option<&Mirrored>) -> Verdict {
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
            let mut steps = vec![Planned {
                change,
                contact: None,
                reason: reason.to_owned(),
                guard: Some(GuardKind::Create),
            }];
            steps.extend(terms.business.clone().map(|business| Planned {
                change: Change::Attach { business },
                contact: None,
                reason: reason.to_owned(),
                guard: Some(GuardKind::Update),
            }));
            Verdict {
                steps,
                ..Verdict::default()
            }
        }
    }
}

/// A record with a contact: linked already, or to be linked because `found_by` found it.
fn for_contact(
    row: &Row,
    wanted: &Wanted,
    terms: &Terms,
    contact: &Mirrored,
    found_by: Option<&str>,
) -> Verdict {
    let mut verdict = Verdict {
        contact_no: Some(contact.no),
        ..Verdict::default()
    };
    match in_scope(contact, terms.scope.as_ref()) {
        Some(true) => {}
        Some(false) => {
            verdict.waits = Some(Wait::OutOfScope);
            return verdict;
        }
        None => {
            verdict.waits = Some(Wait::ScopeUnknown);
            return verdict;
        }
    }
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
    if row.presence == Presence::In || terms.fields_when_out {
        unknown |= fields(wanted, contact, &mut verdict, reason(row, found_by));
    }
    if let Some(business) = terms
        .business
        .as_ref()
        .filter(|_| row.presence == Presence::In)
    {
        match business_of(contact) {
            None => unknown = true,
            Some(Some(_)) => {}
            Some(None) => verdict.steps.push(Planned {
                change: Change::Attach {
                    business: business.clone(),
                },
                contact: Some(contact.id.clone()),
                reason: reason(row, found_by).to_owned(),
                guard: Some(GuardKind::Update),
            }),
        }
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

/// Returns whether a contact is one of those that the job may touch; `None` when that is not known yet.
fn in_scope(contact: &Mirrored, scope: Option<&Scope>) -> Option<bool> {
    match scope {
        None => Some(true),
        Some(Scope::Tag(tag)) => Some(contact.tags.as_ref()?.contains(tag)),
        Some(Scope::Business(business)) => {
            Some(business_of(contact)?.as_deref() == Some(business.as_str()))
        }
    }
}

/// Returns the business that a contact belongs to: `Some(None)` is none, `None` is not known.
fn business_of(contact: &Mirrored) -> Option<Option<String>> {
    let key = FieldKey::try_from(BUSINESS_KEY).ok()?;
    contact.seen.get(&key).cloned()
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

/// What the three-way table says of one field of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldSays {
    /// The template came out empty.
    NoOpinion,
    /// It is set at creation alone.
    AtCreation,
    /// What it holds is not known and must be read first.
    Unknown,
    /// It holds what is wanted.
    Equal,
    /// It is to be written.
    Write,
    /// What we wrote was changed by a person, whose value stands until the record wants another.
    EditStands,
    /// It is filled only when empty, and is not.
    Filled,
    /// The vendor keeps what we wrote in a form of its own.
    AsAnswered,
    /// It holds what neither we nor the mapping put there: a person decides.
    Conflict,
}

impl FieldSays {
    /// Returns what it says, as a fragment for people.
    pub fn words(self) -> &'static str {
        match self {
            FieldSays::NoOpinion => "left alone: the template comes out empty",
            FieldSays::AtCreation => "left alone: it is set at creation alone",
            FieldSays::Unknown => "not known yet: it is read first",
            FieldSays::Equal => "holds what is wanted",
            FieldSays::Write => "to be written",
            FieldSays::EditStands => "left alone: a person's edit stands",
            FieldSays::Filled => "left alone: it is filled only when empty",
            FieldSays::AsAnswered => "left alone: it is what HighLevel makes of the wanted value",
            FieldSays::Conflict => {
                "in conflict: it holds what neither we nor the mapping put there"
            }
        }
    }
}

/// Looks one field up in the three-way table.
pub fn field_says(field: &WantedField, contact: &Mirrored) -> FieldSays {
    let WantedField { key, own, value } = field;
    let Some(value) = value else {
        return FieldSays::NoOpinion;
    };
    if *own == Own::Create {
        return FieldSays::AtCreation;
    }
    let Some(seen) = contact.seen.get(key) else {
        return FieldSays::Unknown;
    };
    let before = contact.written.fields.get(key);
    let sent = before.and_then(|written| written.sent.as_deref());
    let answered = before.map(|written| written.answered.as_deref());
    if seen.as_deref().is_some_and(|seen| same(key, seen, value)) {
        return FieldSays::Equal;
    }
    match own {
        Own::Create => FieldSays::AtCreation,
        // What the vendor made of exactly this value is not a difference: writing it again would change nothing, for ever.
        Own::Force => {
            let as_answered = |answered| same_or_both_empty(key, seen.as_deref(), answered);
            match sent != Some(value) || !answered.is_some_and(as_answered) {
                true => FieldSays::Write,
                false => FieldSays::AsAnswered,
            }
        }
        Own::Fill => match (seen, sent == Some(value)) {
            (Some(_), _) => FieldSays::Filled,
            (None, true) => FieldSays::EditStands,
            (None, false) => FieldSays::Write,
        },
        Own::Owned if sent == Some(value) => FieldSays::EditStands,
        Own::Owned => match answered {
            Some(answered) if same_or_both_empty(key, seen.as_deref(), answered) => {
                FieldSays::Write
            }
            None if seen.is_none() => FieldSays::Write,
            Some(_) | None => FieldSays::Conflict,
        },
    }
}

/// Carries the table out for every field; returns whether a key that matters is unknown.
fn fields(wanted: &Wanted, contact: &Mirrored, verdict: &mut Verdict, reason: &str) -> bool {
    let mut unknown = false;
    let mut update = BTreeMap::new();
    for field in &wanted.fields {
        let says = field_says(field, contact);
        let WantedField { key, own, value } = field;
        let seen = contact.seen.get(key).cloned().flatten();
        let Some(value) = value else { continue };
        match says {
            FieldSays::NoOpinion
            | FieldSays::AtCreation
            | FieldSays::EditStands
            | FieldSays::Filled
            | FieldSays::AsAnswered => {}
            FieldSays::Unknown => unknown = true,
            FieldSays::Equal => {
                let written = contact.written.fields.get(key);
                let sent = written.and_then(|written| written.sent.as_ref());
                // Remembered as if written: when the record changes later, this is the value to compare with.
                if sent != Some(value) && *own != Own::Fill {
                    verdict.remember.push(Remember::Agreed {
                        key: key.clone(),
                        wanted: value.clone(),
                        seen: seen.unwrap_or_default(),
                    });
                }
            }
            FieldSays::Conflict => verdict.conflicts.push(Conflict {
                key: key.clone(),
                wanted: value.clone(),
                seen,
            }),
            FieldSays::Write => {
                let after = value.clone();
                update.insert(
                    key.clone(),
                    FieldChange {
                        before: seen,
                        after,
                    },
                );
            }
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

/// What is to become of one tag of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagSays {
    /// It is wanted and there.
    There,
    /// It is wanted and there, and our claim on it must be made or brought up to date.
    Claim,
    /// It is wanted and is to be added.
    Add,
    /// It is wanted, and a person took it off: it stays away until the record changes state.
    TakenOff,
    /// It is not wanted, and nobody says that we added it.
    NotOurs,
    /// It is not wanted and is to be taken off.
    Remove,
    /// It is not wanted, and gone already, or another job wants it: our claim goes, the tag stays as it is.
    LetGo,
    /// The tags of the contact are not known and must be read first.
    Unknown,
}

impl TagSays {
    /// Returns what it says, as a fragment for people.
    pub fn words(self) -> &'static str {
        match self {
            TagSays::There | TagSays::Claim => "wanted, and there",
            TagSays::Add => "wanted: to be added",
            TagSays::TakenOff => {
                "wanted, but a person took it off: it stays away until the record changes state"
            }
            TagSays::NotOurs => "not wanted, and not ours: left alone",
            TagSays::Remove => "not wanted, and ours: to be removed",
            TagSays::LetGo => "not wanted: gone already, or another job wants it",
            TagSays::Unknown => "not known yet: the contact is read first",
        }
    }
}

/// Decides about one tag that the mapping names: wanted where `is_wanted`, else not wanted.
pub fn tag_says(row: &Row, tag: &Tag, is_wanted: bool, present: Option<&BTreeSet<Tag>>) -> TagSays {
    let Some(present) = present else {
        return TagSays::Unknown;
    };
    let is_there = present.contains(tag);
    let mut claims = row.claims.iter().filter(|claim| claim.tag == *tag);
    let mine = claims.clone().find(|claim| claim.mine);
    let others = claims.any(|claim| !claim.mine);
    match (is_wanted, is_there, mine) {
        (true, true, None) if others => TagSays::Claim,
        (true, true, None) => TagSays::There,
        (true, true, Some(claim)) => match !claim.confirmed || claim.transition != row.transition {
            true => TagSays::Claim,
            false => TagSays::There,
        },
        (
            true,
            false,
            Some(Claim {
                confirmed: true,
                transition,
                ..
            }),
        ) if *transition == row.transition => TagSays::TakenOff,
        (true, false, Some(_) | None) => TagSays::Add,
        (false, _, None) => TagSays::NotOurs,
        (false, true, Some(_)) if !others => TagSays::Remove,
        (false, true | false, Some(_)) => TagSays::LetGo,
    }
}

fn tags(
    row: &Row,
    wanted: &Wanted,
    contact: &Mirrored,
    present: &BTreeSet<Tag>,
    verdict: &mut Verdict,
    reason: &str,
) {
    let (mut add, mut remove) = (BTreeSet::new(), BTreeSet::new());
    let unwanted = wanted.unwanted.difference(&wanted.tags);
    let all = wanted.tags.iter().map(|tag| (tag, true));
    for (tag, is_wanted) in all.chain(unwanted.map(|tag| (tag, false))) {
        match tag_says(row, tag, is_wanted, Some(present)) {
            TagSays::There | TagSays::TakenOff | TagSays::NotOurs | TagSays::Unknown => {}
            TagSays::Claim => verdict.remember.push(Remember::Claim(tag.clone())),
            TagSays::LetGo => verdict.remember.push(Remember::Unclaim(tag.clone())),
            TagSays::Add => {
                add.insert(tag.clone());
            }
            TagSays::Remove => {
                remove.insert(tag.clone());
            }
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
