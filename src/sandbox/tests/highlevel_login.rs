//! Logins at HighLevel: the page, the token calls of both versions, agencies, and what can go wrong in them.

use serde_json::{Value, json};

use super::*;

const SCOPES: &str = "contacts.readonly locations.readonly oauth.write oauth.readonly";
const HOME: (&str, &str) = ("redirect_uri", "http://localhost:3000/callback");

fn ours() -> Vec<(&'static str, &'static str)> {
    vec![
        ("client_id", HIGHLEVEL_CLIENT_ID),
        ("client_secret", HIGHLEVEL_CLIENT_SECRET),
    ]
}

impl Bench {
    fn hub_url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.highlevel_url())
    }

    async fn choose(&self) -> Reply {
        let query = [
            ("response_type", "code"),
            ("client_id", HIGHLEVEL_CLIENT_ID),
            ("scope", SCOPES),
            ("state", "spice"),
            HOME,
        ];
        self.open(&self.sandbox.authorize_url(), &query).await
    }

    async fn hub_token(&self, pairs: &[(&str, &str)]) -> Reply {
        let mut all = ours();
        all.extend(pairs);
        self.form(&self.hub_url("/oauth/token"), &all).await
    }

    async fn install(&self) -> Value {
        let code = self.choose().await.target().1["code"].clone();
        let pairs = [("grant_type", "authorization_code"), ("code", &code), HOME];
        let reply = self.hub_token(&pairs).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    async fn hub_renew(&self, pair: &Value) -> Reply {
        let refresh = text(&pair["refresh_token"]);
        let pairs = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.as_str()),
            ("user_type", "Location"),
        ];
        self.hub_token(&pairs).await
    }

    async fn hub_as(&self, token: &str, path: &str) -> Reply {
        let call = self
            .client
            .get(self.hub_url(path))
            .header("authorization", format!("Bearer {token}"))
            .header("version", "2021-07-28");
        read(call.send().await.unwrap()).await.unwrap()
    }

    async fn mint(&self, token: &str, version: &str, path: &str, location: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("version", version)];
        let pairs = [("companyId", COMPANY_ID), ("locationId", location)];
        let url = self.hub_url(path);
        self.try_form(&url, &headers, &pairs).await.unwrap()
    }
}

fn here() -> String {
    format!("/locations/{LOCATION_ID}")
}

#[tokio::test]
async fn a_location_is_chosen_and_its_token_works_for_a_day() {
    let bench = Bench::new(Settings::default()).await;
    let (address, pairs) = bench.choose().await.target();
    assert_eq!(address, HOME.1);
    assert_eq!(pairs["state"], "spice");
    let pair = bench.install().await;
    assert_eq!(pair["expires_in"], 86_399);
    assert_eq!(pair["token_type"], "Bearer");
    assert_eq!(pair["userType"], "Location");
    assert_eq!(pair["locationId"], LOCATION_ID);
    assert_eq!(pair["companyId"], COMPANY_ID);
    assert_eq!(pair["scope"], "contacts.readonly locations.readonly");
    let access = text(&pair["access_token"]);
    assert_eq!(bench.hub_as(&access, &here()).await.status, 200);
    let fields = format!("{}/customFields", here());
    assert_eq!(
        bench.hub_as(&access, &fields).await.message(),
        "The token is not authorized for this scope."
    );
    bench.sandbox.advance(Duration::from_secs(86_399));
    let dead = bench.hub_as(&access, &here()).await;
    assert_eq!(dead.status, 401);
    assert_eq!(
        dead.json(),
        json!({ "statusCode": 401, "message": "Invalid JWT" })
    );
    bench.sandbox.revoke_token(HIGHLEVEL_TOKEN);
    assert_eq!(
        bench.hub_as(HIGHLEVEL_TOKEN, &here()).await.message(),
        "Invalid Private Integration token"
    );
}

#[tokio::test]
async fn a_refresh_token_serves_once_within_a_year() {
    let bench = Bench::new(Settings::default()).await;
    let first = bench.install().await;
    let second = bench.hub_renew(&first).await.json();
    assert_eq!(
        bench.hub_renew(&first).await.json()["message"],
        "Invalid grant: refresh token is invalid"
    );
    bench
        .sandbox
        .switch(|switches| switches.location_inactive = true);
    let paused = bench.hub_renew(&second).await;
    assert_eq!(
        (paused.status, paused.message()),
        (400, "Location is not active".into())
    );
    bench
        .sandbox
        .switch(|switches| switches.location_inactive = false);
    bench.sandbox.advance(Duration::from_secs(364 * 86_400));
    let third = bench.hub_renew(&second).await.json();
    bench.sandbox.advance(Duration::from_secs(365 * 86_400));
    assert_eq!(
        bench.hub_renew(&third).await.message(),
        "Invalid grant: refresh token is invalid"
    );
}

