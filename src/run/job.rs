//! The nine moves, in order.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use tracing::Instrument;

use crate::model::{Cut, Ended, GuardKind, JobName, SourceKind, StepKind};
use crate::plan::{GuardFound, held};
use crate::report::Outcome as RunOutcome;
use crate::store::jobs::{self, JobState};
use crate::store::plans::{self};
use crate::store::rows::Look;
use crate::store::runs::{self, Journaled};
use crate::store::{Store, walks};

use super::Done;
use super::consent::{self, ApprovedOutcome};
use super::draft::{self, Desk, Draft};
use super::draft_events::Stage;
use super::error::{RunError, scope_advice};
use super::execute;
use super::follow;
use super::gather::{self, Absent, Gathered};
use super::hand::{Executed, Hand};
use super::hub::{self, Hub};
use super::lease::Lease;
use super::leavers::{self, Leavers};
use super::recover::{self, Recovered};
use super::refresh::{self, Refreshed};
use super::seat::{self};
use super::summary;
use super::world::{Ask, Stop, Tick, Why, World};
/// Chunks of stale steps that a run takes away at most.
const SWEEP_CHUNKS: u32 = 1_000;
/// Why a run ended before its end, by its job's own word.
const OUT_OF_BUDGET: &str = "the time budget of the job is used up";
const QUIET_BEGAN: &str = "the quiet hours of the job began";
/// Plans that nobody can approve any more lose their steps after this.
const STALE_PLANS: TimeDelta = TimeDelta::hours(48);

/// What a run knows by the time it reports; filled move by move.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub run_no: i64,
    pub why_full: Option<String>,
    pub gathered: Option<Gathered>,
    pub leavers: Leavers,
    pub refreshed: Option<Refreshed>,
    pub recovered: Recovered,
    pub draft: Draft,
    pub findings: Vec<GuardFound>,
    pub announced: summary::Announced,
    pub approved: Option<ApprovedOutcome>,
    pub lacking: Vec<crate::model::FieldKey>,
    pub remarks: Vec<String>,
    pub looked_twice: bool,
}

/// Takes the lock of a run; see [`super::lease`].
pub(super) async fn lease(
    store: &Store,
    job: &JobName,
    ask: &Ask,
    stop: &Stop,
) -> Result<Option<Lease>, RunError> {
    if !ask.apply {
        return Ok(None);
    }
    let wait = ask.wait.then_some(stop);
    let lease = Lease::of_job(&folder_of(store), job, &ask.holder, wait).await?;
    Ok(Some(lease))
}

fn folder_of(store: &Store) -> std::path::PathBuf {
    let folder = store.path().parent();
    folder.map(std::path::Path::to_path_buf).unwrap_or_default()
}

