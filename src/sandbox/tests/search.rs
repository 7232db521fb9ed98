//! Search and list: lag, cursors, limits of paging, a million rows.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn search_and_list_lag_behind_writes() {
    let bench = Bench::new(Settings {
        frozen: true,
        ..small(5, 2)
    })
    .await;
    bench
        .sandbox
        .switch(|switches| switches.lag = Duration::from_secs(60));
    let old = text(&bench.sandbox.contacts()[0]["id"]);
    let new = bench.create("Late").await;
    bench
        .hub(
            "PUT",
            &format!("/contacts/{old}"),
            json!({ "firstName": "Changed" }),
        )
        .await;
    bench.sandbox.advance(Duration::from_secs(59));
    let page = bench
        .search(json!({ "sort": [{ "field": "dateUpdated", "direction": "asc" }] }))
        .await;
    assert_eq!(page["total"], 5);
    assert_eq!(ids(&page)[0], old);
    assert_ne!(page["contacts"][0]["firstName"], "Changed");
    let fresh = bench
        .hub("GET", &format!("/contacts/{old}"), Value::Null)
        .await;
    assert_eq!(fresh.json()["contact"]["firstName"], "Changed");

    bench.sandbox.advance(Duration::from_secs(1));
    let page = bench
        .search(json!({ "sort": [{ "field": "dateUpdated", "direction": "asc" }] }))
        .await;
    let order = ids(&page);
    assert_eq!(page["total"], 6);
    assert!(
        order[4..].contains(&old) && order[4..].contains(&new),
        "{order:?}"
    );
    let list = bench
        .hub(
            "GET",
            &format!("/contacts/?locationId={LOCATION_ID}&limit=1"),
            Value::Null,
        )
        .await;
    assert_eq!(ids(&list.json()), [new]);
    assert_eq!(list.json()["contacts"][0]["firstName"], "late");
    assert_eq!(list.json()["contacts"][0]["firstNameRaw"], "Late");
}

#[tokio::test]
async fn the_list_needs_both_cursors() {
    let bench = Bench::new(small(25, 5)).await;
    let path = format!("/contacts/?locationId={LOCATION_ID}&limit=10");
    let first = bench.hub("GET", &path, Value::Null).await.json();
    let (ms, id) = (
        &first["meta"]["startAfter"],
        text(&first["meta"]["startAfterId"]),
    );
    let half = bench
        .hub("GET", &format!("{path}&startAfter={ms}"), Value::Null)
        .await
        .json();
    assert_eq!(ids(&half), ids(&first));
    let mut seen = ids(&first);
    let mut cursor = (ms.clone(), id);
    loop {
        let next = format!("{path}&startAfter={}&startAfterId={}", cursor.0, cursor.1);
        let page = bench.hub("GET", &next, Value::Null).await.json();
        if ids(&page).is_empty() {
            break;
        }
        seen.extend(ids(&page));
        cursor = (
            page["meta"]["startAfter"].clone(),
            text(&page["meta"]["startAfterId"]),
        );
    }
    let mut truth: Vec<String> = bench
        .sandbox
        .contacts()
        .iter()
        .map(|row| text(&row["id"]))
        .collect();
    truth.reverse();
    assert_eq!(seen, truth);
    assert_eq!(first["meta"]["total"], 25);
    let missing = bench.hub("GET", "/contacts/?limit=10", Value::Null).await;
    assert_eq!(missing.status, 403);
    let large = bench
        .hub("GET", &path.replace("=10", "=101"), Value::Null)
        .await;
    assert_eq!(large.status, 422);
}

#[tokio::test]
async fn search_walks_ties_and_ends() {
    let bench = Bench::new(Settings {
        frozen: true,
        ..small(7, 0)
    })
    .await;
    for first in ["a", "b", "c", "d", "e"] {
        bench.create(first).await;
    }
    bench.sandbox.settle();
    for direction in ["asc", "desc"] {
        for field in ["dateAdded", "dateUpdated", "firstNameLowerCase"] {
            let sort = json!([{ "field": field, "direction": direction }]);
            let mut seen = Vec::new();
            let mut body = json!({ "sort": sort, "pageLimit": 3 });
            loop {
                let page = bench.search(body.clone()).await;
                assert_eq!(page["total"], 12);
                let rows = page["contacts"].as_array().unwrap();
                let Some(last) = rows.last() else { break };
                body["searchAfter"] = last["searchAfter"].clone();
                seen.extend(ids(&page));
            }
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 12, "{field} {direction}");
        }
    }
}

#[tokio::test]
async fn search_is_strict() {
    let bench = Bench::new(small(3, 1)).await;
    let status = async |body: Value| bench.hub("POST", "/contacts/search", body).await.status;
    let base = json!({ "locationId": LOCATION_ID, "pageLimit": 500 });
    let with = |key: &str, value: Value| {
        let mut body = base.clone();
        body[key] = value;
        body
    };
    assert_eq!(status(base.clone()).await, 200);
    assert_eq!(status(json!({ "locationId": LOCATION_ID })).await, 422);
    assert_eq!(status(with("pageLimit", json!(501))).await, 422);
    assert_eq!(status(with("limit", json!(5))).await, 422);
    assert_eq!(status(with("page", json!(20))).await, 200);
    assert_eq!(status(with("page", json!(21))).await, 400);
    let range = json!([{ "field": "email", "operator": "contains", "value": "x" }]);
    assert_eq!(status(with("filters", range)).await, 422);
    let long = json!([{ "field": "id", "operator": "eq", "value": "x".repeat(76) }]);
    assert_eq!(status(with("filters", long)).await, 422);
    let named = json!([{ "field": "customFields.Twitch User Id", "operator": "exists" }]);
    let page = bench.search(json!({ "filters": named })).await;
    assert_eq!(page["total"], 0, "a field's name silently matches nothing");
}

