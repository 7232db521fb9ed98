//! A stream opens a task on the channel's contact, and closes it with a note when it is over for good.

use ghl_sync::sandbox::{BROADCASTER_ID, Fault, FaultKind};

use super::{channel, contact_of, is_live, poll_after, watched};
use crate::rig::{Rig, ask_all, minutes};

const NOTES: &str = "POST /contacts/{id}/notes";
const TASKS: &str = "POST /contacts/{id}/tasks";
const COMPLETED: &str = "PUT /contacts/{id}/tasks/{taskId}/completed";

/// The job with a task at the beginning and a note at the end.
pub(super) fn job() -> String {
    super::JOB
        .replace(
            "add_tags = [\"live now\"]\n",
            "add_tags = [\"live now\"]\ntask = { title = \"Clip {{ title }}\", body = \"{{ game }}\", due = \"1d\" }\n",
        )
        .replace(
            "remove_tags = [\"live now\"]\n",
            "remove_tags = [\"live now\"]\ncomplete_task = true\n\
             note = \"{{ title }}: {{ minutes }} min, at most {{ viewers_peak }} viewers, {{ new_followers }} new followers\"\n",
        )
}

/// Returns the notes on the channel's contact, and its tasks with whether they are done.
pub(super) fn jotted(rig: &Rig) -> (Vec<String>, Vec<(String, bool)>) {
    let contact = contact_of(rig, BROADCASTER_ID);
    let id = contact["id"].as_str().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let notes = rig.sandbox.notes(id).into_iter();
    let tasks = rig.sandbox.tasks(id).into_iter();
    (
        notes.map(|note| text(&note["body"])).collect(),
        tasks
            .map(|task| (text(&task["title"]), task["completed"] == true))
            .collect(),
    )
}

fn task(done: bool) -> Vec<(String, bool)> {
    vec![("Clip Chess night".to_owned(), done)]
}

#[tokio::test]
async fn a_broadcast_opens_a_task_and_closes_it_with_a_note_ten_minutes_after_its_end() {
    let mut rig = watched(&job()).await;
    channel(&rig).go_live("Chess night", "Chess");
    channel(&rig).viewers(12);
    poll_after(&mut rig, 2).await;
    assert_eq!(jotted(&rig), (vec![], task(false)));
    poll_after(&mut rig, 2).await;
    assert_eq!(rig.sandbox.writes().len(), 0);
    rig.sandbox.follow("900", "ada", "Ada");
    poll_after(&mut rig, 2).await;
    channel(&rig).end_stream();
    // Ended after two polls; what tells of it waits until ten minutes after the last sighting.
    for _ in 0..4 {
        poll_after(&mut rig, 2).await;
        assert_eq!(jotted(&rig), (vec![], task(false)));
    }
    assert!(!is_live(&rig));
    poll_after(&mut rig, 3).await;
    let note = "Chess night: 6 min, at most 12 viewers, 1 new followers";
    assert_eq!(jotted(&rig), (vec![note.to_owned()], task(true)));
    for _ in 0..3 {
        poll_after(&mut rig, 16).await;
        assert_eq!(rig.sandbox.writes().len(), 0);
    }
    // The next one is another one.
    channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    let (notes, tasks) = jotted(&rig);
    assert_eq!((notes.len(), tasks.len()), (1, 2));
}

#[tokio::test]
async fn a_broadcast_that_goes_on_takes_back_what_would_have_told_of_its_end() {
    let mut rig = watched(&job()).await;
    channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    channel(&rig).end_stream();
    poll_after(&mut rig, 2).await;
    poll_after(&mut rig, 2).await;
    assert!(!is_live(&rig));
    channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    assert!(is_live(&rig));
    for _ in 0..6 {
        poll_after(&mut rig, 2).await;
        assert_eq!(jotted(&rig), (vec![], task(false)));
    }
    channel(&rig).end_stream();
    for _ in 0..6 {
        poll_after(&mut rig, 2).await;
    }
    poll_after(&mut rig, 2).await;
    let (notes, tasks) = jotted(&rig);
    assert_eq!(tasks, task(true));
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("Chess night: 20 min"), "{notes:?}");
}

