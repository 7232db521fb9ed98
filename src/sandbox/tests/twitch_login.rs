//! Logins at Twitch: device code, authorization code, renewal, revocation, and what can go wrong in them.

use serde_json::{Value, json};

use super::*;

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPE: &str = "moderator:read:followers";
const SECRET: (&str, &str) = ("client_secret", TWITCH_CLIENT_SECRET);

fn confidential() -> Settings {
    Settings {
        twitch_client_secret: Some(TWITCH_CLIENT_SECRET.to_string()),
        ..Settings::default()
    }
}

impl Bench {
    fn id(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.auth_url())
    }

    async fn token(&self, pairs: &[(&str, &str)]) -> Reply {
        let mut all = vec![("client_id", TWITCH_CLIENT_ID)];
        all.extend(pairs);
        self.form(&self.id("/token"), &all).await
    }

    async fn device(&self) -> Value {
        let pairs = [("client_id", TWITCH_CLIENT_ID), ("scopes", SCOPE)];
        let reply = self.form(&self.id("/device"), &pairs).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    async fn poll(&self, device: &Value) -> Reply {
        let code = text(&device["device_code"]);
        self.token(&[("grant_type", DEVICE_GRANT), ("device_code", &code)])
            .await
    }

    /// Logs in as the broadcaster.
    async fn log_in(&self) -> Value {
        let device = self.device().await;
        let code = text(&device["user_code"]);
        self.sandbox.approve_device(&code, BROADCASTER_ID);
        let reply = self.poll(&device).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    async fn renew(&self, pair: &Value, more: &[(&str, &str)]) -> Reply {
        let refresh = text(&pair["refresh_token"]);
        let mut pairs = vec![("grant_type", "refresh_token"), ("refresh_token", &refresh)];
        pairs.extend(more);
        self.token(&pairs).await
    }

    async fn validate(&self, token: &str) -> Reply {
        let call = self
            .client
            .get(self.id("/validate"))
            .header("authorization", format!("OAuth {token}"));
        read(call.send().await.unwrap()).await.unwrap()
    }

    async fn authorize(&self, more: &[(&str, &str)]) -> Reply {
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", TWITCH_CLIENT_ID),
            ("scope", SCOPE),
            ("state", "s p+ice"),
        ];
        query.extend(more);
        self.open(&self.id("/authorize"), &query).await
    }

    async fn exchange(&self, code: &str, more: &[(&str, &str)]) -> Reply {
        let mut pairs = vec![("grant_type", "authorization_code"), ("code", code)];
        pairs.extend(more);
        self.token(&pairs).await
    }
}

const HOME: (&str, &str) = ("redirect_uri", "http://localhost:3000");

#[tokio::test]
async fn a_device_waits_for_its_user_and_gets_one_token() {
    let bench = Bench::new(Settings::default()).await;
    let device = bench.device().await;
    assert_eq!(device["expires_in"], 1800);
    assert_eq!(device["interval"], 5);
    let pending = bench.poll(&device).await;
    assert_eq!(pending.status, 400);
    assert_eq!(
        pending.json(),
        json!({ "status": 400, "message": "authorization_pending" })
    );
    bench.sandbox.switch(|switches| {
        switches.pending_says_invalid = true;
        switches.slow_downs = 1;
    });
    assert_eq!(bench.poll(&device).await.message(), "slow_down");
    assert_eq!(bench.poll(&device).await.message(), "invalid device code");
    let code = text(&device["user_code"]);
    assert_eq!(bench.sandbox.pending_devices(), [code.as_str()]);
    let page = text(&device["verification_uri"]);
    assert!(page.starts_with(&bench.sandbox.id_url()), "{page}");
    let page = read(bench.client.get(&page).send().await.unwrap())
        .await
        .unwrap();
    assert_eq!(page.status, 200);
    assert!(bench.sandbox.pending_devices().is_empty());

    let pair = bench.poll(&device).await.json();
    assert_eq!(pair["expires_in"], 14_400);
    assert_eq!(pair["scope"], json!([SCOPE]));
    assert_eq!(bench.poll(&device).await.message(), "invalid device code");
    let access = text(&pair["access_token"]);
    let valid = bench.validate(&access).await.json();
    assert_eq!(valid["user_id"], BROADCASTER_ID);
    assert_eq!(valid["login"], BROADCASTER_LOGIN);
    assert_eq!(valid["scopes"], json!([SCOPE]));
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}");
    let rows = bench.helix(&path, &access).await.json();
    assert_eq!(rows["data"].as_array().unwrap().len(), 20);
    bench.sandbox.advance(Duration::from_secs(14_400));
    assert_eq!(
        bench.validate(&access).await.message(),
        "invalid access token"
    );
}

