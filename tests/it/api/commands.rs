//! Every command once: the call that it makes, what it prints, and that a dry run shows that very call and sends nothing.

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory;
use ghl_sync::cli::args::Args;
use ghl_sync::sandbox::{CAMPAIGN_ID, SeenCall, WORKFLOW_ID};
use serde_json::{Value, json};

use super::{DEFINITIONS, api, rig, routes, rows, user};

/// One command: what is typed, the one endpoint that it calls, and what stdout has.
struct Row {
    line: &'static str,
    route: &'static str,
    /// The name under which the id of the printed object is kept for the lines below.
    keeps: Option<&'static str>,
    prints: fn(&[Value]) -> bool,
}

const fn row(line: &'static str, route: &'static str, prints: fn(&[Value]) -> bool) -> Row {
    Row {
        line,
        route,
        keeps: None,
        prints,
    }
}

const fn kept(
    name: &'static str,
    line: &'static str,
    route: &'static str,
    prints: fn(&[Value]) -> bool,
) -> Row {
    Row {
        keeps: Some(name),
        ..row(line, route, prints)
    }
}

fn succeeded(rows: &[Value]) -> bool {
    rows == [json!({"succeeded": true})]
}

/// In an order in which each finds what it needs.
const ROWS: &[Row] = &[
    kept(
        "contact",
        "contacts create --first-name Ann --email ann@example.com --tag VIP --field twitch_user_id=12345 --company 'Example Inc.'",
        "POST /contacts/",
        |rows| {
            rows[0]["tags"] == json!(["vip"])
                && rows[0]["companyName"] == "Example Inc."
                && rows[0]["customFields"][0]["key"] == "twitch_user_id"
                && rows[0]["customFields"][0]["value"] == "12345"
        },
    ),
    row("contacts get {contact}", "GET /contacts/{id}", |rows| {
        rows[0]["email"] == "ann@example.com" && rows[0].get("traceId").is_none()
    }),
    row("contacts list --limit 2", "GET /contacts/", |rows| {
        rows.len() == 2 && rows[0]["firstNameRaw"].is_string()
    }),
    row(
        "contacts update {contact} --city Bern --last-name Example",
        "PUT /contacts/{id}",
        |rows| rows[0]["city"] == "Bern" && rows[0]["email"] == "ann@example.com",
    ),
    row(
        "contacts upsert --email ann@example.com --website https://example.com",
        "POST /contacts/upsert",
        |rows| rows[0]["new"] == false && rows[0]["city"] == "Bern",
    ),
    row(
        "contacts search --query example --sort dateAdded:asc --limit 2",
        "POST /contacts/search",
        |rows| rows.len() == 2,
    ),
    row(
        "contacts duplicate --email ann@example.com",
        "GET /contacts/search/duplicate",
        |rows| rows[0]["firstName"] == "Ann",
    ),
    kept(
        "task",
        "tasks create {contact} --title 'Call Ann' --body 'About the contract' --due 2026-12-01 --assigned {user}",
        "POST /contacts/{id}/tasks",
        |rows| {
            rows[0]["title"] == "Call Ann"
                && rows[0]["dueDate"] == "2026-12-01T12:00:00.000Z"
                && rows[0]["completed"] == false
        },
    ),
    row("tasks list {contact}", "GET /contacts/{id}/tasks", |rows| {
        rows.len() == 1 && rows[0]["body"] == "About the contract"
    }),
    row(
        "tasks get {contact} {task}",
        "GET /contacts/{id}/tasks/{taskId}",
        |rows| rows[0]["title"] == "Call Ann",
    ),
    row(
        "tasks update {contact} {task} --due 2026-12-02T08:00:00+01:00",
        "PUT /contacts/{id}/tasks/{taskId}",
        |rows| rows[0]["dueDate"] == "2026-12-02T07:00:00.000Z" && rows[0]["title"] == "Call Ann",
    ),
    row(
        "tasks complete {contact} {task}",
        "PUT /contacts/{id}/tasks/{taskId}/completed",
        |rows| rows[0]["completed"] == true,
    ),
    row(
        "tasks search --contact {contact} --completed",
        "POST /locations/{id}/tasks/search",
        |rows| rows.len() == 1,
    ),
    row(
        "tasks reopen {contact} {task}",
        "PUT /contacts/{id}/tasks/{taskId}/completed",
        |rows| rows[0]["completed"] == false,
    ),
    row(
        "tasks delete {contact} {task} --yes",
        "DELETE /contacts/{id}/tasks/{taskId}",
        succeeded,
    ),
    kept(
        "note",
        "notes create {contact} --body 'In the morning' --title Calls --user {user} --color #FFAA00 --pinned true",
        "POST /contacts/{id}/notes",
        |rows| rows[0]["body"] == "In the morning" && rows[0]["pinned"] == true,
    ),
    row("notes list {contact}", "GET /contacts/{id}/notes", |rows| {
        rows.len() == 1 && rows[0]["title"] == "Calls"
    }),
    row(
        "notes get {contact} {note}",
        "GET /contacts/{id}/notes/{noteId}",
        |rows| rows[0]["color"] == "#FFAA00",
    ),
    row(
        "notes update {contact} {note} --body 'In the evening'",
        "PUT /contacts/{id}/notes/{noteId}",
        |rows| rows[0]["body"] == "In the evening" && rows[0]["title"] == "Calls",
    ),
    row(
        "notes delete {contact} {note} --yes",
        "DELETE /contacts/{id}/notes/{noteId}",
        succeeded,
    ),
    row(
        "appointments list {met}",
        "GET /contacts/{id}/appointments",
        |rows| rows.len() == 1 && rows[0]["startTime"].is_string(),
    ),
    row(
        "tags add {contact} 'Call Back' vip",
        "POST /contacts/{id}/tags",
        |rows| rows[0]["tagsAdded"] == json!(["call back"]) && rows[0].get("traceId").is_none(),
    ),
    row(
        "tags remove {contact} vip",
        "DELETE /contacts/{id}/tags",
        |rows| rows[0]["tags"] == json!(["call back"]),
    ),
    row(
        "tags bulk-add --tag lead {contact} {met}",
        "POST /contacts/bulk/tags/update/{type}",
        |rows| rows.len() == 2 && rows.iter().all(|row| row["type"] == "success"),
    ),
    row(
        "tags bulk-remove --tag lead {contact} {met}",
        "POST /contacts/bulk/tags/update/{type}",
        |rows| rows.len() == 2 && rows[0]["tagsRemoved"] == json!(["lead"]),
    ),
    row("tags list", "GET /locations/{id}/tags", |rows| {
        rows.iter().any(|row| row["name"] == "call back")
    }),
    row("businesses list", "GET /businesses/", |rows| {
        rows.len() == 1
    }),
    kept(
        "business",
        "businesses create --name 'Example Inc.' --city Bern",
        "POST /businesses/",
        |rows| rows[0]["name"] == "Example Inc.",
    ),
    row(
        "businesses get {business}",
        "GET /businesses/{id}",
        |rows| rows[0]["city"] == "Bern",
    ),
    row(
        "businesses attach {business} {contact} {met}",
        "POST /contacts/bulk/business",
        |rows| rows.len() == 2 && rows[0]["businessId"].is_string(),
    ),
    row(
        "businesses contacts {business}",
        "GET /contacts/business/{businessId}",
        |rows| rows.len() == 2,
    ),
    row(
        "businesses detach {contact}",
        "POST /contacts/bulk/business",
        |rows| rows.len() == 1 && rows[0]["businessId"].is_null(),
    ),
    row(
        "followers add {contact} {user}",
        "POST /contacts/{id}/followers",
        |rows| rows[0]["followersAdded"] == json!([user()]),
    ),
    row(
        "followers remove {contact} {user}",
        "DELETE /contacts/{id}/followers",
        |rows| rows[0]["followers"] == json!([]),
    ),
    row("campaigns list", "GET /campaigns/", |rows| {
        rows.len() == 1 && rows[0]["id"] == CAMPAIGN_ID
    }),
    row(
        "campaigns add {contact} {campaign} --yes",
        "POST /contacts/{id}/campaigns/{campaignId}",
        succeeded,
    ),
    row(
        "campaigns remove {contact} {campaign}",
        "DELETE /contacts/{id}/campaigns/{campaignId}",
        succeeded,
    ),
    row(
        "campaigns remove-all {contact} --yes",
        "DELETE /contacts/{id}/campaigns/removeAll",
        succeeded,
    ),
    row("workflows list", "GET /workflows/", |rows| {
        rows.len() == 1 && rows[0]["id"] == WORKFLOW_ID
    }),
    row(
        "workflows add {contact} {workflow} --start 2026-12-01T17:00:00+01:00 --yes",
        "POST /contacts/{id}/workflow/{workflowId}",
        succeeded,
    ),
    row(
        "workflows remove {contact} {workflow}",
        "DELETE /contacts/{id}/workflow/{workflowId}",
        succeeded,
    ),
    row("location get", "GET /locations/{id}", |rows| {
        rows[0]["settings"]["contactUniqueIdentifiers"].is_array()
    }),
    row("fields list", DEFINITIONS, |rows| {
        rows.iter()
            .any(|row| row["fieldKey"] == "contact.twitch_user_id")
    }),
    row(
        "fields get twitch_user_id",
        "GET /locations/{id}/customFields/{fieldId}",
        |rows| rows[0]["fieldKey"] == "contact.twitch_user_id",
    ),
    row(
        "fields create --name 'Shoe size' --type NUMERICAL",
        "POST /locations/{id}/customFields",
        |rows| rows[0]["fieldKey"] == "contact.shoe_size" && rows[0]["dataType"] == "NUMERICAL",
    ),
    row("users list", "GET /users/", |rows| {
        rows.len() == 2 && rows[0]["id"] == user()
    }),
    row(
        "contacts delete {contact} --yes",
        "DELETE /contacts/{id}",
        succeeded,
    ),
];

