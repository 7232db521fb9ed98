//! The tables of the planner, every row of them.

use super::*;
use crate::model::{AtMost, Change, GuardKind, Limits, Share};

/// What one field came to, as a letter of the table.
fn field_outcome(verdict: &Verdict) -> &'static str {
    let update = verdict
        .steps
        .iter()
        .any(|step| matches!(step.change, Change::Update { .. }));
    match (
        update,
        verdict.conflicts.len(),
        verdict.remember.len(),
        &verdict.waits,
    ) {
        (true, 0, 0, None) => "write",
        (false, 1, 0, None) => "conflict",
        (false, 0, 1, None) => "agreed",
        (false, 0, 0, Some(Wait::NeedsRead)) => "read",
        (false, 0, 0, None) => "-",
        other => panic!("several at once: {other:?}"),
    }
}

/// The job wants `w`. Columns: what the contact shows; `?` is unknown. Rows: what we sent and what its answer showed.
const FIELDS: &str = "
own    sent answered | ?    empty    w      s        a        x
owned  none          | read write    agreed conflict conflict conflict
owned  s    s        | read conflict agreed write    conflict conflict
owned  s    a        | read conflict agreed conflict write    conflict
owned  s    empty    | read write    agreed conflict conflict conflict
owned  w    w        | read -        -      -        -        -
owned  w    a        | read -        -      -        -        -
owned  take x        | read conflict agreed conflict conflict write
fill   none          | read write    -      -        -        -
fill   s    s        | read write    -      -        -        -
fill   s    a        | read write    -      -        -        -
fill   s    empty    | read write    -      -        -        -
fill   w    w        | read -        -      -        -        -
fill   w    a        | read -        -      -        -        -
fill   take x        | read write    -      -        -        -
create none          | -    -        -      -        -        -
create s    s        | -    -        -      -        -        -
create s    a        | -    -        -      -        -        -
create s    empty    | -    -        -      -        -        -
create w    w        | -    -        -      -        -        -
create w    a        | -    -        -      -        -        -
create take x        | -    -        -      -        -        -
force  none          | read write    agreed write    write    write
force  s    s        | read write    agreed write    write    write
force  s    a        | read write    agreed write    write    write
force  s    empty    | read write    agreed write    write    write
force  w    w        | read write    -      write    write    write
force  w    a        | read write    -      write    -        write
force  take x        | read write    agreed write    write    write
";

#[test]
fn every_row_of_the_field_table_holds() {
    let mut lines = FIELDS.trim().lines();
    let header = lines.next().unwrap().split_once('|').unwrap().1;
    let columns: Vec<&str> = header.split_whitespace().collect();
    let value = |word: &str| (word != "empty").then(|| word.to_owned());
    let mut cells = 0;
    for line in lines {
        let (left, right) = line.split_once('|').unwrap();
        let left: Vec<&str> = left.split_whitespace().collect();
        let own = match left[0] {
            "owned" => Own::Owned,
            "fill" => Own::Fill,
            "create" => Own::Create,
            _ => Own::Force,
        };
        let written = match left[1] {
            "none" => None,
            sent => Some(Sent {
                sent: (sent != "take").then(|| sent.to_owned()),
                answered: value(left[2]),
                at_ms: 0,
            }),
        };
        for (column, expected) in columns.iter().zip(right.split_whitespace()) {
            let mut shown = contact(1);
            if *column != "?" {
                shown.seen.insert(key("field"), value(column));
            }
            if let Some(written) = &written {
                shown.written.fields.insert(key("field"), written.clone());
            }
            let row = linked_row(shown);
            let verdict = plan_row(&row, &wanted_field(own, Some("w")), TERMS, "");
            assert_eq!(
                field_outcome(&verdict),
                expected,
                "seen {column} in `{line}`"
            );
            let verdict = plan_row(&row, &wanted_field(own, None), TERMS, "");
            assert_eq!(field_outcome(&verdict), "-", "an empty template, {line}");
            cells += 1;
        }
    }
    assert_eq!(cells, 4 * 7 * 6);
}

#[test]
fn an_update_carries_what_was_seen_and_what_is_wanted() {
    let mut shown = contact(1);
    shown
        .seen
        .insert(key("field"), Some("as the vendor wrote it".to_owned()));
    shown.written.fields.insert(
        key("field"),
        Sent {
            sent: Some("before".to_owned()),
            answered: Some("as the vendor wrote it".to_owned()),
            at_ms: 0,
        },
    );
    let verdict = plan_row(
        &linked_row(shown),
        &wanted_field(Own::Owned, Some("w")),
        TERMS,
        "",
    );
    let Change::Update { fields } = &verdict.steps[0].change else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        fields[&key("field")].before.as_deref(),
        Some("as the vendor wrote it")
    );
    assert_eq!(fields[&key("field")].after, "w");
    assert_eq!(verdict.steps[0].guard, Some(GuardKind::Update));
}