#[tokio::test]
async fn a_device_is_refused_or_forgotten() {
    let bench = Bench::new(Settings::default()).await;
    let device = bench.device().await;
    bench.sandbox.deny_device(&text(&device["user_code"]));
    assert_eq!(bench.poll(&device).await.message(), "access_denied");
    let device = bench.device().await;
    bench.sandbox.advance(Duration::from_secs(1800));
    assert!(bench.sandbox.pending_devices().is_empty());
    assert_eq!(bench.poll(&device).await.message(), "invalid device code");
    bench
        .sandbox
        .switch(|switches| switches.expiry_named = true);
    assert_eq!(bench.poll(&device).await.message(), "expired_token");
    let reply = bench.token(&[("grant_type", DEVICE_GRANT)]).await;
    assert_eq!(reply.message(), "missing device_code");
    let pairs = [("client_id", "somebody"), ("scopes", SCOPE)];
    let reply = bench.form(&bench.id("/device"), &pairs).await;
    assert_eq!(
        (reply.status, reply.message()),
        (400, "invalid client".into())
    );
}

#[tokio::test]
async fn a_login_without_scopes_shows_none() {
    let bench = Bench::new(Settings::default()).await;
    bench
        .sandbox
        .switch(|switches| switches.withheld_scopes = vec![SCOPE.to_string()]);
    let pair = bench.log_in().await;
    assert_eq!(pair.get("scope"), None);
    let valid = bench.validate(&text(&pair["access_token"])).await;
    assert_eq!(valid.json()["scopes"], Value::Null);
}

#[tokio::test]
async fn a_moderator_reads_until_the_role_is_taken() {
    let bench = Bench::new(Settings::default()).await;
    bench.sandbox.add_user("77", "helper", "Helper");
    bench.sandbox.add_moderator("77");
    let device = bench.device().await;
    bench
        .sandbox
        .approve_device(&text(&device["user_code"]), "77");
    let pair = bench.poll(&device).await.json();
    let access = text(&pair["access_token"]);
    assert_eq!(bench.validate(&access).await.json()["login"], "helper");
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}");
    let rows = async || bench.helix(&path, &access).await.json()["data"].clone();
    assert_eq!(rows().await.as_array().unwrap().len(), 20);
    bench.sandbox.remove_moderator("77");
    assert_eq!(rows().await, json!([]));
}

#[tokio::test]
async fn a_public_application_spends_its_refresh_token() {
    let bench = Bench::new(Settings::default()).await;
    let first = bench.log_in().await;
    let second = bench.renew(&first, &[]).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(
        bench.renew(&first, &[]).await.json(),
        json!({ "status": 400, "message": "Invalid refresh token" })
    );
    bench.sandbox.advance(Duration::from_secs(29 * 86_400));
    let third = bench.renew(&second, &[]).await.json();
    bench.sandbox.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(
        bench.renew(&third, &[]).await.message(),
        "Invalid refresh token"
    );
    let code = bench.authorize(&[HOME]).await.target().1["code"].clone();
    let reply = bench.exchange(&code, &[HOME]).await;
    assert_eq!(reply.message(), "missing client secret");
}

