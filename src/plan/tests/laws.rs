//! The planner's laws over random rows, with a little model of the world that carries verdicts out.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::{Change, Digest, StepKind};

const KEYS: &[(&str, Own)] = &[
    ("owned", Own::Owned),
    ("fill", Own::Fill),
    ("create", Own::Create),
    ("force", Own::Force),
    ("email", Own::Owned),
];

/// What the vendor makes of a text: every value that we send comes back a little different.
fn normalized(text: &str) -> String {
    text.to_uppercase()
}

fn value() -> impl Strategy<Value = Option<String>> {
    let texts = ["w", "W", "s", "S", "x"];
    prop_oneof![
        1 => Just(None),
        4 => select(texts.to_vec()).prop_map(|text| Some(text.to_owned())),
    ]
}

fn some_tags() -> impl Strategy<Value = BTreeSet<Tag>> {
    btree_set(select(vec!["a", "b", "c", "d"]).prop_map(tag), 0..4)
}

fn mirrored(no: i64) -> impl Strategy<Value = Mirrored> {
    let field = (
        prop::option::weighted(0.8, value()),
        prop::option::of((value(), value())),
    );
    let shown = vec(field, KEYS.len());
    (
        shown,
        prop::option::weighted(0.9, some_tags()),
        any::<bool>(),
    )
        .prop_map(move |(fields, tags, gone)| {
            let mut mirrored = contact(no);
            mirrored.gone = gone;
            mirrored.tags = tags;
            for ((name, _), (seen, written)) in KEYS.iter().zip(fields) {
                if let Some(seen) = seen {
                    mirrored.seen.insert(key(name), seen);
                }
                if let Some((sent, answered)) = written {
                    let sent = Sent {
                        sent,
                        answered,
                        at_ms: 0,
                    };
                    mirrored.written.fields.insert(key(name), sent);
                }
            }
            mirrored
        })
}

fn presence() -> impl Strategy<Value = Presence> {
    select(vec![
        Presence::In,
        Presence::In,
        Presence::Out,
        Presence::Gone,
    ])
}

