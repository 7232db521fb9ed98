//! Move 5: the plan, streamed in key order into the plan table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::model::{By, Digest, FieldKey, GuardKind, Job, RecordKey, StepKind};
use crate::plan::events::Decided;
use crate::plan::wanted::{Mapping, Moment, RowProblem};
use crate::plan::{
    Conflict, PlanDigest, Planned, Presence, Remember, Row, Tally, Terms, Verdict, Wait, Wanted,
    WantedField, basis, match_key, parcel, plan_row, step_hash,
};
use crate::store::findings::{self, Finding, FindingKind};
use crate::store::plans::{self, Step};
use crate::store::rows::{self, Listing, Look, Outcome, Scope};
use crate::store::{StoreError, jobs, links, mirror};

use super::draft_events::{self, OfRecord, Stage};
use super::error::RunError;
use super::world::World;

/// Rows whose results travel to the writer together.
const CHUNK: usize = 1_000;
/// Contacts with unknown keys that are remembered one by one; beyond it one walk is cheaper anyway.
const NEEDS_AT_MOST: usize = 5_000;
/// The field of a finding that is about notes and tasks.
const EVENTS: &str = "events";
/// News that a report tells one by one.
const NEWS_AT_MOST: usize = 200;

/// What a draft came to, as folds over its rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// The plan.
    pub plan_no: i64,
    /// Over all steps.
    pub digest: Option<Digest>,
    /// Records by guard.
    pub tally: Tally,
    /// Steps.
    pub steps: i64,
    /// What stands in the way of how many records.
    pub waits: BTreeMap<&'static str, u64>,
    /// Findings that were not told before, at most [`NEWS_AT_MOST`].
    pub news: Vec<Finding>,
    /// How many there are in all.
    pub news_count: u64,
    /// Contacts whose unknown keys must be read before the plan can be made, and how many there are in all.
    pub needs: Vec<i64>,
    /// How many there are in all.
    pub needs_count: u64,
}

/// Everything the planning thread needs.
#[derive(Clone)]
pub(super) struct Desk {
    /// The job.
    pub job: Arc<Job>,
    /// Its templates.
    pub mapping: Arc<Mapping>,
    /// The digest of what it wants.
    pub digest: Digest,
    /// The job's number.
    pub job_no: i64,
    /// Walks up to this one are the roster.
    pub generation: i64,
    /// The location's number.
    pub location_no: i64,
    /// Which rows to look at.
    pub look: Look,
    /// Whether the mirror may say "there is no such contact".
    pub mirror_complete: bool,
    /// The run.
    pub run_no: i64,
    /// Whether a person let the mapping through: only then is anything learned from it.
    pub may_learn: bool,
    /// What the notes and tasks of every record alike hang on; `None` when the job has none.
    pub stage: Option<Stage>,
}

/// What one chunk of rows leaves for the writer.
#[derive(Default)]
struct Chunk {
    steps: Vec<Step>,
    outcomes: Vec<Outcome>,
    remember: Vec<(i64, u32, Remember)>,
    findings: Vec<Finding>,
    clear: Vec<(RecordKey, FindingKind, Vec<String>)>,
    events: Vec<draft_events::Learned>,
}

impl Chunk {
    fn len(&self) -> usize {
        self.steps.len()
            + self.outcomes.len()
            + self.remember.len()
            + self.findings.len()
            + self.clear.len()
            + self.events.len()
    }
}

