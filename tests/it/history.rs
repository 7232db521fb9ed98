//! Random histories: whatever people, vendors and crashes do, in whatever order, it heals.
//!
//! `PROPTEST_CASES` sets how many histories each test tells; a failing one is shrunk and kept in `tests/proptest-regressions`.

mod diary;

use std::time::Duration;

use ghl_sync::model::{Clock, GuardKind};
use ghl_sync::net::Reach;
use ghl_sync::run::{Ask, RunError};
use ghl_sync::sandbox::{Fault, FaultKind, Sandbox, Settings, Switches};
use ghl_sync::store::Store;
use proptest::prelude::*;
use proptest::sample::select;

use self::diary::Diary;
use crate::rig::{JOB, Rig, ask_all, minutes, run_in};

/// Histories of each test unless the environment says otherwise: all of them stay below half a minute on two cores.
const CASES: u32 = 24;

/// After the last fault: a create that was lost is looked for twice, sent once more, and looked for again, 16 minutes a round.
const ROUNDS: u32 = 10;

/// What the world is like before anything happens.
#[derive(Clone, Debug)]
struct Start {
    seed: u64,
    followers: u64,
    contacts: u64,
    twins: u64,
    odd_names: bool,
    fields: bool,
    reader: &'static str,
    /// The seed of the vendor's undocumented sides; `None` is the honest vendor.
    switches: Option<u64>,
}

/// One thing that happens. Numbers choose among what is there at that moment.
#[derive(Clone, Debug)]
enum Event {
    Follow(u8),
    Unfollow(u8),
    Rename(u8),
    Suspend(u8),
    Reinstate(u8),
    Edit { who: u8, key: &'static str },
    Clear { who: u8 },
    AddTag(u8),
    TakeTag { who: u8, tag: u8 },
    Delete(u8),
    Merge { loser: u8, winner: u8 },
    AddContact,
    TurnMeanwhile { who: u8, follows: bool },
    DeleteMeanwhile { who: u8, searches: u64 },
    Wait { minutes: u64 },
    Fault(FaultKind, Option<&'static str>, u64, u64),
    KillAfter { commits: u32 },
    Apply { full: bool, allow: bool },
    Plan { full: bool },
    TwoProcesses { both_apply: bool },
}

const ROUTES: &[Option<&str>] = &[
    None,
    Some("POST /contacts/"),
    Some("POST /contacts/"),
    Some("PUT /contacts/{id}"),
    Some("GET /contacts/{id}"),
    Some("GET /contacts/"),
    Some("POST /contacts/search"),
    Some("POST /contacts/bulk/tags/update/{type}"),
    Some("GET /channels/followers"),
];

fn fault_kind() -> impl Strategy<Value = FaultKind> {
    select(vec![
        FaultKind::TooMany { retry_after: None },
        FaultKind::TooMany {
            retry_after: Some(2),
        },
        FaultKind::Status500,
        FaultKind::Status500After,
        FaultKind::Status503,
        FaultKind::Html502,
        FaultKind::Html502After,
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
        FaultKind::ResetAfter,
        FaultKind::Slow(Duration::from_millis(20)),
        FaultKind::Truncated,
        FaultKind::BrokenBody,
        FaultKind::WrongShape,
        FaultKind::NotJson,
        FaultKind::RepeatedCursor,
        FaultKind::MissingCursor,
        FaultKind::EmptyPage,
        FaultKind::ExpiredToken,
        FaultKind::MissingPermission,
        FaultKind::Unprocessable422Created { with_fields: true },
        FaultKind::Unprocessable422Created { with_fields: false },
        FaultKind::Unprocessable422,
    ])
}

fn quiet_event() -> impl Strategy<Value = Event> {
    let keys = vec!["firstName", "twitch_username", "twitch_followed_at", "city"];
    prop_oneof![
        3 => any::<u8>().prop_map(Event::Follow),
        3 => any::<u8>().prop_map(Event::Unfollow),
        2 => any::<u8>().prop_map(Event::Rename),
        1 => any::<u8>().prop_map(Event::Suspend),
        1 => any::<u8>().prop_map(Event::Reinstate),
        3 => (any::<u8>(), select(keys)).prop_map(|(who, key)| Event::Edit { who, key }),
        1 => any::<u8>().prop_map(|who| Event::Clear { who }),
        1 => any::<u8>().prop_map(Event::AddTag),
        2 => any::<(u8, u8)>().prop_map(|(who, tag)| Event::TakeTag { who, tag }),
        1 => any::<u8>().prop_map(Event::Delete),
        1 => any::<(u8, u8)>().prop_map(|(loser, winner)| Event::Merge { loser, winner }),
        1 => Just(Event::AddContact),
        1 => any::<(u8, bool)>().prop_map(|(who, follows)| Event::TurnMeanwhile { who, follows }),
        1 => (any::<u8>(), 1..4_u64)
            .prop_map(|(who, searches)| Event::DeleteMeanwhile { who, searches }),
        3 => select(vec![1, 3, 6, 20, 240, 3_000]).prop_map(|minutes| Event::Wait { minutes }),
        6 => (any::<bool>(), prop::bool::weighted(0.9))
            .prop_map(|(full, allow)| Event::Apply { full, allow }),
        1 => any::<bool>().prop_map(|full| Event::Plan { full }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => quiet_event(),
        4 => (fault_kind(), select(ROUTES), 0..6_u64, 1..4_u64)
            .prop_map(|(kind, route, skip, times)| Event::Fault(kind, route, skip, times)),
        2 => (0..40_u32).prop_map(|commits| Event::KillAfter { commits }),
        1 => any::<bool>().prop_map(|both_apply| Event::TwoProcesses { both_apply }),
    ]
}

fn start(switches: BoxedStrategy<Option<u64>>) -> impl Strategy<Value = Start> {
    let people = (5..=40_u64, 5..=20_u64, 0..=4_u64);
    let looks = (
        any::<bool>(),
        any::<bool>(),
        select(vec!["list", "search"]),
        switches,
    );
    (1..1_000_000_u64, people, looks).prop_map(
        |(seed, (followers, contacts, twins), (odd_names, fields, reader, switches))| Start {
            seed,
            followers,
            contacts,
            twins,
            odd_names,
            fields,
            reader,
            switches,
        },
    )
}

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: cases.and_then(|text| text.parse().ok()).unwrap_or(CASES),
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_quiet_history_ends_well(start in start(Just(None).boxed()), events in prop::collection::vec(quiet_event(), 4..24)) {
        tell(&start, &events);
    }

    #[test]
    fn a_history_of_faults_and_kills_ends_well(start in start(Just(None).boxed()), events in prop::collection::vec(event(), 4..24)) {
        tell(&start, &events);
    }

    #[test]
    fn a_history_with_any_vendor_ends_well(start in start(any::<u64>().prop_map(Some).boxed()), events in prop::collection::vec(event(), 4..24)) {
        tell(&start, &events);
    }
}

/// Plays a history, lets everything settle, and looks whether all is as it must be.
fn tell(start: &Start, events: &[Event]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut story = Story::begin(start).await;
        for event in events {
            story.play(event).await;
        }
        story.settle().await;
        story.diary.check(&mut story.rig);
        story.stay_silent().await;
    });
}

