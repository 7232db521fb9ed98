//! What vendors, clocks, disks and people do to logins that nobody expected.

use std::fs;
use std::sync::{Arc, Mutex};

use ghl_sync::model::Secret;
use ghl_sync::net::Keeper;
use ghl_sync::run::Ask;
use ghl_sync::sandbox::LOCATION_ID;
use ghl_sync::store::{Login, Vault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::logged::{Way, keeper, logged, run, worlds};
use crate::program::{now, program};
use crate::rig::{Rig, hours, settings};

/// A token endpoint that gives one answer to everybody and keeps what it was sent.
struct Front {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    async fn new(status: &str, body: &str) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut bytes = [0; 8_192];
                while !is_whole(&request) {
                    match stream.read(&mut bytes).await {
                        Ok(read @ 1..) => request.extend_from_slice(&bytes[..read]),
                        Ok(0) | Err(_) => break,
                    }
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                kept.lock().unwrap().push(text);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Front { url, seen, task }
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name == "content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

/// Puts other addresses into the configuration in place of the sandbox's.
fn readdress(rig: &Rig, from: &str, to: &str) {
    let text = fs::read_to_string(rig.config_path()).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(rig.config_path(), text.replace(from, to)).unwrap();
}

/// A rig that is logged in, and whose token endpoint gives this one answer.
async fn fronted(way: Way, status: &str, body: &str) -> (Rig, Front) {
    let rig = logged(way, settings(2, 1)).await;
    let front = Front::new(status, body).await;
    let base = match way.is_twitch() {
        true => rig.sandbox.auth_url(),
        false => rig.sandbox.highlevel_url(),
    };
    readdress(&rig, &base, &front.url);
    (rig, front)
}

async fn opened(rig: &Rig, way: Way) -> (Arc<Keeper>, Vault) {
    let mut worlds = worlds(rig).await;
    (keeper(&mut worlds, &way.account()), worlds.vault().clone())
}

fn stored(vault: &Vault, way: Way) -> Login {
    vault.load(&way.account()).unwrap().unwrap()
}

#[tokio::test]
async fn a_renewed_pair_is_kept_whatever_shape_the_rest_of_the_answer_has() {
    for body in [
        r#"{"access_token":"new-a","refresh_token":"new-r","expires_in":"86399"}"#,
        r#"{"access_token":"new-a","refresh_token":"new-r","expires_in":86399.0}"#,
        r#"{"access_token":"new-a","refresh_token":"new-r","expires_in":-1}"#,
        r#"{"access_token":"new-a","refresh_token":"new-r","expires_in":18446744073709551615}"#,
        r#"{"access_token":"new-a","refresh_token":"new-r","expires_in":9000000000000}"#,
        r#"{"access_token":"new-a","refresh_token":"new-r","expires_in":{}}"#,
        r#"{"access_token":"new-a","accessToken":"new-a","refresh_token":"new-r","refreshToken":"new-r","expires_in":86399,"expiresIn":86399}"#,
        r#"{"access_token":"new-a","refresh_token":"new-r","scope":7,"locationId":7,"companyId":[]}"#,
    ] {
        for way in [Way::Location, Way::TwitchPublic] {
            let case = format!("{way:?}: {body}");
            let (rig, front) = fronted(way, "200 OK", body).await;
            let (keeper, vault) = opened(&rig, way).await;
            keeper
                .renew()
                .await
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            // Once: what was sent is spent.
            assert_eq!(front.count(), 1, "{case}");
            let login = stored(&vault, way);
            assert_eq!(login.access, Secret::new("new-a"), "{case}");
            assert_eq!(login.refresh, Some(Secret::new("new-r")), "{case}");
            assert_eq!(login.facts.renewing, None, "{case}");
            // And it is of use: nothing is renewed again at once.
            assert_eq!(keeper.token().await.unwrap(), login.access, "{case}");
            assert_eq!(front.count(), 1, "{case}");
        }
    }
}

#[tokio::test]
async fn a_quota_of_the_token_endpoint_does_not_end_a_login() {
    let body = r#"{"status":429,"message":"too many requests for this refresh token"}"#;
    for way in [Way::TwitchPublic, Way::Location] {
        let status = "429 Too Many\r\nratelimit-remaining: 700\r\nratelimit-limit: 800";
        let (rig, _front) = fronted(way, status, body).await;
        let (keeper, vault) = opened(&rig, way).await;
        let error = keeper.renew().await.unwrap_err();
        assert!(error.is_passing(), "{way:?}: {error}");
        assert_eq!(stored(&vault, way).facts.lost, None, "{way:?}");
    }
}

#[tokio::test]
async fn a_vendors_words_cannot_steer_the_terminal() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}2J\u{202e}";
    let body = serde_json::json!({"status": 400, "message": format!("no {evil}")}).to_string();
    for way in [Way::TwitchPublic, Way::Location] {
        let (rig, _front) = fronted(way, "400 Bad", &body).await;
        let service = if way.is_twitch() {
            "twitch"
        } else {
            "highlevel"
        };
        let account = way.account().to_string();
        for args in [
            vec!["auth", service, "renew", "--account", &account],
            vec!["plan", "-vv"],
            vec!["check", "--online"],
        ] {
            let ended = program(&rig, &args).await;
            let all = format!("{}{}", ended.out, ended.err);
            let is_bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!all.contains(is_bad), "{args:?}: {all:?}");
        }
    }
}

