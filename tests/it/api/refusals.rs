//! Why nothing came of a command, word for word, and nothing of people in it.

use std::fs;

use ghl_sync::sandbox::{
    Fault, FaultKind, HIGHLEVEL_SCOPES, HIGHLEVEL_TOKEN, Holder, LOCATION_ID, Token,
};
use serde_json::json;

use super::{ann, api, api_with, id, rig, routes};
use crate::check::{edit, log_in_app};
use crate::rig::Rig;

/// Returns what was said, without what differs between machines and runs.
fn said(rig: &Rig, err: &str, contact: &str) -> String {
    let config = format!(" --config {}", rig.config_path().display());
    err.replace(&config, "").replace(contact, "CONTACT")
}

fn set_scopes(rig: &Rig, lacking: &str) {
    let scopes = HIGHLEVEL_SCOPES.iter().filter(|scope| **scope != lacking);
    let token = Token {
        holder: Holder::Location,
        scopes: scopes.map(ToString::to_string).collect(),
        expires_at_ms: None,
    };
    rig.sandbox.set_token(HIGHLEVEL_TOKEN, token);
}

#[tokio::test]
async fn wrong_ids_are_told_with_the_command_that_shows_the_right_ones() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    for (line, expected) in [
        (
            "contacts get nobody",
            "error: HighLevel knows no contact nobody in location sandboxLocation00001\n\
             hint: `ghl-sync api contacts list` shows what is there\n",
        ),
        (
            "tags add nobody vip",
            "error: HighLevel knows no contact nobody in location sandboxLocation00001\n\
             hint: `ghl-sync api contacts get nobody` shows what is there\n",
        ),
        (
            "businesses get nothing",
            "error: HighLevel knows no business nothing in location sandboxLocation00001\n\
             hint: `ghl-sync api businesses list` shows what is there\n",
        ),
        (
            "fields get shoe_size",
            "error: HighLevel knows no custom field shoe_size in location sandboxLocation00001\n\
             hint: `ghl-sync api fields list` shows what is there\n",
        ),
    ] {
        let ended = api(&rig, line).await.exits(1);
        assert_eq!(said(&rig, &ended.err, &contact), expected, "{line}");
        assert_eq!(ended.out, "", "{line}");
    }
    // A field that was made after the names were read is found by its key all the same.
    rig.sandbox.add_field("shoe_size", "Shoe size", "TEXT");
    let found = api(&rig, "fields get shoe_size --fields name").await;
    assert_eq!(found.exits(0).out, "{\"name\":\"Shoe size\"}\n");
    // An id that would be another path is no id.
    for line in ["contacts get ..", "contacts get a/b", "tasks get a ."] {
        let ended = api(&rig, line).await.exits(4);
        ended.complains(&["expected an id"]);
    }
    let line = format!("tasks get {contact} nothing");
    let ended = api(&rig, &line).await.exits(1);
    let ended = said(&rig, &ended.err, &contact);
    assert!(ended.contains("api tasks list CONTACT"), "{ended}");
    assert!(ended.contains("nothing"), "{ended}");
}

#[tokio::test]
async fn a_duplicate_names_the_contact_that_is_there() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    let line = "contacts create --first-name Ann --email ann@example.com";
    let ended = api(&rig, line).await.exits(1);
    assert_eq!(
        said(&rig, &ended.err, &contact),
        "error: contact CONTACT has the same email already, and the location allows no second one; nothing was made\n\
         hint: `ghl-sync api contacts get CONTACT` shows it, `ghl-sync api contacts update CONTACT` with the same flags changes it\n"
    );
    assert_eq!(rig.sandbox.contact_count(), 2);
}