#[tokio::test]
async fn wrong_calls_are_refused_in_the_words_of_their_version() {
    let bench = Bench::new(Settings::default()).await;
    let url = bench.hub_url("/oauth/token");
    let reply = bench
        .form(&url, &[("client_id", HIGHLEVEL_CLIENT_ID)])
        .await;
    assert_eq!(reply.status, 422);
    assert_eq!(
        reply.json()["message"],
        json!(["client_secret should not be empty"])
    );
    let v3 = [("version", "v3")];
    let reply = bench.try_form(&url, &v3, &ours()).await.unwrap();
    assert_eq!(
        reply.message(),
        "Missing parameter: clientId",
        "snake case is not read in v3"
    );
    let wrong = [
        ("client_id", HIGHLEVEL_CLIENT_ID),
        ("client_secret", "guessed"),
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
    ];
    let reply = bench.form(&url, &wrong).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json()["error"], "UnAuthorized!");
    let pairs = [("grant_type", "authorization_code"), ("code", "guessed")];
    assert_eq!(
        bench.hub_token(&pairs).await.message(),
        "Invalid grant: authorization code is invalid"
    );
    let leaky = format!("{url}?client_secret={HIGHLEVEL_CLIENT_SECRET}");
    assert_eq!(bench.form(&leaky, &ours()).await.status, 400);
    let elsewhere = [
        ("response_type", "code"),
        ("client_id", HIGHLEVEL_CLIENT_ID),
        ("scope", SCOPES),
        ("redirect_uri", "http://localhost:3000/other"),
    ];
    let page = bench.open(&bench.sandbox.authorize_url(), &elsewhere).await;
    assert_eq!(page.status, 400);
}

#[tokio::test]
async fn the_third_version_speaks_camel_case() {
    let bench = Bench::new(Settings::default()).await;
    let code = bench.choose().await.target().1["code"].clone();
    let body = json!({
        "clientId": HIGHLEVEL_CLIENT_ID,
        "clientSecret": HIGHLEVEL_CLIENT_SECRET,
        "grantType": "authorization_code",
        "code": code,
        "redirectUri": HOME.1,
    });
    let call = bench
        .client
        .post(bench.hub_url("/oauth/token"))
        .header("version", "v3")
        .header("content-type", "application/json")
        .body(body.to_string());
    let pair = read(call.send().await.unwrap()).await.unwrap().json();
    assert_eq!(pair["expiresIn"], 86_399);
    assert_eq!(pair["userType"], "Location");
    let refresh = text(&pair["refreshToken"]);
    let pairs = [
        ("clientId", HIGHLEVEL_CLIENT_ID),
        ("clientSecret", HIGHLEVEL_CLIENT_SECRET),
        ("grantType", "refresh_token"),
        ("refreshToken", refresh.as_str()),
    ];
    let url = bench.hub_url("/oauth/token");
    let reply = bench
        .try_form(&url, &[("version", "v3")], &pairs)
        .await
        .unwrap();
    assert!(bench.sandbox.is_alive(&text(&reply.json()["accessToken"])));
    assert!(!bench.sandbox.is_alive(&refresh));
    let log = format!("{:?}", bench.sandbox.calls());
    assert!(!log.contains(HIGHLEVEL_CLIENT_SECRET) && !log.contains(&refresh));
}