#[tokio::test]
async fn what_the_first_look_finds_live_opens_no_task() {
    let mut rig = Rig::with_job(crate::rig::settings(3, 5), &job()).await;
    channel(&rig).go_live("Chess night", "Chess");
    rig.apply_all().await;
    assert_eq!(jotted(&rig), (vec![], vec![]));
    poll_after(&mut rig, 2).await;
    channel(&rig).end_stream();
    for _ in 0..7 {
        poll_after(&mut rig, 2).await;
    }
    let (notes, tasks) = jotted(&rig);
    assert_eq!((notes.len(), tasks.len()), (1, 0), "its end was seen");
}

#[tokio::test]
async fn an_answer_lost_at_a_note_or_task_of_a_broadcast_makes_no_second_one() {
    let lost = [
        FaultKind::ResetAfter,
        FaultKind::Status500After,
        FaultKind::Truncated,
        FaultKind::ResetBefore,
        FaultKind::Status503,
    ];
    for kind in lost {
        let mut rig = watched(&job()).await;
        channel(&rig).go_live("Chess night", "Chess");
        for route in [TASKS, NOTES, COMPLETED] {
            rig.sandbox
                .fault(Fault::new(kind.clone()).on(route).times(2));
        }
        rig.advance(minutes(2));
        let _ = rig.run(ask_all()).await;
        for _ in 0..12 {
            rig.advance(minutes(5));
            let _ = rig.run(ask_all()).await;
        }
        channel(&rig).end_stream();
        for _ in 0..16 {
            rig.advance(minutes(5));
            let _ = rig.run(ask_all()).await;
        }
        let (notes, tasks) = jotted(&rig);
        assert_eq!(tasks, task(true), "{kind:?}");
        assert_eq!(notes.len(), 1, "{kind:?}: {notes:?}");
    }
}

#[tokio::test]
async fn another_game_is_a_change_within_a_broadcast_and_none_from_one_to_the_next() {
    let job =
        job() + "\n[[on.change]]\nof = \"game\"\nnote = \"From {{ before }} to {{ game }}\"\n";
    let mut rig = watched(&job).await;
    channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    channel(&rig).end_stream();
    for _ in 0..8 {
        poll_after(&mut rig, 2).await;
    }
    channel(&rig).go_live("Later", "Tetris");
    poll_after(&mut rig, 2).await;
    poll_after(&mut rig, 2).await;
    let changes = |rig: &Rig| {
        let mut notes = jotted(rig).0;
        notes.retain(|note| note.starts_with("From "));
        notes
    };
    assert_eq!(changes(&rig), Vec::<String>::new());
    channel(&rig).retitle("Later", "Celeste");
    poll_after(&mut rig, 2).await;
    assert_eq!(changes(&rig), ["From Tetris to Celeste"]);
}

#[tokio::test]
async fn what_closes_the_task_of_one_broadcast_leaves_that_of_the_next_open() {
    let mut rig = watched(&job()).await;
    channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    channel(&rig).end_stream();
    for _ in 0..3 {
        poll_after(&mut rig, 2).await;
    }
    // HighLevel is away when the end could be told, and the channel is live again before it is back.
    let fault = Fault::new(FaultKind::Status503);
    rig.sandbox.fault(fault.on(COMPLETED).times(20));
    rig.advance(minutes(6));
    let _ = rig.run(ask_all()).await;
    assert_eq!(jotted(&rig).1, task(false));
    rig.sandbox.clear_faults();
    channel(&rig).go_live("Puzzles", "Chess");
    let told = poll_after(&mut rig, 2).await;
    assert_eq!(told.report.made, Some(told.report.cost.calls));
    let tasks = [("Chess night", true), ("Puzzles", false)];
    let tasks = tasks.map(|(title, done)| (format!("Clip {title}"), done));
    assert_eq!(jotted(&rig).1, tasks);
}
