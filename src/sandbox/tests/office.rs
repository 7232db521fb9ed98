//! What a location has besides contacts: businesses, users, workflows, campaigns, appointments; and notes as the editor keeps them.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn businesses_are_listed_made_and_given_contacts() {
    let settings = Settings {
        businesses: 3,
        ..small(3, 0)
    };
    let bench = Bench::new(settings).await;
    let page = format!("/businesses/?locationId={LOCATION_ID}&limit=2&skip=2");
    let listed = bench.hub("GET", &page, Value::Null).await.json();
    assert_eq!(listed["businesses"].as_array().unwrap().len(), 1);
    let nameless = json!({ "locationId": LOCATION_ID, "shoe": 1 });
    let refused = bench.hub("POST", "/businesses/", nameless).await;
    assert_eq!(refused.status, 422);
    for expected in ["property shoe should not exist", "name must be a string"] {
        assert!(refused.text.contains(expected), "{}", refused.text);
    }
    let body = json!({ "locationId": LOCATION_ID, "name": "Acme" });
    let made = bench.hub("POST", "/businesses/", body).await;
    assert_eq!(made.status, 201);
    let id = text(&made.json()["buiseness"]["id"]);
    let one = bench
        .hub("GET", &format!("/businesses/{id}"), Value::Null)
        .await;
    assert_eq!(one.json()["business"]["name"], "Acme");
    let gone = bench.hub("GET", "/businesses/nowhere", Value::Null).await;
    assert_eq!(gone.status, 400);
    assert!(gone.text.contains("not found"), "{}", gone.text);

    let contacts: Vec<String> = bench
        .sandbox
        .contacts()
        .iter()
        .map(|row| text(&row["id"]))
        .collect();
    let path = "/contacts/bulk/business";
    let attach = |business: Value| json!({ "locationId": LOCATION_ID, "ids": [contacts[0], "sandboxNobody0000001"], "businessId": business });
    let silent = json!({ "locationId": LOCATION_ID, "ids": contacts });
    assert_eq!(bench.hub("POST", path, silent).await.status, 422);
    let unknown = bench.hub("POST", path, attach(json!("nowhere"))).await;
    assert_eq!(unknown.status, 400);
    let done = bench.hub("POST", path, attach(json!(id))).await.json();
    assert_eq!(done, json!({ "success": true, "ids": [contacts[0]] }));
    let of = format!("/contacts/business/{id}?locationId={LOCATION_ID}");
    let rows = bench.hub("GET", &of, Value::Null).await.json();
    assert_eq!(
        (&rows["count"], &rows["contacts"][0]["id"]),
        (&json!(1), &json!(contacts[0]))
    );
    let none = bench
        .hub("GET", &format!("{of}&query=zzzz"), Value::Null)
        .await;
    assert_eq!(none.json()["count"], 0);
    bench.hub("POST", path, attach(Value::Null)).await;
    let rows = bench.hub("GET", &of, Value::Null).await.json();
    assert_eq!(rows["count"], 0);
    let many: Vec<String> = (0..51).map(|_| contacts[0].clone()).collect();
    let body = json!({ "locationId": LOCATION_ID, "ids": many, "businessId": id });
    assert_eq!(bench.hub("POST", path, body).await.status, 422);
}

#[tokio::test]
async fn contacts_go_into_workflows_and_campaigns_and_out() {
    let bench = Bench::new(small(1, 0)).await;
    let id = text(&bench.sandbox.contacts()[0]["id"]);
    let workflow = format!("/contacts/{id}/workflow/{WORKFLOW_ID}");
    let campaign = format!("/contacts/{id}/campaigns/{CAMPAIGN_ID}");
    let start = json!({ "eventStartTime": "2021-06-23T03:30:00+01:00" });
    assert_eq!(bench.hub("POST", &workflow, start).await.status, 200);
    assert_eq!(bench.hub("POST", &campaign, json!({})).await.status, 201);
    assert_eq!(
        bench.sandbox.enrolments(&id),
        [
            format!("campaign {CAMPAIGN_ID}"),
            format!("workflow {WORKFLOW_ID}")
        ]
    );
    let odd = bench.hub("POST", &workflow, json!({ "at": 1 })).await;
    assert_eq!(odd.status, 422);
    let nowhere = format!("/contacts/{id}/workflow/nowhere");
    assert_eq!(bench.hub("POST", &nowhere, json!({})).await.status, 400);
    let all = format!("/contacts/{id}/campaigns/removeAll");
    let left = bench.hub("DELETE", &all, Value::Null).await.json();
    assert_eq!(left["succeded"], true);
    bench.hub("DELETE", &workflow, json!({})).await;
    assert_eq!(bench.sandbox.enrolments(&id), Vec::<String>::new());
    // The name of the third version is unknown to the second.
    let new = format!("/contacts/{id}/campaigns/remove-all");
    assert_eq!(bench.hub("DELETE", &new, Value::Null).await.status, 404);
}

