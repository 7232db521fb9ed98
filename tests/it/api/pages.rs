//! Pages are followed to their end, and no further than asked.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use ghl_sync::sandbox::{Fault, FaultKind};
use serde_json::{Value, json};

use super::{api, api_with, rig, routes, rows};
use crate::program::command;

fn ids(rows: &[Value]) -> BTreeSet<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn all_pages_of_the_list_are_followed_by_both_cursors() {
    let rig = rig(250).await;
    let ended = api(&rig, "contacts list --all").await.exits(0);
    let all = rows(&ended);
    assert_eq!((all.len(), ids(&all).len()), (250, 250));
    assert_eq!(routes(&rig), ["GET /contacts/"; 3]);
    for call in rig.sandbox.calls().iter().skip(1) {
        if call.route == "GET /contacts/" && call.path.contains("startAfter") {
            assert!(call.path.contains("startAfterId="), "{}", call.path);
            assert!(call.path.contains("startAfter="), "{}", call.path);
        }
    }
    assert!(ended.err.is_empty(), "{ended}");
}

#[tokio::test]
async fn a_list_ends_where_it_was_asked_to_and_says_so_when_it_was_not_asked() {
    let rig = rig(250).await;
    let ended = api(&rig, "contacts list").await.exits(0);
    assert_eq!(rows(&ended).len(), 20);
    assert!(
        ended
            .err
            .starts_with("note: the first 20 of 250 contacts; --all prints all of them"),
        "{ended}"
    );
    rig.sandbox.clear_calls();
    let ended = api(&rig, "contacts list --limit 150").await.exits(0);
    assert_eq!(ids(&rows(&ended)).len(), 150);
    assert!(ended.err.is_empty(), "{ended}");
    let calls = rig.sandbox.calls();
    let limits: Vec<bool> = ["limit=100", "limit=50"]
        .iter()
        .zip(&calls)
        .map(|(limit, call)| call.path.contains(limit))
        .collect();
    assert_eq!(limits, [true, true], "{calls:?}");
    let quiet = api(&rig, "contacts list --quiet").await.exits(0);
    assert!(quiet.err.is_empty(), "{quiet}");
}

#[tokio::test]
async fn all_pages_of_a_search_are_followed_by_its_own_cursor() {
    let rig = rig(250).await;
    let input = json!({"pageLimit": 100, "sort": [{"field": "dateAdded", "direction": "asc"}]});
    let line = "contacts search --all --input -";
    let ended = api_with(&rig, line, &input.to_string()).await.exits(0);
    let all = rows(&ended);
    assert_eq!((all.len(), ids(&all).len()), (250, 250));
    assert_eq!(routes(&rig), ["POST /contacts/search"; 3]);
    let mut dates: Vec<&str> = all
        .iter()
        .map(|row| row["dateAdded"].as_str().unwrap())
        .collect();
    assert!(dates.is_sorted());
    dates.dedup();
    assert!(dates.len() > 1);
    let bodies: Vec<Value> = rig
        .sandbox
        .calls()
        .into_iter()
        .filter(|call| call.route == "POST /contacts/search")
        .filter_map(|call| call.body)
        .collect();
    let cursors: Vec<bool> = bodies
        .iter()
        .map(|body| body["searchAfter"].is_array())
        .collect();
    assert_eq!(cursors, [false, true, true]);
}

#[tokio::test]
async fn many_contacts_go_so_many_a_call_and_the_contacts_of_a_business_are_all_shown() {
    let rig = rig(250).await;
    let listed = api(&rig, "contacts list --all --fields id").await.exits(0);
    let business = rig.sandbox.add_business("Example Inc.");
    rig.sandbox.clear_calls();
    let line = format!("businesses attach {business} --from -");
    let done = api_with(&rig, &line, &listed.out).await.exits(0);
    assert_eq!(rows(&done).len(), 250);
    assert_eq!(routes(&rig), ["POST /contacts/bulk/business"; 5]);
    rig.sandbox.clear_calls();
    let all = api(&rig, &format!("businesses contacts {business} --all")).await;
    assert_eq!(ids(&rows(&all.exits(0))).len(), 250);
    assert_eq!(routes(&rig), ["GET /contacts/business/{businessId}"; 3]);
    rig.sandbox.clear_calls();
    let done = api_with(&rig, "tags bulk-add --tag lead --from -", &listed.out).await;
    let done = rows(&done.exits(0));
    assert_eq!(done.len(), 250);
    assert_eq!(routes(&rig), ["POST /contacts/bulk/tags/update/{type}"; 3]);
    let tagged = |contact: &&Value| contact["tags"].as_array().unwrap().contains(&json!("lead"));
    assert_eq!(rig.sandbox.contacts().iter().filter(tagged).count(), 250);
}

#[tokio::test]
async fn what_was_printed_before_a_page_failed_stays_and_the_failure_is_told() {
    let rig = rig(250).await;
    let fault = Fault::new(FaultKind::Status500).on("GET /contacts/");
    rig.sandbox.fault(fault.skip(1).times(99));
    let ended = api(&rig, "contacts list --all").await.exits(6);
    assert_eq!(rows(&ended).len(), 100);
    assert!(ended.err.contains("no answer to GET /contacts/"), "{ended}");
}

#[tokio::test]
async fn a_list_that_turns_in_a_circle_is_stopped() {
    let rig = rig(250).await;
    let fault = Fault::new(FaultKind::RepeatedCursor).on("GET /contacts/");
    rig.sandbox.fault(fault.skip(1).times(99));
    let ended = api(&rig, "contacts list --all").await.exits(6);
    assert!(ended.err.contains("again and again"), "{ended}");
    assert!(routes(&rig).len() <= 3, "{:?}", routes(&rig));
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error_and_ends_the_reading() {
    let rig = rig(250).await;
    let mut command = command(&rig, &["api", "contacts", "list", "--all"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    assert_eq!(routes(&rig), ["GET /contacts/"]);
}

#[tokio::test]
async fn keys_are_picked_in_their_order_and_a_misspelled_one_is_told() {
    let rig = rig(3).await;
    let ended = api(&rig, "contacts list --fields tags,id,emial")
        .await
        .exits(0);
    let first = ended.out.lines().next().unwrap();
    assert!(first.starts_with("{\"tags\":["), "{ended}");
    assert!(first.ends_with("\"emial\":null}"), "{ended}");
    assert!(
        ended
            .err
            .contains("nothing here has the key `emial`; there are:"),
        "{ended}"
    );
}
