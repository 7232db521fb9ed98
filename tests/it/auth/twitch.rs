//! Logging in to Twitch.

use std::fs;
use std::time::Duration;

use ghl_sync::sandbox::{
    Fault, FaultKind, IssuedKind, Settings, TWITCH_CLIENT_ID, TWITCH_CLIENT_SECRET,
};

use super::desk::{
    FIXED_HUB, FIXED_SPOKE, applies, by_device, confidential, desk, open, secret, shown_address,
    shows_no_secret, small, small_now, typed, typed_while, until, write,
};
use crate::program::{Ended, Running};
use crate::rig::{Rig, hours, minutes};

const TOKEN: &str = "POST /oauth2/token";
pub(super) const SECRET: &str = "client_secret = \"file:twitch.secret\"";

/// A rig whose Twitch account keeps its login.
async fn public() -> Rig {
    desk(small(), FIXED_HUB, "").await
}

#[tokio::test]
async fn a_device_login_of_a_public_application_runs_to_an_apply() {
    let rig = public().await;
    let ended = by_device(&rig, "auth twitch").await.exits(0);
    let ended = ended.says(&[
        "account channel: logged in as sandbox_channel (4242), for its own channel, until 2026-03-02 16:",
        "next: ghl-sync check --online --config ",
    ]);
    ended.complains(&["/id/activate?device-code=", "confirm the code"]);
    // The second is the proof that it renews itself.
    let issued = rig.sandbox.issued_tokens();
    let access = issued.iter().filter(|one| one.kind == IssuedKind::Access);
    assert_eq!(access.count(), 2);
    applies(&rig).await;
    rig.advance(hours(5));
    typed(&rig, "plan").await.exits(0);
}

#[tokio::test]
async fn the_program_logs_in_by_a_device_code_and_logs_no_secret() {
    let rig = desk(
        Settings {
            device_interval: Duration::from_secs(1),
            ..small_now()
        },
        FIXED_HUB,
        "",
    )
    .await;
    let mut running = Running::start(&rig, &["auth", "twitch", "-vv"]);
    let address = shown_address(&mut running).await;
    assert_eq!(open(&address).await.status, 200);
    let ended = running.end().await.exits(0);
    shows_no_secret(&rig.sandbox, &ended);
    ended
        .says(&["logged in as sandbox_channel (4242)"])
        .complains(&["POST /device answered 200"]);
}

#[tokio::test]
async fn a_device_login_of_a_confidential_application_runs_to_an_apply() {
    let rig = desk(confidential(small()), FIXED_HUB, SECRET).await;
    secret(&rig, "twitch.secret", TWITCH_CLIENT_SECRET);
    by_device(&rig, "auth twitch").await.exits(0);
    // With a secret there is nothing to prove.
    let issued = rig.sandbox.issued_tokens();
    let access = issued.iter().filter(|one| one.kind == IssuedKind::Access);
    assert_eq!(access.count(), 1);
    applies(&rig).await;
    rig.advance(hours(5));
    typed(&rig, "plan").await.exits(0);
}

#[tokio::test]
async fn a_confidential_application_without_its_secret_is_found_out_at_once() {
    let rig = desk(confidential(small()), FIXED_HUB, "").await;
    by_device(&rig, "auth twitch").await.exits(4).complains(&[
        "account channel: the login is stored, but it cannot be renewed",
        "missing client secret",
        "add `client_secret = \"file:PATH\"` to [accounts.channel]",
        "run `ghl-sync auth twitch renew --account channel --config ",
    ]);
    secret(&rig, "twitch.secret", TWITCH_CLIENT_SECRET);
    write(&rig, FIXED_HUB, SECRET, "");
    typed(&rig, "auth twitch renew")
        .await
        .exits(0)
        .says(&["account channel: renewed, good until"]);
    applies(&rig).await;
}

#[tokio::test]
async fn a_device_that_hears_invalid_or_slow_down_while_it_waits_goes_on_waiting() {
    let rig = public().await;
    rig.sandbox.switch(|switches| {
        switches.pending_says_invalid = true;
        switches.slow_downs = 2;
    });
    rig.sandbox
        .fault(Fault::new(FaultKind::ResetBefore).on(TOKEN));
    let began = rig.clock.now();
    let ended = typed_while(&rig, "auth twitch", async |_| {
        until(|| rig.sandbox.count(TOKEN) >= 6).await;
        let code = rig.sandbox.pending_devices().remove(0);
        rig.sandbox.approve_device(&code, "4242");
    });
    ended.await.exits(0);
    // 5 s at first, 10 s and 15 s after each "slow_down".
    let took = rig.clock.now() - began;
    assert!(took.num_seconds() >= 5 + 10 + 15, "{took}");
    assert_eq!(rig.sandbox.count("POST /oauth2/device"), 1);
    applies(&rig).await;
}

