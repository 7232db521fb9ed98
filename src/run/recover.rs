//! Move 2: steps whose answer was lost.

use std::collections::BTreeSet;

use chrono::DateTime;

use crate::apis::highlevel::{SEARCH_LIMIT, Search};
use crate::model::{Change, Contact, FieldKey, IfUnsure, Reading};
use crate::net::Purpose;
use crate::plan::{Event, Mark};
use crate::store::findings::{self, Finding, FindingKind};
use crate::store::plans::{self, Step};
use crate::store::{events, links, mirror};

use super::contact_steps::{create_again, created};
use super::error::RunError;
use super::event_steps::{self, Found};
use super::hand::Hand;
use super::hub::of_hub;

/// A create is looked for this long after it was sent, if something younger is visible in the same index…
const LOOK_AFTER_MS: i64 = 5 * 60 * 1000;
/// …and after this long in any case.
const LOOK_ANYWAY_MS: i64 = 15 * 60 * 1000;
/// The second look comes this long after the first.
const LOOK_AGAIN_MS: i64 = 10 * 60 * 1000;
/// A contact of the same name that was added this close to the call may be ours.
const SAME_MOMENT_MS: i64 = 2 * 60 * 1000;
/// Pages of young contacts that are read at most; 2,500 contacts in a few minutes are more than the rate limit lets us make.
const YOUNG_PAGES: u32 = 5;

/// What recovery did, for the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Recovered {
    /// Creates that were there.
    pub found: u64,
    /// Creates that were not there and were sent once more.
    pub sent_again: u64,
    /// Steps that are planned again from what is true.
    pub planned_again: u64,
    /// Creates that are not settled yet.
    pub waiting: u64,
    /// Creates that only a person can settle, new in this run.
    pub asks: Vec<Finding>,
}

/// The young end of the index.
struct Young {
    contacts: Vec<(Contact, i64)>,
    newest_ms: i64,
}

/// Looks into every step of the job whose answer was lost; an unsettled one holds its own record only.
///
/// Errors: account faults, the state, and a hub that cannot be reached.
pub(super) async fn recover(hand: &Hand) -> Result<Recovered, RunError> {
    let (job_no, now_ms) = (hand.job_no, hand.world.now_ms());
    while hand
        .world
        .store
        .write(move |db| plans::end_killed_plans(db, job_no, now_ms))
        .await?
    {}
    let reader = hand.world.store.reader()?;
    let mut recovered = Recovered::default();
    let mut creates = Vec::new();
    for step in plans::unsettled(&reader, job_no)? {
        match (step.mark, step.change.kind().if_unsure()) {
            (Mark::Asks, _) => {}
            (_, IfUnsure::SendAgain) => {
                plan_again(hand, step).await?;
                recovered.planned_again += 1;
            }
            _ if step.change.kind().is_event() => {
                look_for_event(hand, &step, now_ms, &mut recovered).await?;
            }
            (_, IfUnsure::LookFirst | IfUnsure::AskAPerson) => creates.push(step),
        }
    }
    let (due, rest): (Vec<Step>, Vec<Step>) =
        creates.into_iter().partition(|step| may_look(step, now_ms));
    recovered.waiting += rest.len() as u64;
    if due.is_empty() {
        return Ok(recovered);
    }
    let young = young(hand, &due).await?;
    // Moments of two clocks are compared from here on, and creates may be sent again.
    if let Some(what) = hand.world.clock_fault() {
        return Err(RunError::Setup {
            job: hand.world.job.name.clone(),
            account: None,
            what,
        });
    }
    for step in due {
        let sent_ms = step.sent_ms.unwrap_or_default();
        if hand.world.stop.is_asked() {
            recovered.waiting += 1;
            continue;
        }
        if young.newest_ms <= sent_ms && now_ms < sent_ms + LOOK_ANYWAY_MS {
            recovered.waiting += 1;
            continue;
        }
        look(hand, &step, &young, &mut recovered).await?;
    }
    Ok(recovered)
}

fn may_look(step: &Step, now_ms: i64) -> bool {
    match step.looked_ms.filter(|_| step.looks > 0) {
        None => now_ms >= step.sent_ms.unwrap_or_default() + LOOK_AFTER_MS,
        Some(looked_ms) => now_ms >= looked_ms + LOOK_AGAIN_MS,
    }
}

