//! Logging in to HighLevel.

use ghl_sync::sandbox::{
    Fault, FaultKind, HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET, HIGHLEVEL_SCOPES,
    HIGHLEVEL_TOKEN, Holder, Settings, Token, UserType,
};
use tokio::net::TcpListener;

use super::desk::{
    FIXED_SPOKE, address, agree, applies, desk, free_port, holding, open, piped, secret,
    shown_address, shows_no_secret, small, small_now, typed, typed_while, until, write,
};
use crate::program::{Ended, Running};
use crate::rig::{Rig, hours};

/// The lines of an account that logs in by an app.
fn app(rig: &Rig, key: &str) -> String {
    secret(rig, "app.secret", HIGHLEVEL_CLIENT_SECRET);
    format!(
        "{key}client_id = \"{HIGHLEVEL_CLIENT_ID}\"\nclient_secret = \"file:app.secret\"\nauthorize_url = \"{}\"\n",
        rig.sandbox.authorize_url()
    )
}

/// A rig whose location logs in by an app.
async fn by_app(settings: Settings) -> Rig {
    let rig = desk(settings, "", FIXED_SPOKE).await;
    write(&rig, &app(&rig, ""), FIXED_SPOKE, "");
    rig
}

/// A rig whose location has its tokens from an agency.
async fn by_agency(settings: Settings, rest: &str) -> Rig {
    let rig = desk(settings, "", FIXED_SPOKE).await;
    let agency = app(
        &rig,
        &format!(
            "[accounts.agency]\nservice = \"highlevel.agency\"\nbase_url = \"{}\"\n",
            rig.sandbox.highlevel_url()
        ),
    );
    write(
        &rig,
        "agency = \"agency\"",
        FIXED_SPOKE,
        &format!("{agency}{rest}"),
    );
    rig.sandbox
        .switch(|switches| switches.user_type = UserType::Company);
    rig
}

/// Types a login by a browser, and logs in with it.
async fn browsed(rig: &Rig, line: &str) -> Ended {
    let line = format!("{line} --port {}", free_port().await);
    typed_while(rig, &line, async |said| {
        until(|| address(&said.text()).is_some()).await;
        agree(&address(&said.text()).unwrap()).await;
    })
    .await
}

fn token(holder: Holder, scopes: &[&str]) -> Token {
    Token {
        holder,
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expires_at_ms: None,
    }
}

#[tokio::test]
async fn a_private_integration_token_from_a_pipe_runs_to_an_apply() {
    let rig = desk(small_now(), "", FIXED_SPOKE).await;
    let token = format!("{HIGHLEVEL_TOKEN}\n");
    for from in [&[][..], &["--from", "-"]] {
        let args = [&["auth", "highlevel"], from].concat();
        let ended = piped(&rig, &args, holding(&token)).end().await.exits(0);
        let shown = format!("{ended}");
        assert!(!shown.contains(HIGHLEVEL_TOKEN), "{shown}");
        ended.says(&[
            "account main: HighLevel takes the token for location sandboxLocation00001",
            "next: ghl-sync check --online",
        ]);
    }
    let applied = Running::start(&rig, &["apply", "--allow", "first"]);
    applied.end().await.exits(0);
    let empty = piped(&rig, &["auth", "highlevel"], holding("")).end().await;
    empty.exits(4).complains(&["nothing was stored"]);
}

#[tokio::test]
async fn a_private_integration_token_from_a_file_runs_to_an_apply() {
    let rig = desk(small(), "", FIXED_SPOKE).await;
    let path = rig.folder.join("highlevel.token");
    typed(
        &rig,
        &format!("auth highlevel --from file:{}", path.display()),
    )
    .await
    .exits(0);
    applies(&rig).await;
    typed(&rig, "auth highlevel renew")
        .await
        .exits(4)
        .complains(&[
            "cannot be renewed",
            "then run `ghl-sync auth highlevel --account main",
        ]);
    let credentials = rig.folder.join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::rename(&path, credentials.join("hub")).unwrap();
    typed(&rig, "auth highlevel --from credential:hub")
        .await
        .exits(0);
}