#[tokio::test]
async fn a_confidential_application_keeps_its_refresh_token() {
    let bench = Bench::new(confidential()).await;
    let pair = bench.log_in().await;
    assert_eq!(
        bench.renew(&pair, &[]).await.message(),
        "missing client secret"
    );
    let wrong = [("client_secret", "guessed")];
    let reply = bench.renew(&pair, &wrong).await;
    assert_eq!(
        (reply.status, reply.message()),
        (400, "invalid client secret".into())
    );
    bench
        .sandbox
        .switch(|switches| switches.wrong_secret_403 = true);
    assert_eq!(bench.renew(&pair, &wrong).await.status, 403);
    bench.sandbox.advance(Duration::from_secs(400 * 86_400));
    let again = bench.renew(&pair, &[SECRET]).await.json();
    assert_eq!(pair["refresh_token"], again["refresh_token"]);
    bench
        .sandbox
        .switch(|switches| switches.refresh_rotates = true);
    let moved = bench.renew(&pair, &[SECRET]).await.json();
    assert_ne!(pair["refresh_token"], moved["refresh_token"]);
    assert_eq!(
        bench.renew(&pair, &[SECRET]).await.message(),
        "Invalid refresh token"
    );
}

#[tokio::test]
async fn the_oldest_of_fifty_access_tokens_falls_out() {
    let bench = Bench::new(confidential()).await;
    let pair = bench.log_in().await;
    let first = text(&pair["access_token"]);
    for _ in 0..49 {
        assert_eq!(bench.renew(&pair, &[SECRET]).await.status, 200);
    }
    assert!(bench.sandbox.is_alive(&first));
    let last = bench.renew(&pair, &[SECRET]).await.json();
    assert!(!bench.sandbox.is_alive(&first));
    assert!(bench.sandbox.is_alive(&text(&last["access_token"])));
}

#[tokio::test]
async fn a_code_is_exchanged_once_at_the_address_it_was_made_for() {
    let bench = Bench::new(Settings {
        any_loopback_port: true,
        ..confidential()
    })
    .await;
    let elsewhere = ("redirect_uri", "http://localhost:3000/other");
    let reply = bench.authorize(&[elsewhere]).await;
    assert_eq!(reply.json()["error"], "redirect_mismatch");
    let here = ("redirect_uri", "http://127.0.0.1:41234");
    let (address, pairs) = bench.authorize(&[here]).await.target();
    assert_eq!(address, here.1);
    assert_eq!(pairs["state"], "s p+ice");
    assert_eq!(pairs["scope"], SCOPE);
    let code = &pairs["code"];
    let reply = bench.exchange(code, &[here]).await;
    assert_eq!(reply.message(), "missing client secret");
    let reply = bench.exchange(code, &[SECRET, HOME]).await;
    assert_eq!(
        reply.message(),
        "Parameter redirect_uri does not match registered URI"
    );
    let pair = bench.exchange(code, &[SECRET, here]).await.json();
    assert!(bench.sandbox.is_alive(&text(&pair["refresh_token"])));
    let reply = bench.exchange(code, &[SECRET, here]).await;
    assert_eq!(reply.message(), "Invalid authorization code");
    let late = bench.authorize(&[here]).await.target().1["code"].clone();
    bench.sandbox.advance(Duration::from_secs(600));
    let reply = bench.exchange(&late, &[SECRET, here]).await;
    assert_eq!(reply.message(), "Invalid authorization code");

    bench
        .sandbox
        .switch(|switches| switches.state_changed = true);
    let (_, pairs) = bench.authorize(&[here]).await.target();
    assert_ne!(pairs["state"], "s p+ice");
    bench
        .sandbox
        .switch(|switches| switches.login_denied = true);
    let (_, pairs) = bench.authorize(&[here]).await.target();
    assert_eq!(pairs["error"], "access_denied");
    assert_eq!(pairs.get("code"), None);
}

