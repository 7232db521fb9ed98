//! Logging in to Twitch through a browser.

use ghl_sync::sandbox::TWITCH_CLIENT_SECRET;

use super::desk::{
    FIXED_HUB, Said, address, agree, confidential, desk, free_port, open, piped, secret,
    shown_address, shows_no_secret, small, small_now, typed, typed_while, until,
};
use super::twitch::SECRET;
use crate::program::Running;
use crate::rig::minutes;

#[tokio::test]
async fn a_browser_login_runs_to_an_apply_and_refuses_another_answer() {
    let rig = desk(confidential(small_now()), FIXED_HUB, SECRET).await;
    secret(&rig, "twitch.secret", TWITCH_CLIENT_SECRET);
    let port = free_port().await;
    let args = [
        "auth",
        "twitch",
        "-vv",
        "--browser",
        "--port",
        &port.to_string(),
    ];
    let mut running = Running::start(&rig, &args);
    let address = shown_address(&mut running).await;
    assert!(address.contains("scope=moderator%3Aread%3Afollowers&state="));
    for wrong in ["?code=c0de", "?code=c0de&state=0123456789abcdef"] {
        let seen = open(&format!("http://localhost:{port}{wrong}")).await;
        assert_eq!(seen.status, 400, "{seen:?}");
    }
    let seen = agree(&address).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    for part in ["cache-control: no-store", "referrer-policy: no-referrer"] {
        assert!(seen.head.contains(part), "{seen:?}");
    }
    assert!(seen.body.contains("go back to the terminal"), "{seen:?}");
    let ended = running.end().await.exits(0);
    shows_no_secret(&rig.sandbox, &ended);
    ended
        .says(&["logged in as sandbox_channel (4242)"])
        .complains(&["it has no `state`", "its `state` is that of another login"]);
    let applied = Running::start(&rig, &["apply", "--allow", "first"]);
    applied.end().await.exits(0);
}

#[tokio::test]
async fn a_pasted_address_logs_in_on_a_machine_without_a_browser() {
    let rig = desk(confidential(small_now()), FIXED_HUB, SECRET).await;
    secret(&rig, "twitch.secret", TWITCH_CLIENT_SECRET);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let args = [
        "auth",
        "twitch",
        "-vv",
        "--log-format",
        "json",
        "--browser",
        "--paste",
    ];
    let mut running = piped(&rig, &args, reader.into());
    let shown = shown_address(&mut running).await;
    // Nobody listens there, and the browser shows the address all the same.
    let came = open(&shown).await.location();
    std::io::Write::write_all(&mut writer, format!("{came}\n").as_bytes()).unwrap();
    let ended = running.end().await.exits(0);
    shows_no_secret(&rig.sandbox, &ended);
    ended.complains(&["may say that it cannot connect, which is expected"]);
}

#[tokio::test]
async fn a_public_application_cannot_log_in_by_a_browser() {
    let rig = desk(small(), FIXED_HUB, "").await;
    typed(&rig, "auth twitch --browser")
        .await
        .exits(4)
        .complains(&["account channel: a public application cannot", "--browser"]);
    assert_eq!(rig.sandbox.calls().len(), 0);
}

#[tokio::test]
async fn a_browser_that_is_declined_or_brings_another_state_logs_nobody_in() {
    let rig = desk(confidential(small()), FIXED_HUB, SECRET).await;
    secret(&rig, "twitch.secret", TWITCH_CLIENT_SECRET);
    let port = free_port().await;
    let line = format!("auth twitch --browser --port {port}");
    let shown = async |said: &Said| {
        until(|| address(&said.text()).is_some()).await;
        address(&said.text()).unwrap()
    };
    rig.sandbox.switch(|switches| switches.login_denied = true);
    let declined = typed_while(&rig, &line, async |said| {
        let seen = agree(&shown(said).await).await;
        assert!(seen.body.contains("declined"), "{seen:?}");
    });
    declined.await.exits(4).complains(&[
        "account channel: the login was declined at Twitch (access_denied: The user denied you access)",
    ]);
    rig.sandbox.switch(|switches| {
        switches.login_denied = false;
        switches.state_changed = true;
    });
    let changed = typed_while(&rig, &line, async |said| {
        assert_eq!(agree(&shown(said).await).await.status, 400);
        rig.advance(minutes(11));
    });
    changed.await.exits(4).complains(&[
        "its `state` is that of another login",
        "no browser came back within 10 minutes; nothing was stored",
    ]);
    typed(&rig, "auth show")
        .await
        .says(&["nobody is logged in"]);
}