struct Story {
    rig: Rig,
    diary: Diary,
    /// How many commits the next run may make before it is killed.
    kill: Option<u32>,
}

impl Story {
    async fn begin(start: &Start) -> Story {
        let settings = Settings {
            seed: start.seed,
            followers: start.followers,
            contacts: start.contacts,
            twins: start.twins,
            odd_names: start.odd_names,
            fields: start.fields,
            switches: start
                .switches
                .map_or_else(Switches::default, Switches::random),
            ..Settings::default()
        };
        let reader = format!(
            "create_fields = true\ncontacts_reader = \"{}\"",
            start.reader
        );
        let job = JOB.replace("create_fields = true", &reader);
        let mut rig = Rig::with_job(settings, &job).await;
        // Histories wait often; their clock leaps over every wait that a person could notice.
        let leap = Some(Duration::from_millis(1));
        rig.clock = Clock::starting_at(rig.sandbox.now(), rig.sandbox.clock_offset(), leap);
        let diary = Diary::begin(&rig.sandbox);
        Story {
            rig,
            diary,
            kill: None,
        }
    }

    async fn play(&mut self, event: &Event) {
        let Story { rig, diary, .. } = self;
        let sandbox = &rig.sandbox;
        match *event {
            Event::Follow(n) => diary.follow(sandbox, n),
            Event::Unfollow(n) => diary.unfollow(sandbox, n),
            Event::Rename(n) => diary.rename(sandbox, n),
            Event::Suspend(n) => diary.suspend(sandbox, n),
            Event::Reinstate(n) => diary.reinstate(sandbox, n),
            Event::Edit { who, key } => diary.edit(sandbox, who, key),
            Event::Clear { who } => diary.clear(sandbox, who),
            Event::AddTag(who) => diary.add_tag(sandbox, who),
            Event::TakeTag { who, tag } => {
                let reader = rig.store().reader().unwrap();
                diary.take_tag(&rig.sandbox, &reader, who, tag);
            }
            Event::Delete(who) => diary.delete(sandbox, who),
            Event::Merge { loser, winner } => diary.merge(sandbox, loser, winner),
            Event::TurnMeanwhile { who, follows } => diary.turn_meanwhile(sandbox, who, follows),
            Event::DeleteMeanwhile { who, searches } => {
                diary.delete_meanwhile(sandbox, who, searches);
            }
            Event::AddContact => diary.add_contact(sandbox),
            Event::Wait { minutes: wait } => rig.advance(minutes(wait)),
            Event::Fault(ref kind, route, skip, times) => {
                diary.faulted = true;
                let fault = Fault::new(kind.clone()).skip(skip).times(times);
                sandbox.fault(match route {
                    Some(route) => fault.on(route),
                    None => fault,
                });
            }
            Event::KillAfter { commits } => self.kill = Some(commits),
            Event::Apply { full, allow } => {
                let ask = Ask {
                    full,
                    ..if allow { ask_all() } else { apply() }
                };
                self.run(ask).await;
            }
            Event::Plan { full } => {
                let before = rig.sandbox.writes().len();
                let kept = diary::kept(&rig.store().reader().unwrap());
                let ask = Ask {
                    full,
                    ..Ask::default()
                };
                self.run(ask).await;
                let still = diary::kept(&self.rig.store().reader().unwrap());
                assert_eq!(still, kept, "a dry run changed what it must leave alone");
                let after = self.rig.sandbox.writes().len();
                assert_eq!(after, before, "a dry run wrote");
            }
            Event::TwoProcesses { both_apply } => self.two_processes(both_apply).await,
        }
    }

