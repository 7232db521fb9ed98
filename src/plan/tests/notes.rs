//! Whose contact a note goes to, and whether now.

use super::*;
use crate::model::{Change, EventKey, EventTarget, Scope};
use crate::plan::events::{Decided, Scene, decide};

/// Decides about a note that a join calls for, on the contact of a record whose tags nobody has read.
fn noted(scope: Option<Scope>) -> Decided {
    let mut unread = contact(7);
    unread.tags = None;
    let row = linked_row(unread);
    let terms = Terms { scope, ..TERMS };
    let wanted = Wanted {
        tags: tags(&["here"]),
        ..Wanted::default()
    };
    let verdict = plan_row(&row, &wanted, terms, "");
    let note = Change::Note {
        event: EventKey {
            moment: "change x".to_owned(),
            occurrence: "c1".to_owned(),
            place: 1,
        },
        to: EventTarget::Contact,
        body: "something".to_owned(),
    };
    let scene = Scene {
        fired: vec![note],
        ..Scene::default()
    };
    decide(&row, &verdict, scene, |_| true)
}

#[test]
fn a_contact_that_may_be_none_of_the_jobs_gets_no_note_before_it_is_read() {
    let decided = noted(Some(Scope::Tag(tag("client"))));
    assert_eq!(decided.steps, []);
    assert!(decided.waits && decided.remember.len() == 1, "{decided:?}");
}

#[test]
fn a_contact_of_which_not_all_is_known_gets_its_note() {
    let decided = noted(None);
    assert_eq!(decided.steps.len(), 1, "{decided:?}");
    assert!(!decided.waits);
}
