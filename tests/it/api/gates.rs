//! What cannot be taken back, and what may send messages, is asked for first.

use ghl_sync::sandbox::{CAMPAIGN_ID, WORKFLOW_ID};

use super::{ann, api, rig, routes};
use crate::program::command;
use crate::terminal::Terminal;

/// Every command that asks, with what it says will happen.
fn gated(contact: &str) -> Vec<(String, &'static str)> {
    vec![
        (format!("contacts delete {contact}"), "this deletes contact"),
        (
            format!("contacts update {contact} --replace-tags --tag a"),
            "this replaces all tags of contact",
        ),
        (
            "contacts upsert --email ann@example.com --replace-tags".to_owned(),
            "this replaces all tags of the contact",
        ),
        (format!("tasks delete {contact} t1"), "this deletes task"),
        (format!("notes delete {contact} n1"), "this deletes note"),
        (
            format!("campaigns add {contact} {CAMPAIGN_ID}"),
            "messages may go to the person",
        ),
        (
            format!("campaigns remove-all {contact}"),
            "out of all campaigns",
        ),
        (
            format!("workflows add {contact} {WORKFLOW_ID}"),
            "messages may go to the person",
        ),
    ]
}

#[tokio::test]
async fn in_a_pipe_nothing_of_it_is_done_without_the_word_for_it() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    for (line, what) in gated(&contact) {
        let ended = api(&rig, &line).await.exits(4);
        ended.complains(&[what, "nothing was sent", "say --yes to do it"]);
    }
    assert_eq!(routes(&rig), Vec::<&str>::new());
    // The help says of each that it asks.
    for (line, _) in gated(&contact) {
        let verb: Vec<&str> = line.split_whitespace().take(2).collect();
        let help = api(&rig, &format!("{} --help", verb.join(" "))).await;
        assert!(help.exits(0).out.contains("asks for --yes"), "{line}");
    }
}

#[tokio::test]
async fn tags_are_replaced_only_when_that_was_said() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    rig.sandbox.add_tag(&contact, "by hand");
    for line in [
        format!("contacts update {contact} --tag a --yes"),
        "contacts upsert --email ann@example.com --tag a --yes".to_owned(),
    ] {
        let ended = api(&rig, &line).await.exits(4);
        ended.complains(&["replaces all tags", "ghl-sync api tags", "--replace-tags"]);
    }
    let line = format!("contacts update {contact} --input - --yes");
    let ended = super::api_with(&rig, &line, r#"{"tags": ["a"]}"#).await;
    ended.exits(4).complains(&["replaces all tags"]);
    assert_eq!(routes(&rig), Vec::<&str>::new());
    let line = format!("contacts update {contact} --replace-tags --tag A --yes");
    api(&rig, &line).await.exits(0);
    let seen = rig.sandbox.contact(&contact).unwrap();
    assert_eq!(seen["tags"], serde_json::json!(["a"]));
}

#[tokio::test]
async fn at_a_terminal_it_asks_and_only_a_yes_does_it() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    for answer in ["no", ""] {
        let mut terminal = Terminal::of(command(&rig, &["api", "contacts", "delete", &contact]));
        terminal.until("this deletes contact").await;
        terminal.until("Do it? [no]: ").await;
        terminal.line(answer);
        let (code, shown) = terminal.end().await;
        assert_eq!(code, Some(1), "{shown}");
        assert!(
            shown.contains("stopped by you: nothing was sent"),
            "{shown}"
        );
    }
    assert_eq!(routes(&rig), Vec::<&str>::new());
    let mut terminal = Terminal::of(command(&rig, &["api", "contacts", "delete", &contact]));
    terminal.until("Do it? [no]: ").await;
    terminal.line("yes");
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.ends_with("{\n  \"succeeded\": true\n}\n"), "{shown}");
    assert_eq!(rig.sandbox.contact(&contact), None);
}

#[tokio::test]
async fn a_client_that_was_made_for_reading_cannot_write() {
    let rig = rig(1).await;
    let contact = ann(&rig);
    // A dry run of everything that asks needs no yes, and sends nothing.
    for (line, _) in gated(&contact) {
        api(&rig, &format!("{line} --dry-run")).await.exits(0);
    }
    assert_eq!(rig.sandbox.writes().len(), 0);
    assert_eq!(routes(&rig), Vec::<&str>::new());
}