/// Columns: our claim on the tag; `old` was made at an earlier transition, `sent` is not confirmed.
/// Outcomes: add, remove, claim and unclaim without a call, read first.
const TAGS: &str = "
the tag is     there   others | none  sent    ours    old
wanted         yes     no     | -     claim   -       claim
wanted         yes     yes    | claim claim   -       claim
wanted         no      no     | add   add     -       add
wanted         no      yes    | add   add     -       add
wanted         unknown no     | read  read    read    read
wanted         unknown yes    | read  read    read    read
unwanted       yes     no     | -     remove  remove  remove
unwanted       yes     yes    | -     unclaim unclaim unclaim
unwanted       no      no     | -     unclaim unclaim unclaim
unwanted       no      yes    | -     unclaim unclaim unclaim
unwanted       unknown no     | -     read    read    read
unwanted       unknown yes    | -     read    read    read
left-alone     yes     no     | -     -       -       -
left-alone     yes     yes    | -     -       -       -
left-alone     no      no     | -     -       -       -
left-alone     no      yes    | -     -       -       -
";

fn tag_outcome(verdict: &Verdict) -> &'static str {
    let step = verdict.steps.iter().map(|step| match &step.change {
        Change::AddTags { .. } => "add",
        Change::RemoveTags { .. } => "remove",
        other => panic!("{other:?}"),
    });
    let remember = verdict.remember.iter().map(|what| match what {
        Remember::Claim(_) => "claim",
        Remember::Unclaim(_) => "unclaim",
        other @ Remember::Agreed { .. } => panic!("{other:?}"),
    });
    let read = matches!(verdict.waits, Some(Wait::NeedsRead)).then_some("read");
    let all: Vec<&str> = step.chain(remember).chain(read).collect();
    match all.as_slice() {
        [] => "-",
        [only] => only,
        several => panic!("several at once: {several:?}"),
    }
}

#[test]
fn every_row_of_the_tag_table_holds() {
    for (presence, transition) in [(Presence::In, 2), (Presence::Out, 3), (Presence::Gone, 5)] {
        for line in TAGS.trim().lines().skip(1) {
            let (left, right) = line.split_once('|').unwrap();
            let left: Vec<&str> = left.split_whitespace().collect();
            let mut wanted = Wanted::default();
            match left[0] {
                "wanted" => wanted.tags = tags(&["t"]),
                "unwanted" => wanted.unwanted = tags(&["t"]),
                _ => {}
            }
            for (claim, expected) in ["none", "sent", "ours", "old"]
                .into_iter()
                .zip(right.split_whitespace())
            {
                let mut shown = contact(1);
                shown.tags = match left[1] {
                    "yes" => Some(tags(&["t", "theirs"])),
                    "no" => Some(tags(&["theirs"])),
                    _ => None,
                };
                let mut row = linked_row(shown);
                row.presence = presence;
                row.transition = transition;
                if claim != "none" {
                    row.claims.push(Claim {
                        tag: tag("t"),
                        mine: true,
                        confirmed: claim != "sent",
                        transition: transition - u32::from(claim == "old"),
                    });
                }
                if left[2] == "yes" {
                    row.claims.push(Claim {
                        tag: tag("t"),
                        mine: false,
                        confirmed: true,
                        transition: 0,
                    });
                }
                let verdict = plan_row(&row, &wanted, TERMS, "");
                assert_eq!(tag_outcome(&verdict), expected, "claim {claim} in `{line}`");
            }
        }
    }
}

#[test]
fn a_tag_that_is_wanted_and_unwanted_is_wanted() {
    let mut shown = contact(1);
    shown.tags = Some(tags(&["t"]));
    let mut row = linked_row(shown);
    row.claims.push(Claim {
        tag: tag("t"),
        mine: true,
        confirmed: true,
        transition: 2,
    });
    let wanted = Wanted {
        tags: tags(&["t"]),
        unwanted: tags(&["t"]),
        ..Wanted::default()
    };
    assert_eq!(plan_row(&row, &wanted, TERMS, "").steps, []);
}

/// Columns: what the link is. Rows: what the rules find, one word a rule; `1` and `2` are free contacts, `t` is taken by another record.
const MATCHES: &str = "
found    | none        claimed     linked      gone        tombstone   returned
-        | nobody      nobody      linked      lost        buried      returned
1        | found1      found1      linked      merged1     buried      returned
-,1      | found1      found1      linked      merged1     buried      returned
1,2      | found1      found1      linked      merged1     buried      returned
1t       | found1      found1      linked      merged1     buried      returned
12       | ambiguous2  ambiguous2  linked      ambiguous2  buried      returned
12,1     | ambiguous2  ambiguous2  linked      ambiguous2  buried      returned
t        | ambiguous1  ambiguous1  linked      ambiguous1  buried      returned
t,1      | ambiguous1  ambiguous1  linked      ambiguous1  buried      returned
";

