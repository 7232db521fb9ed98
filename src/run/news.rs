//! What a report tells one by one.

use crate::model::{LeaveProof, SourceKind};
use crate::plan::Mark;
use crate::report::{News, NewsKind};
use crate::store::findings::{self, FindingKind};

use super::error::RunError;
use super::job::Course;
use super::recover::{self, Recovered};
use super::world::World;

/// Returns what a run tells one by one, in the order in which people care.
pub(super) fn news(
    world: &World,
    course: &Course,
    reader: &rusqlite::Connection,
    job_no: i64,
    apply: bool,
) -> Result<Vec<News>, RunError> {
    let job = &world.job.name;
    let mut news = Vec::new();
    for key in &course.lacking {
        let how = if world.job.create_fields {
            "`apply` makes it"
        } else {
            "make it, or set `create_fields = true`"
        };
        news.push(News {
            kind: NewsKind::MissingField,
            key: Some(key.to_string()),
            what: format!("the location has no such custom field; {how}"),
            command: None,
        });
    }
    for found in &course.recovered.asks {
        news.push(News {
            kind: NewsKind::Asks,
            key: Some(found.key.to_string()),
            what: found.what.clone(),
            command: Some(format!(
                "ghl-sync link {job} {} CONTACT, or ghl-sync retry {job} {}",
                found.key, found.key
            )),
        });
    }
    let told: Vec<_> = if apply {
        findings::told_by(reader, job_no, course.run_no, 200)?
    } else {
        course.draft.news.clone()
    };
    for found in told {
        if found.kind == FindingKind::Asks {
            continue;
        }
        news.push(of_finding(job.as_str(), &found));
    }
    let unsettled = recover::unsettled(reader, job_no)?;
    if !apply || course.recovered.waiting > 0 {
        for step in unsettled
            .iter()
            .filter(|step| step.mark != Mark::Asks)
            .take(20)
        {
            news.push(News {
                kind: NewsKind::Unsettled,
                key: Some(step.key.to_string()),
                what: format!(
                    "the answer to its {} is not known; it is looked for five minutes or more after it was sent",
                    step.change.kind()
                ),
                command: None,
            });
        }
    }
    Ok(news)
}

/// Returns what a person is told of a finding, with the command that settles it.
pub(super) fn of_finding(job: &str, found: &findings::Finding) -> News {
    let key = &found.key;
    let (kind, what, command) = match found.kind {
        FindingKind::Conflict => {
            #[derive(serde::Deserialize)]
            struct Values {
                wanted: String,
                seen: Option<String>,
            }
            let what = match serde_json::from_str::<Values>(&found.what) {
                Ok(Values { wanted, seen }) => format!(
                    "{} holds `{}`, we want `{wanted}`",
                    found.field,
                    seen.unwrap_or_default()
                ),
                Err(_) => found.what.clone(),
            };
            let field = &found.field;
            let command =
                format!("ghl-sync keep {job} {key} {field}, or ghl-sync take {job} {key} {field}");
            (NewsKind::Conflict, what, Some(command))
        }
        FindingKind::Refused => (
            NewsKind::Refused,
            found.what.clone(),
            Some(format!("ghl-sync retry {job} {key}")),
        ),
        FindingKind::Ambiguous => (
            NewsKind::Ambiguous,
            found.what.clone(),
            Some(format!("ghl-sync link {job} {key} CONTACT")),
        ),
        FindingKind::Asks => (
            NewsKind::Asks,
            found.what.clone(),
            Some(format!("ghl-sync retry {job} {key}")),
        ),
        FindingKind::BadRow => (NewsKind::BadRow, found.what.clone(), None),
    };
    News {
        kind,
        key: Some(key.to_string()),
        what,
        command,
    }
}

/// Returns what is worth knowing and needs nobody.
pub(super) fn remarks(course: &Course, source: SourceKind, debt: i64) -> Vec<String> {
    let mut remarks = course.remarks.clone();
    if let Some(gathered) = &course.gathered {
        remarks.extend(gathered.remarks.iter().cloned());
    }
    if let Some(refreshed) = &course.refreshed {
        remarks.extend(refreshed.remarks.iter().cloned());
        if refreshed.odd_rows > 0 {
            remarks.push(format!(
                "{} rows of contacts could not be read and were left out",
                refreshed.odd_rows
            ));
        }
        if !refreshed.complete {
            remarks.push(
                "the contacts of the location were not read to the end yet, so nobody is created; the next run goes on".to_owned(),
            );
        }
    }
    if debt > 0 {
        remarks.push(format!(
            "Twitch counts {debt} {} fewer than we know: somebody left; a full pass finds out who",
            source.plural()
        ));
    }
    let leavers = course.leavers;
    if leavers.left + leavers.gone > 0 {
        let are = if leavers.gone == 1 { "is" } else { "are" };
        remarks.push(format!(
            "{} left, {} {are} suspended or deleted",
            leavers.left, leavers.gone
        ));
    }
    if leavers.candidates > 0 {
        let how = match source.leave_proof() {
            LeaveProof::TwiceAndBatch => {
                "they are looked up when a listing two minutes later or more lacks them too"
            }
            LeaveProof::LookUp | LeaveProof::Nothing | LeaveProof::TwoPolls => {
                "they are looked up in a run two minutes later or more"
            }
        };
        let looks = match leavers.candidates {
            1 => "1 looks as if it left".to_owned(),
            more => format!("{more} look as if they left"),
        };
        remarks.push(format!("{looks}; {how}"));
    }
    let Recovered {
        found,
        sent_again,
        planned_again,
        ..
    } = &course.recovered;
    if found + sent_again + planned_again > 0 {
        remarks.push(format!(
            "lost answers of an earlier run: {found} found carried out, {sent_again} sent once more, {planned_again} planned again"
        ));
    }
    if let Some(approved) = &course.approved {
        if approved.newer > 0 {
            remarks.push(format!(
                "{} steps are new since the approved plan and wait for the next one",
                approved.newer
            ));
        }
        if approved.no_longer > 0 {
            remarks.push(format!(
                "{} steps of the approved plan no longer hold and were dropped: {}",
                approved.no_longer,
                approved.examples.join("; ")
            ));
        }
    }
    if course.draft.news_count > course.draft.news.len() as u64 {
        remarks.push(format!(
            "{} new findings in all; the first are listed",
            course.draft.news_count
        ));
    }
    remarks
}