#[tokio::test]
async fn a_device_that_is_declined_or_never_confirmed_says_so_and_asks_for_no_new_code() {
    let rig = public().await;
    let declined = typed_while(&rig, "auth twitch", async |_| {
        until(|| !rig.sandbox.pending_devices().is_empty()).await;
        let code = rig.sandbox.pending_devices().remove(0);
        rig.sandbox.deny_device(&code);
    });
    declined
        .await
        .exits(4)
        .complains(&["account channel: the login was declined at Twitch"]);
    for (named, invalid) in [(false, false), (true, false), (false, true)] {
        rig.sandbox.switch(|switches| {
            switches.expiry_named = named;
            switches.pending_says_invalid = invalid;
        });
        let expired = typed_while(&rig, "auth twitch", async |_| {
            until(|| !rig.sandbox.pending_devices().is_empty()).await;
            rig.advance(minutes(29));
        });
        expired.await.exits(4).complains(&[
            "account channel: nobody confirmed the code",
            "run `ghl-sync auth twitch --account channel --config ",
        ]);
    }
    assert_eq!(rig.sandbox.count("POST /oauth2/device"), 4);
}

#[tokio::test]
async fn a_lost_answer_to_the_poll_that_counted_is_said_in_the_end() {
    let rig = public().await;
    let lost = typed_while(&rig, "auth twitch", async |_| {
        until(|| !rig.sandbox.pending_devices().is_empty()).await;
        let code = rig.sandbox.pending_devices().remove(0);
        rig.sandbox
            .fault(Fault::new(FaultKind::ResetAfter).on(TOKEN));
        rig.sandbox.approve_device(&code, "4242");
    });
    lost.await.exits(6).complains(&[
        "account channel: Twitch's answer was lost",
        "the code is spent and nothing was stored",
    ]);
    by_device(&rig, "auth twitch").await.exits(0);
    applies(&rig).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_application_is_said_with_what_mends_it() {
    let rig = public().await;
    let main = fs::read_to_string(rig.config_path()).unwrap();
    fs::write(
        rig.config_path(),
        main.replace(TWITCH_CLIENT_ID, "anotherclient"),
    )
    .unwrap();
    typed(&rig, "auth twitch").await.exits(4).complains(&[
        "account channel: Twitch does not know the application (invalid client)",
        "correct `client_id`",
    ]);
    let rig = desk(confidential(small()), FIXED_HUB, SECRET).await;
    secret(&rig, "twitch.secret", "an-invented-wrong-secret");
    by_device(&rig, "auth twitch").await.exits(4).complains(&[
        "account channel: Twitch does not take the client secret (invalid client secret)",
        "where `client_secret` points to (file:",
        "or take that line out if the application is a public one",
    ]);
    fs::remove_file(rig.folder.join("twitch.secret")).unwrap();
    typed(&rig, "auth twitch")
        .await
        .exits(4)
        .complains(&["account channel: client_secret: cannot read the secret file"]);
}

#[tokio::test]
async fn a_login_that_lacks_a_scope_is_stored_and_says_which() {
    let rig = public().await;
    rig.sandbox.switch(|switches| {
        switches.withheld_scopes = vec!["moderator:read:followers".to_owned()];
    });
    by_device(&rig, "auth twitch").await.exits(4).complains(&[
        "account channel: the login is stored, but it lacks the scope moderator:read:followers",
        "then run `ghl-sync auth twitch --account channel --config ",
    ]);
    rig.sandbox
        .switch(|switches| switches.withheld_scopes.clear());
    by_device(&rig, "auth twitch").await.exits(0);
    applies(&rig).await;
}

/// Logs in with a device code that a moderator of the channel confirms.
async fn by_moderator(rig: &Rig) -> Ended {
    rig.sandbox.add_user("77", "helper", "Helper");
    rig.sandbox.add_moderator("77");
    typed_while(rig, "auth twitch", async |_| {
        until(|| !rig.sandbox.pending_devices().is_empty()).await;
        let code = rig.sandbox.pending_devices().remove(0);
        rig.sandbox.approve_device(&code, "77");
    })
    .await
}

#[tokio::test]
async fn a_moderator_is_told_whose_channel_it_is_for() {
    let rig = desk(small(), FIXED_HUB, "channel = \"sandbox_channel\"").await;
    by_moderator(&rig).await.exits(0).says(&[
        "logged in as helper (77), for the channel sandbox_channel, which it has to be a moderator of",
    ]);
    applies(&rig).await;
}

#[tokio::test]
async fn a_moderator_is_refused_where_the_jobs_need_the_broadcaster() {
    let rig = desk(small(), FIXED_HUB, "channel = \"sandbox_channel\"").await;
    let schedules = rig.folder.join("schedules");
    let job = fs::read_to_string(schedules.join("followers.toml")).unwrap();
    let vips = job
        .replace("name = \"followers\"", "name = \"vips\"")
        .replace("twitch.followers", "twitch.vips")
        .lines()
        .filter(|line| !line.contains("followed_at"))
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(schedules.join("vips.toml"), vips).unwrap();
    by_moderator(&rig).await.exits(4).complains(&[
        "account channel: the login is stored, but it is that of helper, and Twitch shows what vips reads to the broadcaster of sandbox_channel alone",
        "let the broadcaster confirm: run `ghl-sync auth twitch --account channel --config ",
    ]);
    by_device(&rig, "auth twitch").await.exits(0);
}

#[tokio::test]
async fn the_account_has_to_be_named_when_there_are_several_and_to_log_in_at_all() {
    let rig = public().await;
    let other = format!(
        "[accounts.other]\nservice = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\nbase_url = \"{}\"\nauth_url = \"{}\"\n",
        rig.sandbox.helix_url(),
        rig.sandbox.auth_url()
    );
    write(&rig, FIXED_HUB, "", &other);
    typed(&rig, "auth twitch")
        .await
        .exits(4)
        .complains(&["there are several Twitch accounts", "channel, other"]);
    typed(&rig, "auth twitch --account othr")
        .await
        .exits(4)
        .complains(&["there is no Twitch account `othr`", "did you mean `other`?"]);
    typed(&rig, "auth twitch --account main")
        .await
        .exits(4)
        .complains(&["run `ghl-sync auth highlevel --account main --config "]);
    by_device(&rig, "auth twitch --account other")
        .await
        .exits(0)
        .says(&[
            "account other: logged in",
            "next: ghl-sync auth twitch --account channel",
        ]);
    write(&rig, FIXED_HUB, FIXED_SPOKE, "");
    for action in ["login", "renew", "revoke --yes"] {
        typed(&rig, &format!("auth twitch {action}"))
            .await
            .exits(4)
            .complains(&["its token is kept elsewhere", "file:"]);
    }
    assert_eq!(rig.sandbox.count("POST /oauth2/revoke"), 0);
}

#[tokio::test]
async fn a_login_ends_at_twitch_and_here() {
    let rig = public().await;
    by_device(&rig, "auth twitch").await.exits(0);
    typed(&rig, "auth twitch revoke")
        .await
        .exits(4)
        .complains(&["add --yes to revoke"]);
    // The access token has ended, and its refresh token would live on.
    rig.advance(hours(6));
    typed(&rig, "auth twitch revoke --yes")
        .await
        .exits(0)
        .says(&[
            "account channel: the login is forgotten",
            "Twitch has ended it",
        ]);
    for issued in rig.sandbox.issued_tokens() {
        assert!(!rig.sandbox.is_alive(&issued.text), "{:?}", issued.kind);
    }
    typed(&rig, "auth twitch revoke --yes")
        .await
        .exits(0)
        .says(&["nobody is logged in"]);
    typed(&rig, "plan")
        .await
        .exits(4)
        .complains(&["account channel", "ghl-sync auth twitch --account channel"]);
}

#[tokio::test]
async fn a_login_is_forgotten_although_twitch_is_out_of_touch() {
    let rig = public().await;
    by_device(&rig, "auth twitch").await.exits(0);
    let fault = Fault::new(FaultKind::Html502).on("POST /oauth2/revoke");
    rig.sandbox.fault(fault.times(10));
    typed(&rig, "auth twitch revoke --yes")
        .await
        .exits(6)
        .says(&["the login is forgotten"])
        .complains(&["Twitch was not told", "settings/connections"]);
    typed(&rig, "auth show")
        .await
        .says(&["nobody is logged in"]);
}

#[tokio::test]
async fn a_twitch_that_does_not_answer_is_out_of_touch() {
    let rig = public().await;
    let fault = Fault::new(FaultKind::Status500).on("POST /oauth2/device");
    rig.sandbox.fault(fault.times(10));
    typed(&rig, "auth twitch").await.exits(6).complains(&[
        "account channel",
        "nothing was stored, run `ghl-sync auth twitch",
    ]);
    rig.sandbox.clear_faults();
    let fault = Fault::new(FaultKind::Html502).on("GET /oauth2/validate");
    rig.sandbox.fault(fault.times(10));
    by_device(&rig, "auth twitch")
        .await
        .exits(6)
        .complains(&["the login is stored, but Twitch did not say whose it is"]);
    rig.sandbox.clear_faults();
    rig.advance(Duration::from_secs(60));
    applies(&rig).await;
}

#[tokio::test]
async fn who_has_to_confirm_is_whom_twitch_shows_what_the_jobs_read() {
    let rig = public().await;
    by_device(&rig, "auth twitch")
        .await
        .exits(0)
        .complains(&["as the broadcaster or a moderator of the channel:"]);
    let vips = "name = \"vips\"\n[from]\nsource = \"twitch.vips\"\naccount = \"channel\"\n[to]\n\
                destination = \"highlevel.contacts\"\naccount = \"main\"\n[on.join]\nadd_tags = [\"vip\"]\n";
    fs::write(rig.folder.join("schedules/followers.toml"), vips).unwrap();
    let ended = by_device(&rig, "auth twitch").await.exits(0);
    assert!(!ended.err.contains("or a moderator"), "{ended}");
    ended.complains(&["as the broadcaster of the channel; Twitch shows to nobody else"]);
}