/// Fills in the ids.
fn filled(line: &str, ids: &BTreeMap<&str, String>) -> String {
    let mut line = line.to_owned();
    for (name, id) in ids {
        line = line.replace(&format!("{{{name}}}"), id);
    }
    assert!(!line.contains('{'), "{line}");
    line
}

/// Returns resource and verb of every command that there is.
fn commands() -> BTreeSet<String> {
    let mut program = Args::command();
    program.build();
    let api = program.find_subcommand("api").unwrap();
    let verbs = |resource: &clap::Command| -> Vec<String> {
        let verbs = resource.get_subcommands();
        verbs
            .filter(|verb| verb.get_name() != "help")
            .map(|verb| format!("{} {}", resource.get_name(), verb.get_name()))
            .collect()
    };
    api.get_subcommands()
        .filter(|resource| resource.get_name() != "help")
        .flat_map(verbs)
        .collect()
}

/// Asserts that a dry run showed the call that was then made.
fn assert_same(shown: &Value, made: &SeenCall, line: &str) {
    let (path, query) = made.path.split_once('?').unwrap_or((&made.path, ""));
    assert_eq!(shown["method"], made.method, "{line}");
    assert_eq!(shown["path"], path, "{line}");
    assert_eq!(shown["version"], "2021-07-28", "{line}");
    assert_eq!(shown.get("body"), made.body.as_ref(), "{line}");
    let keys = |text: &str| -> BTreeSet<String> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split('=').next().unwrap().to_owned())
            .collect()
    };
    let shown: BTreeSet<String> = match shown.get("query") {
        Some(query) => query.as_object().unwrap().keys().cloned().collect(),
        None => BTreeSet::new(),
    };
    assert_eq!(shown, keys(query), "{line}");
}

