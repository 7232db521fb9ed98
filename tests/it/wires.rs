//! Where tokens travel: encrypted or on this machine, through the proxy that the configuration names, and never on to another host.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ghl_sync::run::{Ask, RunError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::logged::{Way, logged_with, run, write_config};
use crate::program::{Running, command, now};
use crate::rig::{Rig, settings};

/// A server that gives one answer to everybody and keeps what it was sent.
struct Post {
    port: u16,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Post {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Post {
    async fn new(answer: &str) -> Post {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&seen), answer.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 8_192];
                let read = stream.read(&mut bytes).await.unwrap_or(0);
                bytes.truncate(read);
                kept.lock().unwrap().push(bytes);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Post { port, seen, task }
    }

    /// One that hangs up on everybody.
    async fn silent() -> Post {
        Post::new("").await
    }

    fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        seen.iter().map(text).collect()
    }
}

/// Puts other addresses into the configuration in place of the sandbox's.
fn redirect(rig: &Rig, from: &str, to: &str) {
    let text = std::fs::read_to_string(rig.config_path()).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(rig.config_path(), text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn a_redirect_is_an_error_and_the_other_host_sees_no_call() {
    for status in [301, 302, 303, 307, 308] {
        for way in [Way::TwitchPublic, Way::Location] {
            let elsewhere = Post::silent().await;
            let answer = format!(
                "HTTP/1.1 {status} Moved\r\nlocation: http://localhost:{}/there\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                elsewhere.port
            );
            let front = Post::new(&answer).await;
            let rig = logged_with(way, settings(2, 1), "").await;
            let base = match way {
                Way::TwitchPublic | Way::TwitchConfidential => rig.sandbox.auth_url(),
                Way::Location | Way::Agency => rig.sandbox.highlevel_url(),
            };
            redirect(&rig, &base, &format!("http://127.0.0.1:{}", front.port));
            for _ in 0..2 {
                let ended = run(&rig, &Ask::default()).await;
                let is_error = matches!(
                    ended,
                    Err(RunError::OutOfTouch { .. } | RunError::Setup { .. })
                );
                assert!(is_error, "{status}, {way:?}: {ended:?}");
                // The second time it is the renewal that is redirected.
                rig.advance(way.life());
            }
            let sent = front.seen();
            assert!(sent.iter().any(|sent| sent.starts_with("POST")), "{sent:?}");
            assert_eq!(elsewhere.seen(), Vec::<String>::new(), "{status}, {way:?}");
        }
    }
}

#[tokio::test]
async fn a_401_is_read_for_what_it_means_and_only_a_dead_token_is_renewed() {
    let highlevel = |message: &str| {
        format!(r#"{{"statusCode":401,"message":"{message}","error":"Unauthorized"}}"#)
    };
    let twitch =
        |message: &str| format!(r#"{{"error":"Unauthorized","status":401,"message":"{message}"}}"#);
    let cases = [
        (
            Way::Location,
            highlevel("version header was not found."),
            "update ghl-sync",
            false,
        ),
        (
            Way::Location,
            highlevel("version header is invalid"),
            "update ghl-sync",
            false,
        ),
        (
            Way::Location,
            highlevel("The token is not authorized for this scope."),
            "the scope",
            false,
        ),
        (
            Way::Location,
            highlevel("The token does not have access to this location."),
            "`location`",
            false,
        ),
        (
            Way::Location,
            highlevel("Something nobody has heard of"),
            "`location`",
            false,
        ),
        (
            Way::Location,
            highlevel("Invalid JWT"),
            "auth highlevel --account main",
            true,
        ),
        (
            Way::TwitchPublic,
            twitch("Missing scope: moderator:read:followers"),
            "the scope",
            false,
        ),
        (
            Way::TwitchPublic,
            twitch(
                "The ID in broadcaster_id must match the user ID found in the request's OAuth token.",
            ),
            "moderator",
            false,
        ),
        (
            Way::TwitchPublic,
            twitch("Invalid OAuth token"),
            "auth twitch --account channel",
            true,
        ),
    ];
    for (way, body, advice, renews) in cases {
        let answer = format!(
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let front = Post::new(&answer).await;
        let rig = logged_with(way, settings(2, 1), "").await;
        let base = match way.is_twitch() {
            true => rig.sandbox.helix_url(),
            false => rig.sandbox.highlevel_url(),
        };
        redirect(&rig, &base, &format!("http://127.0.0.1:{}", front.port));
        let said = run(&rig, &Ask::default()).await.unwrap_err().to_string();
        for part in [advice, way.caller().as_str()] {
            assert!(said.contains(part), "{body}: {said}");
        }
        // HighLevel's token calls go to the same host, Twitch's do not.
        let posts = front
            .seen()
            .iter()
            .filter(|sent| sent.starts_with("POST /oauth/token"))
            .count();
        let renewals = posts as u64 + rig.sandbox.count("POST /oauth2/token");
        assert_eq!(renewals > 0, renews, "{body}: {said}");
        assert!(renewals <= 1, "{body}");
    }
}

#[tokio::test]
async fn the_proxy_is_used_for_encrypted_calls_and_never_on_this_machine() {
    let proxy = Post::new("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let more = format!("proxy = \"http://127.0.0.1:{}\"\n", proxy.port);
    // The sandbox is on this machine.
    let rig = logged_with(Way::Location, settings(2, 1), &more).await;
    run(&rig, &Ask::default()).await.unwrap();
    assert_eq!(proxy.seen(), Vec::<String>::new());

    // So is this, encrypted or not; what it is sent is the beginning of TLS and no token.
    let here = Post::silent().await;
    for host in ["localhost", "127.0.0.1"] {
        write_config(&rig, Way::Location, &more);
        let base = rig.sandbox.highlevel_url();
        redirect(&rig, &base, &format!("https://{host}:{}", here.port));
        let ended = run(&rig, &Ask::default()).await;
        assert!(
            matches!(ended, Err(RunError::OutOfTouch { .. })),
            "{ended:?}"
        );
    }
    assert_eq!(proxy.seen(), Vec::<String>::new());
    assert!(!here.seen().is_empty());
    for sent in here.seen.lock().unwrap().iter() {
        assert_eq!(sent.first(), Some(&0x16), "not TLS");
    }

    // That is not; the proxy is asked for a tunnel and hears nothing else.
    write_config(&rig, Way::Location, &more);
    let base = rig.sandbox.highlevel_url();
    redirect(&rig, &base, "https://vendor.invalid");
    let ended = run(&rig, &Ask::default()).await;
    assert!(
        matches!(ended, Err(RunError::OutOfTouch { .. })),
        "{ended:?}"
    );
    let asked = proxy.seen();
    assert!(!asked.is_empty());
    for asked in asked {
        assert!(
            asked.starts_with("CONNECT vendor.invalid:443 HTTP/1.1"),
            "{asked}"
        );
        assert!(!asked.to_lowercase().contains("bearer"), "{asked}");
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    let proxy = Post::silent().await;
    let rig = logged_with(Way::Location, now(2, 1), "").await;
    let start = |rig: &Rig| {
        let mut command = command(rig, &["plan"]);
        for name in [
            "HTTPS_PROXY",
            "https_proxy",
            "HTTP_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "all_proxy",
        ] {
            command.env(name, format!("http://127.0.0.1:{}", proxy.port));
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy");
        Running::of(rig, command)
    };
    start(&rig).end().await.exits(0);
    assert_eq!(proxy.seen(), Vec::<String>::new());
    // Encrypted calls would go through it, if any did.
    redirect(&rig, &rig.sandbox.highlevel_url(), "https://vendor.invalid");
    let mut running = start(&rig);
    let began = std::time::Instant::now();
    while running.is_running() && began.elapsed() < Duration::from_millis(700) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(proxy.seen(), Vec::<String>::new());
}