/// Runs the job under its lock; see [`super::run_job`].
pub(super) async fn run_job(
    world: &World,
    ask: &Ask,
    _lease: Option<Lease>,
) -> Result<Done, RunError> {
    let folder = folder_of(&world.store);
    let began = world.clock.now();
    let (name, mode, holder, began_ms) = (
        world.job.name.clone(),
        if ask.apply { "apply" } else { "plan" },
        ask.holder.clone(),
        began.timestamp_millis(),
    );
    let (whole, digest, namespace) = (
        world.job.part_of.clone(),
        world.digest.clone(),
        world.job.source.namespace(),
    );
    let (state, run_no) = world
        .store
        .write(move |db| {
            if let Some(whole) = &whole {
                jobs::adopt(db, &name, whole, &digest)?;
            }
            let state = jobs::job_state(db, &name)?;
            jobs::note_namespace(db, state.no, namespace)?;
            let run_no = runs::begin_run(db, state.no, mode, &holder, began_ms)?;
            follow::begin(db, run_no, began_ms)?;
            Ok((state, run_no))
        })
        .await?;
    sweep(world, state.no, began_ms - STALE_PLANS.num_milliseconds()).await?;
    tracing::info!(job.name = %world.job.name, run.no = run_no, run.mode = mode, "run {run_no} of {} begins", world.job.name);
    // Whoever looks from outside sees how far it is, until it ends.
    let (world, following) = follow::follow(world, run_no);
    let world = &world;
    let mut course = Course {
        run_no,
        ..Course::default()
    };
    let span = tracing::info_span!("run", job.name = %world.job.name, run.no = run_no);
    let outcome = moves(world, ask, &folder, state, &mut course)
        .instrument(span)
        .await;
    following.end().await;
    match outcome {
        Ok(outcome) => {
            let outcome = in_time(world, &mut course, outcome);
            let report = summary::report(world, ask, &course, began, outcome).await?;
            summary::end(world, &course, &report).await?;
            let all = report.all();
            tracing::info!(
                job.name = %world.job.name,
                run.no = run_no,
                steps.planned = all.planned,
                steps.done = all.done,
                steps.held = all.held,
                steps.unknown = all.unknown,
                "run {run_no} of {} ends: {} of {} steps done",
                world.job.name,
                all.done,
                all.planned
            );
            Ok(Done {
                report,
                plan_no: (course.draft.plan_no != 0).then_some(course.draft.plan_no),
            })
        }
        Err(error) => {
            let (now_ms, plan_no) = (world.now_ms(), course.draft.plan_no);
            let said = error.to_string();
            let exit = i64::from(error.exit_number());
            // Best effort: when the state itself failed there is nowhere to note it.
            let _ = world
                .store
                .write(move |db| {
                    if plan_no != 0 {
                        plans::drop_unsent(db, plan_no, &said, now_ms)?;
                    }
                    runs::end_run(db, run_no, now_ms, exit, None, None)?;
                    runs::note_why(db, run_no, &said)
                })
                .await;
            Err(error)
        }
    }
}

/// Tells a run that was stopped by its own job's word from one that somebody stopped, and says what that word was.
fn in_time(world: &World, course: &mut Course, outcome: RunOutcome) -> RunOutcome {
    let what = match world.stop.why() {
        Some(Why::Budget) => OUT_OF_BUDGET,
        Some(Why::Quiet) => QUIET_BEGAN,
        Some(Why::Asked) | None => return outcome,
    };
    if outcome != RunOutcome::Stopped {
        return outcome;
    }
    course
        .remarks
        .push(format!("{what}; the next run goes on from there"));
    if course.why_full.is_some() && was_cut_by_time(world, course) {
        course.remarks.push(format!(
            "the full listing of {} did not fit into that time: it proves nobody absent unless one run reads all of it; runs read what is new \
             until it is tried again (`full_at_most_every`), so give the job more time or type `ghl-sync resync {}`",
            world.job.source.plural(),
            world.job.name
        ));
    }
    RunOutcome::OutOfTime
}

/// Returns whether the job's own word cut the listing of its source.
fn was_cut_by_time(world: &World, course: &Course) -> bool {
    let gathered = course.gathered.as_ref();
    matches!(world.stop.why(), Some(Why::Budget | Why::Quiet))
        && gathered.is_some_and(|gathered| gathered.ended == Some(Ended::Cut(Cut::Stopped)))
}

/// Takes the steps of plans away that nobody can approve any more; some each run, so that no run waits long for it.
async fn sweep(world: &World, job_no: i64, before_ms: i64) -> Result<(), RunError> {
    for _ in 0..SWEEP_CHUNKS {
        if !world
            .store
            .write(move |db| plans::sweep_plans(db, job_no, before_ms))
            .await?
        {
            break;
        }
    }
    Ok(())
}