#[tokio::test]
async fn users_workflows_campaigns_and_appointments_are_listed() {
    let bench = Bench::new(small(2, 0)).await;
    for (path, name, id) in [
        ("/users/", "users", USER_IDS[0]),
        ("/workflows/", "workflows", WORKFLOW_ID),
        ("/campaigns/", "campaigns", CAMPAIGN_ID),
    ] {
        let listed = bench
            .hub(
                "GET",
                &format!("{path}?locationId={LOCATION_ID}"),
                Value::Null,
            )
            .await
            .json();
        assert_eq!(listed[name][0]["id"], id);
        let homeless = bench.hub("GET", path, Value::Null).await;
        assert_eq!(homeless.status, 403);
    }
    let drafts = format!("/campaigns/?locationId={LOCATION_ID}&status=draft");
    let drafts = bench.hub("GET", &drafts, Value::Null).await.json();
    assert_eq!(drafts["campaigns"], json!([]));
    let events = |id: &str| format!("/contacts/{id}/appointments");
    let ids: Vec<String> = bench
        .sandbox
        .contacts()
        .iter()
        .map(|row| text(&row["id"]))
        .collect();
    let first = bench.hub("GET", &events(&ids[0]), Value::Null).await.json();
    assert_eq!(first["events"][0]["startTime"], "2026-03-03 11:00:00");
    assert_eq!(first["events"][0]["contactId"], json!(ids[0]));
    let second = bench.hub("GET", &events(&ids[1]), Value::Null).await.json();
    assert_eq!(second["events"], json!([]));
}

#[tokio::test]
async fn a_note_may_be_kept_as_html_and_keeps_its_plain_text() {
    let bench = Bench::new(small(1, 0)).await;
    bench
        .sandbox
        .switch(|switches| switches.notes_as_html = true);
    let id = text(&bench.sandbox.contacts()[0]["id"]);
    let notes = format!("/contacts/{id}/notes");
    let made = bench
        .hub("POST", &notes, json!({ "body": "a < b" }))
        .await
        .json();
    assert_eq!(made["note"]["body"], "<p>a &lt; b</p>");
    assert_eq!(made["note"]["bodyText"], "a < b");
    let one = format!("{notes}/{}", text(&made["note"]["id"]));
    let pinned = bench
        .hub("PUT", &one, json!({ "pinned": true }))
        .await
        .json();
    assert_eq!(pinned["note"]["body"], "<p>a &lt; b</p>");
    assert_eq!(pinned["note"]["bodyText"], "a < b");
    let nowhere = bench
        .hub("GET", &format!("{notes}/nowhere"), Value::Null)
        .await;
    assert_eq!(nowhere.status, 400);
    assert!(nowhere.text.contains("Note with id nowhere not found"));
}

#[tokio::test]
async fn the_tasks_of_a_location_are_searched_strictly() {
    let bench = Bench::new(small(2, 0)).await;
    let ids: Vec<String> = bench
        .sandbox
        .contacts()
        .iter()
        .map(|row| text(&row["id"]))
        .collect();
    for (id, title) in [(&ids[0], "call"), (&ids[0], "write"), (&ids[1], "call")] {
        let task = json!({ "title": title, "dueDate": "2026-07-20T10:00:00Z", "completed": title == "write" });
        bench
            .hub("POST", &format!("/contacts/{id}/tasks"), task)
            .await;
    }
    let path = format!("/locations/{LOCATION_ID}/tasks/search");
    for (body, found) in [
        (json!({}), 3),
        (json!({ "contactId": [ids[0]] }), 2),
        (json!({ "completed": false }), 2),
        (json!({ "query": "CALL" }), 2),
        (json!({ "limit": 1, "skip": 2 }), 1),
        (json!({ "businessId": "63771dca0000000000000001" }), 0),
    ] {
        let tasks = bench.hub("POST", &path, body.clone()).await.json();
        assert_eq!(tasks["tasks"].as_array().unwrap().len(), found, "{body}");
    }
    for odd in [
        json!({ "contactId": "x" }),
        json!({ "completed": "no" }),
        json!({ "limit": "5" }),
        json!({ "sort": "title" }),
    ] {
        let reply = bench.hub("POST", &path, odd.clone()).await;
        assert_eq!(reply.status, 422, "{odd}");
    }
}

#[tokio::test]
async fn a_page_that_nobody_limits_has_the_documented_length() {
    let settings = Settings {
        businesses: 101,
        ..small(30, 0)
    };
    let bench = Bench::new(settings).await;
    let ids: Vec<String> = bench
        .sandbox
        .contacts()
        .iter()
        .map(|row| text(&row["id"]))
        .collect();
    let business = text(&bench.sandbox.businesses()[0]["id"]);
    let attach = json!({ "locationId": LOCATION_ID, "ids": ids, "businessId": business });
    bench.hub("POST", "/contacts/bulk/business", attach).await;
    for _ in 0..26 {
        let task =
            json!({ "title": "call", "dueDate": "2026-07-20T10:00:00Z", "completed": false });
        bench
            .hub("POST", &format!("/contacts/{}/tasks", ids[0]), task)
            .await;
    }
    let here = format!("locationId={LOCATION_ID}");
    for (path, name, length) in [
        (format!("/contacts/?{here}"), "contacts", 20),
        (
            format!("/contacts/business/{business}?{here}"),
            "contacts",
            25,
        ),
        (format!("/businesses/?{here}"), "businesses", 100),
    ] {
        let page = bench.hub("GET", &path, Value::Null).await.json();
        assert_eq!(page[name].as_array().unwrap().len(), length, "{path}");
    }
    let search = format!("/locations/{LOCATION_ID}/tasks/search");
    let page = bench.hub("POST", &search, json!({})).await.json();
    assert_eq!(page["tasks"].as_array().unwrap().len(), 25);
}