#[tokio::test]
async fn a_token_is_tried_before_it_takes_the_place_of_another() {
    let rig = desk(small(), "", FIXED_SPOKE).await;
    let from = async |text: &str| {
        secret(&rig, "new.token", text);
        let path = rig.folder.join("new.token");
        let ended = typed(
            &rig,
            &format!("auth highlevel --from file:{}", path.display()),
        )
        .await;
        assert!(!format!("{ended}").contains(text), "{ended}");
        ended
    };
    from(HIGHLEVEL_TOKEN).await.exits(0);
    from("pit-invented-and-dead").await.exits(4).complains(&[
        "account main: HighLevel does not take the token",
        "run `ghl-sync auth highlevel --account main --config ",
    ]);
    let elsewhere = Holder::OtherLocation {
        location_id: "elsewhere".to_owned(),
    };
    let sandbox = &rig.sandbox;
    sandbox.set_token("pit-elsewhere", token(elsewhere, HIGHLEVEL_SCOPES));
    from("pit-elsewhere").await.exits(4).complains(&[
        "account main: the token is not one of location sandboxLocation00001",
        "nothing was stored",
    ]);
    sandbox.set_token("pit-without-scopes", token(Holder::Location, &[]));
    from("pit-without-scopes")
        .await
        .exits(4)
        .complains(&["lacks the scope contacts.readonly", "nothing was stored"]);
    sandbox.fault(Fault::new(FaultKind::Html502).times(10));
    from(HIGHLEVEL_TOKEN)
        .await
        .exits(6)
        .complains(&["the token could not be tried", "nothing was stored"]);
    sandbox.clear_faults();
    applies(&rig).await;
    let few = ["contacts.readonly", "contacts.write"];
    sandbox.set_token("few-scopes", token(Holder::Location, &few));
    // No job needs what it lacks.
    from("few-scopes")
        .await
        .exits(0)
        .says(&["it lacks the scope locations.readonly: `check --online` cannot tell"])
        .complains(&["warning: private integration tokens begin with `pit-`"]);
    typed(&rig, "auth highlevel --from pit-typed-by-mistake")
        .await
        .exits(4)
        .complains(&["--from: expected env:NAME, file:PATH"]);
    typed(&rig, "auth highlevel --paste")
        .await
        .exits(4)
        .complains(&["--paste belongs to the login of an app"]);
}

#[tokio::test]
async fn a_location_logs_in_by_a_browser_that_comes_back() {
    let rig = by_app(small()).await;
    browsed(&rig, "auth highlevel")
        .await
        .exits(0)
        .says(&[
            "account main: logged in to location sandboxLocation00001, until 2026-03-03 11:59 UTC; it renews itself",
        ])
        .complains(&["note: HighLevel has to know the redirect address http://localhost:"]);
    applies(&rig).await;
    rig.advance(hours(30));
    typed(&rig, "plan").await.exits(0);
    typed(&rig, "auth highlevel renew")
        .await
        .exits(0)
        .says(&["account main: renewed"]);
    typed(&rig, "auth highlevel revoke --yes")
        .await
        .exits(0)
        .says(&["uninstall the app in location sandboxLocation00001"]);
    typed(&rig, "plan")
        .await
        .exits(4)
        .complains(&["ghl-sync auth highlevel --account main"]);
}

#[tokio::test]
async fn a_location_logs_in_with_scopes_that_only_commands_by_hand_take() {
    let rig = by_app(small()).await;
    browsed(&rig, "auth highlevel").await.exits(0);
    typed(&rig, "api users list").await.exits(4).complains(&[
        "the token lacks the scope users.readonly",
        "ghl-sync auth highlevel --account main --scope users.readonly",
    ]);
    let asked = "auth highlevel --scope users.readonly --scope contacts.write";
    browsed(&rig, asked).await.exits(0);
    typed(&rig, "api users list").await.exits(0);
    typed(&rig, "auth highlevel renew --scope users.readonly")
        .await
        .exits(4)
        .complains(&["--scope belongs to `login`"]);
    let rig = desk(small(), "", FIXED_SPOKE).await;
    typed(&rig, "auth highlevel --scope users.readonly")
        .await
        .exits(4)
        .complains(&["--scope belongs to the login of an app"]);
}