/// Makes a draft: a pure decision a row, streamed. With `keep`, also stores what is learned without a call (an apply); a dry run keeps the steps alone.
pub(super) async fn draft(world: &World, desk: Desk, keep: bool) -> Result<Draft, RunError> {
    let (run_no, job_no, digest, now_ms) = (
        desk.run_no,
        desk.job_no,
        desk.digest.clone(),
        world.now_ms(),
    );
    let plan_no = world
        .store
        .write(move |db| plans::begin_plan(db, run_no, job_no, &digest, now_ms))
        .await?;
    let reader = world.store.reader()?;
    let (chunks, mut incoming) = mpsc::channel::<Chunk>(4);
    let thinking = tokio::task::spawn_blocking(move || think(&reader, &desk, plan_no, &chunks));
    while let Some(chunk) = incoming.recv().await {
        world
            .store
            .write(move |db| {
                plans::add_steps(db, &chunk.steps)?;
                if keep {
                    learn(db, job_no, &chunk, now_ms)
                } else {
                    Ok(())
                }
            })
            .await?;
    }
    thinking.await.map_err(|error| RunError::Bug {
        what: format!("planning stopped: {error}"),
    })?
}

/// Throws a draft away.
pub(super) async fn discard(world: &World, plan_no: i64) -> Result<(), RunError> {
    while world
        .store
        .write(move |db| plans::delete_steps(db, plan_no))
        .await?
    {}
    world
        .store
        .write(move |db| {
            db.execute(
                "DELETE FROM plan WHERE no = ?1 AND state = 'draft'",
                [plan_no],
            )?;
            Ok(())
        })
        .await?;
    Ok(())
}

fn learn(db: &Connection, job_no: i64, chunk: &Chunk, now_ms: i64) -> Result<(), StoreError> {
    for learned in &chunk.events {
        learned.keep(db, job_no, now_ms)?;
    }
    rows::note_outcomes(db, job_no, &chunk.outcomes)?;
    findings::note_findings(db, job_no, &chunk.findings)?;
    for (key, kind, standing) in &chunk.clear {
        let standing: Vec<&str> = standing.iter().map(String::as_str).collect();
        findings::clear_findings(db, job_no, key, *kind, &standing)?;
    }
    for (contact_no, transition, remember) in &chunk.remember {
        match remember {
            Remember::Agreed { key, wanted, seen } => {
                mirror::agree(db, *contact_no, key, wanted, seen)?
            }
            Remember::Claim(tag) => links::claim_ours(db, *contact_no, tag, job_no, *transition)?,
            Remember::Unclaim(tag) => links::unclaim(db, *contact_no, tag, job_no)?,
        }
    }
    Ok(())
}

fn think(
    reader: &Connection,
    desk: &Desk,
    plan_no: i64,
    chunks: &mpsc::Sender<Chunk>,
) -> Result<Draft, RunError> {
    let mut draft = Draft {
        plan_no,
        ..Draft::default()
    };
    let mut fold = PlanDigest::default();
    let mut chunk = Chunk::default();
    let mut after = String::new();
    let scope = Scope {
        job_no: desk.job_no,
        generation: desk.generation,
        location_no: desk.location_no,
        namespace: desk.job.source.namespace(),
        look: desk.look,
    };
    loop {
        // One snapshot for the rows and what is looked up for them.
        let snapshot = reader.unchecked_transaction().map_err(StoreError::from)?;
        let last = rows::next_rows(&snapshot, scope, &after, |listing| {
            one(&snapshot, desk, listing, &mut draft, &mut fold, &mut chunk)?;
            if chunk.len() >= CHUNK && chunks.blocking_send(std::mem::take(&mut chunk)).is_err() {
                return Err(RunError::Bug {
                    what: "the writer of a plan is gone".to_owned(),
                });
            }
            Ok(())
        })?;
        let Some(last) = last else { break };
        after = last;
    }
    if chunk.len() > 0 {
        let _ = chunks.blocking_send(chunk);
    }
    draft.digest = Some(fold.finish(&desk.digest));
    Ok(draft)
}

