//! The VIPs and moderators of a channel, and what all listings of people have in common.
//!
//! Source: Twitch API Reference, "Get VIPs" and "Get Moderators". Neither gives a total, so a listing of exactly 100 rows without a
//! cursor is suspicious (issue 1176 of Twitch's tracker), and moderators of long ago can come back (issue 1137).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::PAGE_LIMIT;
use super::wire::{cursor, key, person, rows};
use crate::apis::Odd;
use crate::apis::loose::Loose;
use crate::model::{Record, RecordKey};
use crate::net::{Call, Method, Unreadable};

/// The scopes of which listing VIPs takes one.
pub const VIPS_SCOPES: [&str; 2] = ["channel:read:vips", "channel:manage:vips"];

/// The scopes of which listing moderators takes one.
pub const MODERATORS_SCOPES: [&str; 2] = ["moderation:read", "channel:manage:moderators"];

/// One page of a listing of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeoplePage {
    /// The people, in the vendor's order, without the broadcaster; a key may come twice.
    pub records: Vec<Record>,
    /// Rows without a usable `user_id`, left out.
    pub odd: Odd,
    /// How many rows the page had, those left out included.
    pub listed: u64,
    /// How many of them were the broadcaster's own, left out.
    pub own: u64,
    /// How many there are as the vendor counts, without the broadcaster; only subscribers have it, and not when ids were asked for.
    pub total: Option<u64>,
    /// The subscription points; only subscribers have them, and not when ids were asked for.
    pub points: Option<u64>,
    /// Where the next page begins; `None` ends the listing.
    pub next: Option<String>,
}

/// Reads one page of 100 VIPs. Needs one of [`VIPS_SCOPES`] as the broadcaster.
///
/// `after` is the cursor of the page before; `None` starts over. A page may be empty although more follow.
pub fn vips(broadcaster: &RecordKey, after: Option<&str>) -> Call<PeoplePage> {
    let call = people("GET /channels/vips", "/channels/vips", broadcaster);
    page(call, after)
}

/// Looks up which of these users are VIPs, at most 100. A user who is none is left out of the answer.
///
/// An answer that names anybody else is unreadable, because then an absence proves nothing.
pub fn vips_of(broadcaster: &RecordKey, ids: &[RecordKey]) -> Call<PeoplePage> {
    let route = "GET /channels/vips?user_id";
    people_of(route, "/channels/vips", broadcaster, ids, no_more)
}

/// Reads one page of 100 moderators. Needs one of [`MODERATORS_SCOPES`] as the broadcaster.
///
/// `after` is the cursor of the page before; `None` starts over. A page may be empty although more follow.
pub fn moderators(broadcaster: &RecordKey, after: Option<&str>) -> Call<PeoplePage> {
    let (route, path) = ("GET /moderation/moderators", "/moderation/moderators");
    page(people(route, path, broadcaster), after)
}

/// Looks up which of these users are moderators, at most 100. A user who is none is left out of the answer.
///
/// An answer that names anybody else is unreadable, because then an absence proves nothing.
pub fn moderators_of(broadcaster: &RecordKey, ids: &[RecordKey]) -> Call<PeoplePage> {
    let route = "GET /moderation/moderators?user_id";
    people_of(route, "/moderation/moderators", broadcaster, ids, no_more)
}

fn people(route: &'static str, path: &str, broadcaster: &RecordKey) -> Call<PeoplePage> {
    let own = broadcaster.clone();
    Call::new(Method::Get, route, path, move |bytes| {
        people_page(bytes, &own, no_more)
    })
    .with("broadcaster_id", broadcaster.as_str())
}

/// Asks for one page of 100 rows.
pub(super) fn page(call: Call<PeoplePage>, after: Option<&str>) -> Call<PeoplePage> {
    let call = call.with("first", PAGE_LIMIT.to_string());
    match after {
        Some(after) => call.with("after", after),
        None => call,
    }
}

/// Asks for the rows of these users alone.
pub(super) fn people_of(
    route: &'static str,
    path: &str,
    broadcaster: &RecordKey,
    ids: &[RecordKey],
    more: More,
) -> Call<PeoplePage> {
    let own = broadcaster.clone();
    let asked: BTreeSet<RecordKey> = ids.iter().cloned().collect();
    let call = Call::new(Method::Get, route, path, move |bytes| {
        let page = people_page(bytes, &own, more)?;
        let of_them = |record: &Record| asked.contains(&record.key);
        if page.own > u64::from(asked.contains(&own)) || !page.records.iter().all(of_them) {
            return Err(Unreadable::Shape(
                "the reply is about other users than asked for".to_owned(),
            ));
        }
        Ok(page)
    })
    .with("broadcaster_id", broadcaster.as_str());
    ids.iter()
        .fold(call, |call, id| call.with("user_id", id.as_str()))
}

/// Reads what a row tells beyond its person.
pub(super) type More = fn(&Value, &mut BTreeMap<String, String>);

fn no_more(_: &Value, _: &mut BTreeMap<String, String>) {}