#[tokio::test]
async fn what_a_device_login_shows_cannot_steer_the_terminal() {
    let body = serde_json::json!({
        "device_code": "d", "user_code": "A\u{1b}[31mB", "verification_uri": "https://x/\u{1b}]0;owned\u{7}",
        "expires_in": 1, "interval": 1,
    });
    let (rig, _front) = fronted(Way::TwitchPublic, "200 OK", &body.to_string()).await;
    let ended = program(&rig, &["auth", "twitch"]).await;
    assert!(ended.err.contains("https://x/"), "{ended}");
    assert!(!ended.err.contains(['\u{1b}', '\u{7}']), "{:?}", ended.err);
}

#[tokio::test]
async fn a_token_is_validated_again_after_a_clock_that_ran_years_ahead_was_set_back() {
    const VALIDATE: &str = "GET /oauth2/validate";
    let rig = Rig::new(settings(2, 1)).await;
    run(&rig, &Ask::default()).await.unwrap();
    assert_eq!(rig.sandbox.count(VALIDATE), 1);
    // As a run under the wrong clock left it.
    let db = rusqlite::Connection::open(rig.state().join("ghl-sync.db")).unwrap();
    let ahead = (rig.clock.now() + hours(3 * 365 * 24)).timestamp_millis();
    let changed = db
        .execute(
            "UPDATE kept SET kept_ms = ?1 WHERE name LIKE 'twitch.validation:%'",
            [ahead],
        )
        .unwrap();
    assert_eq!(changed, 1);
    drop(db);
    run(&rig, &Ask::default()).await.unwrap();
    assert_eq!(rig.sandbox.count(VALIDATE), 2);
    run(&rig, &Ask::default()).await.unwrap();
    assert_eq!(rig.sandbox.count(VALIDATE), 2);
}

#[tokio::test]
async fn a_validation_with_an_impossible_life_is_no_panic() {
    for life in ["8999999999999", "9223372036854775", "18446744073709551615"] {
        let way = Way::Location;
        let rig = logged(way, settings(2, 1)).await;
        let body = format!(
            r#"{{"client_id":"{}","login":"streamer","user_id":"1","scopes":["moderator:read:followers"],"expires_in":{life}}}"#,
            ghl_sync::sandbox::TWITCH_CLIENT_ID
        );
        let front = Front::new("200 OK", &body).await;
        readdress(&rig, &rig.sandbox.auth_url(), &front.url);
        let ended = program(&rig, &["check", "--online", "--account", "channel"]).await;
        assert!(ended.code.is_some_and(|code| code < 100), "{ended}");
        assert!(ended.out.contains("good without an end"), "{ended}");
    }
}

#[tokio::test]
async fn a_lock_that_cannot_be_taken_is_a_fault_of_the_state_and_says_its_file() {
    let way = Way::Location;
    let rig = logged(way, settings(2, 1)).await;
    let lock = rig.state().join("token-main.lock");
    let _ = fs::remove_file(&lock);
    fs::create_dir(&lock).unwrap();
    let ended = program(&rig, &["auth", "highlevel", "renew"]).await;
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.err.contains("token-main.lock"), "{ended}");
    assert_eq!(rig.sandbox.count(way.route()), 0);
}

#[tokio::test]
async fn the_write_test_deletes_no_contact_that_became_somebody_else() {
    let rig = Rig::new(now(1, 3)).await;
    program(&rig, &["check", "--online"]).await.exits(0);
    let person = rig.sandbox.contacts()[0]["id"].as_str().unwrap().to_owned();
    let before = rig.sandbox.contacts();
    let left = serde_json::json!([{"name": "20260101T000000Z-1", "at_ms": 1, "contact": person}]);
    let db = rusqlite::Connection::open(rig.state().join("ghl-sync.db")).unwrap();
    db.execute(
        "INSERT INTO kept (name, value, kept_ms) VALUES (?1, ?2, 1)",
        (format!("write-test:{LOCATION_ID}"), left.to_string()),
    )
    .unwrap();
    drop(db);
    let ended = program(&rig, &["check", "--write-test"]).await.exits(0);
    assert!(ended.out.contains("is somebody else's by now"), "{ended}");
    assert_eq!(rig.sandbox.contacts(), before);
    let again = program(&rig, &["check", "--write-test"]).await.exits(0);
    assert!(!again.out.contains("somebody else"), "{again}");
}
