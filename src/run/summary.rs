//! Move 6 and 9: what a run tells.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::model::{Ended, GuardKind, StepKind};
use crate::net::{Counted, Vendor};
use crate::plan::{GuardFound, Mark};
use crate::report::{
    self, Calls, Cost, GuardFinding, HubSummary, Mode, Outcome, Pass, Per, Report, SourceSummary,
};
use crate::store::findings::{self, FindingKind};
use crate::store::plans::{self};
use crate::store::{Bucket, events, jobs, runs};

use super::attach_steps::attach_calls;
use super::error::RunError;
use super::hub::Hub;
use super::job::{CALLING, Course};
use super::news::{news, remarks};
use super::rows;
use super::tag_steps::tag_calls;
use super::world::{Ask, World};

/// HighLevel's daily allowance until the vendor told us another. Source: HighLevel, rate limits page.
const DAY_LIMIT: u64 = 200_000;
/// What the gate leaves between two calls beyond the vendor's own spacing.
const SPACING: f64 = 1.03;

/// What carrying the plan out takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Announced {
    /// Calls by route.
    pub routes: BTreeMap<String, u64>,
    /// Tag calls among them.
    pub tag_calls: i64,
    /// Steps that are to be carried out.
    pub steps: u64,
    /// The hub's calls that were counted before execution, by route and kind.
    pub before: BTreeMap<(Vendor, &'static str, Counted), u64>,
    /// The hub's calls of the day that were used before execution.
    pub day_used: u64,
}

impl Announced {
    /// Returns how many calls there are.
    pub(super) fn writes(&self) -> u64 {
        self.routes.values().sum()
    }
}

/// Counts the calls that a plan takes: of a dry run all its steps, of an apply those that no guard holds.
pub(super) async fn announce(
    world: &World,
    hub: &Hub,
    job_no: i64,
    plan_no: i64,
    apply: bool,
) -> Result<Announced, RunError> {
    let reader = world.store.reader()?;
    let marks: &[Mark] = if apply {
        &[Mark::Planned]
    } else {
        &[Mark::Planned, Mark::Held]
    };
    let mut announced = Announced {
        before: world.hub_line.tally().snapshot(),
        day_used: bucket(world).await?.map_or(0, |bucket| bucket.day_used),
        ..Announced::default()
    };
    let mut steps = BTreeMap::new();
    for (kind, mark, count) in plans::count_steps(&reader, plan_no)? {
        if marks.contains(&mark) {
            *steps.entry(kind).or_insert(0_u64) += count.unsigned_abs();
        }
    }
    announced.steps = steps.values().sum();
    let count = |kind| steps.get(&kind).copied().unwrap_or_default();
    let mut route = |name: &str, calls: u64| {
        if calls > 0 {
            announced.routes.insert(name.to_owned(), calls);
        }
    };
    route("POST /contacts/", count(StepKind::Create));
    if world.job.recheck {
        route("GET /contacts/{id}", count(StepKind::Update));
    }
    route("PUT /contacts/{id}", count(StepKind::Update));
    let (batch, clean) = jobs::batch(&reader, hub.location_no)?;
    let mut parcels = plans::parcel_sizes(&reader, plan_no, StepKind::RemoveTags, marks)?;
    let removing = tag_calls(&parcels, batch, clean);
    route(
        "POST /contacts/bulk/tags/update/remove",
        removing.unsigned_abs(),
    );
    parcels.extend(plans::parcel_sizes(
        &reader,
        plan_no,
        StepKind::AddTags,
        marks,
    )?);
    let both = tag_calls(&parcels, batch, clean);
    route(
        "POST /contacts/bulk/tags/update/add",
        (both - removing).unsigned_abs(),
    );
    let parcels = plans::parcel_sizes(&reader, plan_no, StepKind::Attach, marks)?;
    route(
        "POST /contacts/bulk/business",
        attach_calls(&parcels).unsigned_abs(),
    );
    route("POST /contacts/{id}/tasks", count(StepKind::Task));
    if count(StepKind::CompleteTask) > 0 {
        let words: Vec<&str> = marks.iter().map(|mark| mark.word()).collect();
        let words = serde_json::to_string(&words).expect("a list of words is always JSON");
        route(
            "PUT /contacts/{id}/tasks/{taskId}/completed",
            events::completing_calls(&reader, job_no, plan_no, &words)?,
        );
    }
    route("POST /contacts/{id}/notes", count(StepKind::Note));
    let calling = CALLING.iter().map(|kind| count(*kind)).sum::<u64>();
    if calling > 0 && !hub.lacking_here.is_empty() {
        let lacking = hub.lacking_here.len() as u64;
        route("POST /locations/{id}/customFields", lacking);
        // Looked for first, and read once more afterwards.
        route("GET /locations/{id}/customFields", 2);
    }
    announced.tag_calls = both;
    Ok(announced)
}

