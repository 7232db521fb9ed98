//! Tokens, roles, reach, clock and calls: what vendors say of an account.

use super::*;

#[tokio::test]
async fn a_dead_token_of_one_vendor_hides_nothing_of_the_other() {
    let rig = Rig::new(now(1, 1)).await;
    rig.sandbox.revoke_token(HIGHLEVEL_TOKEN);
    check(&rig, "--online")
        .await
        .is_wrong(
            4,
            &[
                "account main",
                "the token is expired or revoked",
                "file:",
                "highlevel.token",
            ],
        )
        .has("ok", &["account channel", "as its broadcaster"]);
    let rig = Rig::new(now(1, 1)).await;
    rig.sandbox.revoke_token(TWITCH_TOKEN);
    check(&rig, "--online")
        .await
        .is_wrong(
            4,
            &[
                "account channel",
                "expired or revoked",
                "auth twitch --account channel",
            ],
        )
        .has("ok", &["account main", "Sandbox Location"]);
}

#[tokio::test]
async fn a_lost_role_and_a_missing_channel_say_what_to_do() {
    let rig = Rig::new(now(3, 1)).await;
    edit(
        &rig,
        "[accounts.channel]\n",
        "[accounts.channel]\nchannel = \"sandbox_channel\"\n",
    );
    rig.sandbox.add_user("77", "helper", "Helper");
    twitch_token(&rig, "77", TWITCH_SCOPES);
    rig.sandbox.add_moderator("77");
    check(&rig, "--online").await.is_well().has(
        "ok",
        &[
            "channel sandbox_channel has 3 followers",
            "helper may list them as its moderator",
        ],
    );
    rig.sandbox.remove_moderator("77");
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account channel",
            "helper is neither the broadcaster nor a moderator of sandbox_channel",
            "/mod helper",
            "auth twitch --account channel",
        ],
    );
    // The silent empty list alone says the same.
    rig.sandbox.add_moderator("77");
    rig.sandbox.fault(
        Fault::new(FaultKind::MissingPermission)
            .on("GET /channels/followers")
            .skip(1)
            .times(9),
    );
    check(&rig, "--online").await.is_wrong(
        4,
        &["account channel", "neither the broadcaster nor a moderator"],
    );
    rig.sandbox.clear_faults();
    edit(&rig, "\"sandbox_channel\"", "\"nobody_there\"");
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account channel",
            "there is no Twitch channel `nobody_there`",
            "twitch.tv/LOGIN",
        ],
    );
}

#[tokio::test]
async fn a_token_that_nobody_renews_is_told_with_its_end() {
    let rig = Rig::new(now(1, 1)).await;
    let holder = Holder::TwitchUser {
        client_id: TWITCH_CLIENT_ID.to_owned(),
        user_id: BROADCASTER_ID.to_owned(),
    };
    let end = rig.sandbox.now() + TimeDelta::hours(3);
    set_token(
        &rig,
        TWITCH_TOKEN,
        holder,
        TWITCH_SCOPES,
        Some(end.timestamp_millis()),
    );
    check(&rig, "--online").await.is_well().has(
        "note",
        &[
            "account channel",
            "(in 3.0 h)",
            "nobody renews it",
            "auth twitch --account channel",
        ],
    );
}

#[tokio::test]
async fn a_clock_that_is_off_and_a_day_that_is_nearly_spent_are_told() {
    let rig = Rig::new(now(1, 1)).await;
    for (minutes, word) in [(3, "ahead of"), (-3, "behind")] {
        let off = Clock::starting_at(
            Utc::now() + TimeDelta::minutes(minutes),
            Arc::default(),
            None,
        );
        let checked = check_at(&rig, off, "--online").await;
        assert_eq!(checked.exit(), 4);
        for vendor in ["HighLevel", "Twitch"] {
            checked.has(
                "wrong",
                &["the clock of this machine is", word, vendor, "timedatectl"],
            );
        }
    }
    let mut settings = now(1, 1);
    settings.daily = 30;
    let rig = Rig::new(settings).await;
    edit(&rig, "reserve = 0", "reserve = 25");
    check(&rig, "--online").await.is_well().has(
        "note",
        &[
            "account main",
            "of the day's 30 calls are left",
            "25 of them reserved",
            "ghl-sync status",
        ],
    );
    check(&rig, "--online")
        .await
        .is_wrong(6, &["account main", "the budget of calls is spent until"]);
}

