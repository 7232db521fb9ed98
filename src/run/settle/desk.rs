//! What each settling reads, checks and writes, inside one commit.

use rusqlite::Connection;
use serde::Deserialize;

use crate::model::{By, ContactId, FieldKey, Job, RecordKey, StepKind};
use crate::plan::{Event, Mark};
use crate::store::findings::{self, Finding, FindingKind};
use crate::store::plans::{self, Step};
use crate::store::rows::{self, Outcome};
use crate::store::{StoreError, events, jobs, links, mirror, walks};

/// Records that are settled in one commit; each costs a few rows.
const AT_ONCE: usize = 1_000;

/// How many things a message names before it only counts.
const NAMES: usize = 10;

/// What a settling answers: what was done and what happens next, or why nothing was.
pub(super) type Said = Result<String, String>;

/// Whose value a conflict ends with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Theirs,
    Ours,
}

/// A conflict as the finding holds it.
#[derive(Deserialize)]
struct Values {
    wanted: String,
    seen: Option<String>,
}

/// What every settling works with, inside its commit.
pub(super) struct Desk<'a> {
    db: &'a Connection,
    job: &'a Job,
    job_no: i64,
    location_no: i64,
    now_ms: i64,
}

impl<'a> Desk<'a> {
    /// Returns `None` for a job that never ran.
    pub(super) fn at(
        db: &'a Connection,
        job: &'a Job,
        now_ms: i64,
    ) -> Result<Option<Desk<'a>>, StoreError> {
        let Some(state) = jobs::find_job(db, &job.name)? else {
            return Ok(None);
        };
        let location = jobs::location_state(db, &job.location)?;
        Ok(Some(Desk {
            db,
            job,
            job_no: state.no,
            location_no: location.no,
            now_ms,
        }))
    }

    pub(super) fn link(&self, key: &RecordKey, contact: &ContactId) -> Result<Said, StoreError> {
        let (db, job) = (self.db, &self.job.name);
        let namespace = self.job.source.namespace();
        if let Err(why) = self.known(key)? {
            return Ok(Err(why));
        }
        let Some(contact_no) = mirror::find_contact(db, self.location_no, contact)? else {
            return Ok(Err(format!(
                "contact {contact} is not among those read from location {}; check the id, or read all of them first: ghl-sync plan {job} --full",
                self.job.location
            )));
        };
        if mirror::mirrored(db, contact_no)?.gone {
            return Ok(Err(format!(
                "contact {contact} was deleted in HighLevel; restore it there first, or choose another"
            )));
        }
        if let Some(no) = links::linked_contact(db, self.location_no, namespace, key)?
            && no != contact_no
        {
            let other = mirror::mirrored(db, no)?.id;
            return Ok(Err(format!(
                "record {key} is linked to contact {other} already; if that is wrong: ghl-sync unlink {job} {key}"
            )));
        }
        if !links::link(db, self.location_no, namespace, key, contact_no)? {
            let owner = links::owner(db, namespace, contact_no)?.unwrap_or_default();
            return Ok(Err(format!(
                "contact {contact} is linked to record {owner} already; if that is wrong: ghl-sync unlink {job} {owner}"
            )));
        }
        for step in self.lost_creates(key)? {
            plans::set_contact(db, &step, contact_no)?;
            plans::move_step(
                db,
                &step,
                Event::Ack,
                Some("linked by a person"),
                self.now_ms,
            )?;
        }
        for kind in [FindingKind::Asks, FindingKind::Ambiguous] {
            findings::clear_findings(db, self.job_no, key, kind, &[])?;
        }
        self.open(key)?;
        Ok(Ok(format!(
            "record {key} of {job} is contact {contact} from now on; the next run brings that contact up to date"
        )))
    }

    pub(super) fn unlink(&self, key: &RecordKey) -> Result<Said, StoreError> {
        let (db, job) = (self.db, &self.job.name);
        let namespace = self.job.source.namespace();
        if !self.lost_creates(key)?.is_empty() {
            return Ok(Err(format!(
                "a contact for record {key} was sent and nobody knows yet whether it exists; if it does: ghl-sync link {job} {key} CONTACT; if not: ghl-sync retry {job} {key}"
            )));
        }
        let Some(contact_no) = links::unlink(db, self.location_no, namespace, key)? else {
            return Ok(Err(match self.known(key)? {
                Err(why) => why,
                Ok(()) => format!("record {key} of {job} is not linked to any contact"),
            }));
        };
        links::unclaim_all(db, contact_no, self.job_no)?;
        self.open(key)?;
        let contact = mirror::mirrored(db, contact_no)?.id;
        let mut fields = self.job.match_by.iter().filter_map(|by| match by {
            By::Field(key) => Some(key.as_str()),
            By::Link => None,
        });
        let next = match fields.next() {
            Some(field) => format!(
                "the next run looks for its contact anew, so if {contact} should not be found again, change its {field} in HighLevel first"
            ),
            None => "the next run looks for its contact anew".to_owned(),
        };
        Ok(Ok(format!(
            "record {key} of {job} is no longer contact {contact}; {next}"
        )))
    }

    pub(super) fn retry(&self, keys: &[RecordKey]) -> Result<Said, StoreError> {
        let mut nothing = Vec::new();
        for key in keys {
            let set_aside = !self.set_aside(Some(key))?.is_empty();
            let asks = self
                .unsettled(key)?
                .iter()
                .any(|step| step.mark == Mark::Asks);
            if !set_aside && !asks {
                nothing.push(key.as_str());
            }
        }
        if let Some(first) = nothing.first() {
            return Ok(Err(self.not_set_aside(first, &nothing)?));
        }
        let mut dropped = 0;
        for key in keys {
            dropped += self.retry_one(key)?;
        }
        let job = &self.job.name;
        let what = match keys {
            [key] => format!("record {key} of {job} is tried again in the next run"),
            _ => format!(
                "{} records of {job} are tried again in the next run",
                keys.len()
            ),
        };
        Ok(Ok(match dropped {
            0 => what,
            _ => format!("{what}; what was sent for it before counts as never carried out"),
        }))
    }

    /// Lets a first part of all refused and unreadable records go; returns how many.
    pub(super) fn retry_some(&self) -> Result<usize, StoreError> {
        let mut keys: Vec<RecordKey> = self
            .set_aside(None)?
            .into_iter()
            .map(|finding| finding.key)
            .collect();
        keys.dedup();
        keys.truncate(AT_ONCE);
        for key in &keys {
            self.forgive(key)?;
        }
        Ok(keys.len())
    }

    /// Returns how many steps were dropped because a person says that they were not carried out.
    fn retry_one(&self, key: &RecordKey) -> Result<usize, StoreError> {
        let steps = self.unsettled(key)?;
        let asks: Vec<&Step> = steps
            .iter()
            .filter(|step| step.mark == Mark::Asks)
            .collect();
        for step in &asks {
            plans::move_step(
                self.db,
                step,
                Event::Drop,
                Some("not carried out, says a person"),
                self.now_ms,
            )?;
            if step.change.kind() == StepKind::Create {
                links::release_link(
                    self.db,
                    self.location_no,
                    self.job.source.namespace(),
                    key,
                    self.job_no,
                )?;
            }
        }
        findings::clear_findings(self.db, self.job_no, key, FindingKind::Asks, &[])?;
        self.forgive(key)?;
        Ok(asks.len())
    }

    fn forgive(&self, key: &RecordKey) -> Result<(), StoreError> {
        for kind in [FindingKind::Refused, FindingKind::BadRow] {
            findings::clear_findings(self.db, self.job_no, key, kind, &[])?;
        }
        events::retry(self.db, self.job_no, key)?;
        self.open(key)
    }

    pub(super) fn decide(
        &self,
        key: &RecordKey,
        field: Option<&FieldKey>,
        choice: Choice,
    ) -> Result<Said, StoreError> {
        let (db, job) = (self.db, &self.job.name);
        let all = findings::findings(db, self.job_no, FindingKind::Conflict, Some(key))?;
        let is_meant =
            |finding: &&Finding| field.is_none_or(|field| field.as_str() == finding.field);
        let chosen: Vec<&Finding> = all.iter().filter(is_meant).collect();
        if chosen.is_empty() {
            return Ok(Err(self.no_conflict(key, field, &all)?));
        }
        let namespace = self.job.source.namespace();
        let Some(contact_no) = links::linked_contact(db, self.location_no, namespace, key)? else {
            return Ok(Err(format!(
                "record {key} of {job} is not linked to a contact any more; the next run looks at it again"
            )));
        };
        for finding in &chosen {
            let Values { wanted, seen } = parsed(finding)?;
            let field = FieldKey::try_from(finding.field.as_str()).map_err(|error| {
                StoreError::Corrupt {
                    what: error.to_string(),
                }
            })?;
            match choice {
                Choice::Theirs => {
                    mirror::agree(
                        db,
                        contact_no,
                        &field,
                        &wanted,
                        seen.as_deref().unwrap_or_default(),
                    )?;
                }
                Choice::Ours => mirror::take_field(db, contact_no, &field, seen.as_deref())?,
            }
        }
        let standing: Vec<&str> = all
            .iter()
            .filter(|finding| !is_meant(finding))
            .map(|finding| finding.field.as_str())
            .collect();
        findings::clear_findings(db, self.job_no, key, FindingKind::Conflict, &standing)?;
        self.open(key)?;
        let fields = names(chosen.iter().map(|finding| finding.field.as_str()));
        Ok(Ok(match choice {
            Choice::Theirs => format!(
                "{fields} of record {key} keeps the value in HighLevel; {job} writes there again only when the source has another value"
            ),
            Choice::Ours => format!(
                "{fields} of record {key} takes the value of the mapping; the next run of {job} writes it"
            ),
        }))
    }

    /// Checks that the record is in the roster.
    fn known(&self, key: &RecordKey) -> Result<Result<(), String>, StoreError> {
        Ok(match walks::listed(self.db, self.job_no, key)? {
            Some(_) => Ok(()),
            None => Err(format!(
                "{} has no record {key}: its keys are those in brackets in a report, here values of {}",
                self.job.name,
                self.job.source.key_attribute()
            )),
        })
    }

    /// Lets the next plan look at the record.
    fn open(&self, key: &RecordKey) -> Result<(), StoreError> {
        let Some(row) = walks::listed(self.db, self.job_no, key)? else {
            return Ok(());
        };
        rows::note_outcomes(
            self.db,
            self.job_no,
            &[Outcome {
                no: row.no,
                open: true,
                waiting: Vec::new(),
            }],
        )
    }

    fn unsettled(&self, key: &RecordKey) -> Result<Vec<Step>, StoreError> {
        let mut steps = plans::unsettled(self.db, self.job_no)?;
        steps.retain(|step| step.key == *key);
        Ok(steps)
    }

    fn lost_creates(&self, key: &RecordKey) -> Result<Vec<Step>, StoreError> {
        let mut steps = self.unsettled(key)?;
        steps.retain(|step| step.change.kind() == StepKind::Create);
        Ok(steps)
    }

    /// Returns refused and unreadable records, of one key when given.
    fn set_aside(&self, key: Option<&RecordKey>) -> Result<Vec<Finding>, StoreError> {
        let mut all = findings::findings(self.db, self.job_no, FindingKind::Refused, key)?;
        all.extend(findings::findings(
            self.db,
            self.job_no,
            FindingKind::BadRow,
            key,
        )?);
        all.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(all)
    }

    fn not_set_aside(&self, first: &str, nothing: &[&str]) -> Result<String, StoreError> {
        let job = &self.job.name;
        if let Ok(key) = RecordKey::try_from(first)
            && !self.unsettled(&key)?.is_empty()
        {
            return Ok(format!(
                "the answer about record {first} was lost and ghl-sync still looks for it by itself; run `ghl-sync apply {job}`"
            ));
        }
        let mut there: Vec<RecordKey> = self
            .set_aside(None)?
            .into_iter()
            .map(|finding| finding.key)
            .collect();
        let asks = findings::findings(self.db, self.job_no, FindingKind::Asks, None)?;
        there.extend(asks.into_iter().map(|finding| finding.key));
        there.sort();
        there.dedup();
        let there = match there.as_slice() {
            [] => "no record at all".to_owned(),
            keys => names(keys.iter().map(RecordKey::as_str)),
        };
        Ok(format!(
            "nothing to try again for {}; {job} has set aside {there}",
            names(nothing.iter().copied())
        ))
    }

    fn no_conflict(
        &self,
        key: &RecordKey,
        field: Option<&FieldKey>,
        of_key: &[Finding],
    ) -> Result<String, StoreError> {
        let job = &self.job.name;
        let there = match (field, of_key) {
            (Some(_), [_, ..]) => format!(
                "it has {}",
                names(of_key.iter().map(|finding| finding.field.as_str()))
            ),
            (_, _) => {
                let all = findings::findings(self.db, self.job_no, FindingKind::Conflict, None)?;
                let pairs: Vec<String> = all
                    .iter()
                    .map(|finding| format!("{} {}", finding.key, finding.field))
                    .collect();
                match pairs.as_slice() {
                    [] => format!("{job} has none"),
                    pairs => format!("{job} has {}", names(pairs.iter().map(String::as_str))),
                }
            }
        };
        let what = field
            .map(|field| format!(" in {field}"))
            .unwrap_or_default();
        Ok(format!("record {key} has no conflict{what}; {there}"))
    }
}

fn parsed(finding: &Finding) -> Result<Values, StoreError> {
    serde_json::from_str(&finding.what).map_err(|error| StoreError::Corrupt {
        what: format!("the conflict in {}: {error}", finding.field),
    })
}

/// Returns the words with commas, the first ten of them.
fn names<'w>(words: impl ExactSizeIterator<Item = &'w str>) -> String {
    let count = words.len();
    let mut named: Vec<String> = words.take(NAMES).map(ToOwned::to_owned).collect();
    if count > NAMES {
        named.push(format!("{} more", count - NAMES));
    }
    named.join(", ")
}