#[tokio::test]
async fn a_million_people_are_walked_and_found() {
    let bench = Bench::new(Settings {
        followers: 1_000_000,
        contacts: 1_000_000,
        twins: 900_000,
        ..Settings::default()
    })
    .await;
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}&first=100");
    let first = bench.helix(&path, TWITCH_TOKEN).await.json();
    assert_eq!(first["total"], 1_000_000);
    let after = text(&first["pagination"]["cursor"]);
    let second = bench
        .helix(&format!("{path}&after={after}"), TWITCH_TOKEN)
        .await
        .json();
    let follower = text(&second["data"][17]["user_id"]);

    let field = bench.sandbox.field_id("twitch_user_id").unwrap();
    let marker =
        json!([{ "field": format!("customFields.{field}"), "operator": "eq", "value": follower }]);
    let page = bench.search(json!({ "filters": marker })).await;
    assert_eq!(page["total"], 1);
    let id = text(&page["contacts"][0]["id"]);
    let truth = bench.sandbox.contact(&id).unwrap();
    assert_eq!(truth["fields"]["twitch_user_id"], follower.as_str());

    bench
        .hub(
            "PUT",
            &format!("/contacts/{id}"),
            json!({ "lastName": "Moved" }),
        )
        .await;
    bench.sandbox.settle();
    let since = bench.sandbox.now() - Duration::from_secs(7_200);
    let since = json!([{ "field": "dateUpdated", "operator": "range", "value": { "gte": since.to_rfc3339() } }]);
    let sort = json!([{ "field": "dateUpdated", "direction": "asc" }]);
    let body = json!({ "filters": since, "sort": sort, "pageLimit": 500 });
    let page = bench.search(body).await;
    let total = page["total"].as_u64().unwrap() as usize;
    assert_eq!(ids(&page).len(), total.min(500));
    assert!((2..=400).contains(&total), "{total}");
    assert_eq!(ids(&page).last(), Some(&id));
}

#[tokio::test]
async fn a_marker_is_found_among_old_and_new_contacts() {
    let bench = Bench::new(Settings {
        frozen: true,
        ..small(10, 6)
    })
    .await;
    let field = bench.sandbox.field_id("twitch_user_id").unwrap();
    let followers = bench.sandbox.followers();
    let twin = bench
        .sandbox
        .contacts_by_field("twitch_user_id", &followers[2].id);
    let by = |values: Value| json!([{ "field": format!("customFields.{field}"), "operator": "eq", "value": values }]);
    let new = bench
        .sandbox
        .add_contact("New", "", "", &[], &[("twitch_user_id", "5")]);
    bench
        .sandbox
        .edit_contact(&text(&twin[0]["id"]), "twitch_user_id", "6");
    let found =
        async |value: &str| ids(&bench.search(json!({ "filters": by(json!(value)) })).await);
    assert_eq!(found("5").await, Vec::<String>::new(), "not yet");
    assert_eq!(
        found(&followers[2].id).await,
        [text(&twin[0]["id"])],
        "still"
    );
    bench.sandbox.settle();
    assert_eq!(found("5").await, [new.as_str()]);
    assert_eq!(found(&followers[2].id).await, Vec::<String>::new());
    assert_eq!(found("6").await, [text(&twin[0]["id"])]);
    bench.sandbox.delete_contact(&new);
    bench.sandbox.settle();
    assert_eq!(found("5").await, Vec::<String>::new());
    let group =
        json!([{ "group": "OR", "filters": [by(json!("6"))[0], by(json!(followers[4].id))[0]] }]);
    assert_eq!(bench.search(json!({ "filters": group })).await["total"], 2);
    let plain = bench.sandbox.contacts()[8].clone();
    let email = text(&plain["email"]).to_uppercase();
    let reach = json!([{ "field": "email", "operator": "eq", "value": email }]);
    let found = bench.search(json!({ "filters": reach })).await;
    assert_eq!(ids(&found), [text(&plain["id"])]);
    let tagged = json!([
        { "field": "tags", "operator": "contains", "value": ["twitch follower"] },
        { "field": "lastNameLowerCase", "operator": "not_exists" },
    ]);
    assert_eq!(bench.search(json!({ "filters": tagged })).await["total"], 6);
}

#[tokio::test]
async fn the_list_can_be_gone_and_the_total_capped() {
    let bench = Bench::new(small(10_001, 0)).await;
    assert_eq!(bench.search(json!({})).await["total"], 10_001);
    bench.sandbox.switch(|switches| {
        switches.search_total = SearchTotal::Capped;
        switches.list_refused = true;
    });
    assert_eq!(bench.search(json!({})).await["total"], 10_000);
    let path = format!("/contacts/?locationId={LOCATION_ID}");
    assert_eq!(bench.hub("GET", &path, Value::Null).await.status, 404);
}