/// A step that does no harm when sent twice: what it touched is unknown now, is read again, and is planned from what is true.
async fn plan_again(hand: &Hand, step: Step) -> Result<(), RunError> {
    let (now_ms, job_no) = (hand.world.now_ms(), hand.job_no);
    hand.world
        .store
        .write(move |db| {
            if let Some(no) = step.contact_no {
                let (fields, tags): (Vec<FieldKey>, bool) = match &step.change {
                    Change::Update { fields } => (fields.keys().cloned().collect(), false),
                    Change::AddTags { .. } | Change::RemoveTags { .. } => (Vec::new(), true),
                    Change::Link { .. }
                    | Change::Relink { .. }
                    | Change::Tombstone { .. }
                    | Change::Create { .. }
                    | Change::Task { .. }
                    | Change::CompleteTask { .. }
                    | Change::Note { .. } => (Vec::new(), false),
                    Change::Attach { .. } => (vec![FieldKey::business()], false),
                };
                mirror::unsure(db, no, &fields, tags)?;
            }
            events::due_again(db, job_no, &step.key, &step.change)?;
            plans::move_step(
                db,
                &step,
                Event::Drop,
                Some("the answer was lost; planned again"),
                now_ms,
            )?;
            Ok(())
        })
        .await?;
    Ok(())
}

/// Looks for a note or task whose answer was lost, on its contact: found it is done; twice not there, ten minutes apart, it is due again.
async fn look_for_event(
    hand: &Hand,
    step: &Step,
    now_ms: i64,
    recovered: &mut Recovered,
) -> Result<(), RunError> {
    if !may_look(step, now_ms) || hand.world.stop.is_asked() {
        recovered.waiting += 1;
        return Ok(());
    }
    let found = event_steps::look_for(hand, step).await?;
    // Moments of two clocks are compared for it; it is taken for lost by no clock that is off.
    if found == Found::Nowhere && hand.world.clock_fault().is_some() {
        recovered.waiting += 1;
        return Ok(());
    }
    match found {
        Found::Here(id) => {
            event_steps::carried_out(hand, step, Some(id)).await?;
            recovered.found += 1;
        }
        Found::Nowhere if step.looks == 0 => {
            let step = step.clone();
            hand.world
                .store
                .write(move |db| plans::note_look(db, &step, now_ms))
                .await?;
            recovered.waiting += 1;
        }
        Found::Nowhere => {
            plan_again(hand, step.clone()).await?;
            recovered.planned_again += 1;
        }
        Found::NoContact => {
            let (job_no, step) = (hand.job_no, step.clone());
            hand.world
                .store
                .write(move |db| {
                    let why = "its contact is not there any more";
                    events::drop_for_good(db, job_no, &step.key, &step.change, why)?;
                    plans::move_step(db, &step, Event::Drop, Some(why), now_ms).map(drop)
                })
                .await?;
        }
    }
    Ok(())
}

/// Reads the contacts that were added around and after the calls in question.
async fn young(hand: &Hand, steps: &[Step]) -> Result<Young, RunError> {
    let world = &hand.world;
    let first_ms = steps
        .iter()
        .filter_map(|step| step.sent_ms)
        .min()
        .unwrap_or_default()
        - SAME_MOMENT_MS;
    let last_ms = steps
        .iter()
        .filter_map(|step| step.sent_ms)
        .max()
        .unwrap_or_default()
        + SAME_MOMENT_MS;
    let since = DateTime::from_timestamp_millis(first_ms).unwrap_or_default();
    let mut young = Young {
        contacts: Vec::new(),
        newest_ms: 0,
    };
    let mut search = Search::added_since(since);
    for _ in 0..YOUNG_PAGES {
        let call = search.call(&world.hub.location, &hand.hub.keys);
        let answer = world
            .hub_line
            .send(&call, Purpose::Recovery)
            .await
            .map_err(|error| of_hub(world, error))?;
        let date_ms = world.date_ms(answer.date);
        let page = answer.value;
        hand.hub
            .take_in(world, page.rows.clone(), Reading::Search, date_ms)
            .await?;
        for contact in page.rows {
            let added_ms = contact
                .date_added
                .map_or(0, |added| added.timestamp_millis());
            young.newest_ms = young.newest_ms.max(added_ms);
            if added_ms <= last_ms {
                young.contacts.push((contact, added_ms));
            }
        }
        if page.listed < u64::from(SEARCH_LIMIT) || page.next.is_none() || young.newest_ms > last_ms
        {
            break;
        }
        search = search.after(page.next);
    }
    Ok(young)
}

