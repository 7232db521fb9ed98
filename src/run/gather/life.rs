//! What a record keeps from one listing to the next: what the vendor left blank, and since when it is listed.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Months, SecondsFormat, Utc};

use crate::model::Record;
use crate::plan::Presence;
use crate::store::walks::Listed;

use super::super::error::RunError;
use super::page::Listing;

/// Since when this program has listed somebody without a break, as it has seen.
const SINCE: &str = "since";
/// Whole months since then.
const MONTHS: &str = "months";
/// Attributes that a listing takes away by not naming them; every other one that it leaves blank is unknown and stays as it was.
const ENDS_WHEN_BLANK: [&str; 5] = [
    "is_gift",
    "gifter_id",
    "gifter_login",
    "gifter_name",
    "period_started_at",
];

/// How a listed row differs from the roster's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Differs {
    /// Not at all.
    No,
    /// In its age alone, which the vendor knows nothing of.
    InAge,
    /// In what the vendor told.
    Yes,
}

/// Makes what is to be kept of a row that is listed for the first time.
pub(super) fn begun(listing: Listing, record: &Record, began: DateTime<Utc>) -> Record {
    let mut record = record.clone();
    age(listing, &mut record, began, began);
    record
}

/// Makes what is to be kept of a row that the roster knows, and says how that differs from what it has.
///
/// `began` is when the walk did. Whoever was out until now is listed since then.
///
/// Errors: stored attributes that are no JSON, which is a bug.
pub(super) fn lived(
    listing: Listing,
    record: &Record,
    stored: &Listed,
    began: DateTime<Utc>,
) -> Result<(Record, Differs), RunError> {
    let old: BTreeMap<String, String> =
        serde_json::from_str(&stored.attributes).map_err(|error| RunError::Bug {
            what: format!("stored attributes are no JSON: {error}"),
        })?;
    let mut record = record.clone();
    for (name, value) in &old {
        if !ENDS_WHEN_BLANK.contains(&name.as_str()) {
            let attributes = &mut record.attributes;
            attributes
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
    }
    let since = old
        .get(SINCE)
        .filter(|_| stored.presence == Presence::In)
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
        .map_or(began, |since| since.to_utc());
    age(listing, &mut record, since, began);
    let differs = if record.attributes == old {
        Differs::No
    } else {
        let mut aged = old;
        match record.attributes.get(MONTHS) {
            Some(months) => aged.insert(MONTHS.to_owned(), months.clone()),
            None => aged.remove(MONTHS),
        };
        match record.attributes == aged {
            true => Differs::InAge,
            false => Differs::Yes,
        }
    };
    Ok((record, differs))
}

fn age(listing: Listing, record: &mut Record, since: DateTime<Utc>, now: DateTime<Utc>) {
    let attributes = &mut record.attributes;
    if listing.keeps_since() {
        let text = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        attributes.insert(SINCE.to_owned(), text);
    }
    if listing.counts_months() {
        attributes.insert(MONTHS.to_owned(), months(since, now).to_string());
    }
}

/// Returns how many whole months went by, in UTC; the last day of a month counts as the day that it lacks.
fn months(since: DateTime<Utc>, now: DateTime<Utc>) -> u32 {
    let of = |moment: DateTime<Utc>| moment.year() * 12 + moment.month0().cast_signed();
    let most = u32::try_from(of(now) - of(since)).unwrap_or(0);
    let is_over = since
        .checked_add_months(Months::new(most))
        .is_some_and(|end| end <= now);
    if is_over {
        most
    } else {
        most.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn record(pairs: &[(&str, &str)]) -> Record {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Record {
            key: "7".to_owned().try_into().unwrap(),
            attributes: pairs.collect(),
        }
    }

    fn stored(record: &Record, presence: Presence) -> Listed {
        Listed {
            no: 1,
            attributes: record.attributes_json(),
            presence,
            missing: false,
            known: true,
        }
    }

    #[test]
    fn months_are_whole_ones() {
        let since = at("2026-01-31T12:00:00Z");
        for (now, whole) in [
            ("2026-01-31T12:00:00Z", 0),
            ("2026-02-28T11:59:59Z", 0),
            ("2026-02-28T12:00:00Z", 1),
            ("2026-03-31T11:00:00Z", 1),
            ("2026-03-31T12:00:00Z", 2),
            ("2027-01-31T12:00:00Z", 12),
            // A clock that was set back.
            ("2025-01-31T12:00:00Z", 0),
        ] {
            assert_eq!(months(since, at(now)), whole, "{now}");
        }
    }

    #[test]
    fn a_life_goes_on_while_somebody_is_in_and_begins_anew_for_one_who_comes_back() {
        let (then, now) = (at("2026-01-10T00:00:00Z"), at("2026-03-12T00:00:00Z"));
        let listed = record(&[("user_id", "7"), ("tier", "1")]);
        let first = begun(Listing::Subscribers, &listed, then);
        assert_eq!(
            first.attributes_json(),
            r#"{"months":"0","since":"2026-01-10T00:00:00Z","tier":"1","user_id":"7"}"#
        );
        let seen = |presence, listed: &Record| {
            lived(Listing::Subscribers, listed, &stored(&first, presence), now).unwrap()
        };
        let (still, differs) = seen(Presence::In, &listed);
        assert_eq!(differs, Differs::InAge);
        assert_eq!(still.attributes["since"], "2026-01-10T00:00:00Z");
        assert_eq!(still.attributes["months"], "2");
        let (other, differs) = seen(Presence::In, &record(&[("user_id", "7"), ("tier", "2")]));
        assert_eq!(
            (differs, other.attributes["tier"].as_str()),
            (Differs::Yes, "2")
        );
        for out in [Presence::Out, Presence::Gone] {
            let (back, _) = seen(out, &listed);
            assert_eq!(back.attributes["since"], "2026-03-12T00:00:00Z");
            assert_eq!(back.attributes["months"], "0");
        }
    }

    #[test]
    fn a_blank_keeps_what_was_known_but_not_a_gift_that_is_over() {
        let then = at("2026-01-10T00:00:00Z");
        let old = record(&[
            ("user_id", "7"),
            ("user_login", "seven"),
            ("is_gift", "yes"),
            ("gifter_id", "8"),
            ("stream_id", "9"),
        ]);
        let blank = record(&[("user_id", "7")]);
        let seen = |listing| lived(listing, &blank, &stored(&old, Presence::In), then).unwrap();
        let (vip, _) = seen(Listing::Vips);
        assert_eq!(
            vip.attributes_json(),
            r#"{"since":"2026-01-10T00:00:00Z","stream_id":"9","user_id":"7","user_login":"seven"}"#
        );
        let (follower, _) = seen(Listing::Followers);
        assert!(!follower.attributes.contains_key("since"));
        let same = lived(
            Listing::Followers,
            &blank,
            &stored(&blank, Presence::In),
            then,
        );
        assert_eq!(same.unwrap().1, Differs::No);
    }
}
