//! The bits leaderboard of the token's own channel.
//!
//! Source: Twitch API Reference, "Get Bits Leaderboard".

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveTime};
use serde_json::{Value, json};

use super::super::clock::moment;
use super::super::wire::{Answer, Outcome};
use super::super::world::World;
use super::{Asked, malformed, refuse};

/// How far Pacific Standard Time, in which periods are cut, is behind UTC.
const PST_BEHIND_SECONDS: i32 = 8 * 3600;

/// Answers `GET /bits/leaderboard`.
pub(super) fn answer(world: &mut World, call: &Asked<'_>) -> Outcome {
    let Some(own) = call.user().filter(|_| call.scoped()) else {
        return Err(Box::new(call.unentitled()));
    };
    let count = call.number("count", 10)?;
    let range = range(call)?;
    if call.request.params("user_id").count() > 1 {
        return malformed("user_id", "only one value is allowed");
    }
    let mut sums: HashMap<&str, u64> = HashMap::new();
    let channel = world.audience.channel(own);
    for cheer in channel.map_or(&[][..], |channel| &channel.cheers) {
        if range.is_none_or(|(from, until)| from <= cheer.at && cheer.at < until) {
            *sums.entry(&cheer.id).or_default() += cheer.bits;
        }
    }
    let mut ranking: Vec<(&str, u64)> = sums.into_iter().collect();
    ranking.sort_by_key(|(id, score)| (u64::MAX - score, id.len(), *id));
    let accounts = ranking
        .into_iter()
        .filter_map(|(id, score)| Some((world.audience.accounts.get(id)?, score)));
    let rows: Vec<Value> = accounts
        .zip(1u64..)
        .map(|((account, score), rank)| {
            json!({
                "user_id": account.id,
                "user_login": account.login,
                "user_name": account.name,
                "rank": rank,
                "score": score,
            })
        })
        .collect();
    let count = count as usize;
    let rows = match call.request.param("user_id") {
        None => rows.into_iter().take(count).collect::<Vec<_>>(),
        Some(user) => {
            // With the user come the neighbors in rank, as many as fit around.
            let place = rows.iter().position(|row| row["user_id"] == user);
            let from = place.map_or(rows.len(), |place| place.saturating_sub(count / 2));
            rows.into_iter().skip(from).take(count).collect()
        }
    };
    let text = |ms: Option<i64>| {
        ms.map_or_else(String::new, |ms| {
            moment(ms).format("%Y-%m-%dT%H:%M:%SZ").to_string()
        })
    };
    let body = json!({
        "data": rows,
        "date_range": {
            "started_at": text(range.map(|(from, _)| from)),
            "ended_at": text(range.map(|(_, until)| until)),
        },
        "total": rows.len(),
    });
    Ok(Answer::value(200, &body))
}

/// Returns the period's first millisecond and the first one after it; `None` is all time.
fn range(call: &Asked<'_>) -> Outcome<Option<(i64, i64)>> {
    let period = call.request.param("period").unwrap_or("all");
    if !["all", "day", "week", "month", "year"].contains(&period) {
        return malformed(
            "period",
            "the value must be one of day, week, month, year, all",
        );
    }
    if period == "all" {
        return Ok(None);
    }
    let Some(text) = call.request.param("started_at") else {
        return refuse(400, "Missing required parameter \"started_at\"");
    };
    let Ok(start) = DateTime::parse_from_rfc3339(text) else {
        return malformed("started_at", "the value must be an RFC 3339 time");
    };
    let range = cut(period, start);
    range.map_or_else(
        || malformed("started_at", "the value is out of range"),
        |range| Ok(Some(range)),
    )
}

fn cut(period: &str, start: DateTime<FixedOffset>) -> Option<(i64, i64)> {
    let zone = FixedOffset::west_opt(PST_BEHIND_SECONDS)?;
    let day = start.with_timezone(&zone).date_naive();
    let (first, after) = match period {
        "day" => (day, day.checked_add_days(Days::new(1))?),
        "week" => {
            let past = u64::from(day.weekday().num_days_from_monday());
            let monday = day.checked_sub_days(Days::new(past))?;
            (monday, monday.checked_add_days(Days::new(7))?)
        }
        "month" => {
            let first = day.with_day(1)?;
            (first, first.checked_add_months(Months::new(1))?)
        }
        _ => {
            let first = NaiveDate::from_ymd_opt(day.year(), 1, 1)?;
            (first, first.checked_add_months(Months::new(12))?)
        }
    };
    let midnight = |day: NaiveDate| {
        let there = day.and_time(NaiveTime::MIN).and_local_timezone(zone);
        Some(there.single()?.timestamp_millis())
    };
    Some((midnight(first)?, midnight(after)?))
}
