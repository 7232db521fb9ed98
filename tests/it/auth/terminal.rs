//! Logging in at a terminal, and stopping there.

use ghl_sync::sandbox::{HIGHLEVEL_CLIENT_SECRET, HIGHLEVEL_TOKEN, TWITCH_CLIENT_SECRET};

use super::desk::{
    FIXED_HUB, FIXED_SPOKE, agree, confidential, desk, free_port, secret, small_now,
};
use super::twitch::SECRET;
use crate::program::{Running, command};
use crate::rig::Rig;
use crate::terminal::Terminal;

fn at_a_terminal(rig: &Rig, args: &[&str]) -> Terminal {
    Terminal::of(command(rig, args))
}

#[tokio::test]
async fn a_private_integration_token_is_asked_for_without_an_echo() {
    let rig = desk(small_now(), "", FIXED_SPOKE).await;
    let mut terminal = at_a_terminal(&rig, &["auth", "highlevel"]);
    terminal
        .until("It needs the scopes contacts.readonly")
        .await;
    terminal.until("(it is not shown): ").await;
    assert!(!terminal.is_echoing());
    terminal.line("two words");
    terminal.until("expected one word").await;
    terminal.until("(it is not shown): ").await;
    terminal.line(HIGHLEVEL_TOKEN);
    terminal.until("next: ghl-sync check --online").await;
    assert!(terminal.is_echoing());
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(HIGHLEVEL_TOKEN), "{shown}");
}

#[tokio::test]
async fn ctrl_c_at_the_prompt_stores_nothing_and_leaves_the_terminal_as_it_was() {
    let rig = desk(small_now(), "", FIXED_SPOKE).await;
    let mut terminal = at_a_terminal(&rig, &["auth", "highlevel"]);
    terminal.until("(it is not shown): ").await;
    terminal.signal("INT");
    terminal.until("stopped by you: nothing was stored").await;
    assert!(terminal.is_echoing());
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(1), "{shown}");
    assert_eq!(rig.sandbox.calls().len(), 0);
}

#[tokio::test]
async fn ctrl_c_ends_a_device_login_at_once() {
    let rig = desk(small_now(), FIXED_HUB, "").await;
    let mut running = Running::start(&rig, &["auth", "twitch"]);
    running
        .until(|running| running.said().contains("confirm the code"))
        .await;
    running.signal("INT");
    let ended = running.end().await.exits(1);
    ended.complains(&["stopped by you: nothing was stored"]);
    let mut terminal = at_a_terminal(&rig, &["auth", "twitch"]);
    terminal.until("waiting for you to confirm").await;
    terminal.signal("INT");
    terminal.until("stopped by you: nothing was stored").await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(1), "{shown}");
}

#[tokio::test]
async fn a_wrong_address_is_asked_for_again_until_the_browser_comes_by_itself() {
    let rig = desk(confidential(small_now()), FIXED_HUB, SECRET).await;
    secret(&rig, "twitch.secret", TWITCH_CLIENT_SECRET);
    let port = free_port().await.to_string();
    let args = ["auth", "twitch", "--browser", "--port", &port];
    let mut terminal = at_a_terminal(&rig, &args);
    terminal.until("\n\n  http").await;
    terminal.until("The address that the browser shows: ").await;
    let shown = terminal.shown();
    let line = shown.lines().find(|line| line.starts_with("  http"));
    let address = line.unwrap().trim().to_owned();
    terminal.line("c0de");
    terminal
        .until("expected the whole address that begins with")
        .await;
    terminal.until("The address that the browser shows: ").await;
    assert_eq!(agree(&address).await.status, 200);
    terminal.until("\naccount channel: logged in as").await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
}

#[tokio::test]
async fn a_login_is_revoked_when_a_person_agrees() {
    let rig = desk(small_now(), "", FIXED_SPOKE).await;
    let token = rig.folder.join("highlevel.token");
    let from = format!("file:{}", token.display());
    let args = ["auth", "highlevel", "--from", &from];
    Running::start(&rig, &args).end().await.exits(0);
    let revoke = ["auth", "highlevel", "revoke"];
    let mut terminal = at_a_terminal(&rig, &revoke);
    terminal.until("End the login of account main?").await;
    terminal.line("");
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("the login is kept"), "{shown}");
    let mut terminal = at_a_terminal(&rig, &revoke);
    terminal.until("End the login of account main?").await;
    terminal.line("yes");
    terminal.until("account main: the login is forgotten").await;
    terminal
        .until("delete the private integration in location")
        .await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(HIGHLEVEL_CLIENT_SECRET), "{shown}");
}
