//! The followers of a channel.
//!
//! Source: Twitch API Reference, "Get Channel Followers". Rows are read leniently, because deleted accounts leave blank ones behind.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::PAGE_LIMIT;
use super::wire::{Reply, cursor, key, moment, moment_text, person, put, rows};
use crate::apis::Odd;
use crate::apis::loose::Loose;
use crate::model::{Record, RecordKey};
use crate::net::{Call, Method, Unreadable};

/// The scope that listing followers takes.
pub const FOLLOWERS_SCOPE: &str = "moderator:read:followers";

/// An answer to a request for followers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followers {
    /// A page, which may be empty.
    Page(FollowersPage),
    /// The trap: followers are counted but not one is listed. The user is neither the broadcaster nor a moderator, or the scope is missing.
    NotEntitled {
        /// How many followers the channel has.
        total: u64,
    },
}

/// One page of followers, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowersPage {
    /// The followers, in the vendor's order; a key may come twice.
    pub records: Vec<Record>,
    /// Rows without a usable `user_id`, left out.
    pub odd: Odd,
    /// Rows whose `followed_at` could not be read; they are kept without it.
    pub odd_times: u64,
    /// How many rows the page had, those left out included.
    pub listed: u64,
    /// How many followers the channel has, as the vendor counts.
    pub total: Option<u64>,
    /// Where the next page begins; `None` ends the listing.
    pub next: Option<String>,
}

/// Whether a user follows a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Yes, since then (`None` when the time cannot be read).
    Following(Option<DateTime<Utc>>),
    /// No.
    NotFollowing,
}

/// Reads one page of 100 followers, newest first. Needs [`FOLLOWERS_SCOPE`] as the broadcaster or a moderator.
///
/// `after` is the cursor of the page before; `None` starts over. Pages may hold fewer rows although more follow, and may be empty in
/// between; only a missing cursor ends the listing.
pub fn followers(broadcaster: &RecordKey, after: Option<&str>) -> Call<Followers> {
    let first = after.is_none();
    let mut call = Call::new(
        Method::Get,
        "GET /channels/followers",
        "/channels/followers",
        move |bytes| followers_page(bytes, first),
    )
    .with("broadcaster_id", broadcaster.as_str())
    .with("first", PAGE_LIMIT.to_string());
    if let Some(after) = after {
        call = call.with("after", after);
    }
    call
}

/// Asks whether one user follows the channel.
///
/// Without the right to ask it is 401, which comes back as `NoPermission` or `Scope`, never as "not following".
pub fn follows(broadcaster: &RecordKey, user: &RecordKey) -> Call<Follows> {
    let asked = user.clone();
    Call::new(
        Method::Get,
        "GET /channels/followers?user_id",
        "/channels/followers",
        move |bytes| {
            let Reply { data, .. } = crate::net::json(bytes)?;
            let rows = rows(data)?;
            let mut found = rows
                .iter()
                .filter_map(|row| Follower::deserialize(row).ok());
            // An answer about somebody else proves nothing either way.
            match found.find(|row| row.user_id.text() == Some(asked.as_str())) {
                Some(row) => Ok(Follows::Following(row.followed_at.text().and_then(moment))),
                None if rows.is_empty() => Ok(Follows::NotFollowing),
                None => Err(Unreadable::Shape(
                    "the reply is about another user than asked for".to_owned(),
                )),
            }
        },
    )
    .with("broadcaster_id", broadcaster.as_str())
    .with("user_id", user.as_str())
}

/// Asks how many followers a channel has; any user token may. `None` when the answer does not say.
pub fn follower_total(broadcaster: &RecordKey) -> Call<Option<u64>> {
    Call::new(
        Method::Get,
        "GET /channels/followers?first=1",
        "/channels/followers",
        |bytes| {
            let Reply { data, total, .. } = crate::net::json(bytes)?;
            rows(data)?;
            Ok(total)
        },
    )
    .with("broadcaster_id", broadcaster.as_str())
    .with("first", "1")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Follower<'a> {
    #[serde(borrow)]
    user_id: Loose<'a>,
    user_login: Loose<'a>,
    user_name: Loose<'a>,
    followed_at: Loose<'a>,
}