async fn moves(
    world: &World,
    ask: &Ask,
    folder: &std::path::Path,
    state: JobState,
    course: &mut Course,
) -> Result<RunOutcome, RunError> {
    let approved = consent::approval(world, ask, &state).await?;
    let mut allowed = ask.allow.clone();
    if let Some(approved) = &approved {
        allowed.insert(GuardKind::First);
        allowed.extend(approved.shown.iter().copied());
    }
    let seat = seat::seat(world).await?;
    let mut hub = hub::hub(world, false).await?;
    // What is known of the scopes may be of the login before: a call tells which token serves now.
    if missing_scopes(world, &hub).next().is_some() {
        hub = hub::hub(world, true).await?;
    }
    course.lacking.clone_from(&hub.lacking_here);
    check_scopes(world, ask, &hub, course)?;
    if ask.apply {
        if let Some(key) = hub.lacking_here.first()
            && !world.job.create_fields
        {
            return Err(RunError::Setup {
                job: world.job.name.clone(),
                account: Some(world.hub.name.clone()),
                what: format!(
                    "the location has no custom field `{key}`; make it there (single line text), or set `create_fields = true` in the job"
                ),
            });
        }
        let hand = Hand {
            world: world.clone(),
            hub: hub.clone(),
            job_no: state.no,
            run_no: course.run_no,
            streak: Arc::default(),
            listing_fell_short: false,
        };
        course.recovered = recover::recover(&hand).await?;
    }

    // Gather. One reader of a source at a time, a dry run or not, until it is known who left: a walk that looks abandoned is then nobody's.
    let source = format!("source-{}", world.job.name);
    let lease = Lease::take(folder, &source, &ask.holder, Some(&world.stop)).await?;
    let state = reload(world).await?;
    let now = world.clock.now();
    let leave_allowed = allowed.contains(&GuardKind::Leave);
    let absent = absent(world, state.no)?;
    course.why_full = gather::why_full(&world.job, &state, ask.full, absent, leave_allowed, now);
    let full = course.why_full.is_some();
    let served = gather::full_due(&world.job, &state, now).filter(|_| full);
    let hub_full = ask.full || served.is_some();
    let run_no = course.run_no;
    world
        .store
        .write(move |db| runs::note_pass(db, run_no, full))
        .await?;
    let gathered = gather::gather(world, &seat, &state, full).await?;
    let complete = matches!(gathered.ended, Some(Ended::Complete));
    let cut = cut_of(gathered.ended.as_ref());
    let total = gathered.total.unwrap_or(gathered.listed);
    course.gathered = Some(gathered);
    let state = reload(world).await?;
    if world.stop.is_asked() {
        if full && was_cut_by_time(world, course) {
            let (job_no, now_ms) = (state.no, world.now_ms());
            let served_ms = served.map(|served| served.timestamp_millis());
            world
                .store
                .write(move |db| {
                    runs::rest_from_full(db, job_no, now_ms)?;
                    served_ms.map_or(Ok(()), |ms| runs::note_full_due(db, job_no, ms))
                })
                .await?;
        }
        return Ok(RunOutcome::Stopped);
    }
    let roster = state.roster_size.unsigned_abs();
    let leave_limit = world.job.limits.leave.run.of(roster);
    let walked = complete
        .then(|| state.complete.map(|walk| walk.began_ms))
        .flatten();
    course.leavers = leavers::confirm(
        world,
        &seat,
        &state,
        walked,
        total,
        leave_limit,
        leave_allowed,
    )
    .await?;

    drop(lease);

    // Refresh.
    let mut refreshed = refresh::refresh(world, &hub, ask, state.no, hub_full).await?;
    let cut = cut.or_else(|| cut_of(refreshed.ended.as_ref()));
    if let Some(served) = served
        && cut
            .as_ref()
            .is_none_or(|cut| matches!(cut, Cut::Gap { .. } | Cut::Suspicious { .. }))
    {
        let (job_no, served_ms) = (state.no, served.timestamp_millis());
        world
            .store
            .write(move |db| runs::note_full_due(db, job_no, served_ms))
            .await?;
    }
    refresh::look_for_the_lost(world, &hub, &state).await?;
    if world.stop.is_asked() {
        course.refreshed = Some(refreshed);
        return Ok(RunOutcome::Stopped);
    }

    check_clock(world, ask, course)?;

    // Plan.
    world.watch.tick(Tick::Planning);
    let tick = draft::present_tick(world).await?;
    let look = if state.mapping.as_ref() == Some(&world.digest) {
        Look::Since(state.planned_tick)
    } else {
        Look::All
    };
    let is_new = consent::is_new(world, &state, &seat);
    let mut desk = Desk {
        job: world.job.clone(),
        mapping: world.mapping.clone(),
        digest: world.digest.clone(),
        job_no: state.no,
        generation: state.generation,
        location_no: hub.location_no,
        look,
        mirror_complete: refreshed.complete,
        run_no: course.run_no,
        may_learn: !is_new || allowed.contains(&GuardKind::First),
        stage: Stage::of(
            world,
            state.no,
            state.first_walk_no,
            hub.location_no,
            &seat.broadcaster,
        )?,
    };
    course.draft = draft::draft(world, desk.clone(), ask.apply).await?;
    let creates = course.draft.tally.of(GuardKind::Create);
    let second_look = refreshed.fell_short() && creates > refresh::search_pages(world)?;
    if course.draft.needs_count > 0 || second_look {
        let (needs, count) = (
            std::mem::take(&mut course.draft.needs),
            course.draft.needs_count,
        );
        draft::discard(world, course.draft.plan_no).await?;
        course.draft = Draft::default();
        if second_look {
            // Cheaper than a search for each of them: the other reader shows what the listing did not.
            refresh::read_all_by_search(world, &hub).await?;
            course.looked_twice = true;
            refreshed.remarks.push(
                "the listing of contacts fell short of HighLevel's count; all were read by search before anybody is created".to_owned(),
            );
        } else {
            refresh::read_unknown(world, &hub, &needs, count).await?;
            refreshed.remarks.push(format!(
                "{count} contacts were read because keys of theirs were unknown"
            ));
        }
        refresh::look_for_the_lost(world, &hub, &state).await?;
        // The first draft may have remembered the first notes and tasks that the job ever had.
        desk.stage = Stage::of(
            world,
            state.no,
            state.first_walk_no,
            hub.location_no,
            &seat.broadcaster,
        )?;
        course.draft = draft::draft(world, desk, ask.apply).await?;
    }
    course.refreshed = Some(refreshed);
    let plan_no = course.draft.plan_no;
    let digest = course
        .draft
        .digest
        .clone()
        .unwrap_or_else(|| world.digest.clone());

    // Guards.
    if let Some(approved) = &approved {
        course.approved = Some(consent::keep_approved(world, plan_no, approved).await?);
    }
    if let Some(limit) = ask.limit {
        let beyond = plans::beyond_first(&world.store.reader()?, plan_no, limit)?;
        consent::drop_places(world, plan_no, &beyond, "beyond --limit").await?;
    }
    course.findings = consent::guard(world, ask, &state, course, &allowed, roster, is_new).await?;
    let holding = held(&course.findings, world.job.strict);
    consent::hold(world, plan_no, &holding).await?;
    course.announced = summary::announce(world, &hub, state.no, plan_no, ask.apply).await?;
    if !ask.apply {
        let shown: Vec<String> = course
            .findings
            .iter()
            .map(|found| found.guard.word().to_owned())
            .collect();
        world
            .store
            .write(move |db| plans::note_plan(db, plan_no, "stored", &digest, &shown))
            .await?;
        return Ok(ended_by(course, world.job.source));
    }

    tracing::info!(
        job.name = %world.job.name,
        run.no = course.run_no,
        steps.count = course.announced.steps,
        calls.count = course.announced.writes(),
        "{} steps to carry out for {}",
        course.announced.steps,
        world.job.name
    );

    // Journal.
    let first_held = holding.contains(&GuardKind::First)
        && course
            .findings
            .iter()
            .any(|found| found.guard == GuardKind::First && !found.allowed);
    let journaled = Journaled {
        plan_no,
        digest: digest.as_str().to_owned(),
        mapping: world.digest.as_str().to_owned(),
        approves: !first_held,
        channel: seat.whose(),
        planned_tick: tick,
        generation: course
            .gathered
            .as_ref()
            .map_or(state.generation, |gathered| gathered.walk_no),
    };
    let (job_no, approved_no) = (state.no, approved.as_ref().map(|approved| approved.plan_no));
    world
        .store
        .write(move |db| {
            runs::journal(db, job_no, &journaled)?;
            match approved_no {
                Some(no) => plans::set_plan_state(db, no, "served"),
                None => Ok(()),
            }
        })
        .await?;
    consent::accept(world, job_no, &holding).await?;

    // Execute.
    let executed = carry_out(world, &hub, course, job_no, &holding).await;
    // Missing fields were made before the first write, or the run ended there.
    if executed.is_ok() && course.announced.writes() > 0 && !holding.contains(&GuardKind::First) {
        course.lacking.clear();
    }
    let why = match &executed {
        Ok(Executed::Stopped) => match world.stop.why() {
            Some(Why::Budget) => OUT_OF_BUDGET,
            Some(Why::Quiet) => QUIET_BEGAN,
            Some(Why::Asked) | None => "stopped before the end",
        },
        Ok(Executed::Spent(_)) => "the day's budget of calls is spent",
        _ => "the run ended before",
    };
    loop {
        let now_ms = world.now_ms();
        if !world
            .store
            .write(move |db| plans::drop_unsent(db, plan_no, why, now_ms))
            .await?
        {
            break;
        }
    }
    world
        .store
        .write(move |db| plans::set_plan_state(db, plan_no, "ended"))
        .await?;
    Ok(match executed? {
        Executed::Through => ended_by(course, world.job.source),
        Executed::Stopped => {
            if world.stop.why() == Some(Why::Asked) {
                let goes_on = "stopped in the middle; the next run goes on from there";
                course.remarks.push(goes_on.to_owned());
            }
            RunOutcome::Stopped
        }
        Executed::Spent(until) => {
            course.remarks.push(format!(
                "calls to HighLevel are possible again from {}; a run after that goes on from there",
                until.format("%Y-%m-%d %H:%M UTC")
            ));
            RunOutcome::Spent
        }
        Executed::OutOfTouch(why) => RunOutcome::OutOfTouch(why),
    })
}