/// Reads a page of people, whatever endpoint it is of.
pub(super) fn people_page(
    bytes: &[u8],
    broadcaster: &RecordKey,
    more: More,
) -> Result<PeoplePage, Unreadable> {
    #[derive(Deserialize)]
    struct Wire {
        data: Value,
        total: Option<Value>,
        points: Option<Value>,
        pagination: Option<Value>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Row<'a> {
        #[serde(borrow)]
        user_id: Loose<'a>,
        user_login: Loose<'a>,
        user_name: Loose<'a>,
    }
    let wire: Wire = crate::net::json(bytes)?;
    let rows = rows(wire.data)?;
    let mut page = PeoplePage {
        listed: rows.len() as u64,
        // Both only serve to check a listing, so that an unreadable one is as good as none.
        total: wire.total.as_ref().and_then(Value::as_u64),
        points: wire.points.as_ref().and_then(Value::as_u64),
        next: cursor(wire.pagination.as_ref()),
        ..PeoplePage::default()
    };
    for value in &rows {
        let Ok(row) = Row::deserialize(value) else {
            page.odd.add("it has an unexpected shape");
            continue;
        };
        let Some(key) = key(&row.user_id) else {
            page.odd.add("it has no user_id");
            continue;
        };
        if key == *broadcaster {
            page.own += 1;
            continue;
        }
        let mut attributes = person(&key, &row.user_login, &row.user_name);
        more(value, &mut attributes);
        page.records.push(Record { key, attributes });
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;

    fn read(call: &Call<PeoplePage>, json: &str) -> PeoplePage {
        call.read(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_page_of_vips_as_documented() {
        let call = vips(&id("123"), None);
        assert_eq!(call.path, "/channels/vips");
        assert!(call.is_read());
        assert_eq!(
            call.query,
            [
                ("broadcaster_id", "123".to_owned()),
                ("first", "100".to_owned())
            ]
        );
        let page = read(
            &call,
            r#"{"data":[{"user_id":"11111","user_name":"UserDisplayName","user_login":"userloginname"}],
            "pagination":{"cursor":"eyJiIjpudWxsLCJhIjp7Ik9mZnNldCI6NX19"}}"#,
        );
        assert_eq!((page.listed, page.own, page.odd.rows), (1, 0, 0));
        assert_eq!((page.total, page.points), (None, None));
        assert_eq!(
            page.next.as_deref(),
            Some("eyJiIjpudWxsLCJhIjp7Ik9mZnNldCI6NX19")
        );
        assert_eq!(
            page.records[0].attributes_json(),
            r#"{"user_id":"11111","user_login":"userloginname","user_name":"UserDisplayName"}"#
        );
        let next = vips(&id("123"), Some("a+b="));
        assert_eq!(next.query.last(), Some(&("after", "a+b=".to_owned())));
    }

    #[test]
    fn a_page_of_moderators_as_documented() {
        let call = moderators(&id("198704263"), None);
        assert_eq!(call.path, "/moderation/moderators");
        let page = read(
            &call,
            r#"{"data":[{"user_id":"424596340","user_login":"quotrok","user_name":"quotrok"},
            {"user_id":"198704263","user_login":"aan22209","user_name":"aan22209"}],
            "pagination":{"cursor":"eyJiIjpudWxsLCJhIjp7IkN1cnNvciI6IjEwMDQ3MzA2NDo4NjQwNjU3MToxSVZCVDFKMnY5M1BTOXh3d1E0dUdXMkJOMFcifX0"}}"#,
        );
        // The second row is the broadcaster, whom nobody moderates.
        assert_eq!((page.listed, page.own, page.records.len()), (2, 1, 1));
        assert!(page.next.is_some());
    }

    #[test]
    fn odd_rows_cost_themselves_alone_and_are_counted() {
        let page = read(
            &moderators(&id("1"), None),
            r#"{"data":[{"user_id":""},{},null,7,{"user_id":"a b"},{"user_id":"  "},
            {"user_id":"2","user_login":"","user_name":" ","new_key":[1]},{"user_id":3,"user_login":"three"}],
            "total":"many","pagination":null}"#,
        );
        assert_eq!((page.listed, page.odd.rows, page.total), (8, 6, None));
        assert_eq!(page.odd.why.as_deref(), Some("it has no user_id"));
        let rows: Vec<String> = page.records.iter().map(Record::attributes_json).collect();
        assert_eq!(
            rows,
            [
                r#"{"user_id":"2"}"#,
                r#"{"user_id":"3","user_login":"three"}"#
            ]
        );
    }

    #[test]
    fn every_shape_of_no_cursor_and_of_no_rows_is_the_end() {
        for pagination in [
            "",
            r#","pagination":{}"#,
            r#","pagination":null"#,
            r#","pagination":"""#,
            r#","pagination":{"cursor":""}"#,
            r#","pagination":{"cursor":null}"#,
        ] {
            let page = read(
                &vips(&id("1"), None),
                &format!(r#"{{"data":null{pagination}}}"#),
            );
            assert_eq!(page, PeoplePage::default(), "{pagination}");
        }
        let bare = read(&vips(&id("1"), None), r#"{"data":[],"pagination":"abc"}"#);
        assert_eq!(bare.next.as_deref(), Some("abc"));
        assert!(vips(&id("1"), None).read(br#"{"total":3}"#).is_err());
    }

    #[test]
    fn an_answer_about_somebody_else_proves_nothing() {
        let call = moderators_of(&id("1"), &[id("2"), id("3")]);
        assert_eq!(
            call.query,
            [
                ("broadcaster_id", "1".to_owned()),
                ("user_id", "2".to_owned()),
                ("user_id", "3".to_owned())
            ]
        );
        let page = read(
            &call,
            r#"{"data":[{"user_id":"3"}],"pagination":{"cursor":""}}"#,
        );
        assert_eq!((page.records.len(), page.next), (1, None));
        for other in ["4", "1"] {
            let json = format!(r#"{{"data":[{{"user_id":"{other}"}}]}}"#);
            assert!(call.read(json.as_bytes()).is_err(), "{other}");
            let call = vips_of(&id("1"), &[id("2"), id("3")]);
            assert!(call.read(json.as_bytes()).is_err(), "{other}");
        }
        let own = vips_of(&id("1"), &[id("1")]);
        assert_eq!(read(&own, r#"{"data":[{"user_id":"1"}]}"#).own, 1);
    }
}