#[tokio::test]
async fn a_wrong_body_is_refused_here_or_there_with_all_that_is_wrong() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    for (line, input, parts) in [
        (
            "contacts create --name Ann".to_owned(),
            "{}",
            &["a new contact needs one of", "--first-name"][..],
        ),
        (
            format!("contacts update {contact} --input -"),
            r#"{"id": "x", "dateAdded": "y", "city": "z"}"#,
            &["does not take `dateAdded`, `id`", "it takes firstName"],
        ),
        (
            format!("contacts update {contact}"),
            "",
            &["there is nothing to write"],
        ),
        (
            "contacts create --first-name Ann --input -".to_owned(),
            r#"{"locationId": "elsewhere"}"#,
            &["`locationId` is another one", "--account"],
        ),
        (
            "contacts create --first-name Ann --field shoe_size=7".to_owned(),
            "",
            &["has no custom field `shoe_size`", "fields list"],
        ),
        (
            "contacts create --first-name Ann --field twitch_userid=7".to_owned(),
            "",
            &["did you mean `twitch_user_id`?"],
        ),
        (
            "contacts create --input -".to_owned(),
            "{\"firstName\": \"Ann\",",
            &["stdin is not one JSON object: line 1 column"],
        ),
        (
            "contacts create --input nowhere.json".to_owned(),
            "",
            &["cannot read nowhere.json"],
        ),
        (
            format!("tasks create {contact} --title Call"),
            "",
            &["needs --title and --due"],
        ),
        (
            format!("tasks update {contact} t1 --input -"),
            r#"{"colour": "red"}"#,
            &["unknown field `colour`"],
        ),
        (
            "tags bulk-add --tag a --from -".to_owned(),
            "abc\ntwo words\n",
            &["line 2 of stdin is neither"],
        ),
        (
            "contacts search --input -".to_owned(),
            r#"{"page": 2}"#,
            &["leave `page` out"],
        ),
    ] {
        let ended = api_with(&rig, &line, input).await.exits(4);
        ended.complains(parts);
    }
    assert_eq!(rig.sandbox.writes().len(), 0);
    let body =
        json!({"filters": [{"field": "shoe", "operator": "eq", "value": 1}, {"nonsense": 1}]});
    let ended = api_with(&rig, "contacts search --input -", &body.to_string()).await;
    let ended = ended.exits(1);
    assert_eq!(
        ended.err.lines().next(),
        Some("error: HighLevel refused POST /contacts/search with 422:"),
        "{ended}"
    );
    ended.complains(&[
        "\n  Invalid field: shoe\n",
        "\n  property nonsense should not exist\n",
        "--dry-run shows what is sent",
    ]);
}

#[tokio::test]
async fn a_create_that_was_refused_with_422_may_have_been_made_and_that_is_said() {
    let rig = rig(1).await;
    let kind = FaultKind::Unprocessable422Created { with_fields: true };
    rig.sandbox.fault(Fault::new(kind).on("POST /contacts/"));
    let ended = api(&rig, "contacts create --first-name Ann").await.exits(1);
    ended.complains(&[
        "refused POST /contacts/ with 422",
        "has been seen to make a contact all the same",
        "api contacts duplicate",
    ]);
    assert_eq!(rig.sandbox.contact_count(), 2);
    assert_eq!(routes(&rig), ["POST /contacts/"]);
}