async fn carry_out(
    world: &World,
    hub: &Hub,
    course: &Course,
    job_no: i64,
    holding: &BTreeSet<GuardKind>,
) -> Result<Executed, RunError> {
    let plan_no = course.draft.plan_no;
    let writes = course.announced.writes();
    let hub = if writes > 0 && !holding.contains(&GuardKind::First) {
        hub::create_fields(world, hub).await?
    } else {
        hub.clone()
    };
    let hand = Hand {
        world: world.clone(),
        hub,
        job_no,
        run_no: course.run_no,
        streak: Arc::default(),
        listing_fell_short: !course.looked_twice
            && course.refreshed.as_ref().is_some_and(Refreshed::fell_short),
    };
    world.watch.tick(Tick::Executing {
        total: course.announced.steps,
    });
    execute::execute(&hand, plan_no, course.announced.tag_calls).await
}

/// A clock that is far off the vendor's makes lost answers hard to find again; nothing is written with one.
fn check_clock(world: &World, ask: &Ask, course: &mut Course) -> Result<(), RunError> {
    let Some(what) = world.clock_fault() else {
        return Ok(());
    };
    if ask.apply {
        return Err(RunError::Setup {
            job: world.job.name.clone(),
            account: None,
            what,
        });
    }
    course.remarks.push(format!("`apply` would refuse: {what}"));
    Ok(())
}

