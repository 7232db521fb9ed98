//! Locations: which one, its scopes, its setting about duplicates, its custom fields.

use super::*;

#[tokio::test]
async fn a_missing_scope_is_named_with_how_to_grant_it() {
    for (scope, level) in [
        ("contacts.readonly", "wrong"),
        ("locations/customFields.readonly", "wrong"),
        // No job needs it.
        ("locations.readonly", "note"),
    ] {
        let mut settings = now(1, 1);
        settings.highlevel_scopes.retain(|have| have != scope);
        let rig = Rig::new(settings).await;
        let checked = check(&rig, "--online").await;
        checked.has(
            level,
            &[
                "account main",
                &format!("lacks the scope {scope}"),
                "private integration",
            ],
        );
        assert_eq!(
            checked.exit(),
            if level == "wrong" { 4 } else { 0 },
            "{scope}"
        );
        checked.has("ok", &["account main", "calls are left"]);
    }
    let rig = Rig::new(now(1, 1)).await;
    twitch_token(&rig, BROADCASTER_ID, &[]);
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account channel",
            "lacks the scope moderator:read:followers",
            "new user token",
        ],
    );
    // What an application was granted is known without trying.
    let rig = Rig::new(now(1, 1)).await;
    edit(
        &rig,
        "token = \"file:highlevel.token\"\n",
        "client_id = \"app-1\"\nclient_secret = \"file:highlevel.token\"\n",
    );
    let granted: Vec<&str> = HIGHLEVEL_SCOPES
        .iter()
        .copied()
        .filter(|scope| *scope != "contacts.write")
        .collect();
    log_in_app(&rig, "app-1", &granted).await;
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account main",
            "contacts.write was not granted",
            "marketplace",
            "auth highlevel --account main",
        ],
    );
    log_in_app(&rig, "app-1", HIGHLEVEL_SCOPES).await;
    check(&rig, "--online").await.is_well().has(
        "ok",
        &[
            "account main",
            "every needed scope was granted",
            "locations/customFields.write",
        ],
    );
}

#[tokio::test]
async fn a_login_that_cannot_be_renewed_says_what_to_do() {
    for (client_id, is_unanswered, parts) in [
        (
            "app-1",
            false,
            [
                "the client secret is missing or wrong",
                "`client_secret` in ghl-sync.toml",
            ],
        ),
        (
            HIGHLEVEL_CLIENT_ID,
            false,
            [
                "the login has ended",
                "→ run `ghl-sync auth highlevel --account main --config ",
            ],
        ),
        // Why it has ended has a semicolon of its own.
        (
            HIGHLEVEL_CLIENT_ID,
            true,
            [
                "and with it the new refresh token)",
                "→ run `ghl-sync auth highlevel --account main --config ",
            ],
        ),
    ] {
        let rig = Rig::new(now(1, 1)).await;
        let secret = rig.folder.join("app.secret");
        fs::write(&secret, HIGHLEVEL_CLIENT_SECRET).unwrap();
        chmod(&secret, 0o600);
        edit(
            &rig,
            "token = \"file:highlevel.token\"\n",
            &format!("client_id = \"{client_id}\"\nclient_secret = \"file:app.secret\"\n"),
        );
        log_in_app(&rig, client_id, HIGHLEVEL_SCOPES).await;
        if is_unanswered {
            let db = rusqlite::Connection::open(rig.state().join("ghl-sync.db")).unwrap();
            db.execute("UPDATE token SET renewing_ms = 1", []).unwrap();
        }
        rig.sandbox.revoke_token(HIGHLEVEL_TOKEN);
        let checked = check(&rig, "--online").await;
        checked
            .is_wrong(4, &["account main", parts[0], parts[1]])
            .has("ok", &["account channel", "as its broadcaster"]);
    }
}