/// Looks for one create: by its marker, then by its name among contacts added at that moment.
async fn look(
    hand: &Hand,
    step: &Step,
    young: &Young,
    recovered: &mut Recovered,
) -> Result<(), RunError> {
    let world = &hand.world;
    let now_ms = world.now_ms();
    let hits = hand
        .hub
        .look_for_marker(world, step.key.as_str(), Purpose::Recovery)
        .await?;
    let hits = free(hand, hits)?;
    match hits.as_slice() {
        [only] => {
            created(hand, step, only.clone(), Reading::Search, now_ms).await?;
            recovered.found += 1;
            return Ok(());
        }
        [] => {}
        several => {
            let ids: Vec<&str> = several.iter().map(|contact| contact.id.as_str()).collect();
            let what = format!(
                "a lost create: {} contacts carry its marker: {}",
                ids.len(),
                ids.join(", ")
            );
            return ask(hand, step, what, recovered).await;
        }
    }
    let sent_ms = step.sent_ms.unwrap_or_default();
    let namesakes: Vec<Contact> = young
        .contacts
        .iter()
        .filter(|(_, added_ms)| (added_ms - sent_ms).abs() <= SAME_MOMENT_MS)
        .filter(|(contact, _)| same_name(step, contact))
        .map(|(contact, _)| contact.clone())
        .collect();
    let namesakes = free(hand, namesakes)?;
    if let Some(first) = namesakes.first() {
        let what = format!(
            "the answer to its create was lost; contact {} has its name, was made at that moment and carries no marker",
            first.id
        );
        return ask(hand, step, what, recovered).await;
    }
    absent(hand, step, recovered).await
}

/// The create is not there: once is not enough.
async fn absent(hand: &Hand, step: &Step, recovered: &mut Recovered) -> Result<(), RunError> {
    let now_ms = hand.world.now_ms();
    let looked = step.clone();
    hand.world
        .store
        .write(move |db| plans::note_look(db, &looked, now_ms))
        .await?;
    if step.looks == 0 {
        recovered.waiting += 1;
        return Ok(());
    }
    if step.refusal {
        let finding = finding(
            hand,
            step,
            FindingKind::Refused,
            step.why.clone().unwrap_or_default(),
        );
        let (location_no, namespace, job_no) = (
            hand.hub.location_no,
            hand.world.job.source.namespace(),
            hand.job_no,
        );
        let (step, noted) = (step.clone(), finding.clone());
        hand.world
            .store
            .write(move |db| {
                links::release_link(db, location_no, namespace, &step.key, job_no)?;
                plans::move_step(db, &step, Event::Refuse, None, now_ms)?;
                findings::note_findings(db, job_no, &[noted])
            })
            .await?;
        return Ok(());
    }
    if step.tries >= 2 {
        let what =
            "its create was sent twice, both answers were lost, and it is not there".to_owned();
        return ask(hand, step, what, recovered).await;
    }
    let again = step.clone();
    hand.world
        .store
        .write(move |db| {
            plans::move_step(
                db,
                &again,
                Event::Recheck,
                Some("not there; sent once more"),
                now_ms,
            )
            .map(drop)
        })
        .await?;
    recovered.sent_again += 1;
    create_again(hand, step).await
}

async fn ask(
    hand: &Hand,
    step: &Step,
    what: String,
    recovered: &mut Recovered,
) -> Result<(), RunError> {
    let finding = finding(hand, step, FindingKind::Asks, what.clone());
    let (now_ms, job_no, step, noted) = (
        hand.world.now_ms(),
        hand.job_no,
        step.clone(),
        finding.clone(),
    );
    hand.world
        .store
        .write(move |db| {
            plans::move_step(db, &step, Event::Ask, Some(&what), now_ms)?;
            findings::note_findings(db, job_no, &[noted])
        })
        .await?;
    recovered.asks.push(finding);
    Ok(())
}

fn finding(hand: &Hand, step: &Step, kind: FindingKind, what: String) -> Finding {
    Finding {
        key: step.key.clone(),
        kind,
        field: String::new(),
        hash: step.basis.clone(),
        what,
        run_no: hand.run_no,
    }
}

/// Leaves out contacts that are linked to some record already.
fn free(hand: &Hand, contacts: Vec<Contact>) -> Result<Vec<Contact>, RunError> {
    let reader = hand.world.store.reader()?;
    let mut free = Vec::new();
    let mut ids = BTreeSet::new();
    for contact in contacts {
        let linked = match mirror::find_contact(&reader, hand.hub.location_no, &contact.id)? {
            Some(no) => links::is_linked(&reader, no)?,
            None => false,
        };
        if !linked && ids.insert(contact.id.clone()) {
            free.push(contact);
        }
    }
    Ok(free)
}

/// Returns whether a contact has the name that a create gave it.
fn same_name(step: &Step, contact: &Contact) -> bool {
    let Change::Create { fields, .. } = &step.change else {
        return false;
    };
    let mut named = false;
    for name in ["firstName", "lastName"] {
        let Some((key, wanted)) = fields.iter().find(|(key, _)| key.as_str() == name) else {
            continue;
        };
        let seen = contact
            .fields
            .get(key)
            .cloned()
            .flatten()
            .unwrap_or_default();
        if seen.trim().to_lowercase() != wanted.trim().to_lowercase() {
            return false;
        }
        named = true;
    }
    named
}

/// Returns the steps of the job that nobody knows the outcome of, for a dry run, which looks at nothing.
pub(super) fn unsettled(reader: &rusqlite::Connection, job_no: i64) -> Result<Vec<Step>, RunError> {
    Ok(plans::unsettled(reader, job_no)?)
}
