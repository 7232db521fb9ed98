//! The bits leaderboard of a channel.
//!
//! Source: Twitch API Reference, "Get Bits Leaderboard". It is a ranking of at most 100 people, without pages; nobody leaves it, one is
//! only overtaken. Periods are cut in Pacific Standard Time.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::PAGE_LIMIT;
use super::people::{PeoplePage, people_page};
use super::wire::{known, moment, moment_text, put};
use crate::apis::loose::Loose;
use crate::model::{BitsPeriod, RecordKey};
use crate::net::{Call, Method};

/// The scope that the leaderboard takes.
pub const BITS_SCOPE: &str = "bits:read";

/// How far Pacific Standard Time is behind UTC, in seconds.
const PST_BEHIND: i32 = 8 * 3600;

/// Reads the first hundred of the leaderboard of the token's own channel. Needs [`BITS_SCOPE`] as the broadcaster.
///
/// `within` is a moment of the wanted period, which the vendor wants for all but [`BitsPeriod::All`]; it is told the midnight that its day
/// began with in Pacific Standard Time. The answer names no channel: `broadcaster` is whose token it is. The vendor's `total` is only
/// the number of rows and is left out.
pub fn bits(
    broadcaster: &RecordKey,
    period: BitsPeriod,
    within: Option<DateTime<Utc>>,
) -> Call<PeoplePage> {
    let own = broadcaster.clone();
    let call = Call::new(
        Method::Get,
        "GET /bits/leaderboard",
        "/bits/leaderboard",
        move |bytes| leaderboard(bytes, &own),
    )
    .with("count", PAGE_LIMIT.to_string())
    .with("period", period.word());
    let within = within.filter(|_| period != BitsPeriod::All);
    match within.and_then(midnight_there) {
        Some(midnight) => call.with("started_at", midnight.to_rfc3339()),
        None => call,
    }
}

/// Returns the midnight that began the day in Pacific Standard Time; `None` beyond the calendar's ends.
fn midnight_there(moment: DateTime<Utc>) -> Option<DateTime<FixedOffset>> {
    let there = moment.with_timezone(&FixedOffset::west_opt(PST_BEHIND)?);
    there.with_time(NaiveTime::MIN).single()
}

fn leaderboard(bytes: &[u8], own: &RecordKey) -> Result<PeoplePage, crate::net::Unreadable> {
    #[derive(Deserialize)]
    struct Wire {
        date_range: Option<Value>,
    }
    let wire: Wire = crate::net::json(bytes)?;
    let mut page = people_page(bytes, own, place)?;
    page.total = None;
    // Empty texts when no start was given.
    let began = wire
        .date_range
        .as_ref()
        .and_then(|range| moment(range.get("started_at")?.as_str()?));
    if let Some(began) = began {
        for record in &mut page.records {
            put(
                &mut record.attributes,
                "period_started_at",
                Some(moment_text(began)),
            );
        }
    }
    Ok(page)
}

fn place(row: &Value, attributes: &mut BTreeMap<String, String>) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Row<'a> {
        #[serde(borrow)]
        rank: Loose<'a>,
        score: Loose<'a>,
    }
    let row = Row::deserialize(row).unwrap_or_default();
    put(attributes, "rank", known(&row.rank));
    put(attributes, "score", known(&row.score));
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;

    fn at(text: &str) -> Option<DateTime<Utc>> {
        moment(text)
    }

    #[test]
    fn a_leaderboard_as_documented() {
        let call = bits(&id("1"), BitsPeriod::Week, at("2018-02-07T01:02:03Z"));
        assert_eq!(
            (call.path.as_str(), call.is_read()),
            ("/bits/leaderboard", true)
        );
        let page = call
            .read(
                br#"{"data":[{"user_id":"158010205","user_login":"tundracowboy","user_name":"TundraCowboy","rank":1,"score":12543},
                {"user_id":"7168163","user_login":"topramens","user_name":"Topramens","rank":2,"score":6900}],
                "date_range":{"started_at":"2018-02-05T08:00:00Z","ended_at":"2018-02-12T08:00:00Z"},"total":2}"#,
            )
            .unwrap();
        assert_eq!(
            (page.listed, page.total, page.next.clone()),
            (2, None, None)
        );
        assert_eq!(
            page.records[1].attributes_json(),
            r#"{"period_started_at":"2018-02-05T08:00:00Z","rank":"2","score":"6900","user_id":"7168163","user_login":"topramens","user_name":"Topramens"}"#
        );
    }

    #[test]
    fn the_start_is_the_midnight_of_the_day_there() {
        let start = |period, now: &str| {
            let call = bits(&id("1"), period, at(now));
            let query: Vec<String> = call
                .query
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            query.join("&")
        };
        // One minute before and one after midnight in Pacific Standard Time, which has no summer.
        assert_eq!(
            start(BitsPeriod::Month, "2026-03-01T07:59:00Z"),
            "count=100&period=month&started_at=2026-02-28T00:00:00-08:00"
        );
        assert_eq!(
            start(BitsPeriod::Day, "2026-07-01T08:01:00Z"),
            "count=100&period=day&started_at=2026-07-01T00:00:00-08:00"
        );
        assert_eq!(
            start(BitsPeriod::All, "2026-03-01T07:59:00Z"),
            "count=100&period=all"
        );
        for period in BitsPeriod::ALL {
            assert!(start(period, "2026-03-01T07:59:00Z").contains(period.word()));
        }
    }

    #[test]
    fn a_leaderboard_of_all_time_has_no_period() {
        let call = bits(&id("9"), BitsPeriod::All, None);
        let page = call
            .read(
                br#"{"data":[{"user_id":"9","rank":1,"score":5},{"user_id":"2","rank":2,"score":null}],
                "date_range":{"started_at":"","ended_at":""},"total":2}"#,
            )
            .unwrap();
        assert_eq!((page.listed, page.own), (2, 1));
        assert_eq!(
            page.records[0].attributes_json(),
            r#"{"rank":"2","user_id":"2"}"#
        );
        let empty = call.read(br#"{"data":null,"date_range":null,"total":0}"#);
        assert_eq!(empty, Ok(PeoplePage::default()));
    }
}
