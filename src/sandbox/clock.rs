//! The virtual clock, and time stamps as the vendors write them. All instants are milliseconds since 1970, UTC.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};

/// Virtual time: the start, plus real time gone by, plus whatever was added by hand.
pub(crate) struct VirtualClock {
    start: i64,
    frozen: bool,
    origin: Instant,
    offset: Arc<AtomicI64>,
}

impl VirtualClock {
    pub(crate) fn new(start: DateTime<Utc>, frozen: bool) -> VirtualClock {
        VirtualClock {
            start: start.timestamp_millis(),
            frozen,
            origin: Instant::now(),
            offset: Arc::new(AtomicI64::new(0)),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        let elapsed = if self.frozen {
            0
        } else {
            self.origin.elapsed().as_millis() as i64
        };
        self.start + elapsed + self.offset.load(Ordering::SeqCst)
    }

    /// Returns virtual time on the machine's dial.
    pub(crate) fn instant(&self) -> Instant {
        let passed = u64::try_from(self.now() - self.start).unwrap_or(0);
        self.origin + Duration::from_millis(passed)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.offset
            .fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }

    pub(crate) fn offset(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.offset)
    }
}

/// Returns year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1)
}

fn digits(out: &mut Vec<u8>, number: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (number / 10i64.pow(place) % 10) as u8);
    }
}

fn write_day(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil(days);
    digits(out, year, 4);
    out.push(b'-');
    digits(out, month, 2);
    out.push(b'-');
    digits(out, day, 2);
}

fn write_time(out: &mut Vec<u8>, seconds: i64) {
    out.push(b'T');
    digits(out, seconds / 3600, 2);
    out.push(b':');
    digits(out, seconds / 60 % 60, 2);
    out.push(b':');
    digits(out, seconds % 60, 2);
}

/// Appends `2026-07-17T10:26:20.635Z`.
pub(crate) fn write_millis(out: &mut Vec<u8>, ms: i64) {
    write_day(out, ms.div_euclid(86_400_000));
    write_time(out, ms.rem_euclid(86_400_000) / 1000);
    out.push(b'.');
    digits(out, ms.rem_euclid(1000), 3);
    out.push(b'Z');
}

/// Appends `2022-05-24T22:22:08Z`.
pub(crate) fn write_seconds(out: &mut Vec<u8>, ms: i64) {
    write_day(out, ms.div_euclid(86_400_000));
    write_time(out, ms.rem_euclid(86_400_000) / 1000);
    out.push(b'Z');
}

/// Returns `2026-07-17T10:26:20.635Z`.
pub(crate) fn millis_text(ms: i64) -> String {
    let mut out = Vec::with_capacity(24);
    write_millis(&mut out, ms);
    String::from_utf8(out).expect("time stamps are ASCII")
}

/// Returns `2026-07-17`.
pub(crate) fn day_text(ms: i64) -> String {
    let mut out = Vec::with_capacity(10);
    write_day(&mut out, ms.div_euclid(86_400_000));
    String::from_utf8(out).expect("dates are ASCII")
}

/// Returns the `Date` header's form, `Fri, 17 Jul 2026 10:26:20 GMT`.
pub(crate) fn http_date(ms: i64) -> String {
    moment(ms).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Returns the instant as chrono has it.
pub(crate) fn moment(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).expect("virtual time stays within chrono's range")
}

/// Reads an RFC 3339 time or a plain date (its midnight).
pub(crate) fn read_time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

/// Reads a date of birth in one of the documented spellings and returns its midnight.
pub(crate) fn read_birth_date(text: &str) -> Option<i64> {
    if let Some(time) = read_time(text) {
        return Some(time);
    }
    let forms = [
        "%Y/%m/%d", "%m/%d/%Y", "%m-%d-%Y", "%Y.%m.%d", "%m.%d.%Y", "%Y_%m_%d", "%m_%d_%Y",
    ];
    let day = forms
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(text, form).ok())?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_read_back() {
        for ms in [0, 951_782_400_123, 1_784_284_708_964, 4_102_444_799_999] {
            let text = millis_text(ms);
            assert_eq!(read_time(&text), Some(ms), "{text}");
            assert_eq!(day_text(ms), text[..10]);
        }
        assert_eq!(read_birth_date("02/29/2000"), read_time("2000-02-29"));
        assert_eq!(
            http_date(1_784_284_708_964),
            "Fri, 17 Jul 2026 10:38:28 GMT"
        );
    }
}