#[tokio::test]
async fn a_lost_answer_is_never_asked_for_twice_where_that_would_do_it_twice() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    let lose = |route: &str| {
        let fault = Fault::new(FaultKind::ResetAfter).on(route);
        rig.sandbox.fault(fault);
        rig.sandbox.clear_calls();
    };
    for (route, line, look) in [
        (
            "POST /contacts/",
            "contacts create --first-name Bo".to_owned(),
            "look with `ghl-sync api contacts duplicate` and its e-mail address or phone number, or with `ghl-sync api contacts list --limit 5` when a minute has passed",
        ),
        (
            "POST /contacts/{id}/notes",
            format!("notes create {contact} --body hello"),
            "look with `ghl-sync api notes list CONTACT`",
        ),
        (
            "POST /contacts/{id}/tasks",
            format!("tasks create {contact} --title Call --due 2d"),
            "look with `ghl-sync api tasks list CONTACT`",
        ),
        (
            "POST /contacts/{id}/workflow/{workflowId}",
            format!("workflows add {contact} w1 --yes"),
            "the API does not show whether it was",
        ),
    ] {
        lose(route);
        let ended = api(&rig, &line).await.exits(6);
        let text = said(&rig, &ended.err, &contact);
        assert!(
            text.contains("may have been carried out, and it was not sent again"),
            "{text}"
        );
        assert!(text.contains(look), "{text}");
        assert_eq!(routes(&rig), [route], "{line}");
        rig.sandbox.clear_faults();
    }
    assert_eq!(rig.sandbox.notes(&contact).len(), 1);
    assert_eq!(rig.sandbox.tasks(&contact).len(), 1);
    // What is the same when it is done twice is sent again, and comes to its end.
    lose("PUT /contacts/{id}");
    let line = format!("contacts update {contact} --city Bern");
    api(&rig, &line).await.exits(0);
    assert_eq!(routes(&rig), ["PUT /contacts/{id}"; 2]);
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named_with_how_to_get_it() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    for (lacking, line) in [
        ("contacts.write", format!("tags add {contact} vip")),
        ("contacts.readonly", "contacts list".to_owned()),
        ("locations.readonly", "location get".to_owned()),
        ("locations/tags.readonly", "tags list".to_owned()),
        ("locations/tasks.readonly", "tasks search".to_owned()),
        (
            "locations/customFields.write",
            "fields create --name Shoe".to_owned(),
        ),
        ("locations/customFields.readonly", "fields list".to_owned()),
        ("businesses.readonly", "businesses list".to_owned()),
        (
            "businesses.write",
            "businesses create --name Inc".to_owned(),
        ),
        ("campaigns.readonly", "campaigns list".to_owned()),
        ("workflows.readonly", "workflows list".to_owned()),
        ("users.readonly", "users list".to_owned()),
    ] {
        set_scopes(&rig, lacking);
        let ended = api(&rig, &line).await.exits(4);
        ended.complains(&[
            &format!("account main: the token lacks the scope {lacking} for "),
            &format!("hint: add the scope {lacking} to the private integration in HighLevel"),
        ]);
    }
}

