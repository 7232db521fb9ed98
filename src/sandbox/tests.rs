//! The sandbox over a real socket: is it as strict, as late and as limited as the documents say?

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::*;

/// A sandbox and a client that speaks to it.
struct Bench {
    sandbox: Sandbox,
    client: Client,
}

struct Reply {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Bench {
    async fn new(settings: Settings) -> Bench {
        // A second installation fails because the first one stands, which is all that is wanted.
        drop(rustls::crypto::ring::default_provider().install_default());
        Bench {
            sandbox: Sandbox::start(settings).await.unwrap(),
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn try_hub(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<Reply> {
        let url = self.sandbox.highlevel_url() + path;
        let mut call = self
            .client
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url)
            .header("authorization", format!("Bearer {HIGHLEVEL_TOKEN}"))
            .header("version", "2021-07-28");
        if let Some(body) = body {
            call = call
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        read(call.send().await?).await
    }

    async fn hub(&self, method: &str, path: &str, body: Value) -> Reply {
        let body = Some(body).filter(|body| !body.is_null());
        self.try_hub(method, path, body).await.unwrap()
    }

    async fn search(&self, body: Value) -> Value {
        let mut whole = json!({ "locationId": LOCATION_ID, "pageLimit": 100 });
        for (key, value) in body.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let reply = self.hub("POST", "/contacts/search", whole).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    async fn create(&self, first: &str) -> String {
        let body = json!({ "locationId": LOCATION_ID, "firstName": first });
        let reply = self.hub("POST", "/contacts/", body).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        text(&reply.json()["contact"]["id"])
    }

    async fn helix(&self, path: &str, token: &str) -> Reply {
        let call = self
            .client
            .get(self.sandbox.helix_url() + path)
            .header("authorization", format!("Bearer {token}"))
            .header("client-id", TWITCH_CLIENT_ID);
        read(call.send().await.unwrap()).await.unwrap()
    }
}

async fn read(response: reqwest::Response) -> reqwest::Result<Reply> {
    Ok(Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await?,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_string()
}

fn ids(page: &Value) -> Vec<String> {
    let rows = page["contacts"].as_array().unwrap();
    rows.iter().map(|row| text(&row["id"])).collect()
}

fn small(contacts: u64, twins: u64) -> Settings {
    Settings {
        contacts,
        twins,
        fields: true,
        ..Settings::default()
    }
}

#[tokio::test]
async fn unknown_keys_are_refused_all_at_once() {
    let bench = Bench::new(small(3, 0)).await;
    let id = text(&bench.sandbox.contacts()[0]["id"]);
    let body = json!({ "locationId": LOCATION_ID, "gender": "x", "shoe": 1, "firstName": 7 });
    let reply = bench.hub("PUT", &format!("/contacts/{id}"), body).await;
    assert_eq!(reply.status, 422);
    let messages = reply.json()["message"].to_string();
    for expected in [
        "property locationId should not exist",
        "property gender should not exist",
        "property shoe should not exist",
        "firstName must be a string",
    ] {
        assert!(messages.contains(expected), "{expected} in {messages}");
    }
    let nobody = json!({ "locationId": LOCATION_ID, "name": "Only A Name" });
    let reply = bench.hub("POST", "/contacts/", nobody).await;
    assert_eq!(reply.status, 422);
    assert!(reply.json()["message"].is_string());
    assert!(bench.sandbox.writes().iter().all(|call| !call.acted));
}

#[tokio::test]
async fn fields_go_in_and_come_out_differently() {
    let bench = Bench::new(small(0, 0)).await;
    let body = json!({
        "locationId": LOCATION_ID,
        "firstName": "Ünal 🦦",
        "tags": ["Twitch Follower", "VIP", "vip"],
        "customFields": [
            { "key": "twitch_user_id", "field_value": "007" },
            { "id": bench.sandbox.field_id("twitch_username"), "value": "dropped in silence" },
        ],
    });
    let reply = bench.hub("POST", "/contacts/", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let contact = reply.json()["contact"].clone();
    assert_eq!(contact["tags"], json!(["twitch follower", "vip"]));
    assert_eq!(contact["country"], "US");
    let field = bench.sandbox.field_id("twitch_user_id").unwrap();
    assert_eq!(
        contact["customFields"],
        json!([{ "id": field, "value": "007" }])
    );

    let id = text(&contact["id"]);
    let path = format!("/contacts/{id}");
    let added = bench
        .hub(
            "POST",
            &format!("{path}/tags"),
            json!({ "tags": ["New", "VIP"] }),
        )
        .await;
    assert_eq!(added.json()["tagsAdded"], json!(["new"]));
    let change = json!({ "tags": ["only"], "customFields": [{ "key": "twitch_username", "field_value": "u" }] });
    let reply = bench.hub("PUT", &path, change).await;
    assert_eq!(reply.json()["succeded"], true);
    assert_eq!(reply.json()["contact"]["tags"], json!(["only"]));
    let truth = bench.sandbox.contact(&id).unwrap();
    assert_eq!(
        truth["fields"],
        json!({ "twitch_user_id": "007", "twitch_username": "u" })
    );
    let unknown = json!({ "customFields": [{ "key": "nothing", "field_value": "u" }] });
    assert_eq!(bench.hub("PUT", &path, unknown).await.status, 422);
}

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
async fn duplicates_are_named() {
    let bench = Bench::new(small(3, 0)).await;
    let known = bench.sandbox.contacts()[1].clone();
    let body = json!({ "locationId": LOCATION_ID, "firstName": "X", "email": text(&known["email"]).to_uppercase() });
    let reply = bench.hub("POST", "/contacts/", body.clone()).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["meta"]["contactId"], known["id"]);
    assert_eq!(reply.json()["meta"]["matchingField"], "email");
    let phone = text(&known["phone"]).replace('+', "%2B");
    let path = format!("/contacts/search/duplicate?locationId={LOCATION_ID}&number={phone}");
    assert_eq!(
        bench.hub("GET", &path, Value::Null).await.json()["contact"]["id"],
        known["id"]
    );
    let upsert = bench
        .hub("POST", "/contacts/upsert", body.clone())
        .await
        .json();
    assert_eq!(
        (&upsert["new"], &upsert["contact"]["id"]),
        (&json!(false), &known["id"])
    );
    bench
        .sandbox
        .switch(|switches| switches.allow_duplicates = true);
    assert_eq!(bench.hub("POST", "/contacts/", body).await.status, 201);
    let neither = json!({ "locationId": LOCATION_ID, "firstName": "X" });
    assert_eq!(
        bench.hub("POST", "/contacts/upsert", neither).await.status,
        400
    );
}

#[tokio::test]
async fn bulk_tags_refuse_or_cut() {
    let bench = Bench::new(small(60, 0)).await;
    let all: Vec<String> = bench
        .sandbox
        .contacts()
        .iter()
        .map(|row| text(&row["id"]))
        .collect();
    bench
        .sandbox
        .switch(|switches| switches.bulk_max = BulkMax::Refuse(50));
    let body = json!({ "locationId": LOCATION_ID, "contacts": all, "tags": ["Bulk"] });
    let path = "/contacts/bulk/tags/update/add";
    assert_eq!(bench.hub("POST", path, body.clone()).await.status, 422);
    bench
        .sandbox
        .switch(|switches| switches.bulk_max = BulkMax::Cut(50));
    let reply = bench.hub("POST", path, body).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.json()["responses"].as_array().unwrap().len(), 50);
    let tagged = bench
        .sandbox
        .contacts()
        .iter()
        .filter(|row| row["tags"].to_string().contains("\"bulk\""))
        .count();
    assert_eq!(tagged, 50);
    bench.sandbox.delete_contact(&all[0]);
    let body = json!({ "locationId": LOCATION_ID, "contacts": [all[0], "x"], "tags": ["Bulk"] });
    let reply = bench.hub("POST", path, body).await.json();
    assert_eq!(reply["errorCount"], 2);
    assert_eq!(reply["responses"][0]["message"], "contact is deleted");
}

#[tokio::test]
async fn the_limit_is_a_window_of_a_hundred() {
    let bench = Bench::new(Settings {
        speed: 1.0,
        ..small(1, 0)
    })
    .await;
    let path = format!("/locations/{LOCATION_ID}");
    for left in (0..100).rev() {
        let reply = bench.hub("GET", &path, Value::Null).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.headers["x-ratelimit-remaining"],
            left.to_string().as_str()
        );
    }
    let reply = bench.hub("GET", &path, Value::Null).await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.headers.get("retry-after"), None);
    assert_eq!(bench.sandbox.too_many(), 1);
    assert_eq!(bench.sandbox.count("GET /locations/{id}"), 101);
}

#[tokio::test]
async fn scopes_and_versions_are_checked() {
    let bench = Bench::new(Settings {
        highlevel_scopes: vec!["contacts.readonly".to_string()],
        ..small(1, 0)
    })
    .await;
    let reply = bench
        .hub(
            "POST",
            "/contacts/",
            json!({ "locationId": LOCATION_ID, "firstName": "x" }),
        )
        .await;
    assert_eq!(reply.status, 401);
    assert_eq!(
        reply.json()["message"],
        "The token is not authorized for this scope."
    );
    let url = bench.sandbox.highlevel_url() + "/contacts/x";
    let plain = bench
        .client
        .get(&url)
        .header("authorization", format!("Bearer {HIGHLEVEL_TOKEN}"));
    let reply = read(plain.send().await.unwrap()).await.unwrap();
    assert_eq!(reply.json()["message"], "version header was not found.");
}

#[tokio::test]
async fn faults_hit_before_or_after_the_act() {
    let bench = Bench::new(small(0, 0)).await;
    let body = |first: &str| Some(json!({ "locationId": LOCATION_ID, "firstName": first }));
    let fault = |kind| bench.sandbox.fault(Fault::new(kind).on("POST /contacts/"));
    let names = || {
        let all = bench.sandbox.contacts();
        all.iter()
            .map(|row| text(&row["firstName"]))
            .collect::<Vec<_>>()
    };
    fault(FaultKind::ResetBefore);
    assert!(
        bench
            .try_hub("POST", "/contacts/", body("a"))
            .await
            .is_err()
    );
    assert!(names().is_empty());
    fault(FaultKind::ResetAfter);
    assert!(
        bench
            .try_hub("POST", "/contacts/", body("b"))
            .await
            .is_err()
    );
    fault(FaultKind::BrokenBody);
    assert!(
        bench
            .try_hub("POST", "/contacts/", body("c"))
            .await
            .is_err()
    );
    fault(FaultKind::Unprocessable422Created { with_fields: false });
    assert_eq!(
        bench
            .try_hub("POST", "/contacts/", body("d"))
            .await
            .unwrap()
            .status,
        422
    );
    fault(FaultKind::TooMany {
        retry_after: Some(7),
    });
    let reply = bench
        .try_hub("POST", "/contacts/", body("e"))
        .await
        .unwrap();
    assert_eq!(
        (reply.status, &reply.headers["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    fault(FaultKind::Truncated);
    let reply = bench
        .try_hub("POST", "/contacts/", body("f"))
        .await
        .unwrap();
    assert!(serde_json::from_str::<Value>(&reply.text).is_err());
    assert_eq!(names(), ["b", "c", "d", "f"]);
    assert_eq!(
        bench.sandbox.too_many(),
        0,
        "an invented 429 is no violation"
    );
    let acted: Vec<bool> = bench
        .sandbox
        .writes()
        .iter()
        .map(|call| call.acted)
        .collect();
    assert_eq!(acted, [false, true, true, true, false, true]);
}

#[tokio::test]
async fn a_token_without_permission_sees_a_total_and_no_rows() {
    let bench = Bench::new(Settings::default()).await;
    let app = Token {
        holder: Holder::TwitchApp {
            client_id: TWITCH_CLIENT_ID.to_string(),
        },
        scopes: Vec::new(),
        expires_at_ms: None,
    };
    bench.sandbox.set_token("app", app);
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}&first=100");
    let reply = bench.helix(&path, "app").await;
    assert_eq!(
        reply.json(),
        json!({ "total": 25, "data": [], "pagination": {} })
    );
    let someone = bench.sandbox.followers()[3].id.clone();
    let probe = format!("{path}&user_id={someone}");
    assert_eq!(bench.helix(&probe, "app").await.status, 401);
    let reply = bench.helix(&probe, TWITCH_TOKEN).await;
    assert_eq!(reply.json()["data"][0]["user_id"], someone);
    assert_eq!(reply.json()["total"], 25);
    bench.sandbox.unfollow(&someone);
    assert_eq!(
        bench.helix(&probe, TWITCH_TOKEN).await.json()["data"],
        json!([])
    );
    let dead = bench.helix(&path, "dead").await;
    assert_eq!(dead.json()["message"], "Invalid OAuth token");
    assert!(
        dead.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("invalid_token")
    );
    assert_eq!(
        bench
            .helix(&path.replace("100", "101"), TWITCH_TOKEN)
            .await
            .status,
        400
    );
}

async fn walk(bench: &Bench, first: u64) -> Vec<String> {
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}&first={first}");
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = bench
            .helix(&format!("{path}{after}"), TWITCH_TOKEN)
            .await
            .json();
        let rows = page["data"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| text(&row["user_id"])));
        match page["pagination"]["cursor"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => return seen,
        }
    }
}

#[tokio::test]
async fn follower_pages_drift_while_one_walks() {
    let bench = Bench::new(Settings::default()).await;
    let before: Vec<String> = bench
        .sandbox
        .followers()
        .into_iter()
        .map(|row| row.id)
        .collect();
    assert_eq!(walk(&bench, 10).await, before);
    let join = |id: &str| Change::Follow {
        id: id.to_string(),
        login: "late".to_string(),
        name: "Late".to_string(),
    };
    bench.sandbox.drift(1, join("77"));
    let seen = walk(&bench, 10).await;
    assert_eq!(seen.len(), 26, "one row is seen twice");
    assert_eq!(seen[9], seen[10]);
    bench.sandbox.drift(
        2,
        Change::Unfollow {
            id: "77".to_string(),
        },
    );
    let seen = walk(&bench, 10).await;
    assert_eq!(
        seen.len(),
        25,
        "one row is skipped: 26 less the one that slid over the edge"
    );
    bench.sandbox.switch(|switches| {
        switches.last_cursor = true;
        switches.empty_pages = 2;
        switches.short_pages = true;
    });
    assert_eq!(walk(&bench, 10).await, before);
}

#[tokio::test]
async fn deleted_contacts_answer_as_the_switch_says() {
    for (deleted, status) in [
        (DeletedAnswer::BadRequest, 400),
        (DeletedAnswer::NotFound, 404),
        (DeletedAnswer::StillShown, 200),
    ] {
        let bench = Bench::new(small(3, 0)).await;
        bench.sandbox.switch(|switches| switches.deleted = deleted);
        let id = text(&bench.sandbox.contacts()[0]["id"]);
        let path = format!("/contacts/{id}");
        assert_eq!(bench.hub("DELETE", &path, Value::Null).await.status, 200);
        let reply = bench.hub("GET", &path, Value::Null).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.json()["contact"]["deleted"] == true, status == 200);
        assert!(
            bench
                .hub("PUT", &path, json!({ "firstName": "x" }))
                .await
                .status
                >= 400
        );
    }
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
