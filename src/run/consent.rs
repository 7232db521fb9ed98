//! What a person let through: approvals, guards, and what they hold.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::model::GuardKind;
use crate::plan::{GuardFound, Presence, Tally, guards};
use crate::store::jobs::JobState;
use crate::store::plans::{self, Approved};
use crate::store::rows::{self};

use super::error::RunError;
use super::job::Course;
use super::seat::Seat;
use super::world::{Ask, World};

/// How long a stored plan may be approved.
const APPROVABLE: TimeDelta = TimeDelta::hours(24);
/// The span that the daily limits of guards look back over.
const DAY: TimeDelta = TimeDelta::hours(24);
/// Steps that are dropped in one commit.
const STEPS_A_COMMIT: usize = 4_000;

/// What became of an approved plan.
#[derive(Clone, Debug, Default)]
pub(super) struct ApprovedOutcome {
    pub newer: u64,
    pub no_longer: u64,
    pub examples: Vec<String>,
}

/// Returns whether no person looked at this job yet: its mapping is new, or another channel stands behind the same account.
pub(super) fn is_new(world: &World, state: &JobState, seat: &Seat) -> bool {
    state.approved.as_ref() != Some(&world.digest) || state.channel.as_ref() != Some(&seat.whose())
}

pub(super) async fn approval(
    world: &World,
    ask: &Ask,
    state: &JobState,
) -> Result<Option<Approved>, RunError> {
    let Some(prefix) = ask.approve.clone() else {
        return Ok(None);
    };
    let (job, refuse) = (&world.job.name, |why: String| {
        Err(RunError::Approval { why })
    });
    let reader = world.store.reader()?;
    let Some(approved) = plans::find_approved(&reader, state.no, &prefix)? else {
        return refuse(format!(
            "{job} has no stored plan with the digest {prefix}; run `ghl-sync plan {job}` and approve the digest it prints"
        ));
    };
    let age = world.clock.now().timestamp_millis() - approved.made_ms;
    if approved.served {
        return refuse(format!(
            "the plan {prefix} of {job} was carried out already; run `ghl-sync plan {job}` for what is left"
        ));
    }
    if age > APPROVABLE.num_milliseconds() {
        return refuse(format!(
            "the plan {prefix} of {job} is older than 24 hours; run `ghl-sync plan {job}` and approve the new digest"
        ));
    }
    if approved.mapping != world.digest {
        return refuse(format!(
            "{job} was edited after the plan {prefix}; run `ghl-sync plan {job}` and approve the new digest"
        ));
    }
    Ok(Some(approved))
}

pub(super) async fn keep_approved(
    world: &World,
    plan_no: i64,
    approved: &Approved,
) -> Result<ApprovedOutcome, RunError> {
    let (newer, gone, examples) = {
        let reader = world.store.reader()?;
        let examples = plans::no_longer_held(&reader, plan_no, approved.plan_no, 20)?
            .into_iter()
            .map(|step| format!("{} of {}", step.change.kind(), step.key))
            .collect();
        let newer = plans::not_in(&reader, plan_no, approved.plan_no)?;
        let gone = plans::count_not_in(&reader, approved.plan_no, plan_no)?;
        (newer, gone, examples)
    };
    drop_places(world, plan_no, &newer, "not in the approved plan").await?;
    Ok(ApprovedOutcome {
        newer: newer.len() as u64,
        no_longer: gone,
        examples,
    })
}

/// Drops steps in chunks, so that no transaction keeps others waiting.
pub(super) async fn drop_places(
    world: &World,
    plan_no: i64,
    places: &[i64],
    why: &'static str,
) -> Result<(), RunError> {
    for chunk in places.chunks(STEPS_A_COMMIT) {
        let (chunk, now_ms) = (chunk.to_vec(), world.now_ms());
        world
            .store
            .write(move |db| plans::drop_steps(db, plan_no, &chunk, why, now_ms))
            .await?;
    }
    Ok(())
}

/// Looks which guards stand against the plan as it is now (after `--approve` and `--limit`).
pub(super) async fn guard(
    world: &World,
    ask: &Ask,
    state: &JobState,
    course: &Course,
    allowed: &BTreeSet<GuardKind>,
    roster: u64,
    is_new: bool,
) -> Result<Vec<GuardFound>, RunError> {
    let reader = world.store.reader()?;
    let since_ms = world.now_ms() - DAY.num_milliseconds();
    let mut would = course.draft.tally.clone();
    if ask.limit.is_some() || course.approved.is_some() {
        for kind in [
            GuardKind::Create,
            GuardKind::Update,
            GuardKind::Tag,
            GuardKind::Note,
            GuardKind::Task,
        ] {
            would.set(
                kind,
                plans::count_guarded(&reader, course.draft.plan_no, kind)?,
            );
        }
    }
    let leave = would.of(GuardKind::Leave) + course.leavers.candidates;
    would.set(GuardKind::Leave, leave);
    // Only a guard that has something to say is asked for its day: after a large one counting it takes a while.
    let mut today = Tally::default();
    for kind in GuardKind::ALL {
        if would.of(kind) > 0 {
            today.set(kind, plans::sent_since(&reader, state.no, kind, since_ms)?);
        }
    }
    Ok(guards(
        &world.job.limits,
        &would,
        &today,
        roster,
        is_new,
        allowed,
    ))
}

pub(super) async fn hold(
    world: &World,
    plan_no: i64,
    holding: &BTreeSet<GuardKind>,
) -> Result<(), RunError> {
    if holding.is_empty() {
        return Ok(());
    }
    let now_ms = world.now_ms();
    let mut after = Some(0);
    while let Some(from) = after {
        let kinds: Vec<GuardKind> = holding.iter().copied().collect();
        after = world
            .store
            .write(move |db| plans::hold(db, plan_no, &kinds, from, now_ms))
            .await?;
    }
    Ok(())
}

/// Makes what walks found the roster's own, except what a guard holds.
pub(super) async fn accept(
    world: &World,
    job_no: i64,
    holding: &BTreeSet<GuardKind>,
) -> Result<(), RunError> {
    let mut states = Vec::new();
    if !holding.contains(&GuardKind::Return) {
        states.push(Presence::In);
    }
    if !holding.contains(&GuardKind::Leave) {
        states.extend([Presence::Out, Presence::Gone]);
    }
    loop {
        let states = states.clone();
        if !world
            .store
            .write(move |db| rows::accept_pending(db, job_no, &states))
            .await?
        {
            return Ok(());
        }
    }
}