#[tokio::test]
async fn a_revoked_token_takes_its_login_along_or_not() {
    let bench = Bench::new(Settings::default()).await;
    let revoke = async |client: &str, token: &str| {
        let pairs = [("client_id", client), ("token", token)];
        bench.form(&bench.id("/revoke"), &pairs).await
    };
    let pair = bench.log_in().await;
    let access = text(&pair["access_token"]);
    let reply = revoke("somebody", &access).await;
    assert_eq!(
        (reply.status, reply.message()),
        (404, "client does not exist".into())
    );
    let reply = revoke(TWITCH_CLIENT_ID, &access).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    assert_eq!(
        revoke(TWITCH_CLIENT_ID, &access).await.json(),
        json!({ "status": 400, "message": "Invalid token" })
    );
    assert!(!bench.sandbox.is_alive(&text(&pair["refresh_token"])));
    bench
        .sandbox
        .switch(|switches| switches.revoke_ends_login = false);
    let pair = bench.log_in().await;
    revoke(TWITCH_CLIENT_ID, &text(&pair["access_token"])).await;
    assert!(bench.sandbox.is_alive(&text(&pair["refresh_token"])));
}

#[tokio::test]
async fn logins_end_from_outside() {
    let bench = Bench::new(Settings::default()).await;
    let pair = bench.log_in().await;
    let (access, refresh) = (text(&pair["access_token"]), text(&pair["refresh_token"]));
    bench.sandbox.expire_access_tokens();
    assert!(!bench.sandbox.is_alive(&access) && bench.sandbox.is_alive(&refresh));
    assert!(bench.sandbox.is_alive(TWITCH_TOKEN));
    bench.sandbox.kill_refresh_tokens();
    assert!(!bench.sandbox.is_alive(&refresh));
    let pair = bench.log_in().await;
    bench.sandbox.revoke_login(Some("77"));
    assert!(bench.sandbox.is_alive(&text(&pair["access_token"])));
    bench.sandbox.revoke_login(Some(BROADCASTER_ID));
    assert!(!bench.sandbox.is_alive(&text(&pair["access_token"])));
    assert!(!bench.sandbox.is_alive(&text(&pair["refresh_token"])));
}

#[tokio::test]
async fn a_token_dies_between_two_pages() {
    let bench = Bench::new(Settings::default()).await;
    let access = text(&bench.log_in().await["access_token"]);
    bench.sandbox.drift(1, Change::ExpireTokens);
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}&first=10");
    let page = bench.helix(&path, &access).await;
    assert_eq!(page.status, 200);
    let after = text(&page.json()["pagination"]["cursor"]);
    let page = bench.helix(&format!("{path}&after={after}"), &access).await;
    assert_eq!(
        (page.status, page.message()),
        (401, "Invalid OAuth token".into())
    );
}

#[tokio::test]
async fn secrets_in_a_query_are_refused_and_bodies_are_not_kept() {
    let bench = Bench::new(confidential()).await;
    let pair = bench.log_in().await;
    let url = format!("{}?client_secret={}", bench.id("/token"), SECRET.1);
    let refresh = text(&pair["refresh_token"]);
    let pairs = [
        ("client_id", TWITCH_CLIENT_ID),
        ("grant_type", "refresh_token"),
        ("refresh_token", &refresh),
    ];
    assert_eq!(bench.form(&url, &pairs).await.status, 400);
    let json = bench
        .client
        .post(bench.id("/token"))
        .header("content-type", "application/json")
        .body(json!({ "client_id": TWITCH_CLIENT_ID, "refresh_token": refresh }).to_string());
    let reply = read(json.send().await.unwrap()).await.unwrap();
    assert_eq!(reply.message(), "missing client id");
    bench.authorize(&[HOME]).await;
    assert!(bench.sandbox.count("POST /oauth2/token") > 0);
    assert!(bench.sandbox.writes().is_empty());
    let log = format!("{:?}", bench.sandbox.calls());
    let issued = bench.sandbox.issued_tokens();
    for kind in [
        IssuedKind::Access,
        IssuedKind::Refresh,
        IssuedKind::Code,
        IssuedKind::DeviceCode,
        IssuedKind::ClientSecret,
    ] {
        assert!(issued.iter().any(|one| one.kind == kind), "{kind:?}");
    }
    for one in issued {
        assert!(!log.contains(&one.text), "{:?}", one.kind);
    }
    assert!(!log.contains("s p+ice"));
}