#[test]
fn every_row_of_the_matching_table_holds() {
    for line in MATCHES.trim().lines().skip(1) {
        let (left, right) = line.split_once('|').unwrap();
        let found: Vec<Candidates> = left
            .trim()
            .split(',')
            .map(|rule| Candidates {
                by: "field:marker".to_owned(),
                contacts: rule
                    .chars()
                    .filter(|c| *c != '-')
                    .map(|c| Candidate {
                        contact: contact(c.to_digit(10).map_or(3, i64::from)),
                        taken: c == 't',
                    })
                    .collect(),
            })
            .collect();
        let states = ["none", "claimed", "linked", "gone", "tombstone", "returned"];
        for (state, expected) in states.iter().zip(right.split_whitespace()) {
            let mut own = contact(9);
            own.gone = matches!(*state, "gone" | "tombstone");
            let own = Box::new(own);
            let mut row = linked_row(contact(9));
            row.link = match *state {
                "none" => Linked::No,
                "claimed" => Linked::Claimed,
                "linked" | "gone" => Linked::To(own),
                _ => Linked::Tombstone(own),
            };
            row.found.clone_from(&found);
            let seen = match matching(&row) {
                Match::Linked(contact) if contact.no == 9 => "linked".to_owned(),
                Match::Lost { to: Some(to), .. } => format!("merged{}", to.no),
                Match::Lost { from, to: None } if from.no == 9 => "lost".to_owned(),
                Match::Returned(contact) if contact.no == 9 => "returned".to_owned(),
                Match::Buried(contact) if contact.no == 9 => "buried".to_owned(),
                Match::Found { contact, .. } => format!("found{}", contact.no),
                Match::Ambiguous { contacts, .. } => format!("ambiguous{}", contacts.len()),
                Match::Nobody => "nobody".to_owned(),
                other => format!("{other:?}"),
            };
            assert_eq!(seen, *expected, "link {state} in `{line}`");
        }
    }
}

#[test]
fn a_record_without_a_contact_is_created_only_when_that_is_sure_and_asked_for() {
    let mut row = linked_row(contact(1));
    row.link = Linked::No;
    let wanted = wanted_field(Own::Owned, Some("w"));
    let waits = |row: &Row, terms| {
        let verdict = plan_row(row, &wanted, terms, "refused so");
        (verdict.steps.len(), verdict.waits)
    };
    assert_eq!(waits(&row, TERMS), (1, None));
    let incomplete = Terms {
        mirror_complete: false,
        ..TERMS
    };
    assert_eq!(waits(&row, incomplete), (0, Some(Wait::MirrorIncomplete)));
    let skip = Terms {
        missing: Missing::Skip,
        ..TERMS
    };
    assert_eq!(waits(&row, skip), (0, Some(Wait::Skipped)));
    for presence in [Presence::Out, Presence::Gone] {
        row.presence = presence;
        assert_eq!(waits(&row, TERMS), (0, None));
    }
    row.presence = Presence::In;
    row.refused = Some("refused so".to_owned());
    assert_eq!(waits(&row, TERMS), (0, Some(Wait::Refused)));
    row.refused = Some("refused otherwise".to_owned());
    assert_eq!(waits(&row, TERMS), (1, None));
    row.unsettled = true;
    assert_eq!(waits(&row, TERMS), (0, Some(Wait::Unsettled)));
}

#[test]
fn every_guard_has_its_own_limit_for_a_run_and_for_a_day() {
    let at_most = |run, day| AtMost {
        run: Share::Count(run),
        day: Share::Count(day),
    };
    let limits = Limits {
        create: at_most(10, 100),
        update: at_most(20, 200),
        tag: at_most(30, 300),
        leave: at_most(40, 400),
        returns: at_most(50, 500),
        note: at_most(60, 600),
        task: at_most(70, 700),
    };
    let table = [
        (GuardKind::Create, 10),
        (GuardKind::Update, 20),
        (GuardKind::Tag, 30),
        (GuardKind::Leave, 40),
        (GuardKind::Return, 50),
        (GuardKind::Note, 60),
        (GuardKind::Task, 70),
    ];
    let nobody = BTreeSet::new();
    for (guard, run) in table {
        for (count, today, expected) in [
            (run, 0, None),
            (run + 1, 0, Some((run + 1, run, false))),
            (run, 9 * run, None),
            (run, 9 * run + 1, Some((10 * run + 1, 10 * run, true))),
            // What earlier runs did holds nothing that does nothing.
            (0, 99 * run, None),
        ] {
            let mut would = Tally::default();
            would.set(guard, count);
            let mut before = Tally::default();
            before.set(guard, today);
            let found = guards(&limits, &would, &before, 0, false, &nobody);
            let seen = found
                .first()
                .map(|found| (found.count, found.limit, found.per_day));
            assert_eq!(seen, expected, "{guard}: {count} after {today}");
            let only = found.first().map(|found| found.guard).into_iter().collect();
            assert_eq!(held(&found, false), only, "one guard holds its own part");
            let strict = held(&found, true).len();
            assert_eq!(
                strict,
                if found.is_empty() {
                    0
                } else {
                    GuardKind::ALL.len()
                }
            );
            let allowed = guards(&limits, &would, &before, 0, false, &BTreeSet::from([guard]));
            assert_eq!(allowed.len(), found.len(), "an allowed guard is still told");
            assert_eq!(held(&allowed, true), nobody);
        }
    }
}
