//! Writing contacts: strictness, shapes, duplicates, tags, notes, deletion.

use serde_json::{Value, json};

use super::*;

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
async fn notes_and_tasks_belong_to_a_contact() {
    let bench = Bench::new(small(1, 0)).await;
    let id = text(&bench.sandbox.contacts()[0]["id"]);
    let notes = format!("/contacts/{id}/notes");
    let reply = bench.hub("POST", &notes, json!({ "body": "hello" })).await;
    assert_eq!(
        (reply.status, &reply.json()["note"]["bodyText"]),
        (201, &json!("hello"))
    );
    let listed = bench.hub("GET", &notes, Value::Null).await.json();
    assert_eq!(listed["notes"][0]["body"], "hello");
    assert_eq!(
        bench
            .hub("POST", &notes, json!({ "text": "x" }))
            .await
            .status,
        422
    );

    let tasks = format!("/contacts/{id}/tasks");
    let task = json!({ "title": "call", "dueDate": "2026-07-20T10:00:00Z", "completed": false });
    let reply = bench.hub("POST", &tasks, task).await.json();
    assert_eq!(reply["task"]["dueDate"], "2026-07-20T10:00:00.000Z");
    let one = format!("{tasks}/{}", text(&reply["task"]["id"]));
    let precise = json!({ "dueDate": "2026-07-20T10:00:00.000Z" });
    assert_eq!(bench.hub("PUT", &one, precise).await.status, 422);
    let done = bench
        .hub(
            "PUT",
            &format!("{one}/completed"),
            json!({ "completed": true }),
        )
        .await;
    assert_eq!(done.json()["task"]["completed"], true);
    assert_eq!(bench.hub("DELETE", &one, Value::Null).await.status, 200);
    assert!(bench.sandbox.tasks(&id).is_empty());
}

#[tokio::test]
async fn fields_are_defined_and_keep_their_key() {
    let bench = Bench::new(Settings::default()).await;
    assert_eq!(bench.sandbox.field_id("twitch_user_id"), None);
    let path = format!("/locations/{LOCATION_ID}/customFields");
    let body = json!({ "name": "Twitch User Id", "dataType": "TEXT", "model": "contact" });
    let field = bench.hub("POST", &path, body).await.json()["customField"].clone();
    assert_eq!(field["fieldKey"], "contact.twitch_user_id");
    let one = format!("{path}/{}", text(&field["id"]));
    let renamed = bench
        .hub("PUT", &one, json!({ "name": "Other" }))
        .await
        .json();
    assert_eq!(renamed["customField"]["fieldKey"], "contact.twitch_user_id");
    let listed = bench
        .hub("GET", &format!("{path}?model=contact"), Value::Null)
        .await
        .json();
    assert!(
        listed["customFields"]
            .as_array()
            .unwrap()
            .contains(&renamed["customField"])
    );
}

#[tokio::test]
async fn people_edit_merge_and_the_vendor_follows() {
    let bench = Bench::new(small(0, 0)).await;
    let loser = bench.sandbox.add_contact(
        "Lo",
        "",
        "lo@example.com",
        &["A"],
        &[("twitch_user_id", "9")],
    );
    let winner = bench.sandbox.add_contact("Wi", "Ner", "", &["b"], &[]);
    bench.sandbox.edit_contact(&winner, "city", "Berlin");
    bench.sandbox.merge_contacts(&loser, &winner);
    assert_eq!(
        bench
            .hub("GET", &format!("/contacts/{loser}"), Value::Null)
            .await
            .status,
        400
    );
    let kept = bench.sandbox.contacts_by_field("twitch_user_id", "9");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["id"], winner);
    assert_eq!(kept[0]["firstName"], "Wi");
    assert_eq!(kept[0]["tags"], json!(["b", "a"]));
    let body = json!({ "locationId": LOCATION_ID, "firstName": "x", "email": "LO@example.com" });
    let reply = bench.hub("POST", "/contacts/", body).await;
    assert_eq!(reply.json()["meta"]["contactId"], winner);
}