#[tokio::test]
async fn a_location_logs_in_by_a_pasted_address() {
    let rig = by_app(small_now()).await;
    let port = free_port().await.to_string();
    // Also where it listens: the browser may be on another machine.
    let ways: [&[&str]; 2] = [&["--paste"], &["--port", &port]];
    for way in ways {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let args = [&["auth", "highlevel"], way].concat();
        let mut running = piped(&rig, &args, reader.into());
        let shown = shown_address(&mut running).await;
        let came = open(&shown).await.location();
        std::io::Write::write_all(&mut writer, format!("{came}\n").as_bytes()).unwrap();
        let ended = running.end().await.exits(0);
        shows_no_secret(&rig.sandbox, &ended);
    }
    let applied = Running::start(&rig, &["apply", "--allow", "first"]);
    applied.end().await.exits(0);
    let wrong = "http://localhost:3000/callback?code=c0de&state=another\n";
    let args = ["auth", "highlevel", "--paste"];
    let ended = piped(&rig, &args, holding(wrong)).end().await;
    ended
        .exits(4)
        .complains(&["its `state` is that of another login", "nothing was stored"]);
}

#[tokio::test]
async fn an_answer_without_a_state_is_taken_once_with_a_warning() {
    let rig = by_app(small()).await;
    rig.sandbox
        .switch(|switches| switches.state_left_out = true);
    browsed(&rig, "auth highlevel")
        .await
        .exits(0)
        .complains(&["warning: HighLevel left out the `state`"]);
    applies(&rig).await;
    rig.sandbox.switch(|switches| {
        switches.state_left_out = false;
        switches.state_changed = true;
    });
    let line = format!("auth highlevel --port {}", free_port().await);
    let refused = typed_while(&rig, &line, async |said| {
        until(|| address(&said.text()).is_some()).await;
        assert_eq!(agree(&address(&said.text()).unwrap()).await.status, 400);
        rig.advance(hours(1));
    });
    refused
        .await
        .exits(4)
        .complains(&["its `state` is that of another login", "10 minutes"]);
}

#[tokio::test]
async fn a_login_of_another_place_is_not_stored() {
    let rig = by_app(Settings {
        other_locations: vec!["anotherLocation".to_owned()],
        ..small()
    })
    .await;
    rig.sandbox
        .switch(|switches| switches.chosen_location = "anotherLocation".to_owned());
    browsed(&rig, "auth highlevel").await.exits(4).complains(&[
        "account main: the login is of location anotherLocation, and ghl-sync.toml says sandboxLocation00001; nothing was stored",
    ]);
    rig.sandbox
        .switch(|switches| switches.user_type = UserType::Company);
    browsed(&rig, "auth highlevel").await.exits(4).complains(&[
        "account main: the login is of an agency",
        "nothing was stored",
    ]);
    typed(&rig, "auth show")
        .await
        .says(&["nobody is logged in"]);
}

#[tokio::test]
async fn a_declined_login_a_wrong_secret_and_a_lost_answer_are_said() {
    let rig = by_app(small()).await;
    rig.sandbox.switch(|switches| switches.login_denied = true);
    browsed(&rig, "auth highlevel")
        .await
        .exits(4)
        .complains(&["declined at HighLevel (access_denied)"]);
    rig.sandbox.switch(|switches| switches.login_denied = false);
    rig.sandbox
        .fault(Fault::new(FaultKind::ResetAfter).on("POST /oauth/token"));
    browsed(&rig, "auth highlevel")
        .await
        .exits(6)
        .complains(&["account main", "nothing was stored, run"]);
    secret(&rig, "app.secret", "an-invented-wrong-secret");
    browsed(&rig, "auth highlevel").await.exits(4).complains(&[
        "account main: HighLevel does not take the client secret (Invalid client credentials!)",
        "put the secret of the application sandboxapp-m1k2 where `client_secret` points to",
    ]);
}

