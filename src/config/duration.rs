//! Durations as people write them: `90s`, `15m`, `24h`, `7d`.

use std::time::Duration;

use super::reader::Table;
pub use crate::plan::taskdue::duration_of;

/// 60 minutes.
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
/// 24 hours.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Ten years; nothing here is longer.
pub(super) const YEARS: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Between what a duration has to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) least: Duration,
    pub(super) most: Duration,
}

/// Reads a duration, `None` when it is absent or not as it must be.
pub(super) fn read(table: &Table<'_>, key: &str, bounds: &Bounds) -> Option<Duration> {
    let text = table.text(key)?;
    let Some(duration) = duration_of(text.value) else {
        let message = format!(
            "`{}` is not a duration, expected a whole number with s, m, h or d, such as \"24h\"",
            text.value.escape_debug()
        );
        table.report_at(text.at, key, message, None);
        return None;
    };
    let limit = if duration < bounds.least {
        ("short", "least", bounds.least)
    } else if duration > bounds.most {
        ("long", "most", bounds.most)
    } else {
        return Some(duration);
    };
    let (too, at, limit) = limit;
    let message = format!(
        "`{}` is too {too}, expected at {at} {}",
        text.value,
        shown(limit)
    );
    table.report_at(text.at, key, message, None);
    None
}

/// Returns a duration in the largest unit that it is a whole number of.
fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm')];
    let fitting = units
        .into_iter()
        .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    match fitting {
        Some((unit, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}