/// Looks whether the login may write what the job writes, as far as its scopes are known: a remark in a plan, an error before anything is sent.
fn check_scopes(world: &World, ask: &Ask, hub: &Hub, course: &mut Course) -> Result<(), RunError> {
    for (scope, call) in missing_scopes(world, hub) {
        let advice = scope_advice(call, &world.hub_line.token_kind());
        let what = format!("the login was not granted the scope {scope}; {advice}");
        if ask.apply {
            return Err(RunError::Setup {
                job: world.job.name.clone(),
                account: Some(world.hub.name.clone()),
                what,
            });
        }
        course.remarks.push(format!("`apply` would refuse: {what}"));
    }
    Ok(())
}

/// Returns the scopes that the job needs and the login was not granted, as far as that is known, each with a call that takes it.
fn missing_scopes(
    world: &World,
    hub: &Hub,
) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let granted = world.hub_line.granted_scopes();
    let makes_fields = world.job.create_fields && !hub.lacking_here.is_empty();
    let wanted = [
        (true, "contacts.write", "POST /contacts/"),
        (
            makes_fields,
            "locations/customFields.write",
            "POST /locations/{id}/customFields",
        ),
    ];
    wanted
        .into_iter()
        .filter(move |(is_needed, scope, _)| {
            *is_needed && !granted.is_empty() && granted.iter().all(|granted| granted != scope)
        })
        .map(|(_, scope, call)| (scope, call))
}

