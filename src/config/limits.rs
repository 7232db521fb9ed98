//! Reading `[limits]`.

use toml::de::DeValue;

use super::reader::{Spot, Table};
use super::{job, keys};
use crate::model::{AtMost, Limits, Share};

/// More than any location holds; a larger number is a slip of the keyboard.
const MOST: u64 = 100_000_000;

/// The floor of a share that names none.
const ATLEAST: u64 = 50;

/// Reads `[limits]`; what is not named keeps its default.
pub(super) fn read(root: &Table<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(table) = root.table("limits") else {
        return limits;
    };
    table.expect_keys(keys::LIMITS, job::top_level);
    let Limits {
        create,
        update,
        tag,
        leave,
        returns,
        note,
        task,
    } = &mut limits;
    for (key, limit) in [
        ("create", create),
        ("update", update),
        ("tag", tag),
        ("leave", leave),
        ("return", returns),
        ("note", note),
        ("task", task),
    ] {
        if let Some(value) = table.value(key) {
            *limit = at_most(&table, key, &value, *limit);
        }
    }
    limits
}

/// The default of `drift`: how far a full walk may be off the gap of the walk before.
const DRIFT: Share = Share::Percent {
    percent: 0.5,
    atleast: 5,
};

/// Reads `limits.drift`.
pub(super) fn drift(root: &Table<'_>) -> Share {
    let Some(table) = root.table("limits") else {
        return DRIFT;
    };
    part(&table, "drift").unwrap_or(DRIFT)
}

fn at_most(table: &Table<'_>, key: &str, value: &Spot<&DeValue<'_>>, default: AtMost) -> AtMost {
    let inner = match value.value {
        DeValue::Table(_) => table.table(key),
        _ => None,
    };
    let Some(inner) = inner else {
        let expected = "a whole number, { percent = …, atleast = … } or { run = …, day = … }";
        return match count(table, key, value, expected) {
            Some(run) => with_day(Share::Count(run), None),
            None => default,
        };
    };
    inner.expect_keys(keys::LIMIT, job::top_level);
    let is_share = inner.has("percent") || inner.has("atleast");
    if is_share && inner.has("run") {
        let message =
            "`run` stands beside `percent` or `atleast`, expected one of the two".to_owned();
        table.report_at(value.at, key, message, None);
        return default;
    }
    let run = if is_share {
        share(&inner)
    } else {
        part(&inner, "run")
    };
    let day = part(&inner, "day");
    if let (Some(Share::Count(run)), Some(Share::Count(day))) = (run, day)
        && day < run
    {
        let message = format!("a day's limit of {day} is below a run's limit of {run}");
        table.report_at(value.at, key, message, None);
    }
    match (run, day) {
        (Some(run), day) => with_day(run, day),
        (None, None) => default,
        (None, Some(day)) => AtMost {
            run: smaller(default.run, day),
            day,
        },
    }
}

/// Returns a limit whose day is twice its run unless it is named.
fn with_day(run: Share, day: Option<Share>) -> AtMost {
    let twice = match run {
        Share::Count(count) => Share::Count(count.saturating_mul(2)),
        Share::Percent { percent, atleast } => Share::Percent {
            percent: (percent * 2.0).min(100.0),
            atleast: atleast.saturating_mul(2),
        },
    };
    AtMost {
        run,
        day: day.unwrap_or(twice),
    }
}

/// Returns the default of a run, or the day's limit where that is plainly smaller.
fn smaller(run: Share, day: Share) -> Share {
    match (run, day) {
        (Share::Count(run), Share::Count(day)) => Share::Count(run.min(day)),
        (
            Share::Percent {
                percent: run,
                atleast: run_floor,
            },
            Share::Percent {
                percent: day,
                atleast: day_floor,
            },
        ) => Share::Percent {
            percent: run.min(day),
            atleast: run_floor.min(day_floor),
        },
        (run @ Share::Count(_), Share::Percent { .. })
        | (run @ Share::Percent { .. }, Share::Count(_)) => run,
    }
}

/// Reads `run` or `day`: a number or a share.
fn part(table: &Table<'_>, key: &str) -> Option<Share> {
    let value = table.value(key)?;
    if let DeValue::Table(_) = value.value {
        let inner = table.table(key)?;
        inner.expect_keys(keys::SHARE, job::top_level);
        return share(&inner);
    }
    let expected = "a whole number or { percent = …, atleast = … }";
    count(table, key, &value, expected).map(Share::Count)
}

fn share(table: &Table<'_>) -> Option<Share> {
    let percent = match table.value("percent") {
        Some(value) => percent(table, &value),
        None => {
            let message = "missing, expected percent = 0 to 100".to_owned();
            table.report_absent("percent", message, None);
            None
        }
    };
    let atleast = match table.value("atleast") {
        Some(value) => count(table, "atleast", &value, "a whole number"),
        None => Some(ATLEAST),
    };
    Some(Share::Percent {
        percent: percent?,
        atleast: atleast?,
    })
}

fn percent(table: &Table<'_>, value: &Spot<&DeValue<'_>>) -> Option<f64> {
    let (number, shown): (Option<f64>, &str) = match value.value {
        DeValue::Integer(number) => (number.as_str().parse().ok(), number.as_str()),
        DeValue::Float(number) => (number.as_str().parse().ok(), number.as_str()),
        other => return table.wrong_type("percent", value.at, "a number", other),
    };
    match number {
        Some(number) if (0.0..=100.0).contains(&number) => Some(number),
        _ => {
            let message = format!("{shown} is out of range, expected 0 to 100");
            table.report_at(value.at, "percent", message, None);
            None
        }
    }
}

fn count(table: &Table<'_>, key: &str, value: &Spot<&DeValue<'_>>, expected: &str) -> Option<u64> {
    let DeValue::Integer(number) = value.value else {
        return table.wrong_type(key, value.at, expected, value.value);
    };
    match u64::from_str_radix(number.as_str(), number.radix()) {
        Ok(count) if count <= MOST => Some(count),
        _ => {
            let message = format!("{number} is out of range, expected 0 to {MOST}");
            table.report_at(value.at, key, message, None);
            None
        }
    }
}
