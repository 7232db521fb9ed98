//! A state that forgets its past plans what one plans that remembers all of it.

use std::fs;
use std::path::Path;

use ghl_sync::net::Reach;
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{Fault, FaultKind};
use ghl_sync::store::Store;
use ghl_sync::store::history::{Keep, Much, Pruned, YOUNG_MS, prune};
use proptest::prelude::*;

use crate::rig::{Rig, ask_all, hours, minutes, run_in, settings};

/// What happens between two looks. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Event {
    Follow(u8),
    Unfollow(u8),
    Rename(u8),
    Edit(u8),
    Lose(u64),
    Refuse(u64),
    Kill(u32),
    Days(u64),
    Apply { full: bool, allow: bool },
    Plan,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => any::<u8>().prop_map(Event::Follow),
        2 => any::<u8>().prop_map(Event::Unfollow),
        2 => any::<u8>().prop_map(Event::Rename),
        2 => any::<u8>().prop_map(Event::Edit),
        1 => (1..3_u64).prop_map(Event::Lose),
        1 => (1..3_u64).prop_map(Event::Refuse),
        1 => (5..40_u32).prop_map(Event::Kill),
        3 => (1..4_u64).prop_map(Event::Days),
        5 => (any::<bool>(), prop::bool::weighted(0.8)).prop_map(|(full, allow)| Event::Apply { full, allow }),
        1 => Just(Event::Plan),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(8),
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_history_that_is_pruned_at_any_point_plans_the_same(
        events in prop::collection::vec(event(), 6..20), stop_after in 1..4_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = runtime.block_on(tell(&events, stop_after));
    }
}

#[tokio::test]
async fn what_is_forgotten_is_much_and_changes_nothing() {
    use Event::{Apply, Days, Edit, Follow, Lose, Plan, Refuse, Rename, Unfollow};
    let apply = |full| Apply { full, allow: true };
    let events = [
        Edit(1),
        Rename(2),
        apply(false),
        Days(3),
        Lose(1),
        Follow(1),
        Follow(2),
        apply(false),
        Plan,
        Days(3),
        Refuse(1),
        Follow(3),
        Unfollow(4),
        apply(true),
        Days(3),
        apply(false),
        Rename(5),
        apply(false),
        Days(3),
        apply(true),
        apply(false),
    ];
    let forgotten = tell(&events, 1).await;
    assert!(
        forgotten.runs >= 5 && forgotten.steps >= 12 && forgotten.walks >= 3,
        "{forgotten:?}"
    );
}

/// Lets it all happen, and looks after each event; returns how much was forgotten.
async fn tell(events: &[Event], stop_after: u32) -> Pruned {
    let mut forgotten = Pruned::default();
    let mut rig = Rig::new(settings(12, 6)).await;
    rig.apply_all().await;
    for event in events {
        play(&mut rig, event).await;
        rig.close();
        let now = look_at_both(&mut rig, stop_after).await;
        forgotten.runs += now.runs;
        forgotten.steps += now.steps;
        forgotten.walks += now.walks;
    }
    forgotten
}

async fn play(rig: &mut Rig, event: &Event) {
    let followers = rig.sandbox.followers();
    let who = |n: u8| {
        followers
            .get(usize::from(n) % followers.len().max(1))
            .map(|who| who.id.clone())
    };
    match *event {
        Event::Follow(n) => rig.sandbox.follow(
            &format!("88{n:04}"),
            &format!("new_{n}"),
            &format!("New {n}"),
        ),
        Event::Unfollow(n) => {
            if let Some(id) = who(n) {
                rig.sandbox.unfollow(&id)
            }
        }
        Event::Rename(n) => {
            if let Some(id) = who(n) {
                rig.sandbox
                    .rename(&id, &format!("other_{n}"), &format!("Other {n}"))
            }
        }
        Event::Edit(n) => {
            let contacts = rig.sandbox.contacts();
            let id = contacts[usize::from(n) % contacts.len()]["id"]
                .as_str()
                .unwrap()
                .to_owned();
            rig.sandbox
                .edit_contact(&id, "firstName", format!("Typed {n}"));
        }
        Event::Lose(times) => rig.sandbox.fault(
            Fault::new(FaultKind::ResetAfter)
                .on("POST /contacts/")
                .times(times),
        ),
        Event::Refuse(times) => rig.sandbox.fault(
            Fault::new(FaultKind::Unprocessable422)
                .on("POST /contacts/")
                .times(times),
        ),
        Event::Days(days) => rig.advance(hours(24 * days)),
        Event::Kill(commits) => {
            rig.store().stop_after_commits(commits);
            let _ = rig.run(ask_all()).await;
        }
        Event::Apply { full, allow } => {
            rig.advance(minutes(15));
            let ask = Ask {
                full,
                apply: true,
                ..if allow { ask_all() } else { Ask::default() }
            };
            let _ = rig.run(ask).await;
        }
        Event::Plan => {
            let _ = rig.run(Ask::default()).await;
        }
    }
}

/// Plans on the state as it is and on one that forgot what it could, killed after `stop_after` commits or not; goes on with the one that forgot.
async fn look_at_both(rig: &mut Rig, stop_after: u32) -> Pruned {
    let (whole, young) = (rig.folder.join("whole"), rig.folder.join("young"));
    for folder in [&whole, &young] {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        copy(&rig.state(), folder);
    }
    let keep = Keep {
        now_ms: rig.clock.now().timestamp_millis(),
        age_ms: YOUNG_MS,
        runs: 1,
    };
    let killed = Store::open(&young).unwrap();
    killed.stop_after_commits(stop_after);
    let _ = prune(&killed, &keep, Much::All, |_| true).await;
    drop(killed);
    assert_eq!(
        planned(rig, &young).await,
        planned(rig, &whole).await,
        "half forgotten"
    );
    let store = Store::open(&young).unwrap();
    prune(&store, &keep, Much::All, |_| true).await.unwrap();
    drop(store);
    assert_eq!(
        planned(rig, &young).await,
        planned(rig, &whole).await,
        "forgotten"
    );
    // A plan of its own is no part of the history that goes on.
    let store = Store::open(&rig.state()).unwrap();
    prune(&store, &keep, Much::All, |_| true).await.unwrap()
}

/// Plans on a copy of a state, so that both look at the same.
async fn planned(rig: &Rig, state: &Path) -> String {
    let folder = rig.folder.join("looked-at");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    copy(state, &folder);
    let store = Store::open(&folder).unwrap();
    let world = rig.world_on(store, Reach::ReadsOnly);
    let told = run_in(&world, &Ask::default()).await;
    match told {
        Ok(told) => format!(
            "{:?} {:#?} {:?} {:?}",
            told.report.digest, told.rows, told.report.guards, told.report.news
        ),
        Err(error) => error.to_string(),
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("ghl-sync.db") && !name.contains("shm") {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