    /// Runs once; with faults and kills about, a run may fail, but never because of a defect.
    async fn run(&mut self, ask: Ask) {
        let killed = self.kill.take();
        if let Some(commits) = killed {
            self.rig.store().stop_after_commits(commits);
        }
        match self.rig.run(ask).await {
            Err(RunError::Bug { what }) => panic!("the run met a defect: {what}"),
            Err(error) => assert!(
                self.diary.faulted || killed.is_some(),
                "a run failed without a fault: {error}"
            ),
            Ok(_) => {}
        }
        if killed.is_some() {
            self.rig.close();
        }
    }

    /// Two processes on one folder: two runs at once, each with a store and gates of its own.
    async fn two_processes(&mut self, both_apply: bool) {
        let state = self.rig.state();
        let first = self.rig.world(Reach::Everything);
        let other = Store::open(&state).unwrap();
        let reach = if both_apply {
            Reach::Everything
        } else {
            Reach::ReadsOnly
        };
        let second = self.rig.world_on(other, reach);
        let ask = if both_apply {
            ask_all()
        } else {
            Ask::default()
        };
        let all = ask_all();
        let (one, two) = tokio::join!(run_in(&first, &all), run_in(&second, &ask));
        for outcome in [one, two] {
            match outcome {
                Ok(_) | Err(RunError::Busy { .. }) => {}
                Err(RunError::Bug { what }) => panic!("the run met a defect: {what}"),
                Err(error) => {
                    assert!(self.diary.faulted, "a run failed without a fault: {error}")
                }
            }
        }
    }

    /// Takes the faults away and applies, in full, until two rounds in a row are quiet.
    async fn settle(&mut self) {
        self.rig.sandbox.clear_faults();
        self.diary.delete_the_doomed(&self.rig.sandbox);
        self.rig.close();
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            self.rig.advance(minutes(16));
            let before = self.rig.sandbox.writes().len();
            let told = self.rig.run(full()).await;
            let told = told.unwrap_or_else(|error| panic!("a run failed without a fault: {error}"));
            let wrote = self.rig.sandbox.writes().len() - before;
            let unsettled = diary::unsettled(&self.rig.store().reader().unwrap());
            if wrote == 0 && unsettled == 0 && told.rows.is_empty() {
                quiet += 1;
            } else {
                quiet = 0;
            }
            if quiet == 2 {
                return;
            }
        }
        let writes = writes(&self.rig.sandbox);
        panic!("still not quiet after {ROUNDS} rounds; the last writes: {writes:#?}");
    }

    /// Law 1: nothing changed, so nothing is written, by a normal pass and by a full one.
    async fn stay_silent(&mut self) {
        let before = self.rig.sandbox.writes().len();
        for ask in [ask_all(), full()] {
            self.rig.advance(minutes(15));
            let told = self.rig.run(ask).await.unwrap();
            assert_eq!(told.rows, [], "a pass over an unchanged world planned");
        }
        let after = self.rig.sandbox.writes().len();
        assert_eq!(after, before, "a pass over an unchanged world wrote");
    }
}

fn apply() -> Ask {
    Ask {
        apply: true,
        ..Ask::default()
    }
}

fn full() -> Ask {
    Ask {
        full: true,
        allow: GuardKind::ALL.into_iter().collect(),
        ..apply()
    }
}

/// Returns the last few writes, for the message of a failing test.
fn writes(sandbox: &Sandbox) -> Vec<String> {
    let writes = sandbox.writes();
    let from = writes.len().saturating_sub(8);
    writes[from..]
        .iter()
        .map(|call| format!("{} {} {:?}", call.path, call.status, call.body))
        .collect()
}