/// Makes the report of a run.
pub(super) async fn report(
    world: &World,
    ask: &Ask,
    course: &Course,
    began: DateTime<Utc>,
    outcome: Outcome,
) -> Result<Report, RunError> {
    let reader = world.store.reader()?;
    let name = world.job.name.clone();
    let state = world
        .store
        .write(move |db| jobs::job_state(db, &name))
        .await?;
    let plan_no = course.draft.plan_no;
    let counts = rows::counts(&reader, plan_no)?;
    let mut report = Report {
        schema: report::SCHEMA,
        job: world.job.name.clone(),
        run: course.run_no,
        mode: if ask.apply { Mode::Did } else { Mode::Would },
        pass: if course.why_full.is_some() {
            Pass::Full
        } else {
            Pass::Normal
        },
        why_full: course.why_full.clone(),
        digest: course.draft.digest.clone(),
        began_at: began,
        ended_at: world.clock.now(),
        source: source(world, course, state.roster_size.unsigned_abs()),
        hub: hub(world, course),
        counts,
        guards: course
            .findings
            .iter()
            .map(|found| guard(world, course, *found))
            .collect(),
        cost: cost(world, course).await?,
        made: None,
        extra: BTreeMap::new(),
        news: news(world, course, &reader, state.no, ask.apply)?,
        standing: BTreeMap::new(),
        remarks: remarks(course, world.job.source, state.debt),
        outcome,
    };
    if ask.apply {
        made(world, course, &mut report);
    }
    for (kind, count) in findings::count_findings(&reader, state.no)? {
        let name = match kind {
            FindingKind::Conflict => "conflicts",
            FindingKind::Refused => "refused",
            FindingKind::Ambiguous => "ambiguous",
            FindingKind::Asks => "asking you",
            FindingKind::BadRow => "bad rows",
        };
        report
            .standing
            .insert(name.to_owned(), count.unsigned_abs());
    }
    for (name, count) in &course.draft.waits {
        report.standing.entry((*name).to_owned()).or_insert(*count);
    }
    if course.leavers.candidates > 0 {
        report.standing.insert(
            "absent, not confirmed yet".to_owned(),
            course.leavers.candidates,
        );
    }
    Ok(report)
}

fn source(world: &World, course: &Course, in_roster: u64) -> SourceSummary {
    let gathered = course.gathered.as_ref();
    SourceSummary {
        source: world.job.source.word().to_owned(),
        account: world.job.from.clone(),
        listed: gathered.map_or(0, |gathered| gathered.listed),
        new: gathered.map_or(0, |gathered| gathered.new),
        total: gathered.and_then(|gathered| gathered.total),
        pages: gathered.map_or(0, |gathered| gathered.pages),
        ended: gathered.map_or_else(
            || "not read".to_owned(),
            |gathered| ended(gathered.ended.as_ref(), "caught up"),
        ),
        debt: gathered.map_or(0, |gathered| gathered.debt),
        in_roster,
        odd_rows: gathered.map_or(0, |gathered| gathered.odd_rows),
    }
}

fn ended(ended: Option<&Ended>, otherwise: &str) -> String {
    match ended {
        None => otherwise.to_owned(),
        Some(Ended::Complete) => "complete".to_owned(),
        Some(Ended::Cut(cut)) => cut.to_string(),
    }
}