#[tokio::test]
async fn an_app_logs_in_again_with_what_it_had_and_what_it_lacks() {
    let rig = rig(1).await;
    edit(
        &rig,
        "token = \"file:highlevel.token\"\n",
        "client_id = \"app-1\"\nclient_secret = \"file:highlevel.token\"\n",
    );
    let ended = api(&rig, "users list").await.exits(4);
    ended.complains(&["nobody is logged in", "auth highlevel --account main"]);
    let granted: Vec<&str> = HIGHLEVEL_SCOPES
        .iter()
        .copied()
        .filter(|scope| !["users.readonly", "contacts.write"].contains(scope))
        .filter(|scope| scope.starts_with("contacts") || *scope == "businesses.readonly")
        .collect();
    log_in_app(&rig, "app-1", &granted).await;
    set_scopes(&rig, "users.readonly");
    let ended = api(&rig, "users list").await.exits(4);
    let text = said(&rig, &ended.err, "no contact");
    assert_eq!(
        text.lines().last(),
        Some(
            "hint: add the scope users.readonly to the app in HighLevel's marketplace if it is not there, and run \
             `ghl-sync auth highlevel --account main --scope businesses.readonly --scope users.readonly`"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn without_the_scope_for_definitions_contacts_are_shown_and_that_is_said_once() {
    let rig = rig(1).await;
    let fields = [("twitch_user_id", "12345")];
    for no in 0..3 {
        let email = format!("ann{no}@example.com");
        rig.sandbox.add_contact("Ann", "", &email, &[], &fields);
    }
    rig.sandbox.settle();
    set_scopes(&rig, "locations/customFields.readonly");
    let ended = api(&rig, "contacts search --query ann").await.exits(0);
    assert_eq!(super::rows(&ended).len(), 3);
    assert_eq!(
        ended.err.matches("without their keys").count(),
        1,
        "{ended}"
    );
    ended.complains(&["the token lacks the scope locations/customFields.readonly"]);
}

#[tokio::test]
async fn nothing_of_people_and_no_token_stands_in_errors_and_logs() {
    let rig = rig(1).await;
    ann(&rig);
    let secrets = ["ann@example.com", "5550100", "Example", HIGHLEVEL_TOKEN];
    let flags = "--first-name Ann --last-name Example --email ann@example.com --phone +15550100001";
    for line in [
        format!("contacts create {flags} -vv"),
        format!("contacts create {flags} --field ann@example.com -vv"),
        "contacts duplicate --email ann@example.com -vv --log-format json".to_owned(),
        "contacts search --email ann@example.com --phone +15550100001 -vv".to_owned(),
        "contacts update nobody --email ann@example.com -vv".to_owned(),
        "notes create nobody --body ann@example.com -vv".to_owned(),
    ] {
        let ended = api(&rig, &line).await;
        for secret in secrets {
            assert!(!ended.err.contains(secret), "{line}: {secret}: {ended}");
        }
    }
    for input in [
        r#"{"firstName": {"x": "ann@example.com"}}"#,
        r#"{"email": "ann@example.com", "#,
        r#"{"firstName": "Ann", "customFields": "ann@example.com"}"#,
    ] {
        let ended = api_with(&rig, "contacts create --input - -vv", input).await;
        let ended = ended.exits(4);
        assert!(!ended.err.contains("ann@example.com"), "{ended}");
    }
    rig.sandbox
        .fault(Fault::new(FaultKind::ExpiredToken).times(9));
    let ended = api(&rig, "contacts list").await.exits(4);
    assert!(!ended.err.contains(HIGHLEVEL_TOKEN), "{ended}");
    ended.complains(&["the token is expired or revoked", "hint: "]);
}

#[tokio::test]
async fn the_location_is_the_only_one_or_the_one_that_was_named() {
    let rig = rig(1).await;
    let path = rig.config_path();
    let main = fs::read_to_string(&path).unwrap();
    let second = format!(
        "{main}\n[accounts.second]\nservice = \"highlevel\"\nlocation = \"elsewhere00000000001\"\ntoken = \"file:highlevel.token\"\nbase_url = \"{}\"\n",
        rig.sandbox.highlevel_url()
    );
    fs::write(&path, second).unwrap();
    let ended = api(&rig, "contacts list").await.exits(4);
    ended.complains(&["name one with --account", "the accounts are: main, second"]);
    let listed = api(&rig, "contacts list --account main").await.exits(0);
    assert_eq!(super::rows(&listed).len(), 1);
    let first = super::rows(&listed)[0]["locationId"].clone();
    assert_eq!(first, LOCATION_ID);
    let ended = api(&rig, "--account second contacts list").await.exits(4);
    ended.complains(&["has no access to location elsewhere00000000001"]);
    let ended = api(&rig, "contacts list --account channel").await.exits(4);
    ended.complains(&[
        "account channel is of twitch",
        "the locations are: main, second",
    ]);
    let ended = api(&rig, "contacts list --account third").await.exits(4);
    ended.complains(&["there is no account `third`"]);
    fs::write(&path, main).unwrap();
}

#[tokio::test]
async fn a_bulk_call_tells_of_each_contact_that_was_not_done_and_goes_on() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    let line = format!("tags bulk-add --tag vip nobody {contact}");
    let ended = api(&rig, &line).await.exits(1);
    assert_eq!(super::rows(&ended).len(), 2, "{ended}");
    assert_eq!(ended.err.lines().count(), 1, "{ended}");
    assert!(ended.err.starts_with("error: contact nobody: "), "{ended}");
    let seen = rig.sandbox.contact(&contact).unwrap();
    assert_eq!(seen["tags"], json!(["vip"]));
}

#[tokio::test]
async fn a_field_that_highlevel_takes_and_does_not_keep_is_told() {
    let rig = rig(1).await;
    let made = api(
        &rig,
        "contacts create --first-name Ann --email ann@example.com",
    )
    .await;
    let contact = id(&made.exits(0));
    // An upsert leaves the gender of a contact that is there as it was (issue 313 of HighLevel's tracker).
    let line = "contacts upsert --email ann@example.com --gender female";
    let ended = api(&rig, line).await.exits(0);
    assert_eq!(id(&ended), contact);
    assert_eq!(
        ended.err,
        "note: HighLevel took the call and did not keep `gender`\n"
    );
}
