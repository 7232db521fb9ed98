//! The subscribers of a channel.
//!
//! Source: Twitch API Reference, "Get Broadcaster Subscriptions". It tells neither when a subscription began nor for how many months it
//! has run. The broadcaster stands in the list as a subscriber of the third tier and is not counted in `total` (issue 1034 of Twitch's
//! tracker); the last full page carries a cursor that leads to an empty page (issue 480).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::people::{PeoplePage, page, people_of, people_page};
use super::wire::{known, put};
use crate::apis::loose::Loose;
use crate::model::RecordKey;
use crate::net::{Call, Method};

/// The scope that listing subscribers takes.
pub const SUBSCRIBERS_SCOPE: &str = "channel:read:subscriptions";

/// Reads one page of 100 subscribers, with `total` and `points`. Needs [`SUBSCRIBERS_SCOPE`] as the broadcaster.
///
/// `after` is the cursor of the page before; `None` starts over. A page may be empty although more follow.
pub fn subscribers(broadcaster: &RecordKey, after: Option<&str>) -> Call<PeoplePage> {
    let own = broadcaster.clone();
    let call = Call::new(
        Method::Get,
        "GET /subscriptions",
        "/subscriptions",
        move |bytes| people_page(bytes, &own, subscription),
    )
    .with("broadcaster_id", broadcaster.as_str());
    page(call, after)
}

/// Looks up which of these users are subscribers, at most 100. A user who is none is left out of the answer.
///
/// An answer that names anybody else is unreadable, because then an absence proves nothing.
pub fn subscribers_of(broadcaster: &RecordKey, ids: &[RecordKey]) -> Call<PeoplePage> {
    let route = "GET /subscriptions?user_id";
    people_of(route, "/subscriptions", broadcaster, ids, subscription)
}

fn subscription(row: &Value, attributes: &mut BTreeMap<String, String>) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Row<'a> {
        #[serde(borrow)]
        tier: Loose<'a>,
        plan_name: Loose<'a>,
        is_gift: Loose<'a>,
        gifter_id: Loose<'a>,
        gifter_login: Loose<'a>,
        gifter_name: Loose<'a>,
    }
    // A row that is no object has no person either and never comes here.
    let row = Row::deserialize(row).unwrap_or_default();
    let tier = known(&row.tier).map(|tier| match tier.as_str() {
        "1000" => "1".to_owned(),
        "2000" => "2".to_owned(),
        "3000" => "3".to_owned(),
        _ => tier,
    });
    put(attributes, "tier", tier);
    put(attributes, "plan", known(&row.plan_name));
    let gift = row.is_gift.text() == Some("true");
    put(attributes, "is_gift", gift.then(|| "yes".to_owned()));
    put(attributes, "gifter_id", known(&row.gifter_id));
    put(attributes, "gifter_login", known(&row.gifter_login));
    put(attributes, "gifter_name", known(&row.gifter_name));
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;

    #[test]
    fn a_page_of_subscribers_as_documented() {
        let call = subscribers(&id("141981764"), None);
        assert_eq!(
            (call.path.as_str(), call.is_read()),
            ("/subscriptions", true)
        );
        let page = call
            .read(
                br#"{"data":[{"broadcaster_id":"141981764","broadcaster_login":"twitchdev","broadcaster_name":"TwitchDev",
                "gifter_id":"12826","gifter_login":"twitch","gifter_name":"Twitch","is_gift":true,"tier":"1000",
                "plan_name":"Channel Subscription (twitchdev)","user_id":"527115020","user_name":"twitchgaming",
                "user_login":"twitchgaming"}],"pagination":{"cursor":"xxxx"},"total":13,"points":13}"#,
            )
            .unwrap();
        assert_eq!((page.total, page.points), (Some(13), Some(13)));
        assert_eq!(page.next.as_deref(), Some("xxxx"));
        assert_eq!(
            page.records[0].attributes_json(),
            r#"{"gifter_id":"12826","gifter_login":"twitch","gifter_name":"Twitch","is_gift":"yes","plan":"Channel Subscription (twitchdev)","tier":"1","user_id":"527115020","user_login":"twitchgaming","user_name":"twitchgaming"}"#
        );
    }

    #[test]
    fn the_broadcasters_own_row_is_left_out_and_counted() {
        let page = subscribers(&id("9"), None)
            .read(
                br#"{"data":[{"user_id":"9","tier":"3000","is_gift":false}],"total":0,"points":0,"pagination":{}}"#,
            )
            .unwrap();
        assert_eq!((page.listed, page.own, page.total), (1, 1, Some(0)));
        assert!(page.records.is_empty());
    }

    #[test]
    fn tiers_become_digits_and_other_words_stay() {
        let rows: Vec<String> = ["\"2000\"", "3000", "\"prime\"", "\"\"", "null"]
            .iter()
            .map(|tier| {
                format!(r#"{{"user_id":"1","tier":{tier},"is_gift":false,"gifter_id":""}}"#)
            })
            .collect();
        let json = format!(r#"{{"data":[{}]}}"#, rows.join(","));
        let page = subscribers(&id("9"), None).read(json.as_bytes()).unwrap();
        let tiers: Vec<Option<&str>> = page
            .records
            .iter()
            .map(|record| record.attributes.get("tier").map(String::as_str))
            .collect();
        assert_eq!(tiers, [Some("2"), Some("3"), Some("prime"), None, None]);
        assert!(!page.records[0].attributes.contains_key("is_gift"));
        assert!(!page.records[0].attributes.contains_key("gifter_id"));
    }

    #[test]
    fn a_look_up_by_id_has_neither_total_nor_cursor() {
        let call = subscribers_of(&id("9"), &[id("1"), id("2")]);
        assert_eq!(call.query.len(), 3);
        let page = call
            .read(br#"{"data":[{"user_id":"2","tier":"1000"}],"pagination":{"cursor":""}}"#)
            .unwrap();
        assert_eq!((page.total, page.next), (None, None));
        assert_eq!(page.records[0].key, id("2"));
        assert!(call.read(br#"{"data":[{"user_id":"7"}]}"#).is_err());
    }
}