fn row() -> impl Strategy<Value = Row> {
    let link = prop_oneof![
        2 => Just(Linked::No),
        1 => Just(Linked::Claimed),
        6 => mirrored(1).prop_map(|contact| Linked::To(Box::new(contact))),
        1 => mirrored(1).prop_map(|contact| Linked::Tombstone(Box::new(contact))),
    ];
    let candidate = |no| {
        (mirrored(no), prop::bool::weighted(0.3)).prop_map(|(mut contact, taken)| {
            contact.gone = false;
            Candidate { contact, taken }
        })
    };
    let found = prop_oneof![
        2 => Just(Vec::new()),
        2 => candidate(2).prop_map(|one| vec![one]),
        1 => (candidate(2), candidate(3)).prop_map(|(one, two)| vec![one, two]),
    ];
    let claim = (
        select(vec!["a", "b", "c", "d"]),
        any::<(bool, bool)>(),
        0..=3_u32,
    );
    let claims = vec(claim, 0..6);
    let state = (presence(), prop::option::of(presence()), 3..5_u32);
    (link, found, claims, state).prop_map(
        |(link, contacts, claims, (presence, was, transition))| {
            let mut row = linked_row(contact(1));
            row.link = link;
            row.found = vec![Candidates {
                by: "field:marker".to_owned(),
                contacts,
            }];
            row.presence = presence;
            row.was = was;
            row.transition = transition;
            for (name, (mine, confirmed), at) in claims {
                let claim = Claim {
                    tag: tag(name),
                    mine,
                    confirmed,
                    transition: at,
                };
                let known = |other: &Claim| other.mine == mine && other.tag == claim.tag;
                if !row.claims.iter().any(known) {
                    row.claims.push(claim);
                }
            }
            row
        },
    )
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (vec(value(), KEYS.len()), some_tags(), some_tags()).prop_map(|(values, tags, unwanted)| {
        let fields = KEYS.iter().zip(values).map(|((name, own), value)| {
            // Templates come out trimmed and never blank, so there is nothing else to try.
            WantedField {
                key: key(name),
                own: *own,
                value,
            }
        });
        Wanted {
            fields: fields.collect(),
            unwanted: unwanted.difference(&tags).cloned().collect(),
            tags,
        }
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    let business = || crate::model::BusinessId::try_from("shop").unwrap();
    (any::<[bool; 5]>()).prop_map(
        move |[
            create,
            recreate_deleted,
            mirror_complete,
            fields_when_out,
            attach,
        ]| Terms {
            missing: if create {
                Missing::Create
            } else {
                Missing::Skip
            },
            recreate_deleted,
            mirror_complete,
            fields_when_out,
            scope: None,
            business: attach.then(business),
        },
    )
}

/// Reads a contact: what was unknown is known, here as empty.
fn read(contact: &mut Mirrored) {
    for (name, _) in KEYS {
        contact.seen.entry(key(name)).or_insert(None);
    }
    contact.seen.entry(key(BUSINESS_KEY)).or_insert(None);
    contact.tags.get_or_insert_default();
}

/// Reads every contact of a row whose keys are unknown.
fn read_all(row: &mut Row) {
    if let Linked::To(contact) | Linked::Tombstone(contact) = &mut row.link {
        read(contact);
    }
    for candidate in row.found.iter_mut().flat_map(|found| &mut found.contacts) {
        read(&mut candidate.contact);
    }
}

/// Notes a confirmed write of a field.
fn wrote(contact: &mut Mirrored, key: &FieldKey, value: &str) {
    let answered = Some(normalized(value));
    contact.seen.insert(key.clone(), answered.clone());
    let sent = Sent {
        sent: Some(value.to_owned()),
        answered,
        at_ms: 0,
    };
    contact.written.fields.insert(key.clone(), sent);
}

fn claim(row: &mut Row, of: &Tag) {
    row.claims.retain(|claim| !(claim.mine && claim.tag == *of));
    row.claims.push(Claim {
        tag: of.clone(),
        mine: true,
        confirmed: true,
        transition: row.transition,
    });
}

fn unclaim(row: &mut Row, of: &Tag) {
    row.claims.retain(|claim| !(claim.mine && claim.tag == *of));
}

fn candidate(row: &Row, id: &ContactId) -> Mirrored {
    let mut candidates = row.found.iter().flat_map(|found| &found.contacts);
    let found = candidates.find(|candidate| candidate.contact.id == *id);
    match (found, &row.link) {
        (Some(found), _) => found.contact.clone(),
        (None, Linked::To(contact) | Linked::Tombstone(contact)) => (**contact).clone(),
        (None, Linked::No | Linked::Claimed) => panic!("a step for a contact nobody knows"),
    }
}

/// Carries a verdict out, as the vendor and the state would.
fn carry_out(row: &mut Row, verdict: Verdict) {
    let about = verdict.contact_no;
    for step in verdict.steps {
        match step.change {
            Change::Link { contact, .. } => {
                row.link = Linked::To(Box::new(candidate(row, &contact)));
            }
            Change::Relink { from, to } => {
                // What was written goes with the link, as `execute` has it.
                let mut heir = candidate(row, &to);
                heir.written.inherit(&candidate(row, &from).written);
                row.link = Linked::To(Box::new(heir));
            }
            Change::Tombstone { contact } => {
                row.link = Linked::Tombstone(Box::new(candidate(row, &contact)));
            }
            Change::Create { fields, tags } => {
                let mut made = contact(7);
                read(&mut made);
                for (key, value) in &fields {
                    wrote(&mut made, key, value);
                }
                // Claims belong to a contact: a new one starts with those of its create.
                row.claims.clear();
                tags.iter().for_each(|tag| claim(row, tag));
                made.tags = Some(tags);
                row.link = Linked::To(Box::new(made));
            }
            Change::Update { fields } => {
                for (key, change) in &fields {
                    let contact = linked(row);
                    assert_eq!(
                        contact.seen.get(key),
                        Some(&change.before),
                        "before is what was seen"
                    );
                    wrote(contact, key, &change.after);
                }
            }
            Change::AddTags { tags } => {
                for tag in tags {
                    let known = linked(row).tags.as_mut().unwrap();
                    assert!(known.insert(tag.clone()), "a tag was added that was there");
                    claim(row, &tag);
                }
            }
            Change::Attach { business } => {
                let seen = &mut linked(row).seen;
                let before = seen.insert(key(BUSINESS_KEY), Some(business.to_string()));
                assert_eq!(
                    before.flatten(),
                    None,
                    "a contact was taken from its business"
                );
            }
            Change::Task { .. } | Change::CompleteTask { .. } | Change::Note { .. } => {
                panic!("notes and tasks are decided elsewhere")
            }
            Change::RemoveTags { tags } => {
                for tag in tags {
                    let known = linked(row).tags.as_mut().unwrap();
                    assert!(known.remove(&tag), "a tag was removed that was not there");
                    unclaim(row, &tag);
                }
            }
        }
    }
    if let Linked::To(contact) = &row.link
        && about.is_some_and(|no| no == contact.no)
    {
        for remember in verdict.remember {
            match remember {
                Remember::Agreed { key, wanted, seen } => {
                    let sent = Sent {
                        sent: Some(wanted),
                        answered: Some(seen),
                        at_ms: 0,
                    };
                    linked(row).written.fields.insert(key, sent);
                }
                Remember::Claim(tag) => claim(row, &tag),
                Remember::Unclaim(tag) => unclaim(row, &tag),
            }
        }
    }
    row.was = Some(row.presence);
    match &row.link {
        Linked::To(contact) if contact.gone => {}
        Linked::No | Linked::Claimed => {}
        Linked::To(_) | Linked::Tombstone(_) => row.found.clear(),
    }
}

fn linked(row: &mut Row) -> &mut Mirrored {
    match &mut row.link {
        Linked::To(contact) => contact,
        other => panic!("a step for a contact that is not linked: {other:?}"),
    }
}

/// Two thousand rows a law; failing ones are kept beside the histories.
fn config() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    let kept = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/proptest-regressions/laws.txt"
    );
    ProptestConfig {
        cases: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(kept))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_plan(row in row(), wanted in wanted(), terms in terms()) {
        let mut row = row;
        read_all(&mut row);
        let first = plan_row(&row, &wanted, terms.clone(), "");
        prop_assert!(first.waits != Some(Wait::NeedsRead), "everything was read");
        carry_out(&mut row, first);
        let second = plan_row(&row, &wanted, terms.clone(), "");
        prop_assert_eq!(&second.steps, &[]);
        prop_assert_eq!(&second.remember, &[]);
    }

    #[test]
    fn a_plan_that_was_carried_out_reaches_what_is_wanted(row in row(), wanted in wanted(), terms in terms()) {
        let mut row = row;
        read_all(&mut row);
        let before = row.clone();
        let verdict = plan_row(&row, &wanted, terms.clone(), "");
        let conflicts: BTreeSet<FieldKey> = verdict.conflicts.iter().map(|conflict| conflict.key.clone()).collect();
        carry_out(&mut row, verdict);
        let Linked::To(contact) = &row.link else { return Ok(()) };
        if contact.gone {
            return Ok(());
        }
        let created = contact.no == 7;
        let held = |tag: &Tag| contact.tags.as_ref().unwrap().contains(tag);
        for tag in &wanted.tags {
            let taken_away = before.claims.iter().any(|claim| {
                claim.mine && claim.confirmed && claim.transition == row.transition && claim.tag == *tag
            });
            prop_assert!(held(tag) || taken_away, "{} is wanted", tag);
        }
        for tag in &wanted.unwanted {
            let ours = row.claims.iter().any(|claim| claim.mine && claim.tag == *tag);
            prop_assert!(!ours, "{} is not wanted and still claimed", tag);
        }
        if row.presence != Presence::In {
            return Ok(());
        }
        for field in &wanted.fields {
            let Some(value) = &field.value else { continue };
            let seen = contact.seen.get(&field.key).cloned().flatten();
            let sent = contact.written.fields.get(&field.key).and_then(|written| written.sent.clone());
            let reached = seen.as_deref().is_some_and(|seen| same(&field.key, seen, value)) || sent.as_ref() == Some(value);
            let reached = match field.own {
                Own::Owned => reached || conflicts.contains(&field.key),
                Own::Force => reached,
                Own::Fill => reached || seen.is_some(),
                Own::Create => reached || !created,
            };
            prop_assert!(reached, "{:?} shows {:?}", field, seen);
        }
    }

    #[test]
    fn a_tag_without_a_claim_of_ours_is_never_removed(row in row(), wanted in wanted(), terms in terms()) {
        for step in plan_row(&row, &wanted, terms.clone(), "").steps {
            match &step.change {
                Change::RemoveTags { tags } => {
                    for tag in tags {
                        let claims: Vec<_> = row.claims.iter().filter(|claim| claim.tag == *tag).collect();
                        prop_assert!(claims.iter().any(|claim| claim.mine), "{} is not ours", tag);
                        prop_assert!(claims.iter().all(|claim| claim.mine), "{} is another job's too", tag);
                        prop_assert!(wanted.unwanted.contains(tag));
                    }
                }
                Change::AddTags { tags } => prop_assert!(tags.is_subset(&wanted.tags)),
                _ => {}
            }
        }
    }

    #[test]
    fn unknown_is_neither_empty_nor_different(row in row(), wanted in wanted(), terms in terms()) {
        let verdict = plan_row(&row, &wanted, terms.clone(), "");
        let Some(no) = verdict.contact_no else { return Ok(()) };
        let mut contacts = row.found.iter().flat_map(|found| &found.contacts).map(|candidate| &candidate.contact);
        let contact = match &row.link {
            Linked::To(contact) | Linked::Tombstone(contact) if contact.no == no => contact,
            _ => contacts.find(|contact| contact.no == no).unwrap(),
        };
        for step in &verdict.steps {
            match &step.change {
                Change::Update { fields } => {
                    prop_assert!(fields.keys().all(|key| contact.seen.contains_key(key)));
                }
                Change::AddTags { .. } | Change::RemoveTags { .. } => prop_assert!(contact.tags.is_some()),
                _ => {}
            }
        }
        prop_assert!(verdict.conflicts.iter().all(|conflict| contact.seen.contains_key(&conflict.key)));
    }

    #[test]
    fn the_same_row_makes_the_same_steps_byte_for_byte(row in row(), wanted in wanted(), terms in terms()) {
        let digest = |row: &Row| {
            let mapping = Digest::of_bytes(&[0; 32]);
            let mut fold = PlanDigest::default();
            let steps = plan_row(row, &wanted, terms.clone(), "").steps;
            for step in &steps {
                fold.add(&step_hash(&row.record.key, step.contact.as_ref(), &step.change, &mapping));
            }
            let text: Vec<String> = steps.iter().map(|step| step.change.json()).collect();
            (fold.finish(&mapping), text)
        };
        // The state may hand claims over in any order.
        let mut other = row.clone();
        other.claims.reverse();
        prop_assert_eq!(digest(&row), digest(&other));
    }

    #[test]
    fn who_is_out_gets_no_contact_and_no_field(row in row(), wanted in wanted(), terms in terms()) {
        let mut row = row;
        if row.presence == Presence::In {
            row.presence = Presence::Out;
        }
        for step in plan_row(&row, &wanted, terms.clone(), "").steps {
            let kind = step.change.kind();
            let is_kept = terms.fields_when_out && kind == StepKind::Update;
            prop_assert!(is_kept || !matches!(kind, StepKind::Create | StepKind::Update | StepKind::Link));
        }
    }
}