/// Returns the records that are absent and not confirmed yet.
fn absent(world: &World, job_no: i64) -> Result<Absent, RunError> {
    let reader = world.store.reader()?;
    Ok(Absent {
        count: walks::count_missing(&reader, job_no)?.unsigned_abs(),
        since_ms: walks::missing_since(&reader, job_no)?,
    })
}

fn cut_of(ended: Option<&Ended>) -> Option<Cut> {
    match ended {
        Some(Ended::Cut(cut)) => Some(cut.clone()),
        Some(Ended::Complete) | None => None,
    }
}

/// What walks that were cut mean for the end of a run whose plan went through.
///
/// A listing that does not add up may do so next time, and has its own remark; one that the vendor does not let us finish is a failure
/// of the vendor's, also when it answers.
fn ended_by(course: &Course, source: SourceKind) -> RunOutcome {
    let gathered = course.gathered.as_ref().map(|gathered| &gathered.ended);
    let refreshed = course.refreshed.as_ref().map(|refreshed| &refreshed.ended);
    let walks = [(source.plural(), gathered), ("contacts", refreshed)];
    let mut ended = RunOutcome::Finished;
    for (what, walk) in walks {
        let Some(Some(Ended::Cut(cut))) = walk else {
            continue;
        };
        let now = match cut {
            Cut::Stopped => return RunOutcome::Stopped,
            Cut::OutOfTouch(_) | Cut::RepeatedCursor | Cut::TooManyPages { .. } => {
                RunOutcome::OutOfTouch(format!(
                    "the {what} were not read to the end: {cut}; the next run goes on"
                ))
            }
            Cut::Spent => RunOutcome::Spent,
            Cut::Gap { .. } | Cut::Suspicious { .. } | Cut::Resumed => continue,
        };
        if ended == RunOutcome::Finished {
            ended = now;
        }
    }
    ended
}

async fn reload(world: &World) -> Result<JobState, RunError> {
    let name = world.job.name.clone();
    Ok(world
        .store
        .write(move |db| jobs::job_state(db, &name))
        .await?)
}

/// The kinds whose steps cost calls, for whoever counts them.
pub(super) const CALLING: [StepKind; 8] = [
    StepKind::Create,
    StepKind::Update,
    StepKind::RemoveTags,
    StepKind::AddTags,
    StepKind::Attach,
    StepKind::Task,
    StepKind::CompleteTask,
    StepKind::Note,
];
