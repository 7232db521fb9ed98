//! Limits, scopes and faults.

use serde_json::{Value, json};

use super::*;

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
async fn the_control_plane_scripts_the_same_world() {
    let bench = Bench::new(small(1, 0)).await;
    let control = async |path: &str, body: Value| {
        let url = bench.sandbox.control_url() + path;
        let call = match body.is_null() {
            true => bench.client.get(url),
            false => {
                let call = bench
                    .client
                    .post(url)
                    .header("content-type", "application/json");
                call.body(body.to_string())
            }
        };
        read(call.send().await.unwrap()).await.unwrap()
    };
    let change =
        json!({ "do": "add_contact", "first": "Ada", "fields": { "twitch_user_id": "12" } });
    let id = text(&control("/change", change).await.json()["id"]);
    let found = control(
        "/contacts_by_field?key=twitch_user_id&value=12",
        Value::Null,
    )
    .await;
    assert_eq!(found.json()[0]["id"], id);
    let wrong = json!({ "do": "add_tag", "id": "nobody", "tag": "x" });
    assert_eq!(control("/change", wrong).await.status, 400);
    let before = bench.sandbox.now();
    control("/advance", json!({ "ms": 86_400_000 })).await;
    assert!(bench.sandbox.now() - before >= chrono::TimeDelta::days(1));
    control(
        "/fault",
        json!({ "kind": "status_500", "route": "GET /contacts/{id}" }),
    )
    .await;
    assert_eq!(
        bench
            .hub("GET", &format!("/contacts/{id}"), Value::Null)
            .await
            .status,
        500
    );
    let state = control("/state", Value::Null).await.json();
    assert_eq!(state["calls"], json!({ "GET /contacts/{id}": 1 }));
    assert_eq!(
        (&state["contacts"], &state["indexed"]),
        (&json!(2), &json!(2))
    );
}

#[tokio::test]
async fn repeated_and_missing_cursors_mislead() {
    let bench = Bench::new(small(30, 0)).await;
    let path = format!("/contacts/?locationId={LOCATION_ID}&limit=10");
    let fault = |kind, route: &str| bench.sandbox.fault(Fault::new(kind).on(route));
    fault(FaultKind::RepeatedCursor, "GET /contacts/");
    let first = bench.hub("GET", &path, Value::Null).await.json();
    let meta = &first["meta"];
    let next = format!(
        "{path}&startAfter={}&startAfterId={}",
        meta["startAfter"],
        text(&meta["startAfterId"])
    );
    let second = bench.hub("GET", &next, Value::Null).await.json();
    assert_eq!(ids(&second), ids(&first));
    fault(FaultKind::MissingCursor, "GET /channels/followers");
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}&first=10");
    let page = bench.helix(&path, TWITCH_TOKEN).await.json();
    assert_eq!(page["pagination"], json!({}));
    assert_eq!(page["data"].as_array().unwrap().len(), 10);
    fault(FaultKind::MissingPermission, "GET /channels/followers");
    assert_eq!(
        bench.helix(&path, TWITCH_TOKEN).await.json()["data"],
        json!([])
    );
}