#[tokio::test]
async fn a_location_login_that_lacks_a_scope_is_stored_and_says_which() {
    let rig = by_app(small()).await;
    rig.sandbox.switch(|switches| {
        switches.withheld_scopes = vec!["contacts.write".to_owned()];
    });
    browsed(&rig, "auth highlevel").await.exits(4).complains(&[
        "the login is stored, but it lacks the scope contacts.write",
        "add it to the app in HighLevel's marketplace, then run `ghl-sync auth highlevel",
    ]);
}

#[tokio::test]
async fn an_agency_logs_in_for_its_locations() {
    let rig = by_agency(small(), "").await;
    typed(&rig, "auth highlevel --account main")
        .await
        .exits(4)
        .complains(&[
            "account main needs no login of its own",
            "hint: log the agency in: ghl-sync auth highlevel --account agency",
        ]);
    browsed(&rig, "auth highlevel --account agency")
        .await
        .exits(0)
        .says(&[
            "account main: its first token is made",
            "account agency: logged in to agency sandboxCompany000001",
        ]);
    applies(&rig).await;
    rig.advance(hours(30));
    typed(&rig, "plan").await.exits(0);
    typed(&rig, "auth highlevel renew --account main")
        .await
        .exits(0)
        .says(&["account main: renewed"]);
    typed(&rig, "auth highlevel revoke --yes --account agency")
        .await
        .exits(0)
        .says(&[
            "account agency: the login is forgotten",
            "account main: its token is forgotten",
            "uninstall the app",
        ]);
    typed(&rig, "plan")
        .await
        .exits(4)
        .complains(&["ghl-sync auth highlevel --account agency"]);
}

#[tokio::test]
async fn a_location_that_the_agency_does_not_cover_is_listed_as_bad() {
    let other = "[accounts.other]\nservice = \"highlevel\"\nlocation = \"notInstalled\"\nagency = \"agency\"\n";
    let rig = by_agency(small(), "").await;
    let main = std::fs::read_to_string(rig.config_path()).unwrap();
    let other = format!("{other}base_url = \"{}\"\n", rig.sandbox.highlevel_url());
    std::fs::write(rig.config_path(), format!("{main}{other}")).unwrap();
    browsed(&rig, "auth highlevel --account agency")
        .await
        .exits(4)
        .says(&[
            "account main: its first token is made",
            "account agency: logged in",
        ])
        .complains(&[
            "error: account other: ",
            "location notInstalled",
            "check `location`, and that the application is installed there",
        ]);
    rig.sandbox
        .switch(|switches| switches.user_type = UserType::Location);
    browsed(&rig, "auth highlevel --account agency")
        .await
        .exits(4)
        .complains(&[
            "the login is of location sandboxLocation00001, and this account is an agency's",
        ]);
    // The login that was there stays.
    applies(&rig).await;
}

#[tokio::test]
async fn a_port_in_use_and_a_redirect_address_elsewhere_are_said() {
    let rig = by_app(small_now()).await;
    let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    typed(&rig, &format!("auth highlevel --port {port}"))
        .await
        .exits(4)
        .complains(&[
            &format!("account main: port {port} is in use by another program"),
            "--port",
            "--paste",
        ]);
    let elsewhere = format!(
        "{}redirect_uri = \"https://example.com/callback\"\n",
        app(&rig, "")
    );
    write(&rig, &elsewhere, FIXED_SPOKE, "");
    typed(&rig, "auth highlevel --port 3001")
        .await
        .exits(4)
        .complains(&["--port: `redirect_uri` is https://example.com/callback"]);
    let args = ["auth", "highlevel"];
    let ended = piped(&rig, &args, holding("")).end().await.exits(4);
    ended.complains(&[
        "It comes back to https://example.com/callback",
        "the input ended before",
    ]);
}