/// A page of followers all of whose rows have the documented shape.
#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow)]
    data: Vec<Follower<'a>>,
    total: Option<u64>,
    pagination: Option<Value>,
}

fn followers_page(bytes: &[u8], first: bool) -> Result<Followers, Unreadable> {
    // In one go, which is what a million rows need; row by row when something about the page is odd.
    if let Ok(Rows {
        data,
        total,
        pagination,
    }) = serde_json::from_slice(bytes)
    {
        let rows: Vec<Option<Follower<'_>>> = data.into_iter().map(Some).collect();
        return Ok(page_of(rows, total, pagination.as_ref(), first));
    }
    let Reply {
        data,
        total,
        pagination,
    } = crate::net::json(bytes)?;
    let rows = rows(data)?;
    let rows = rows
        .iter()
        .map(|row| Follower::deserialize(row).ok())
        .collect();
    Ok(page_of(rows, total, pagination.as_ref(), first))
}

/// Makes the page; `None` is a row of an unexpected shape.
fn page_of(
    rows: Vec<Option<Follower<'_>>>,
    total: Option<u64>,
    pagination: Option<&Value>,
    first: bool,
) -> Followers {
    if let (true, true, Some(total @ 1..)) = (first, rows.is_empty(), total) {
        return Followers::NotEntitled { total };
    }
    let mut page = FollowersPage {
        records: Vec::with_capacity(rows.len()),
        odd: Odd::default(),
        odd_times: 0,
        listed: 0,
        total,
        next: cursor(pagination),
    };
    for row in rows {
        page.listed += 1;
        let Some(row) = row else {
            page.odd.add("it has an unexpected shape");
            continue;
        };
        let Some(key) = key(&row.user_id) else {
            page.odd.add("it has no user_id");
            continue;
        };
        let followed_at = row.followed_at.text().and_then(moment);
        if followed_at.is_none() {
            page.odd_times += 1;
        }
        page.records.push(record(key, &row, followed_at));
    }
    Followers::Page(page)
}

