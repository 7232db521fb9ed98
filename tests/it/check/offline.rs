//! Files, secrets, keys and logins, before anybody is asked and with it.

use super::*;

#[tokio::test]
async fn without_being_asked_to_it_makes_no_call_and_no_state() {
    let rig = Rig::new(now(1, 1)).await;
    let text = program(&rig, &["check"]).await.exits(0);
    text.says(&[
        "all is well, as far as can be told without a call",
        "not there yet",
    ]);
    assert_eq!(rig.sandbox.calls().len(), 0);
    assert!(!rig.state().exists());
    program(&rig, &["check", "--account", "main"])
        .await
        .exits(4)
        .complains(&["--account chooses whom to ask", "--online"]);
    program(&rig, &["check", "--online", "--account", "mian"])
        .await
        .exits(4)
        .complains(&["there is no account `mian`", "main (highlevel)"]);
}

#[tokio::test]
async fn what_others_can_read_is_told_with_the_command_that_closes_it() {
    let rig = Rig::new(now(1, 1)).await;
    check(&rig, "--online").await.is_well();
    chmod(&rig.state(), 0o755);
    chmod(&rig.state().join("ghl-sync.db"), 0o644);
    let checked = check(&rig, "").await;
    let state = rig.state();
    let folder = format!("run `chmod 700 {}`", state.display());
    let file = format!("run `chmod 600 {}`", state.join("ghl-sync.db").display());
    checked
        .is_well()
        .has("note", &["open to other users (mode 0755)", &folder])
        .has("note", &["open to other users (mode 0644)", &file]);
    chmod(&rig.state(), 0o700);
    chmod(&rig.folder.join("highlevel.token"), 0o644);
    check(&rig, "")
        .await
        .is_wrong(4, &["account main", "open to other users", "chmod"]);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_wrong_only_where_it_is_used() {
    let rig = Rig::new(now(1, 1)).await;
    fs::remove_file(rig.folder.join("twitch.token")).unwrap();
    let checked = check(&rig, "--online").await;
    checked
        .is_wrong(
            4,
            &[
                "account channel",
                "cannot read the secret file",
                "make it, readable by this user alone",
            ],
        )
        .has(
            "note",
            &["account channel", "not asked, because of what stands above"],
        )
        .has("ok", &["account main", "Sandbox Location"]);
    rig.write_config();
    let text = fs::read_to_string(rig.config_path()).unwrap();
    let unused = "[accounts.other]\nservice = \"highlevel\"\nlocation = \"Elsewhere\"\ntoken = \"env:GHL_SYNC_NO_SUCH\"\n";
    fs::write(rig.config_path(), format!("{text}{unused}")).unwrap();
    check(&rig, "--online")
        .await
        .is_well()
        .has(
            "ok",
            &[
                "account other",
                "no job uses it, and its token is not there",
            ],
        )
        .has("ok", &["account other", "so it is not asked"])
        .has(
            "note",
            &[
                "configuration",
                "env:GHL_SYNC_NO_SUCH comes from the environment",
                "restart",
            ],
        );
    // Whoever is named is asked.
    check(&rig, "--online --account other")
        .await
        .is_wrong(4, &["account other", "GHL_SYNC_NO_SUCH is not set"]);
}

#[tokio::test]
async fn credentials_and_keys_are_looked_at() {
    let rig = Rig::new(now(1, 1)).await;
    let folder = rig.folder.join("credentials");
    fs::create_dir(&folder).unwrap();
    fs::copy(rig.folder.join("highlevel.token"), folder.join("hub")).unwrap();
    edit(&rig, "file:highlevel.token", "credential:hub");
    let checked = check(&rig, "--online").await;
    checked.is_well().has(
        "note",
        &["credential:hub comes from systemd", "restart the service"],
    );
    let key = rig.folder.join("token.key");
    let text = fs::read_to_string(rig.config_path()).unwrap();
    fs::write(
        rig.config_path(),
        format!("token_key = \"file:token.key\"\n{text}"),
    )
    .unwrap();
    for (digits, is_key) in [("ab".repeat(32), true), ("no key".to_owned(), false)] {
        fs::write(&key, digits).unwrap();
        chmod(&key, 0o600);
        let checked = check(&rig, "--online").await;
        if is_key {
            checked.is_well().has("ok", &["`token_key`", "is key "]);
        } else {
            checked
                .is_wrong(4, &["configuration: `token_key`"])
                .has("note", &["no vendor is asked"]);
        }
    }
}

#[tokio::test]
async fn an_account_that_nobody_logged_in_is_a_note_until_it_is_asked() {
    let rig = Rig::new(now(2, 1)).await;
    edit(&rig, "token = \"file:highlevel.token\"\n", "");
    edit(&rig, "token = \"file:twitch.token\"\n", "");
    let (hub, spoke) = (
        "auth highlevel --account main",
        "auth twitch --account channel",
    );
    check(&rig, "")
        .await
        .is_well()
        .has("note", &["account main", "not logged in yet", hub])
        .has("note", &["account channel", "not logged in yet", spoke]);
    let checked = check(&rig, "--online").await;
    assert_eq!((checked.exit(), checked.all("wrong").len()), (4, 2));
    // Each is said once.
    let mut notes = checked.all("note").into_iter();
    assert!(!notes.any(|note| note.contains("not logged in")));
    checked
        .has("wrong", &["account main", "not logged in yet", hub])
        .has("wrong", &["account channel", "not logged in yet", spoke]);
    log_in(&rig, "main", LoginKind::Integration, HIGHLEVEL_TOKEN, &[]).await;
    log_in(
        &rig,
        "channel",
        LoginKind::User,
        TWITCH_TOKEN,
        TWITCH_SCOPES,
    )
    .await;
    let checked = check(&rig, "--online").await;
    checked
        .is_well()
        .has("ok", &["account channel", "logged in as somebody since 2"])
        .has("ok", &["account channel", "as its broadcaster"])
        .has("ok", &["account main", "Sandbox Location"])
        .has(
            "note",
            &["state", "stored logins are not encrypted", "token_key"],
        );
    // Revoked at the vendor: the command logs in again.
    rig.sandbox.revoke_token(HIGHLEVEL_TOKEN);
    check(&rig, "--online")
        .await
        .is_wrong(4, &["account main", "expired or revoked", hub]);
}

#[tokio::test]
async fn a_main_file_that_cannot_be_read_is_a_finding_too() {
    let rig = Rig::new(now(1, 1)).await;
    fs::write(rig.config_path(), "accounts = [").unwrap();
    check(&rig, "")
        .await
        .is_wrong(4, &["configuration: ", "ghl-sync.toml:1", "not TOML"]);
    fs::remove_file(rig.config_path()).unwrap();
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "ghl-sync.toml: cannot be read",
            "→ write one with `ghl-sync init`",
        ],
    );
}