fn one(
    reader: &Connection,
    desk: &Desk,
    listing: &Listing,
    draft: &mut Draft,
    fold: &mut PlanDigest,
    chunk: &mut Chunk,
) -> Result<(), RunError> {
    let match_values = match_values(&desk.mapping, listing);
    let namespace = desk.job.source.namespace();
    let row = rows::row_of(
        reader,
        desk.job_no,
        desk.location_no,
        namespace,
        listing,
        &match_values,
    )?;
    let hash = basis_of(listing, &row, &desk.digest);
    let verdict = match wanted_of(&desk.mapping, listing) {
        Ok(wanted) => plan_row(&row, &wanted, terms(&desk.job, desk.mirror_complete), &hash),
        Err(problem) => {
            let finding = Finding {
                key: listing.record.key.clone(),
                kind: FindingKind::BadRow,
                field: String::new(),
                hash: basis(&listing.attributes, &desk.digest, ""),
                what: problem.to_string(),
                run_no: desk.run_no,
            };
            tell(reader, desk, finding, draft, chunk)?;
            // What its transition calls for is remembered, and waits until a record can be made of it.
            Verdict {
                waits: Some(Wait::Unreadable),
                ..Verdict::default()
            }
        }
    };
    let mut apart = Apart::default();
    let events = match &desk.stage {
        None => Decided::default(),
        Some(stage) => {
            let OfRecord {
                decided,
                learned,
                problem,
                refused,
            } = draft_events::of_record(reader, desk, stage, listing, &row, &verdict)?;
            if decided.wait_for_channel {
                *draft
                    .waits
                    .entry("with notes or tasks that wait for the contact of the channel")
                    .or_default() += 1;
            }
            chunk.events.extend(learned.filter(|_| desk.may_learn));
            apart = Apart { problem, refused };
            decided
        }
    };
    count(listing, &verdict, &events, draft);
    let Verdict {
        steps,
        remember,
        conflicts,
        waits,
        contact_no,
    } = verdict;
    settle_findings(
        reader,
        desk,
        listing,
        &conflicts,
        waits.as_ref(),
        apart,
        draft,
        chunk,
    )?;
    if let (Some(Wait::NeedsRead | Wait::ScopeUnknown), Some(no)) = (&waits, contact_no) {
        draft.needs_count += 1;
        if draft.needs.len() < NEEDS_AT_MOST {
            draft.needs.push(no);
        }
    }
    let open = !steps.is_empty()
        || !events.steps.is_empty()
        || events.waits
        || matches!(
            waits,
            Some(
                Wait::MirrorIncomplete
                    | Wait::Unsettled
                    | Wait::NeedsRead
                    | Wait::ScopeUnknown
                    | Wait::Ambiguous { .. }
            )
        );
    let waiting = match &waits {
        Some(Wait::Skipped) => match_values,
        // A refused record without a contact may find one that a person gives its marker.
        Some(Wait::Refused) if contact_no.is_none() => match_values,
        _ => Vec::new(),
    };
    if open != listing.open || !waiting.is_empty() {
        chunk.outcomes.push(Outcome {
            no: listing.no,
            open,
            waiting,
        });
    }
    // A mapping that nobody let through teaches nothing, and no claim is given up for a step that a guard may hold.
    let is_settled = steps.iter().all(|step| !step.change.kind().calls())
        && listing.was.is_none_or(|was| was == listing.presence);
    if let Some(no) = contact_no.filter(|_| desk.may_learn) {
        let learned = remember.into_iter().filter(|what| match what {
            Remember::Agreed { .. } | Remember::Claim(_) => true,
            Remember::Unclaim(_) => is_settled,
        });
        chunk
            .remember
            .extend(learned.map(|what| (no, listing.transition, what)));
    }
    let steps = steps.into_iter().map(|step| (step, contact_no));
    for (
        Planned {
            change,
            contact,
            reason,
            guard,
        },
        contact_no,
    ) in steps.chain(events.steps)
    {
        let hash_of_step = step_hash(&listing.record.key, contact.as_ref(), &change, &desk.digest);
        fold.add(&hash_of_step);
        draft.steps += 1;
        chunk.steps.push(Step {
            plan_no: draft.plan_no,
            seq: draft.steps,
            key: listing.record.key.clone(),
            hash: hash_of_step,
            parcel: parcel(&change),
            change,
            guard,
            reason,
            name: name_of(listing),
            contact_no,
            contact,
            transition: listing.transition,
            basis: hash.clone(),
            mark: crate::plan::Mark::Planned,
            why: None,
            tries: 0,
            refusal: false,
            sent_ms: None,
            looks: 0,
            looked_ms: None,
            marked_ms: None,
        });
    }
    Ok(())
}