fn record(key: RecordKey, row: &Follower<'_>, followed_at: Option<DateTime<Utc>>) -> Record {
    let mut attributes = person(&key, &row.user_login, &row.user_name);
    put(&mut attributes, "followed_at", followed_at.map(moment_text));
    Record { key, attributes }
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;

    fn page(json: &str, after: Option<&str>) -> FollowersPage {
        match followers(&id("1"), after).read(json.as_bytes()).unwrap() {
            Followers::Page(page) => page,
            Followers::NotEntitled { total } => panic!("not entitled, {total} in all"),
        }
    }

    #[test]
    fn a_page_of_followers_as_documented() {
        let call = followers(&id("123"), None);
        assert_eq!(call.path, "/channels/followers");
        assert_eq!(
            call.query,
            [
                ("broadcaster_id", "123".to_owned()),
                ("first", "100".to_owned())
            ]
        );
        assert!(call.is_read());
        let page = page(
            r#"{"total":8,"data":[{"user_id":"11111","user_login":"userloginname","user_name":"UserDisplayName",
            "followed_at":"2022-05-24T22:22:08Z"}],"pagination":{"cursor":"eyJiIjpudWxsLCJhIjp7Ik9mZnNldCI6NX19"}}"#,
            None,
        );
        assert_eq!((page.total, page.listed), (Some(8), 1));
        assert_eq!(
            page.next.as_deref(),
            Some("eyJiIjpudWxsLCJhIjp7Ik9mZnNldCI6NX19")
        );
        let record = page.records.first().unwrap();
        assert_eq!(record.key, id("11111"));
        assert_eq!(
            record.attributes_json(),
            r#"{"followed_at":"2022-05-24T22:22:08Z","user_id":"11111","user_login":"userloginname","user_name":"UserDisplayName"}"#
        );
        let next = followers(&id("123"), Some("a+b="));
        assert_eq!(next.query.last(), Some(&("after", "a+b=".to_owned())));
    }

    #[test]
    fn odd_rows_cost_themselves_alone() {
        let page = page(
            r#"{"total":9,"data":[{"user_id":""},{},null,7,{"user_id":"a b"},
            {"user_id":"2","user_login":"","user_name":null,"followed_at":"yesterday"},
            {"user_id":3,"user_login":"three","followed_at":"2020-07-15T18:16:11.17106713Z","new_key":[1]}],"pagination":{}}"#,
            None,
        );
        assert_eq!((page.listed, page.odd.rows, page.odd_times), (7, 5, 1));
        let rows: Vec<String> = page.records.iter().map(Record::attributes_json).collect();
        assert_eq!(
            rows,
            [
                r#"{"user_id":"2"}"#,
                r#"{"followed_at":"2020-07-15T18:16:11Z","user_id":"3","user_login":"three"}"#
            ]
        );
    }

    #[test]
    fn every_shape_of_no_cursor_ends_the_listing() {
        let next = |pagination: &str| {
            let json = format!(r#"{{"data":[{{"user_id":"1"}}]{pagination}}}"#);
            page(&json, None).next
        };
        for none in [
            "",
            r#","pagination":{}"#,
            r#","pagination":null"#,
            r#","pagination":{"cursor":""}"#,
            r#","pagination":{"cursor":null}"#,
            r#","pagination":"""#,
        ] {
            assert_eq!(next(none), None, "{none}");
        }
        assert_eq!(next(r#","pagination":"bare""#).as_deref(), Some("bare"));
    }

    #[test]
    fn a_total_without_rows_is_no_empty_channel() {
        let read =
            |after: Option<&str>, json: &str| followers(&id("1"), after).read(json.as_bytes());
        assert_eq!(
            read(None, r#"{"total":8,"data":[],"pagination":{}}"#),
            Ok(Followers::NotEntitled { total: 8 })
        );
        assert_eq!(
            read(None, r#"{"total":8,"data":null}"#),
            Ok(Followers::NotEntitled { total: 8 })
        );
        // An empty channel, and the empty page after the last one, are pages.
        assert!(matches!(
            read(None, r#"{"total":0,"data":[],"pagination":{}}"#),
            Ok(Followers::Page(_))
        ));
        assert!(matches!(
            read(Some("c"), r#"{"total":8,"data":[],"pagination":{}}"#),
            Ok(Followers::Page(_))
        ));
        // No list at all is no page.
        assert!(read(Some("c"), r#"{"total":8}"#).is_err());
        assert!(read(Some("c"), r#"{"data":{}}"#).is_err());
    }

    #[test]
    fn the_probe_answers_for_the_one_asked_about() {
        let call = follows(&id("1"), &id("2"));
        assert_eq!(
            call.query,
            [
                ("broadcaster_id", "1".to_owned()),
                ("user_id", "2".to_owned())
            ]
        );
        let yes = call
            .read(br#"{"total":8,"data":[{"user_id":"2","followed_at":"2022-05-24T22:22:08Z"}]}"#);
        let at = DateTime::parse_from_rfc3339("2022-05-24T22:22:08Z")
            .unwrap()
            .with_timezone(&Utc);
        assert_eq!(yes, Ok(Follows::Following(Some(at))));
        assert_eq!(
            call.read(br#"{"total":8,"data":[],"pagination":{}}"#),
            Ok(Follows::NotFollowing)
        );
        assert!(
            call.read(br#"{"total":8,"data":[{"user_id":"3"}]}"#)
                .is_err()
        );
    }

    #[test]
    fn the_count_of_followers_needs_no_list_of_them() {
        let call = follower_total(&id("123"));
        assert_eq!(call.query.last(), Some(&("first", "1".to_owned())));
        let total = |json: &str| call.read(json.as_bytes());
        assert_eq!(total(r#"{"total":8,"data":[]}"#), Ok(Some(8)));
        assert_eq!(total(r#"{"data":null,"pagination":{}}"#), Ok(None));
        assert!(total(r#"{"total":8}"#).is_err());
    }
}