#[tokio::test]
async fn a_login_that_nobody_renews_or_rotates_is_a_note_while_there_is_time() {
    let rig = Rig::new(now(2, 1)).await;
    edit(&rig, "token = \"file:highlevel.token\"\n", "");
    edit(&rig, "token = \"file:twitch.token\"\n", "");
    for (days, notes) in [(19, 0), (21, 1), (91, 2)] {
        let then = rig.clock.now() - TimeDelta::days(days);
        for (account, kind) in [
            ("main", LoginKind::Integration),
            ("channel", LoginKind::User),
        ] {
            let mut login = login_of(&rig, account, kind, TWITCH_TOKEN, TWITCH_SCOPES);
            (login.facts.made, login.facts.obtained) = (then, then);
            save(&rig, login).await;
        }
        let checked = check(&rig, "").await;
        checked.is_well();
        let mut said = checked.all("note");
        said.retain(|note| note.contains("30 days") || note.contains("90 days"));
        assert_eq!(said.len(), notes, "{days} days: {said:?}");
        if notes == 2 {
            checked
                .has("note", &["auth twitch renew --account channel"])
                .has("note", &["auth highlevel --account main"]);
        }
    }
}

#[tokio::test]
async fn notes_for_the_channel_are_told_to_wait_for_its_contact() {
    let rig = Rig::new(now(1, 1)).await;
    check(&rig, "").await.is_well();
    let path = rig.folder.join("schedules/followers.toml");
    let note = "[on.join]\nnote = { body = \"Followed\", to = \"channel\" }\n";
    edit_file(&path, "[on.join]\n", note);
    check(&rig, "").await.is_well().has(
        "note",
        &[
            "job followers",
            "no job over twitch.streams links the contact of channel channel",
            "twitch-streams.toml",
        ],
    );
    let streams = "name = \"live\"\n[from]\nsource = \"twitch.streams\"\naccount = \"channel\"\n[to]\ndestination = \"highlevel.contacts\"\naccount = \"main\"\n";
    fs::write(rig.folder.join("schedules/live.toml"), streams).unwrap();
    check(&rig, "").await.is_well().has(
        "note",
        &[
            "job followers",
            "wait until live links the contact",
            "link live KEY CONTACT",
        ],
    );
}