/// Returns what a refusal of a record rests on: also its state, because one that leaves wants something else.
pub(super) fn basis_of(listing: &Listing, row: &Row, mapping: &Digest) -> String {
    let state = format!(
        "{} {} {}",
        listing.presence.word(),
        listing.transition,
        rows::shown(row)
    );
    basis(&listing.attributes, mapping, &state)
}

/// Returns what bears on every record of a job alike.
pub(super) fn terms(job: &Job, mirror_complete: bool) -> Terms {
    Terms {
        missing: job.missing,
        recreate_deleted: job.recreate_deleted,
        mirror_complete,
        fields_when_out: job.source.is_of_channels(),
        scope: job.scope.clone(),
        business: job.business.clone(),
    }
}

pub(super) fn wanted_of(mapping: &Mapping, listing: &Listing) -> Result<Wanted, RowProblem> {
    let moment = match listing.presence {
        Presence::In if listing.transition > 0 => Moment::Return,
        Presence::In => Moment::Join,
        Presence::Out => Moment::Leave,
        Presence::Gone => Moment::Gone,
    };
    let fields = mapping
        .fields(&listing.record)?
        .into_iter()
        .map(|(rule, value)| WantedField {
            key: rule.key.clone(),
            own: rule.own,
            value,
        })
        .collect();
    let tags = mapping.tags(moment, &listing.record)?;
    Ok(Wanted {
        fields,
        tags: tags.add,
        unwanted: tags.remove,
    })
}

pub(super) fn match_values(mapping: &Mapping, listing: &Listing) -> Vec<(FieldKey, String)> {
    mapping
        .match_values(&listing.record)
        .into_iter()
        .filter_map(|(by, value)| match by {
            By::Field(key) => Some((key.clone(), match_key(key, &value?))),
            By::Link => None,
        })
        .collect()
}

pub(super) fn name_of(listing: &Listing) -> String {
    let attribute = |name: &str| listing.record.attributes.get(name).cloned();
    ["user_name", "user_login", "channel_name", "channel_login"]
        .into_iter()
        .find_map(attribute)
        .unwrap_or_default()
}

fn count(listing: &Listing, verdict: &Verdict, events: &Decided, draft: &mut Draft) {
    let mut guards: BTreeSet<GuardKind> =
        verdict.steps.iter().filter_map(|step| step.guard).collect();
    // By their kind, also when a leave or a return counts them as well.
    guards.extend(
        events
            .steps
            .iter()
            .map(|(step, _)| match step.change.kind() {
                StepKind::Note => GuardKind::Note,
                _ => GuardKind::Task,
            }),
    );
    for guard in &guards {
        if *guard != GuardKind::Leave && *guard != GuardKind::Return {
            draft.tally.count(*guard);
        }
    }
    // Leaving and returning are counted by the record, whether or not its contact needs a change.
    match (listing.was, listing.presence) {
        (Some(Presence::In), Presence::Out) => draft.tally.count(GuardKind::Leave),
        (Some(Presence::Out | Presence::Gone), Presence::In) => {
            draft.tally.count(GuardKind::Return)
        }
        _ if guards.contains(&GuardKind::Leave) => draft.tally.count(GuardKind::Leave),
        _ => {}
    }
    let word = match &verdict.waits {
        None => return,
        Some(Wait::MirrorIncomplete) => "waiting for a complete listing of contacts",
        Some(Wait::Unsettled) => "unsettled",
        Some(Wait::NeedsRead | Wait::ScopeUnknown) => "waiting for their contact to be read",
        Some(Wait::Ambiguous { .. }) => "ambiguous",
        Some(Wait::Tombstone) => "deleted by a person",
        Some(Wait::Skipped) => "without a contact",
        Some(Wait::OutOfScope) => "out of the job's scope",
        Some(Wait::Refused) => "refused",
        Some(Wait::Unreadable) => "set aside",
    };
    *draft.waits.entry(word).or_default() += 1;
}

