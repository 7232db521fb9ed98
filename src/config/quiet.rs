//! Reading `quiet`: hours of the day in which a job rests.

use chrono::NaiveTime;

use super::reader::Table;
use crate::model::Quiet;

/// Reads the list; what is not as it must be is reported and left out.
pub(super) fn read(root: &Table<'_>) -> Vec<Quiet> {
    let mut hours = Vec::new();
    for text in root.texts("quiet") {
        match parse(text.value) {
            Some(quiet) => hours.push(quiet),
            None => {
                let message = format!(
                    "`{}` is no part of a day, expected two different times such as \"22:00-07:00\"",
                    text.value.escape_debug()
                );
                root.report_at(text.at, "quiet", message, None);
            }
        }
    }
    if is_always(&hours) {
        let message = "quiet at every hour, so that the job would never run".to_owned();
        let at = root.value("quiet").map_or(0, |value| value.at);
        root.report_at(at, "quiet", message, None);
    }
    hours
}

fn parse(text: &str) -> Option<Quiet> {
    let (from, until) = text.split_once('-')?;
    let (from, until) = (time(from.trim())?, time(until.trim())?);
    (from != until).then_some(Quiet { from, until })
}

/// Reads `HH:MM`; `24:00` is midnight.
fn time(text: &str) -> Option<NaiveTime> {
    let (hour, minute) = text.split_once(':')?;
    let is_number = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(hour) || !is_number(minute) {
        return None;
    }
    let hour: u32 = hour.parse().ok()?;
    let minute = minute.parse().ok()?;
    let hour = if (hour, minute) == (24, 0) { 0 } else { hour };
    NaiveTime::from_hms_opt(hour, minute, 0)
}

fn is_always(hours: &[Quiet]) -> bool {
    let minutes = (0..24 * 60).filter_map(|at| NaiveTime::from_hms_opt(at / 60, at % 60, 0));
    let mut minutes = minutes;
    minutes.all(|time| hours.iter().any(|quiet| quiet.holds(time)))
}
