//! What must hold of every call: its scope, whether it only reads, and what a second sending does.

use std::collections::BTreeSet;

use ghl_sync::apis::highlevel::{self as hl, TagMove, scope_of};
use ghl_sync::model::{BusinessId, CampaignId, ContactId, IfUnsure, NoteId, TaskId, WorkflowId};
use ghl_sync::net::{Call, CallError, Purpose, Reach};
use ghl_sync::sandbox::{HIGHLEVEL_SCOPES, HIGHLEVEL_TOKEN, Holder, Token};
use serde_json::{Value, json};

use super::Stage;
use super::rows::{ROWS, here};
use super::spec::{Spec, corrections};

/// What a call needs, as its error names it, is what the vendor declares.
#[tokio::test]
async fn the_scope_of_every_call_is_the_declared_one() {
    let spec = Spec::with(&corrections());
    let stage = Stage::new().await;
    for row in ROWS {
        let call = (row.call)(&stage.scene);
        let own = scope_of(call.route).unwrap();
        let declared = &spec.operations[row.operation].scopes;
        // The bulk calls and the definition of one field declare none.
        let silent = [
            "create-association",
            "add-remove-contact-from-business",
            "get-custom-field",
        ];
        let is_silent = silent.contains(&row.operation);
        assert_eq!(declared.is_empty(), is_silent, "{}", row.operation);
        assert!(
            is_silent || *declared == [own],
            "{}: {own} where {declared:?} is declared",
            row.operation
        );
        assert!(HIGHLEVEL_SCOPES.contains(&own), "{own}");
    }
    assert_eq!(scope_of("GET /nowhere"), None);
}

#[tokio::test]
async fn without_its_scope_a_call_does_nothing_and_says_so() {
    let stage = Stage::new().await;
    let before = stage.truth();
    for row in ROWS {
        let call = (row.call)(&stage.scene);
        let lacking = scope_of(call.route).unwrap();
        let scopes = HIGHLEVEL_SCOPES.iter().filter(|scope| **scope != lacking);
        let token = Token {
            scopes: scopes.map(ToString::to_string).collect(),
            expires_at_ms: None,
            holder: Holder::Location,
        };
        stage.rig.sandbox.set_token(HIGHLEVEL_TOKEN, token);
        let refused = stage.line.send(&call, Purpose::Announced).await;
        assert!(
            matches!(refused, Err(CallError::Scope { .. })),
            "{}: {refused:?}",
            row.operation
        );
    }
    assert_eq!(stage.truth(), before);
}

#[tokio::test]
async fn a_line_that_only_reads_lets_exactly_the_reading_calls_through() {
    let mut stage = Stage::new().await;
    let line = stage.rig.world(Reach::ReadsOnly).hub_line;
    for row in ROWS {
        stage.rig.sandbox.clear_calls();
        let call = (row.call)(&stage.scene);
        let reads = scope_of(call.route).unwrap().ends_with(".readonly");
        assert_eq!(call.is_read(), reads, "{}", row.operation);
        let answer = line.send(&call, Purpose::Announced).await;
        assert_eq!(answer.is_ok(), reads, "{}: {answer:?}", row.operation);
        let seen = stage.rig.sandbox.calls().len();
        assert_eq!(seen, usize::from(reads), "{}", row.operation);
    }
}