/// What of a record's notes and tasks is set aside.
#[derive(Default)]
struct Apart {
    problem: Option<RowProblem>,
    refused: Vec<String>,
}

/// Tells what is new and takes away what no longer stands.
#[expect(
    clippy::too_many_arguments,
    reason = "one record and everything that may be told of it"
)]
fn settle_findings(
    reader: &Connection,
    desk: &Desk,
    listing: &Listing,
    conflicts: &[Conflict],
    waits: Option<&Wait>,
    apart: Apart,
    draft: &mut Draft,
    chunk: &mut Chunk,
) -> Result<(), RunError> {
    let key = &listing.record.key;
    let finding = |kind, field: String, what: String, hash: String| Finding {
        key: key.clone(),
        kind,
        field,
        hash,
        what,
        run_no: desk.run_no,
    };
    let Apart { problem, refused } = apart;
    let mut bad = Vec::new();
    if let Some(problem) = problem {
        let hash = basis(&listing.attributes, &desk.digest, EVENTS);
        let found = finding(
            FindingKind::BadRow,
            EVENTS.to_owned(),
            problem.to_string(),
            hash,
        );
        tell(reader, desk, found, draft, chunk)?;
        bad.push(EVENTS.to_owned());
    }
    // An unsettled, refused or unreadable row was not looked at, so nothing is known to have changed.
    if matches!(
        waits,
        Some(Wait::Unsettled | Wait::Refused | Wait::Unreadable)
    ) {
        return Ok(());
    }
    for Conflict {
        key: field,
        wanted,
        seen,
    } in conflicts
    {
        let found = Finding::conflict(key, field, wanted, seen.as_deref(), desk.run_no);
        tell(reader, desk, found, draft, chunk)?;
    }
    if let Some(Wait::Ambiguous { by, contacts }) = waits {
        let names: Vec<&str> = contacts.iter().map(|contact| contact.as_str()).collect();
        let what = format!("{by} finds {}", names.join(", "));
        let hash = basis(&what, &Digest::stored(String::new()), "");
        tell(
            reader,
            desk,
            finding(FindingKind::Ambiguous, String::new(), what, hash),
            draft,
            chunk,
        )?;
    }
    let standing: Vec<String> = conflicts
        .iter()
        .map(|conflict| conflict.key.to_string())
        .collect();
    if findings::has_any(reader, desk.job_no, key)? {
        chunk
            .clear
            .push((key.clone(), FindingKind::Conflict, standing));
        chunk
            .clear
            .push((key.clone(), FindingKind::Refused, refused));
        chunk.clear.push((key.clone(), FindingKind::BadRow, bad));
        if !matches!(waits, Some(Wait::Ambiguous { .. })) {
            chunk
                .clear
                .push((key.clone(), FindingKind::Ambiguous, Vec::new()));
        }
    }
    Ok(())
}

fn tell(
    reader: &Connection,
    desk: &Desk,
    finding: Finding,
    draft: &mut Draft,
    chunk: &mut Chunk,
) -> Result<(), RunError> {
    if !findings::is_told(reader, desk.job_no, &finding)? {
        draft.news_count += 1;
        if draft.news.len() < NEWS_AT_MOST {
            draft.news.push(finding.clone());
        }
    }
    chunk.findings.push(finding);
    Ok(())
}

/// Returns the tick up to which everything is in the database now; rows that change later are looked at by the next plan.
pub(super) async fn present_tick(world: &World) -> Result<i64, RunError> {
    Ok(world.store.write(jobs::last_tick).await?)
}