#[tokio::test]
async fn an_agency_makes_tokens_for_its_locations() {
    let bench = Bench::new(Settings {
        other_locations: vec!["sandboxLocation00002".to_string()],
        ..Settings::default()
    })
    .await;
    bench
        .sandbox
        .switch(|switches| switches.user_type = UserType::Company);
    let agency = bench.install().await;
    assert_eq!(agency["userType"], "Company");
    assert_eq!(agency.get("locationId"), None);
    assert_eq!(
        agency["approvedLocations"],
        json!([LOCATION_ID, "sandboxLocation00002"])
    );
    let token = text(&agency["access_token"]);
    assert_eq!(
        bench.hub_as(&token, &here()).await.message(),
        "This authClass type is not allowed to access this scope."
    );
    let path = format!("/oauth/installedLocations?companyId={COMPANY_ID}&appId=sandboxapp");
    let installed = bench.hub_as(&token, &path).await.json();
    assert_eq!(installed["count"], 2);
    assert_eq!(installed["locations"][0]["_id"], LOCATION_ID);

    let (v2, v3) = ("2021-07-28", "v3");
    let made = bench
        .mint(&token, v2, "/oauth/locationToken", LOCATION_ID)
        .await
        .json();
    assert_eq!(made["scope"], "contacts.readonly locations.readonly");
    assert_eq!(made.get("refresh_token"), None);
    let local = text(&made["access_token"]);
    assert_eq!(bench.hub_as(&local, &here()).await.status, 200);
    let reply = bench
        .mint(&local, v2, "/oauth/locationToken", LOCATION_ID)
        .await;
    assert_eq!(reply.status, 401, "a location makes no tokens");
    let made = bench
        .mint(&token, v3, "/oauth/location-token", LOCATION_ID)
        .await
        .json();
    assert!(bench.sandbox.is_alive(&text(&made["refreshToken"])));
    let reply = bench
        .mint(&token, v3, "/oauth/locationToken", LOCATION_ID)
        .await;
    assert_eq!(reply.status, 404);
    let other = bench
        .mint(&token, v2, "/oauth/locationToken", "sandboxLocation00002")
        .await
        .json();
    let reply = bench.hub_as(&text(&other["access_token"]), &here()).await;
    assert_eq!(
        (reply.status, reply.message()),
        (
            403,
            "The token does not have access to this location.".into()
        )
    );
    let reply = bench
        .mint(&token, v2, "/oauth/locationToken", "someoneElse")
        .await;
    assert_eq!(reply.status, 403);
    let pit = bench
        .mint(HIGHLEVEL_TOKEN, v2, "/oauth/locationToken", LOCATION_ID)
        .await;
    assert_eq!(pit.status, 401);
    bench
        .sandbox
        .switch(|switches| switches.location_inactive = true);
    let paused = bench
        .mint(&token, v2, "/oauth/locationToken", LOCATION_ID)
        .await;
    assert_eq!(paused.message(), "Location is not active");
}

#[tokio::test]
async fn an_agency_without_the_scope_makes_none() {
    let bench = Bench::new(Settings::default()).await;
    bench.sandbox.switch(|switches| {
        switches.user_type = UserType::Company;
        switches.withheld_scopes = vec!["oauth.write".to_string()];
    });
    let agency = bench.install().await;
    let token = text(&agency["access_token"]);
    let reply = bench
        .mint(&token, "2021-07-28", "/oauth/locationToken", LOCATION_ID)
        .await;
    assert_eq!(
        reply.message(),
        "The token is not authorized for this scope."
    );
}

#[tokio::test]
async fn the_page_may_lose_or_change_the_state() {
    let bench = Bench::new(Settings::default()).await;
    bench
        .sandbox
        .switch(|switches| switches.state_changed = true);
    assert_ne!(bench.choose().await.target().1["state"], "spice");
    bench
        .sandbox
        .switch(|switches| switches.state_left_out = true);
    let (_, pairs) = bench.choose().await.target();
    assert_eq!(pairs.get("state"), None);
    assert!(pairs.contains_key("code"));
    bench.sandbox.switch(|switches| {
        switches.login_denied = true;
    });
    assert_eq!(bench.choose().await.target().1["error"], "access_denied");
}

#[tokio::test]
async fn another_location_can_be_chosen_by_mistake() {
    let bench = Bench::new(Settings::default()).await;
    bench
        .sandbox
        .switch(|switches| switches.chosen_location = "sandboxLocation00002".to_string());
    let pair = bench.install().await;
    assert_eq!(pair["locationId"], "sandboxLocation00002");
    let reply = bench.hub_as(&text(&pair["access_token"]), &here()).await;
    assert_eq!(reply.status, 403);
    bench.sandbox.revoke_login(Some("sandboxLocation00002"));
    assert_eq!(
        bench.hub_renew(&pair).await.message(),
        "Invalid grant: refresh token is invalid"
    );
}

#[tokio::test]
async fn a_lost_token_answer_has_spent_the_refresh_token() {
    let bench = Bench::new(Settings::default()).await;
    for (kind, survives) in [
        (FaultKind::ResetBefore, true),
        (FaultKind::Status503, true),
        (FaultKind::ResetAfter, false),
        (FaultKind::Status500After, false),
        (FaultKind::Html502After, false),
        (FaultKind::Truncated, false),
        (FaultKind::BrokenBody, false),
        (FaultKind::WrongShape, false),
    ] {
        let pair = bench.install().await;
        let refresh = text(&pair["refresh_token"]);
        let mut pairs = ours();
        pairs.push(("grant_type", "refresh_token"));
        pairs.push(("refresh_token", &refresh));
        let fault = Fault::new(kind.clone()).on("POST /oauth/token");
        bench.sandbox.fault(fault);
        let url = bench.hub_url("/oauth/token");
        // What arrives is the fault's own business; what counts is whether the vendor acted.
        drop(bench.try_form(&url, &[], &pairs).await);
        assert_eq!(bench.sandbox.is_alive(&refresh), survives, "{kind:?}");
    }
    assert!(bench.sandbox.writes().is_empty());
}