#[tokio::test]
async fn only_what_is_absolute_may_be_sent_again() {
    let stage = Stage::new().await;
    let mut again = BTreeSet::new();
    for row in ROWS {
        let call = (row.call)(&stage.scene);
        if call.is_read() {
            continue;
        }
        let expected = match row.operation {
            "add-contact-to-campaign" | "add-contact-to-workflow" => IfUnsure::AskAPerson,
            "upsert-contact" => IfUnsure::LookFirst,
            id if id.starts_with("create-") && id != "create-association" => IfUnsure::LookFirst,
            _ => IfUnsure::SendAgain,
        };
        assert_eq!(call.if_unsure, expected, "{}", row.operation);
        stage.line.send(&call, Purpose::Announced).await.unwrap();
        if expected == IfUnsure::SendAgain {
            let once = stage.truth();
            let second = stage.line.send(&call, Purpose::Announced).await;
            let is_gone = matches!(second, Err(CallError::NotFound { .. }));
            assert!(second.is_ok() || is_gone, "{}: {second:?}", row.operation);
            assert_eq!(stage.truth(), once, "{} is not absolute", row.operation);
            again.insert(row.operation);
        }
    }
    assert_eq!(again.len(), 16, "{again:?}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_too_much_is_refused() {
    let stage = Stage::new().await;
    let s = &stage.scene;
    let nobody = ContactId::try_from("nobody").unwrap();
    let note = NoteId::try_from("nothing").unwrap();
    let task = TaskId::try_from("nothing").unwrap();
    let nowhere = BusinessId::try_from("nowhere").unwrap();
    let workflow = WorkflowId::try_from("nowhere").unwrap();
    let campaign = CampaignId::try_from("nowhere").unwrap();
    async fn gone<T: std::fmt::Debug>(stage: &Stage, call: Call<T>) {
        let route = call.route;
        let answer = stage.line.send(&call, Purpose::Announced).await;
        assert!(
            matches!(answer, Err(CallError::NotFound { .. })),
            "{route}: {answer:?}"
        );
    }
    gone(&stage, hl::get_raw(&nobody)).await;
    gone(&stage, hl::delete(&nobody)).await;
    gone(&stage, hl::notes(&nobody)).await;
    gone(&stage, hl::tasks(&nobody)).await;
    gone(&stage, hl::appointments(&nobody)).await;
    gone(&stage, hl::note_of(&s.ann, &note)).await;
    gone(&stage, hl::delete_note(&s.ann, &note)).await;
    gone(&stage, hl::complete_task(&s.ann, &task)).await;
    gone(&stage, hl::business(&nowhere)).await;
    gone(
        &stage,
        hl::contacts_of_business(&s.here, &nowhere, 25, 0, None),
    )
    .await;
    gone(
        &stage,
        hl::bulk_business(&s.here, Some(&nowhere), &[s.ann.clone()]),
    )
    .await;
    gone(&stage, hl::add_to_workflow(&s.ann, &workflow, None)).await;
    gone(&stage, hl::add_to_campaign(&s.ann, &campaign)).await;

    let many: Vec<ContactId> = (0..=hl::BUSINESS_LIMIT).map(|_| s.ann.clone()).collect();
    let call = hl::bulk_business(&s.here, Some(&s.business), &many);
    let refused = stage.line.send(&call, Purpose::Announced).await;
    let Err(CallError::Refused {
        status: 422, said, ..
    }) = refused
    else {
        panic!("{refused:?}")
    };
    assert!(said.contains("no more than 50"), "{said}");
    // Those that are not there are not named, and thereby not done.
    let call = hl::bulk_business(&s.here, Some(&s.business), &[s.ann.clone(), nobody.clone()]);
    let done = stage.line.send(&call, Purpose::Announced).await.unwrap();
    assert_eq!(done.value, [s.ann.clone()]);
    let tags = [ghl_sync::model::Tag::new("x").unwrap()].into();
    let call = hl::bulk_tags(&here(), TagMove::Add, &[nobody], &tags);
    let answer = stage.line.send(&call, Purpose::Announced).await.unwrap();
    assert!(answer.value.unanswered.is_empty());
}

impl Stage {
    /// Returns everything that a call can change, but for when.
    fn truth(&self) -> Value {
        let sandbox = &self.rig.sandbox;
        let mut contacts = sandbox.contacts();
        for contact in &mut contacts {
            contact.as_object_mut().unwrap().remove("dateUpdated");
            let id = contact["id"].as_str().unwrap().to_owned();
            contact["more"] = json!([
                sandbox.notes(&id),
                sandbox.tasks(&id),
                sandbox.enrolments(&id)
            ]);
        }
        json!([contacts, sandbox.businesses()])
    }
}
