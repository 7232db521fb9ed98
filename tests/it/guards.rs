//! Laws 6 and 11: what is held back, what goes on, and the one command that lets it go.

use ghl_sync::model::{GuardKind, StepKind};
use ghl_sync::report::{Per, RowMark};
use ghl_sync::run::Ask;

use crate::rig::{JOB, Rig, Told, ask_all, minutes, settings};
use crate::scenes::{job, number};

/// Six followers have a contact, six have none; with limits, and settled but for what a test adds.
async fn with_limits(limits: &str) -> Rig {
    let mut world = settings(12, 10);
    world.twins = 6;
    let mut rig = Rig::with_job(world, JOB).await;
    rig.apply_all().await;
    assert_eq!(rig.sandbox.count("POST /contacts/"), 6);
    rig.advance(minutes(16));
    rig.job = format!("{}\n[limits]\n{limits}\n", rig.job);
    rig.write_config();
    rig.sandbox.clear_calls();
    rig
}

fn newcomers(rig: &Rig, count: u64) {
    for number in 0..count {
        let (id, login) = (format!("90000{number}"), format!("newcomer_{number}"));
        rig.sandbox.follow(&id, &login, &login);
    }
}

fn renames(rig: &Rig, count: usize) {
    for follower in rig.sandbox.followers().iter().rev().take(count) {
        let login = format!("renamed_{}", follower.id);
        rig.sandbox.rename(&follower.id, &login, &follower.name);
    }
}

fn held(told: &Told) -> Vec<(GuardKind, u64, u64)> {
    let guards = told.report.guards.iter().filter(|found| found.held);
    guards
        .map(|found| (found.guard, found.count, found.limit))
        .collect()
}

async fn allow(rig: &mut Rig, guard: GuardKind) -> Told {
    let ask = Ask {
        apply: true,
        allow: [guard].into(),
        ..Ask::default()
    };
    rig.run(ask).await.unwrap()
}

#[tokio::test]
async fn over_the_limit_of_guard_create_nobody_is_created_and_the_rest_goes_on() {
    let mut rig = with_limits("create = 3").await;
    newcomers(&rig, 4);
    renames(&rig, 2);
    let told = rig.apply().await;
    assert_eq!(held(&told), [(GuardKind::Create, 4, 3)]);
    assert_eq!(told.report.counts[&StepKind::Create].held, 4);
    assert_eq!(told.done(StepKind::Update), 2);
    assert_eq!(rig.sandbox.count("POST /contacts/"), 0);
    let told = allow(&mut rig, GuardKind::Create).await;
    assert_eq!(told.done(StepKind::Create), 4);
}

#[tokio::test]
async fn over_the_limit_of_guard_update_no_field_is_written_and_the_rest_goes_on() {
    let mut rig = with_limits("update = 2").await;
    newcomers(&rig, 2);
    renames(&rig, 3);
    let told = rig.apply().await;
    assert_eq!(held(&told), [(GuardKind::Update, 3, 2)]);
    assert_eq!(told.done(StepKind::Create), 2);
    assert_eq!(rig.sandbox.count("PUT /contacts/{id}"), 0);
    assert_eq!(
        allow(&mut rig, GuardKind::Update)
            .await
            .done(StepKind::Update),
        3
    );
}

#[tokio::test]
async fn over_the_limit_of_guard_tag_no_tag_is_added_and_the_rest_goes_on() {
    let mut rig = with_limits("tag = 5").await;
    newcomers(&rig, 2);
    rig.job = rig.job.replace(
        "[\"twitch follower\"]\n[on.leave]",
        "[\"twitch follower\", \"synced\"]\n[on.leave]",
    );
    rig.write_config();
    let told = allow(&mut rig, GuardKind::First).await;
    assert_eq!(held(&told), [(GuardKind::Tag, 12, 5)], "{:#?}", told.report);
    assert_eq!(told.done(StepKind::Create), 2);
    assert_eq!(told.done(StepKind::AddTags), 0);
    assert_eq!(
        allow(&mut rig, GuardKind::Tag)
            .await
            .done(StepKind::AddTags),
        12
    );
}