#[tokio::test]
async fn a_vendor_out_of_reach_is_another_exit_and_the_gravest_speaks() {
    for (url, account, other) in [
        ("highlevel", "account main", "account channel"),
        ("id", "account channel", "account main"),
    ] {
        let rig = Rig::new(now(1, 1)).await;
        let route = match url {
            "id" => "GET /oauth2/validate",
            _ => "GET /locations/{id}",
        };
        rig.sandbox
            .fault(Fault::new(FaultKind::ResetBefore).on(route).times(50));
        let checked = check(&rig, "--online").await;
        checked.is_wrong(6, &[account, "no answer to GET", "run it again later"]);
        checked.has("ok", &[other, "agrees with"]);
        // What a person has to mend comes first.
        fs::remove_file(rig.folder.join(match url {
            "id" => "highlevel.token",
            _ => "twitch.token",
        }))
        .unwrap();
        let checked = check(&rig, "--online").await;
        assert_eq!((checked.exit(), checked.all("wrong").len()), (4, 2));
    }
    for (kind, route) in [
        (FaultKind::WrongShape, "GET /locations/{id}/customFields"),
        (FaultKind::NotJson, "POST /contacts/search"),
        (FaultKind::Html502, "GET /users"),
        (FaultKind::Status500, "GET /channels/followers"),
    ] {
        let rig = Rig::new(now(1, 1)).await;
        rig.sandbox
            .fault(Fault::new(kind.clone()).on(route).times(50));
        let checked = check(&rig, "--online").await;
        assert_eq!(checked.exit(), 6, "{route} {kind:?}");
        checked.has("wrong", &["run it again later"]);
    }
}

#[tokio::test]
async fn ctrl_c_in_the_middle_of_a_renewal_costs_no_login() {
    use crate::logged::{Way, logged};
    use crate::program::Running;
    const TOKEN: &str = "POST /oauth2/token";
    let rig = logged(Way::TwitchPublic, now(3, 2)).await;
    rig.sandbox.expire_access_tokens();
    let slow = FaultKind::Slow(std::time::Duration::from_millis(500));
    rig.sandbox.fault(Fault::new(slow).on(TOKEN));
    let mut running = Running::start(&rig, &["check", "--online"]);
    running.until(|_| rig.sandbox.count(TOKEN) >= 1).await;
    running.signal("INT");
    running.end().await.exits(1).complains(&["stopped by you"]);
    program(&rig, &["plan"]).await.exits(0);
    assert_eq!(rig.sandbox.count(TOKEN), 1);
}

/// Puts another source in the place of the rig's followers.
fn over(rig: &Rig, source: &str) {
    let path = rig.folder.join("schedules/followers.toml");
    edit_file(
        &path,
        "twitch_followed_at = { value = \"{{ followed_at | date }}\", own = \"create\" }\n",
        "",
    );
    edit_file(&path, "twitch.followers", source);
}

#[tokio::test]
async fn what_only_a_broadcaster_may_list_is_said_of_another_login() {
    let rig = Rig::new(now(3, 1)).await;
    over(&rig, "twitch.vips");
    check(&rig, "--online").await.is_well().has(
        "ok",
        &["the broadcaster's of sandbox_channel, who alone may list its VIPs"],
    );
    assert_eq!(rig.sandbox.count("GET /channels/followers"), 0);
    edit(
        &rig,
        "[accounts.channel]\n",
        "[accounts.channel]\nchannel = \"sandbox_channel\"\n",
    );
    rig.sandbox.add_user("77", "helper", "Helper");
    twitch_token(&rig, "77", TWITCH_SCOPES);
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account channel",
            "shows the VIPs of sandbox_channel to its broadcaster alone, and the token is helper's",
            "its broadcaster logs in",
        ],
    );
}

#[tokio::test]
async fn every_channel_that_a_job_names_is_looked_up_with_one_call() {
    let rig = Rig::new(now(3, 1)).await;
    let path = rig.folder.join("schedules/followers.toml");
    let channels = "account = \"channel\"\nchannels = [\"nobody_there\", \"sandbox_channel\"]\n";
    edit_file(&path, "account = \"channel\"\n", channels);
    check(&rig, "--online")
        .await
        .is_wrong(
            4,
            &["there is no Twitch channel `nobody_there`", "`channels`"],
        )
        .has("ok", &["channel sandbox_channel has 3 followers"]);
    assert_eq!(rig.sandbox.count("GET /users"), 1);
}