fn hub(world: &World, course: &Course) -> HubSummary {
    let refreshed = course.refreshed.as_ref();
    HubSummary {
        account: world.job.to.clone(),
        location: world.hub.location.clone(),
        reader: refreshed
            .map_or("not read", |refreshed| refreshed.reader)
            .to_owned(),
        pages: refreshed.map_or(0, |refreshed| refreshed.pages),
        contacts_seen: refreshed.map_or(0, |refreshed| refreshed.contacts.count()),
        ended: refreshed.map_or_else(
            || "not read".to_owned(),
            |refreshed| ended(refreshed.ended.as_ref(), "caught up"),
        ),
        note: refreshed.and_then(|refreshed| refreshed.note.clone()),
    }
}

fn guard(world: &World, course: &Course, found: GuardFound) -> GuardFinding {
    let GuardFound {
        guard,
        count,
        limit,
        per_day,
        allowed,
    } = found;
    let job = &world.job.name;
    // Leavers that nobody confirmed have no steps yet that a digest could cover.
    let by_word = guard == GuardKind::Leave && course.leavers.candidates > 0;
    let command = match &course.draft.digest {
        Some(digest) if !by_word => format!("ghl-sync apply {job} --approve {digest}"),
        _ => format!("ghl-sync apply {job} --allow {guard}"),
    };
    let per = match (guard, per_day) {
        (GuardKind::First, _) => Per::Never,
        (_, true) => Per::Day,
        (_, false) => Per::Run,
    };
    GuardFinding {
        guard,
        count,
        limit,
        per,
        held: !allowed,
        command,
    }
}

/// Returns the row of the hub's gate.
async fn bucket(world: &World) -> Result<Option<Bucket>, RunError> {
    let name = world.hub_line.gate().name().to_owned();
    Ok(world.store.write(move |db| Bucket::load(db, &name)).await?)
}

async fn cost(world: &World, course: &Course) -> Result<Cost, RunError> {
    let bucket = bucket(world).await?;
    let day_limit = bucket
        .as_ref()
        .and_then(|bucket| bucket.day_limit)
        .unwrap_or(DAY_LIMIT);
    let (window_ms, window_max) = bucket.as_ref().map_or((10_000, 100), |bucket| {
        (bucket.window_ms, bucket.window_max)
    });
    let calls = course.announced.writes();
    let mut by_vendor = Calls::new();
    if calls > 0 {
        by_vendor.insert(
            Vendor::HighLevel.word().to_owned(),
            course.announced.routes.clone(),
        );
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of calls are far below 2^52"
    )]
    let (share_of_day, minutes) = (
        calls as f64 / day_limit.max(1) as f64,
        calls as f64 * window_ms as f64 / f64::from(window_max.max(1)) * SPACING / 60_000.0,
    );
    Ok(Cost {
        calls: by_vendor,
        day_limit,
        day_used: course.announced.day_used,
        share_of_day,
        minutes,
    })
}

/// Splits the calls made since the announcement into those announced and the named extra kinds; recovery and the confirmation of leavers came before.
fn made(world: &World, course: &Course, report: &mut Report) {
    let mut made = Calls::new();
    let after = world.hub_line.tally().snapshot();
    for ((vendor, route, counted), count) in &after {
        let before = course
            .announced
            .before
            .get(&(*vendor, *route, *counted))
            .copied()
            .unwrap_or_default();
        let since = count - before;
        match counted {
            Counted::Announced => {
                if since > 0 && *vendor == Vendor::HighLevel {
                    made.entry(vendor.word().to_owned())
                        .or_default()
                        .insert((*route).to_owned(), since);
                }
            }
            Counted::Recovery | Counted::Confirmation | Counted::Halving | Counted::Retry => {
                if *count > 0 {
                    *report.extra.entry(counted.word().to_owned()).or_default() += count;
                }
            }
        }
    }
    report.made = Some(made);
}

/// Ends a run in the database, with its report.
pub(super) async fn end(world: &World, course: &Course, report: &Report) -> Result<(), RunError> {
    let summary = serde_json::to_string(report).map_err(|error| RunError::Bug {
        what: format!("a report is no JSON: {error}"),
    })?;
    let digest = report
        .digest
        .as_ref()
        .map(|digest| digest.as_str().to_owned());
    let (run_no, now_ms) = (course.run_no, world.now_ms());
    let exit = i64::from(!matches!(report.outcome, Outcome::Finished));
    world
        .store
        .write(move |db| runs::end_run(db, run_no, now_ms, exit, digest.as_deref(), Some(&summary)))
        .await?;
    Ok(())
}