#[tokio::test]
async fn a_location_of_an_agency_is_asked_with_a_token_that_is_made_for_it() {
    let rig = Rig::new(now(1, 1)).await;
    edit(
        &rig,
        "token = \"file:highlevel.token\"\n",
        "agency = \"agency\"\n",
    );
    let agency = format!(
        "[accounts.agency]\nservice = \"highlevel.agency\"\nclient_id = \"{HIGHLEVEL_CLIENT_ID}\"\nclient_secret = \"file:app.secret\"\nbase_url = \"{}\"\n",
        rig.sandbox.highlevel_url()
    );
    let text = fs::read_to_string(rig.config_path()).unwrap();
    fs::write(rig.config_path(), format!("{text}{agency}")).unwrap();
    let secret = rig.folder.join("app.secret");
    fs::write(&secret, HIGHLEVEL_CLIENT_SECRET).unwrap();
    chmod(&secret, 0o600);
    let command = "auth highlevel --account agency";
    check(&rig, "").await.is_well().has(
        "note",
        &[
            "account main",
            "not logged in yet through the agency account agency",
            command,
        ],
    );
    let checked = check(&rig, "--online").await;
    assert_eq!((checked.exit(), checked.all("wrong").len()), (4, 2));
    checked
        .has("wrong", &["account agency", "not logged in yet", command])
        .has("wrong", &["account main", "not logged in yet", command]);
    let holder = Holder::Company {
        company_id: COMPANY_ID.to_owned(),
    };
    let mut scopes = HIGHLEVEL_SCOPES.to_vec();
    scopes.extend(["oauth.readonly", "oauth.write"]);
    set_token(&rig, "agency-token", holder, &scopes, None);
    let login = login_of(&rig, "agency", LoginKind::Agency, "agency-token", &scopes);
    let facts = LoginFacts {
        client_id: Some(HIGHLEVEL_CLIENT_ID.to_owned()),
        owner: Some(COMPANY_ID.to_owned()),
        ..login.facts.clone()
    };
    save(&rig, Login { facts, ..login }).await;
    check(&rig, "--online")
        .await
        .is_well()
        .has(
            "ok",
            &[
                "account agency",
                "every needed scope was granted",
                "oauth.write",
            ],
        )
        .has("ok", &["account main", "Sandbox Location"]);
    assert_eq!(rig.sandbox.count("POST /oauth/locationToken"), 1);
}

#[tokio::test]
async fn a_wrong_location_and_a_wrong_client_are_one_message_each() {
    let rig = Rig::new(now(1, 1)).await;
    edit(&rig, LOCATION_ID, "sandboxLocation00002");
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account main",
            "does not belong to this location",
            "check `location`",
        ],
    );
    let rig = Rig::new(now(1, 1)).await;
    edit(&rig, TWITCH_CLIENT_ID, "anotherclient");
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account channel",
            "belongs to client id sandboxclient",
            "`client_id` says anotherclient",
        ],
    );
    let rig = Rig::new(now(1, 1)).await;
    let holder = Holder::TwitchApp {
        client_id: TWITCH_CLIENT_ID.to_owned(),
    };
    set_token(&rig, TWITCH_TOKEN, holder, &[], None);
    check(&rig, "--online")
        .await
        .is_wrong(4, &["account channel", "app token", "new user token"]);
}

