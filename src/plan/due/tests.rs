use super::*;
use chrono_tz::{Africa, America, Asia, Atlantic, Australia, Europe, Pacific};

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// Returns all due moments in (`from`, `to`] as the zone's clock shows them.
fn moments(line: &str, zone: Tz, from: &str, to: &str) -> Vec<String> {
    let (mut at, to) = (utc(from), utc(to));
    let line = Line::parse(line).unwrap();
    let mut moments = Vec::new();
    while let Some(moment) = line.next(zone, at).filter(|moment| *moment <= to) {
        moments.push(
            moment
                .with_timezone(&zone)
                .format("%d %H:%M %z")
                .to_string(),
        );
        at = moment;
    }
    moments
}

#[test]
fn a_time_in_the_gap_comes_due_right_after_it() {
    // New York goes from 02:00 EST to 03:00 EDT on 8 March 2026.
    let (from, to) = ("2026-03-08T05:00:00Z", "2026-03-09T03:59:00Z");
    let new_york = |line| moments(line, America::New_York, from, to);
    assert_eq!(new_york("30 2 * * *"), ["08 03:00 -0400"]);
    assert_eq!(new_york("0,15,30 2 * * *"), ["08 03:00 -0400"]);
    assert_eq!(new_york("0 2,3 * * *"), ["08 03:00 -0400"]);
    assert_eq!(
        new_york("30 1,2,3 * * *"),
        ["08 01:30 -0500", "08 03:00 -0400", "08 03:30 -0400"]
    );
    // Lord Howe Island moves by half an hour, from 02:00 to 02:30, on 4 October 2026.
    let lord_howe = |line| {
        moments(
            line,
            Australia::Lord_Howe,
            "2026-10-03T13:30:00Z",
            "2026-10-04T12:00:00Z",
        )
    };
    assert_eq!(lord_howe("10 2 * * *"), ["04 02:30 +1100"]);
    assert_eq!(lord_howe("40 2 * * *"), ["04 02:40 +1100"]);
    // Beirut leaves out the first hour of 29 March 2026.
    let beirut = moments(
        "0 0 * * *",
        Asia::Beirut,
        "2026-03-28T12:00:00Z",
        "2026-03-29T12:00:00Z",
    );
    assert_eq!(beirut, ["29 01:00 +0300"]);
    // Apia left out a whole day, 30 December 2011.
    let apia = moments(
        "0 12 * * *",
        Pacific::Apia,
        "2011-12-29T12:00:00Z",
        "2011-12-31T12:00:00Z",
    );
    assert_eq!(apia, ["29 12:00 -1000", "31 00:00 +1400", "31 12:00 +1400"]);
}

#[test]
fn a_time_that_exists_twice_comes_due_once_at_the_first() {
    // New York goes from 02:00 EDT back to 01:00 EST on 1 November 2026.
    let (from, to) = ("2026-11-01T04:30:00Z", "2026-11-02T04:30:00Z");
    let new_york = |line| moments(line, America::New_York, from, to);
    assert_eq!(new_york("30 1 * * *"), ["01 01:30 -0400"]);
    assert_eq!(new_york("0 2 * * *"), ["01 02:00 -0500"]);
    assert_eq!(
        new_york("*/30 1 * * *"),
        ["01 01:00 -0400", "01 01:30 -0400"]
    );
    // Berlin: 03:00 back to 02:00 on 25 October 2026. Casablanca: 03:00 back to 02:00 for Ramadan, on 15 February 2026.
    let berlin = moments(
        "30 2 * * *",
        Europe::Berlin,
        "2026-10-24T12:00:00Z",
        "2026-10-25T12:00:00Z",
    );
    assert_eq!(berlin, ["25 02:30 +0200"]);
    let casablanca = moments(
        "30 2 * * *",
        Africa::Casablanca,
        "2026-02-14T12:00:00Z",
        "2026-02-15T12:00:00Z",
    );
    assert_eq!(casablanca, ["15 02:30 +0100"]);
    // Havana repeats the first hour of 1 November 2026.
    let havana = moments(
        "0 0 * * *",
        America::Havana,
        "2026-10-31T12:00:00Z",
        "2026-11-01T12:00:00Z",
    );
    assert_eq!(havana, ["01 00:00 -0400"]);
}

#[test]
fn a_rhythm_goes_on_through_both() {
    let count = |line, from, to| moments(line, America::New_York, from, to).len();
    // 23 and 25 hours from midnight to midnight.
    assert_eq!(
        count(
            "*/15 * * * *",
            "2026-03-08T04:59:00Z",
            "2026-03-09T03:59:00Z"
        ),
        23 * 4
    );
    assert_eq!(
        count(
            "*/15 * * * *",
            "2026-11-01T03:59:00Z",
            "2026-11-02T04:59:00Z"
        ),
        25 * 4
    );
    assert_eq!(
        moments(
            "30 * * * *",
            America::New_York,
            "2026-11-01T05:00:00Z",
            "2026-11-01T08:00:00Z"
        ),
        ["01 01:30 -0400", "01 01:30 -0500", "01 02:30 -0500"]
    );
    assert_eq!(
        moments(
            "30 * * * *",
            America::New_York,
            "2026-03-08T06:00:00Z",
            "2026-03-08T08:00:00Z"
        ),
        ["08 01:30 -0500", "08 03:30 -0400"]
    );
    // Kathmandu is 5:45 ahead, all year.
    assert_eq!(
        moments(
            "0 */6 * * *",
            Asia::Kathmandu,
            "2026-06-01T00:00:00Z",
            "2026-06-01T12:30:00Z"
        ),
        ["01 06:00 +0545", "01 12:00 +0545", "01 18:00 +0545"]
    );
}