#[tokio::test]
async fn a_lost_answer_has_spent_the_refresh_token() {
    let kinds = [
        (FaultKind::ResetBefore, true),
        (FaultKind::Status500, true),
        (FaultKind::Html502, true),
        (FaultKind::TooMany { retry_after: None }, true),
        (FaultKind::ResetAfter, false),
        (FaultKind::Status500After, false),
        (FaultKind::Html502After, false),
        (FaultKind::Truncated, false),
        (FaultKind::BrokenBody, false),
        (FaultKind::WrongShape, false),
        (FaultKind::NotJson, false),
        (FaultKind::Slow(Duration::from_millis(1)), false),
    ];
    let bench = Bench::new(Settings::default()).await;
    for (kind, survives) in kinds {
        let pair = bench.log_in().await;
        let refresh = text(&pair["refresh_token"]);
        let pairs = [
            ("client_id", TWITCH_CLIENT_ID),
            ("grant_type", "refresh_token"),
            ("refresh_token", &refresh),
        ];
        let fault = Fault::new(kind.clone()).on("POST /oauth2/token");
        bench.sandbox.fault(fault);
        // What arrives is the fault's own business; what counts is whether the vendor acted.
        drop(bench.try_form(&bench.id("/token"), &[], &pairs).await);
        assert_eq!(bench.sandbox.is_alive(&refresh), survives, "{kind:?}");
        let seen = bench.sandbox.calls().pop().unwrap();
        assert_eq!(seen.route, "POST /oauth2/token");
        assert_eq!((seen.acted, seen.write), (!survives, false), "{kind:?}");
    }
}

#[tokio::test]
async fn the_control_plane_steers_logins() {
    let bench = Bench::new(Settings::default()).await;
    let control = async |path: &str, body: Value| {
        let call = bench
            .client
            .post(format!("{}{path}", bench.sandbox.control_url()))
            .header("content-type", "application/json")
            .body(body.to_string());
        read(call.send().await.unwrap()).await.unwrap().status
    };
    let shown = async |path: &str| bench.open(&(bench.sandbox.control_url() + path), &[]).await;
    let device = bench.device().await;
    let code = text(&device["user_code"]);
    assert_eq!(shown("/devices").await.json(), json!({ "pending": [code] }));
    let user = json!({ "id": "77", "login": "helper", "name": "Helper" });
    assert_eq!(control("/user", user).await, 200);
    let moderator = json!({ "user_id": "77", "moderates": true });
    assert_eq!(control("/moderator", moderator).await, 200);
    let approve = json!({ "user_code": code, "user_id": "77" });
    assert_eq!(control("/approve_device", approve.clone()).await, 200);
    assert_eq!(control("/approve_device", approve).await, 400);
    let pair = bench.poll(&device).await.json();
    let access = text(&pair["access_token"]);
    assert_eq!(bench.validate(&access).await.json()["login"], "helper");
    let issued = shown("/issued").await.text;
    assert!(issued.contains(&access) && issued.contains(&text(&device["device_code"])));
    assert_eq!(control("/expire_tokens", json!({})).await, 200);
    assert!(!bench.sandbox.is_alive(&access));
    assert_eq!(
        control("/revoke_login", json!({ "holder": "77" })).await,
        200
    );
    assert!(!bench.sandbox.is_alive(&text(&pair["refresh_token"])));
    let switches = json!({ "slow_downs": 1, "user_type": "Company" });
    assert_eq!(control("/switch", switches).await, 200);
    assert_eq!(control("/switch", json!({ "no_such": 1 })).await, 400);
    let device = bench.device().await;
    assert_eq!(bench.poll(&device).await.message(), "slow_down");
    let code = device["user_code"].clone();
    assert_eq!(
        control("/deny_device", json!({ "user_code": code })).await,
        200
    );
    assert_eq!(bench.poll(&device).await.message(), "access_denied");
}