#[tokio::test]
async fn custom_fields_are_held_against_what_the_jobs_name() {
    let mut settings = now(1, 1);
    settings.fields = false;
    let rig = Rig::new(settings).await;
    check(&rig, "--online").await.is_well().has(
        "note",
        &[
            "job followers",
            "no custom field `twitch_user_id` yet; `apply` makes it",
        ],
    );
    let job = rig.folder.join("schedules/followers.toml");
    edit_file(&job, "create_fields = true\n", "");
    let checked = check(&rig, "--online").await;
    assert_eq!((checked.exit(), checked.all("wrong").len()), (4, 3));
    checked.has(
        "wrong",
        &[
            "no custom field `twitch_username`",
            "Custom Fields",
            "create_fields = true",
        ],
    );
    // Whether it fits what the job writes.
    for (marker, username, followed, level, parts) in [
        (
            "TEXT",
            "LARGE_TEXT",
            "TEXT",
            "ok",
            ["text fields", "twitch_username"],
        ),
        (
            "TEXT",
            "TEXT",
            "DATE",
            "note",
            ["`twitch_followed_at`", "YYYY-MM-DD"],
        ),
        (
            "TEXT",
            "NUMERICAL",
            "TEXT",
            "note",
            ["`twitch_username`", "numbers"],
        ),
        (
            "TEXT",
            "PHONE",
            "TEXT",
            "note",
            ["`twitch_username`", "phone numbers"],
        ),
        (
            "TEXT",
            "MONETORY",
            "TEXT",
            "note",
            ["`twitch_username`", "money"],
        ),
        (
            "NUMERICAL",
            "TEXT",
            "TEXT",
            "wrong",
            ["`twitch_user_id`", "marker"],
        ),
        (
            "LARGE_TEXT",
            "TEXT",
            "TEXT",
            "wrong",
            ["`twitch_user_id`", "expected TEXT"],
        ),
        (
            "TEXT",
            "SINGLE_OPTIONS",
            "TEXT",
            "wrong",
            ["`twitch_username`", "no free text"],
        ),
        (
            "TEXT",
            "FILE_UPLOAD",
            "TEXT",
            "wrong",
            ["`twitch_username`", "no free text"],
        ),
        (
            "TEXT",
            "SIGNATURE",
            "TEXT",
            "wrong",
            ["`twitch_username`", "no free text"],
        ),
        (
            "TEXT",
            "HOLOGRAM",
            "TEXT",
            "note",
            ["`twitch_username`", "does not know"],
        ),
    ] {
        for (key, kind) in [
            ("twitch_user_id", marker),
            ("twitch_username", username),
            ("twitch_followed_at", followed),
        ] {
            if rig.sandbox.field_id(key).is_some() {
                rig.sandbox.remove_field(key);
            }
            rig.sandbox.add_field(key, key, kind);
        }
        let checked = check(&rig, "--online").await;
        checked.has(level, &parts);
        let exit = if level == "wrong" { 4 } else { 0 };
        assert_eq!(checked.exit(), exit, "{marker} {username} {followed}");
    }
}

#[tokio::test]
async fn allowed_duplicates_are_explained_and_worth_a_note_where_a_job_writes_what_identifies() {
    let rig = Rig::new(now(1, 1)).await;
    rig.sandbox
        .switch(|switches| switches.allow_duplicates = true);
    check(&rig, "--online")
        .await
        .is_well()
        .has("ok", &["account main", "duplicates are allowed"]);
    let job = rig.folder.join("schedules/followers.toml");
    edit_file(
        &job,
        "[fields]\n",
        "[fields]\nemail = \"{{ user_login }}@example.com\"\n",
    );
    check(&rig, "--online").await.is_well().has(
        "note",
        &[
            "account main",
            "duplicates are allowed",
            "match by that field",
        ],
    );
}

#[tokio::test]
async fn two_jobs_of_one_location_ask_it_once() {
    let rig = Rig::new(now(1, 1)).await;
    let job = JOB.replace("\"followers\"", "\"again\"");
    fs::write(rig.folder.join("schedules/again.toml"), job).unwrap();
    let checked = check(&rig, "--online").await;
    checked
        .is_well()
        .has("ok", &["job again", "text fields"])
        .has("ok", &["job followers", "text fields"]);
    assert_eq!(rig.sandbox.count("GET /locations/{id}/customFields"), 1);
}

#[tokio::test]
async fn a_business_that_a_job_names_is_looked_for() {
    let rig = Rig::new(now(1, 1)).await;
    let path = rig.folder.join("schedules/followers.toml");
    let business = rig.sandbox.add_business("Fan Shop");
    let line = |id: &str| format!("account = \"main\"\nbusiness = \"{id}\"\n");
    edit_file(&path, "account = \"main\"\n", &line(&business));
    check(&rig, "--online")
        .await
        .is_well()
        .has("ok", &["account main", &business, "is \"Fan Shop\""]);
    edit_file(&path, &line(&business), &line("nowhere0000000000000"));
    check(&rig, "--online").await.is_wrong(
        4,
        &["the location has no business nowhere0000000000000", "[to]"],
    );

    // Jobs attach contacts without being able to read businesses.
    let mut settings = now(1, 1);
    settings
        .highlevel_scopes
        .retain(|have| !have.starts_with("businesses"));
    let rig = Rig::new(settings).await;
    let path = rig.folder.join("schedules/followers.toml");
    edit_file(&path, "account = \"main\"\n", &line("b1"));
    check(&rig, "--online").await.is_well().has(
        "note",
        &[
            "business b1 cannot be told",
            "lacks the scope businesses.readonly",
        ],
    );
}