#[test]
fn however_many_were_missed_one_is_caught_up() {
    let zone = Europe::Berlin;
    let now = utc("2026-07-10T12:07:00Z");
    let due = |line: &str, last: Option<&str>| due(line, zone, last.map(utc), now).unwrap();
    assert_eq!(
        due("*/15 * * * *", Some("2026-07-01T00:00:00Z")),
        Some(utc("2026-07-10T12:00:00Z"))
    );
    assert_eq!(due("*/15 * * * *", Some("2026-07-10T12:00:00Z")), None);
    assert_eq!(due("7 * * * *", Some("2026-07-10T11:07:00Z")), Some(now));
    assert_eq!(due("0 5 * * 0", None), Some(utc("2026-07-05T03:00:00Z")));
    assert_eq!(due("0 5 * * 0", Some("2026-07-05T03:00:00Z")), None);
    // A clock that was set back: what came due later than now is not due again.
    assert_eq!(due("*/15 * * * *", Some("2026-07-11T00:00:00Z")), None);
    assert_eq!(due("0 0 29 2 *", None), Some(utc("2024-02-28T23:00:00Z")));
    assert_eq!(due("0 0 31 2 *", None), None);
    assert_eq!(next("0 0 31 2 *", zone, now), Ok(None));
}

#[test]
fn days_are_read_as_cron_reads_them() {
    let june = |line| {
        let all = moments(
            line,
            Tz::UTC,
            "2026-05-31T23:59:00Z",
            "2026-06-30T23:59:00Z",
        );
        all.iter()
            .map(|moment| moment[..2].to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(june("0 0 * * 0"), "07 14 21 28");
    assert_eq!(june("0 0 * * 7"), "07 14 21 28");
    assert_eq!(june("0 0 * * SUN"), "07 14 21 28");
    assert_eq!(june("0 0 13 * 5"), "05 12 13 19 26");
    assert_eq!(june("0 0 13 * *"), "13");
    assert_eq!(june("0 0 L * *"), "30");
    assert_eq!(june("0 0 1 7 *"), "");
}

#[test]
fn what_is_not_five_fields_is_refused() {
    for wrong in [
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "a * * * *",
        "*/0 * * * *",
    ] {
        assert!(Line::parse(wrong).is_err(), "{wrong}");
    }
}

/// The rule again, by going through the minutes that really pass instead of through the calendar.
fn by_the_minute(
    line: &Line,
    zone: Tz,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Vec<DateTime<Utc>> {
    let shown = |moment: DateTime<Utc>| moment.with_timezone(&zone).naive_local();
    let names = |local: NaiveDateTime| {
        use chrono::Timelike;
        line.names_day(local.date())
            && line.hours.contains(&local.hour())
            && line.minutes.contains(&local.minute())
    };
    let minute = TimeDelta::minutes(1);
    let mut moments = Vec::new();
    let mut at = from + minute;
    let mut latest_shown = shown(at - TimeDelta::days(2));
    let mut before = at - TimeDelta::days(2);
    while before < at {
        latest_shown = latest_shown.max(shown(before));
        before += minute;
    }
    while at <= to {
        let local = shown(at);
        let is_first = local > latest_shown;
        let mut leapt = latest_shown + minute;
        let mut is_due = names(local) && (is_first || line.is_rhythm);
        while leapt < local {
            is_due |= !line.is_rhythm && names(leapt);
            leapt += minute;
        }
        if is_due {
            moments.push(at);
        }
        latest_shown = latest_shown.max(local);
        at += minute;
    }
    moments
}

#[test]
fn every_change_of_clocks_of_2026_is_as_the_rule_says() {
    let zones = [
        America::New_York,
        America::Havana,
        America::St_Johns,
        America::Santiago,
        America::Sao_Paulo,
        Europe::Berlin,
        Europe::London,
        Europe::Dublin,
        Atlantic::Azores,
        Africa::Casablanca,
        Africa::Cairo,
        Asia::Kathmandu,
        Asia::Beirut,
        Asia::Jerusalem,
        Australia::Lord_Howe,
        Australia::Sydney,
        Pacific::Chatham,
        Pacific::Auckland,
        Pacific::Easter,
        Tz::UTC,
    ];
    let lines = [
        "*/15 * * * *",
        "30 * * * *",
        "0 */2 * * *",
        "30 2 * * *",
        "5,35 0,1,2,3 * * *",
        "45 23 * * *",
        "0 4 * * 0",
    ];
    for zone in zones {
        let mut day = utc("2026-01-01T12:00:00Z");
        while day < utc("2027-01-01T00:00:00Z") {
            let next_day = day + TimeDelta::days(1);
            let offset = |moment: DateTime<Utc>| {
                moment.with_timezone(&zone).naive_local() - moment.naive_utc()
            };
            if offset(day) != offset(next_day) {
                let (from, to) = (day - TimeDelta::hours(14), next_day + TimeDelta::hours(14));
                for text in lines {
                    let line = Line::parse(text).unwrap();
                    let expected = by_the_minute(&line, zone, from, to);
                    let mut seen = Vec::new();
                    let mut at = from;
                    while let Some(moment) = line.next(zone, at).filter(|moment| *moment <= to) {
                        assert_eq!(
                            line.due(zone, Some(at), moment),
                            Some(moment),
                            "{text} {zone} {at}"
                        );
                        assert_eq!(
                            line.due(zone, Some(at), moment - TimeDelta::seconds(1)),
                            None,
                            "{text} {zone} {at}"
                        );
                        seen.push(moment);
                        at = moment;
                    }
                    assert_eq!(seen, expected, "{text} {zone}");
                }
            }
            day = next_day;
        }
    }
}