#[tokio::test]
async fn over_the_limit_of_guard_return_nobody_is_taken_back_and_the_rest_goes_on() {
    let mut rig = with_limits("return = 1").await;
    let left: Vec<_> = rig.sandbox.followers().into_iter().take(2).collect();
    for follower in &left {
        rig.sandbox.unfollow(&follower.id);
    }
    for _ in 0..2 {
        rig.run(Ask {
            full: true,
            ..ask_all()
        })
        .await
        .unwrap();
        rig.advance(minutes(16));
    }
    rig.sandbox.clear_calls();
    for follower in &left {
        rig.sandbox
            .follow(&follower.id, &follower.login, &follower.name);
    }
    newcomers(&rig, 1);
    for _ in 0..2 {
        let told = rig.apply().await;
        assert_eq!(
            held(&told),
            [(GuardKind::Return, 2, 1)],
            "{:#?}",
            told.report
        );
        rig.advance(minutes(16));
    }
    assert_eq!(rig.sandbox.count("POST /contacts/"), 1);
    assert_eq!(rig.sandbox.writes().len(), 1, "{:#?}", rig.sandbox.writes());
    let told = allow(&mut rig, GuardKind::Return).await;
    assert_eq!(told.done(StepKind::RemoveTags), 2);
    rig.advance(minutes(16));
    rig.sandbox.clear_calls();
    assert_eq!(held(&rig.apply().await), []);
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn a_guard_counts_what_the_last_day_sent() {
    let mut rig = with_limits("create = { run = 3, day = 10 }").await;
    // Six were created sixteen minutes ago.
    newcomers(&rig, 3);
    assert_eq!(rig.apply().await.done(StepKind::Create), 3);
    rig.sandbox.follow("777", "one_more", "One More");
    rig.sandbox.follow("778", "and_another", "Another");
    rig.advance(minutes(16));
    let told = rig.apply().await;
    let guard = &told.report.guards[0];
    assert_eq!((guard.count, guard.limit, guard.per), (11, 10, Per::Day));
    assert_eq!(told.done(StepKind::Create), 0);
    rig.advance(minutes(60 * 24));
    assert_eq!(rig.apply().await.done(StepKind::Create), 2);
}

#[tokio::test]
async fn an_approved_digest_passes_the_guards_that_its_report_showed() {
    let mut rig = with_limits("create = { run = 3, day = 100 }").await;
    newcomers(&rig, 4);
    let told = rig.plan().await;
    assert_eq!(held(&told), [(GuardKind::Create, 4, 3)]);
    let digest = told.report.digest.unwrap();
    let command = format!("ghl-sync apply followers --approve {digest}");
    assert_eq!(told.report.guards[0].command, command);
    // One that came since is left to the next plan.
    rig.sandbox.follow("777", "one_more", "One More");
    let approve = Ask {
        apply: true,
        approve: Some(digest.short().to_owned()),
        ..Ask::default()
    };
    let told = rig.run(approve.clone()).await.unwrap();
    assert_eq!(told.done(StepKind::Create), 4, "{:#?}", told.rows);
    let error = rig.run(approve).await.unwrap_err().to_string();
    assert!(error.contains("carried out already"), "{error}");
    assert_eq!(rig.apply().await.done(StepKind::Create), 1);
}

#[tokio::test]
async fn a_strict_job_holds_everything_when_one_guard_holds() {
    let mut rig = with_limits("create = 3").await;
    rig.job = rig.job.replace(
        "create_fields = true",
        "create_fields = true\nstrict = true",
    );
    rig.write_config();
    newcomers(&rig, 4);
    renames(&rig, 2);
    let told = rig.apply().await;
    assert_eq!(held(&told), [(GuardKind::Create, 4, 3)]);
    assert_eq!(told.report.all().held, 6, "{:#?}", told.report.counts);
    assert!(rig.sandbox.writes().is_empty());
    assert!(
        told.rows
            .iter()
            .all(|row| matches!(row.mark, RowMark::Held { .. }))
    );
}

#[tokio::test]
async fn a_new_job_sends_nothing_until_a_person_looked() {
    let mut world = settings(5, 8);
    world.twins = 2;
    let mut rig = Rig::with_job(world, &job()).await;
    for _ in 0..3 {
        let told = rig.apply().await;
        assert_eq!(held(&told), [(GuardKind::First, 0, 0)]);
        assert!(told.report.is_held_as_new());
        assert!(rig.sandbox.writes().is_empty());
        assert_eq!(number(&mut rig, "SELECT count(*) FROM link"), 0);
        rig.advance(minutes(16));
    }
    // What others let through is not what this one asks for.
    let told = allow(&mut rig, GuardKind::Create).await;
    assert!(told.report.is_held_as_new());
    assert!(rig.sandbox.writes().is_empty());
    let told = allow(&mut rig, GuardKind::First).await;
    assert_eq!(told.done(StepKind::Create), 3);
    assert_eq!(told.done(StepKind::AddTags), 2);
}

#[tokio::test]
async fn an_edited_job_sends_nothing_until_a_person_looked() {
    let edits = [
        ("{{ user_login }}\"", "{{ user_login | upper }}\""),
        (
            "\"twitch follower\", \"synced\"",
            "\"twitch follower\", \"other\"",
        ),
        ("\"twitch unfollowed\"", "\"gone away\""),
        ("missing = \"create\"", "missing = \"skip\""),
        ("own = \"create\"", "own = \"force\""),
    ];
    for (old, new) in edits {
        let mut world = settings(5, 8);
        world.twins = 2;
        let mut rig = Rig::with_job(world, &job()).await;
        rig.apply_all().await;
        rig.advance(minutes(16));
        assert!(rig.job.contains(old), "{old}");
        rig.job = rig.job.replace(old, new);
        rig.write_config();
        rig.sandbox.follow("777", "one_more", "One More");
        rig.sandbox.clear_calls();
        let told = rig.apply().await;
        assert!(told.report.is_held_as_new(), "{new}");
        assert!(rig.sandbox.writes().is_empty(), "{new}");
        allow(&mut rig, GuardKind::First).await;
        rig.advance(minutes(16));
        rig.sandbox.clear_calls();
        let told = rig.apply().await;
        assert!(!told.report.is_held_as_new(), "{new}");
    }
}

#[tokio::test]
async fn an_edit_that_changes_nothing_that_is_written_asks_nobody() {
    let mut rig = Rig::with_job(settings(3, 2), &job()).await;
    rig.apply_all().await;
    rig.advance(minutes(16));
    rig.job = rig.job.replace(
        "timezone = \"UTC\"",
        "timezone = \"UTC\"\nschedule = \"*/20 * * * *\"",
    );
    rig.write_config();
    assert_eq!(held(&rig.apply().await), []);
}
