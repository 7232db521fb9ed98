//! What `auth show` tells.

use ghl_sync::sandbox::{HIGHLEVEL_TOKEN, LOCATION_ID, TWITCH_TOKEN};
use serde_json::Value;

use super::desk::{FIXED_HUB, FIXED_SPOKE, by_device, desk, secret, small, typed, write};
use crate::rig::hours;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn nothing_is_made_where_there_is_nothing_to_show() {
    let rig = desk(small(), "", FIXED_SPOKE).await;
    typed(&rig, "auth show").await.exits(0).says(&[
        "account channel (twitch)\n  its token is kept elsewhere: file:",
        "account main (highlevel)\n  WRONG  nobody is logged in\n         → ghl-sync auth highlevel --account main",
    ]);
    assert!(!rig.state().exists());
    std::fs::remove_file(rig.folder.join("twitch.token")).unwrap();
    typed(&rig, "auth twitch show")
        .await
        .exits(0)
        .says(&["WRONG  token: cannot read the secret file"]);
}

#[tokio::test]
async fn text_and_json_tell_the_same_and_no_token() {
    let rig = desk(small(), "", "").await;
    let token = rig.folder.join("highlevel.token");
    typed(
        &rig,
        &format!("auth highlevel --from file:{}", token.display()),
    )
    .await
    .exits(0);
    by_device(&rig, "auth twitch").await.exits(0);
    secret(&rig, "token.key", KEY);
    let main = std::fs::read_to_string(rig.config_path()).unwrap();
    let keyed = format!("token_key = \"file:token.key\"\n{main}");
    std::fs::write(rig.config_path(), &keyed).unwrap();
    let text = typed(&rig, "auth show").await.exits(0);
    let shown = text.out.clone();
    let text = text.says(&[
        "logged in as sandbox_channel (4242), since 2026-03-02 12:",
        "good until 2026-03-02 16:",
        "; renews itself; last renewed 2026-03-02 12:",
        "scopes: moderator:read:followers",
        "private integration token of location",
        "does not end by itself",
        "encrypted with key ",
    ]);
    assert!(!text.out.contains("WRONG"), "{text}");
    let json = typed(&rig, "auth show --format json").await.exits(0);
    for secret in [HIGHLEVEL_TOKEN, TWITCH_TOKEN, KEY] {
        assert!(!shown.contains(secret) && !json.out.contains(secret));
    }
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["schema"], 1);
    let [channel, main] = json["accounts"].as_array().unwrap().as_slice() else {
        panic!("two accounts: {json}")
    };
    for (key, value) in [
        ("account", "channel"),
        ("service", "twitch"),
        ("way", "user"),
        ("kind", "user"),
        ("owner", "4242"),
        ("owner_name", "sandbox_channel"),
    ] {
        assert_eq!(channel[key], value, "{key}");
    }
    assert_eq!(channel["scopes"][0], "moderator:read:followers");
    assert_eq!(channel["encrypted"], true);
    assert!(
        channel["expires"]
            .as_str()
            .unwrap()
            .starts_with("2026-03-02T16:")
    );
    assert!(shown.contains(channel["key"].as_str().unwrap()));
    assert_eq!(main["kind"], "integration");
    assert_eq!(main["scopes"], Value::Null);
    assert_eq!(main["wrong"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_login_that_has_ended_or_is_of_something_else_is_shown_with_what_mends_it() {
    let rig = desk(small(), FIXED_HUB, "").await;
    by_device(&rig, "auth twitch").await.exits(0);
    rig.sandbox.revoke_login(None);
    rig.advance(hours(6));
    typed(&rig, "plan").await.exits(4);
    typed(&rig, "auth twitch show").await.exits(0).says(&[
        "ended 2026-03-02 16:",
        "; cannot be renewed",
        "WRONG  the login has ended (Invalid refresh token",
        "→ ghl-sync auth twitch --account channel",
    ]);
    typed(&rig, "auth twitch renew")
        .await
        .exits(4)
        .complains(&["account channel: the login has ended"]);
    by_device(&rig, "auth twitch").await.exits(0);
    let main = std::fs::read_to_string(rig.config_path()).unwrap();
    let other = main.replace("client_id = \"sandboxclient\"", "client_id = \"another\"");
    std::fs::write(rig.config_path(), other).unwrap();
    typed(&rig, "auth show").await.exits(0).says(&[
        "WRONG  the stored login is of client id sandboxclient, and ghl-sync.toml says another",
    ]);
    write(&rig, FIXED_HUB, FIXED_SPOKE, "");
    let renamed = std::fs::read_to_string(rig.config_path()).unwrap();
    let renamed = renamed.replace("[accounts.channel]", "[accounts.renamed]");
    let job = rig.folder.join("schedules/followers.toml");
    std::fs::remove_file(job).unwrap();
    std::fs::write(rig.config_path(), renamed).unwrap();
    typed(&rig, "auth show").await.exits(0).says(&[
        "account channel\n  logged in as sandbox_channel",
        "WRONG  a twitch login is stored, and ghl-sync.toml has no account of this name",
    ]);
}

#[tokio::test]
async fn a_token_of_the_location_before_is_not_used_for_the_next() {
    let rig = desk(small(), "", FIXED_SPOKE).await;
    let token = rig.folder.join("highlevel.token");
    let from = format!("auth highlevel --from file:{}", token.display());
    typed(&rig, &from).await.exits(0);
    let main = std::fs::read_to_string(rig.config_path()).unwrap();
    let other = main.replace(LOCATION_ID, "anotherLocation");
    std::fs::write(rig.config_path(), other).unwrap();
    typed(&rig, "auth show").await.exits(0).says(&[
        "WRONG  the stored login is of location sandboxLocation00001, and ghl-sync.toml says anotherLocation",
    ]);
    typed(&rig, "plan").await.exits(4).complains(&[
        "account main: the stored login is of location sandboxLocation00001",
        "ghl-sync auth highlevel --account main",
    ]);
}