#[tokio::test]
async fn every_command_makes_its_one_call_and_a_dry_run_shows_it_and_sends_nothing() {
    let rig = rig(4).await;
    // The first contacts of the start have the appointments.
    let met = rig.sandbox.contacts().into_iter();
    let met = met.min_by_key(|contact| contact["dateAdded"].to_string());
    let met = met.unwrap()["id"].as_str().unwrap().to_owned();
    let mut ids: BTreeMap<&str, String> = BTreeMap::from([
        ("met", met),
        ("user", user().to_owned()),
        ("campaign", CAMPAIGN_ID.to_owned()),
        ("workflow", WORKFLOW_ID.to_owned()),
    ]);
    let mut definitions = 0;
    for row in ROWS {
        let line = filled(row.line, &ids);
        rig.sandbox.clear_calls();
        let dry = format!("{} --dry-run", line.replace(" --yes", ""));
        let shown = super::object(&api(&rig, &dry).await.exits(0));
        assert_eq!(routes(&rig), Vec::<&str>::new(), "{dry}");
        definitions += rig.sandbox.count(DEFINITIONS);

        rig.sandbox.clear_calls();
        let ended = api(&rig, &line).await.exits(0);
        assert!(ended.err.is_empty(), "{line}: {ended}");
        let all = rows(&ended);
        assert!((row.prints)(&all), "{line}: {ended}");
        if row.route == DEFINITIONS {
            assert_eq!(rig.sandbox.count(DEFINITIONS), 1, "{line}");
        } else {
            definitions += rig.sandbox.count(DEFINITIONS);
            assert_eq!(routes(&rig), [row.route], "{line}");
        }
        assert_same(&shown, &super::call(&rig, row.route), &line);
        if let Some(name) = row.keeps {
            ids.insert(name, all[0]["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(definitions, 1, "names of fields are asked for once a day");
    let tried: BTreeSet<String> = ROWS
        .iter()
        .map(|row| {
            let words: Vec<&str> = row.line.split_whitespace().take(2).collect();
            words.join(" ")
        })
        .collect();
    assert_eq!(tried, commands(), "every command stands in the table");
    assert_eq!(rig.sandbox.contact(&ids["contact"]), None);
}

#[tokio::test]
async fn a_newcomer_gets_along_with_the_examples_of_the_help() {
    let rig = rig(3).await;
    let listed = api(&rig, "contacts list --limit 5").await.exits(0);
    assert_eq!(rows(&listed).len(), 3);
    let made = "contacts create --first-name Ann --email ann@example.com";
    let contact = super::id(&api(&rig, made).await.exits(0));
    api(&rig, &format!("tags add {contact} vip 'call back'"))
        .await
        .exits(0);
    api(
        &rig,
        &format!("notes create {contact} --body 'Prefers to be called in the morning'"),
    )
    .await
    .exits(0);
    let made = format!("tasks create {contact} --title 'Call Ann' --due 2d");
    let task = super::id(&api(&rig, &made).await.exits(0));
    api(&rig, &format!("tasks complete {contact} {task}"))
        .await
        .exits(0);
    rig.sandbox.settle();
    let found = api(&rig, "contacts search --tag vip --all --fields id,email").await;
    assert_eq!(
        found.exits(0).out,
        format!("{{\"id\":\"{contact}\",\"email\":\"ann@example.com\"}}\n")
    );
    let seen = rig.sandbox.contact(&contact).unwrap();
    assert_eq!(seen["tags"], json!(["call back", "vip"]));
    assert_eq!(rig.sandbox.notes(&contact).len(), 1);
    assert_eq!(rig.sandbox.tasks(&contact)[0]["completed"], true);
}

#[tokio::test]
async fn what_get_shows_of_custom_fields_can_go_in_again() {
    let rig = rig(1).await;
    let contact = super::ann(&rig);
    let changed = format!("contacts update {contact} --field twitch_user_id=12345");
    api(&rig, &changed).await.exits(0);
    let seen = api(
        &rig,
        &format!("contacts get {contact} --fields customFields"),
    )
    .await;
    let again = seen.exits(0).out.replace("12345", "67890");
    rig.sandbox.clear_calls();
    let line = format!("contacts update {contact} --input - --city Bern");
    super::api_with(&rig, &line, &again).await.exits(0);
    let id = rig.sandbox.field_id("twitch_user_id").unwrap();
    assert_eq!(
        super::call(&rig, "PUT /contacts/{id}").body,
        Some(json!({"city": "Bern", "customFields": [{"id": id, "field_value": "67890"}]}))
    );
    // Flags go before the body, and an empty text clears.
    rig.sandbox.clear_calls();
    let input = r#"{"city": "Basel", "state": "BS"}"#;
    let line = format!("contacts update {contact} --input - --city ''");
    super::api_with(&rig, &line, input).await.exits(0);
    assert_eq!(
        super::call(&rig, "PUT /contacts/{id}").body,
        Some(json!({"city": null, "state": "BS"}))
    );
}
