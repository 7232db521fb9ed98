//! Notes and tasks that were due, and what came in between.

use ghl_sync::model::{ContactId, GuardKind, Namespace, RecordKey, StepKind};
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{BROADCASTER_ID, Fault, FaultKind, LOCATION_ID};
use ghl_sync::store::{jobs, links, mirror};

use crate::rig::{JOB, Rig, ask_all, minutes, settings};
use crate::scenes::{events_job, jotted, number};

const NOTES: &str = "POST /contacts/{id}/notes";

async fn first(job: &str) -> Rig {
    let mut rig = Rig::with_job(settings(3, 3), job).await;
    rig.apply_all().await;
    rig.sandbox.clear_calls();
    rig.advance(minutes(16));
    rig
}

#[tokio::test]
async fn a_note_for_the_channels_contact_that_was_not_carried_out_is_sent_again() {
    let job = JOB.replace(
        "[on.leave]",
        "note = { body = \"{{ user_name }} follows\", to = \"channel\" }\n[on.leave]",
    );
    let mut rig = first(&job).await;
    let stranger = rig.sandbox.contacts();
    let is_free = |contact: &&serde_json::Value| contact["fields"]["twitch_user_id"].is_null();
    let stranger = stranger.iter().find(is_free).unwrap();
    let id = ContactId::try_from(stranger["id"].as_str().unwrap()).unwrap();
    let (channel, contact) = (RecordKey::try_from(BROADCASTER_ID).unwrap(), id.clone());
    rig.store()
        .write(move |db| {
            let location = jobs::location_state(db, &LOCATION_ID.try_into().unwrap())?.no;
            let no = mirror::find_contact(db, location, &contact)?.unwrap();
            links::link(db, location, Namespace::TwitchChannel, &channel, no)
        })
        .await
        .unwrap();
    let fault = Fault::new(FaultKind::ResetBefore);
    rig.sandbox.fault(fault.on(NOTES).times(1));
    rig.sandbox.follow("900", "ada", "Ada");
    for _ in 0..5 {
        rig.advance(minutes(16));
        let _ = rig.run(ask_all()).await;
    }
    assert_eq!(rig.sandbox.notes(id.as_str()).len(), 1);
    let open = "SELECT count(*) FROM event WHERE state != 'done'";
    assert_eq!(number(&mut rig, open), 0);
}

#[tokio::test]
async fn the_first_change_of_all_is_told_although_the_plan_is_made_twice() {
    let job = format!(
        "{JOB}\n[[on.change]]\nof = \"user_login\"\nnote = \"{{{{ before }}}} is {{{{ user_login }}}} now\"\n"
    );
    let mut rig = first(&job).await;
    for _ in 0..2 {
        rig.apply().await;
        rig.advance(minutes(16));
    }
    // What a lost answer leaves behind: the plan is thrown away, the contact is read, and it is planned anew.
    let ids = rig.sandbox.followers();
    let other = number(&mut rig, "SELECT max(contact_no) FROM link");
    rig.store()
        .write(move |db| mirror::unsure(db, other, &[], true))
        .await
        .unwrap();
    for follower in &ids {
        rig.sandbox
            .rename(&follower.id, &format!("new_{}", follower.id), "Somebody");
    }
    let told = rig.apply().await;
    let twice = told
        .report
        .remarks
        .iter()
        .any(|said| said.contains("were read because"));
    assert!(twice, "{:?}", told.report.remarks);
    assert_eq!(told.done(StepKind::Note), 3);
}

#[tokio::test]
async fn a_return_that_was_held_and_taken_back_is_not_told() {
    let job = format!(
        "{}\n[on.return]\nnote = \"{{{{ user_name }}}} is back\"\n[limits]\nreturn = 0\n",
        events_job()
    );
    let mut rig = first(&job).await;
    let full = || Ask {
        full: true,
        apply: true,
        allow: [GuardKind::Leave].into(),
        ..Ask::default()
    };
    rig.sandbox.follow("900", "ada", "Ada");
    rig.apply().await;
    rig.sandbox.unfollow("900");
    for _ in 0..2 {
        rig.advance(minutes(16));
        rig.run(full()).await.unwrap();
    }
    rig.sandbox.follow("900", "ada", "Ada");
    rig.advance(minutes(16));
    let told = rig.apply().await;
    let is_held = told.report.guards.iter().any(|found| found.held);
    assert!(is_held, "{:?}", told.report.guards);
    rig.sandbox.unfollow("900");
    for _ in 0..3 {
        rig.advance(minutes(16));
        rig.run(full()).await.unwrap();
    }
    let (notes, _) = jotted(&rig, "900");
    assert!(!notes.iter().any(|note| note == "Ada is back"), "{notes:?}");
    let due = "SELECT count(*) FROM event WHERE state = 'due'";
    assert_eq!(number(&mut rig, due), 0);
}

#[tokio::test]
async fn a_record_of_which_two_contacts_may_be_meant_keeps_its_notes_until_a_person_says_which() {
    let mut rig = first(&events_job()).await;
    let twin = |rig: &Rig, name: &str| {
        let fields = [("twitch_user_id", "900")];
        rig.sandbox.add_contact(name, "", "", &[], &fields)
    };
    let one = twin(&rig, "Ada");
    twin(&rig, "Ada Two");
    rig.sandbox.settle();
    rig.sandbox.follow("900", "ada", "Ada");
    let told = rig.apply().await;
    assert_eq!(told.planned(StepKind::Note), 0);
    let contact = ContactId::try_from(one.as_str()).unwrap();
    rig.store()
        .write(move |db| {
            let location = jobs::location_state(db, &LOCATION_ID.try_into().unwrap())?.no;
            let no = mirror::find_contact(db, location, &contact)?.unwrap();
            let key = RecordKey::try_from("900").unwrap();
            links::link(db, location, Namespace::TwitchUser, &key, no)
        })
        .await
        .unwrap();
    rig.advance(minutes(16));
    let told = rig.apply().await;
    assert_eq!(
        (told.done(StepKind::Note), told.done(StepKind::Task)),
        (1, 1)
    );
    assert_eq!(rig.sandbox.notes(&one).len(), 1);
}
