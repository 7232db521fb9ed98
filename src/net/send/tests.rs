//! Sending against a server that answers by script, over a real socket.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::auth::Auth;
use super::super::gate::Gate;
use super::super::line::Timeouts;
use super::super::tally::Tally;
use super::super::testing::{Folder, leaping};
use super::*;
use crate::model::Secret;

/// What the server does with a request.
#[derive(Clone)]
enum Act {
    /// Answers with these bytes and closes.
    Say(String),
    /// Reads the request and closes without a word.
    Close,
    /// Reads the request and says nothing until the client gives up.
    Hang,
}

/// An answer of a status with a JSON body.
fn say(status: u16, body: &str) -> Act {
    with(status, "", body)
}

/// An answer with further header lines.
fn with(status: u16, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Say(format!(
        "HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    ))
}

/// An answer that promises more than it sends.
fn truncated(body: &str) -> Act {
    Act::Say(format!(
        "HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n{body}"
    ))
}

struct World {
    line: Line,
    requests: Arc<Mutex<Vec<String>>>,
    _folder: Folder,
}

impl World {
    /// A line to a server that does one act for each connection, the last one for ever.
    async fn new(vendor: Vendor, acts: Vec<Act>) -> World {
        World::with(vendor, acts, Reach::Everything).await
    }

    async fn with(vendor: Vendor, acts: Vec<Act>, reach: Reach) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        if !acts.is_empty() {
            tokio::spawn(serve(listener, acts, Arc::clone(&requests)));
        }
        let folder = Folder::new();
        let clock = leaping();
        let gate = Gate::new(folder.store(), clock.clone(), vendor, "bucket", 0, 1);
        let line = Line::new(LineParts {
            vendor,
            base_url: format!("http://{address}/base/"),
            auth: Auth::Fixed(Secret::new("pit-secret")),
            proxy: None,
            client_id: (vendor == Vendor::Twitch).then(|| "client".to_owned()),
            gate,
            clock,
            tally: Tally::default(),
            reach,
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                whole: Duration::from_millis(500),
            },
            seed: 1,
        });
        World {
            line: line.unwrap(),
            requests,
            _folder: folder,
        }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    async fn send(&self, call: &Call<Value>) -> Result<Answer<Value>, CallError> {
        self.line.send(call, Purpose::Announced).await
    }
}

async fn serve(listener: TcpListener, acts: Vec<Act>, requests: Arc<Mutex<Vec<String>>>) {
    let mut at = 0;
    while let Ok((mut socket, _)) = listener.accept().await {
        let act = acts.get(at).or(acts.last()).cloned().unwrap();
        at += 1;
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = socket.read(&mut buffer).await {
            request.extend_from_slice(buffer.get(..read).unwrap());
            if is_whole(&request) {
                break;
            }
        }
        requests
            .lock()
            .unwrap()
            .push(String::from_utf8(request).unwrap());
        match act {
            Act::Say(answer) => {
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            }
            Act::Close => {}
            Act::Hang => {
                let _ = socket.read(&mut buffer).await;
            }
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn read() -> Call<Value> {
    Call::new(Method::Get, "GET /x", "/x", super::super::call::json)
}

fn create() -> Call<Value> {
    Call::new(Method::Post, "POST /x", "/x", super::super::call::json)
        .body(json!({"a": 1}))
        .version("2021-07-28")
}

fn update() -> Call<Value> {
    create().if_unsure(IfUnsure::SendAgain)
}

fn counts(world: &World) -> Vec<(&'static str, &'static str, u64)> {
    let counts = world.line.tally().snapshot();
    counts
        .into_iter()
        .map(|((_, route, counted), count)| (route, counted.word(), count))
        .collect()
}

#[tokio::test]
async fn a_request_carries_what_the_vendors_want() {
    let world = World::new(Vendor::HighLevel, vec![say(201, r#"{"ok":1}"#)]).await;
    let answer = world.send(&create().with("q", "a+b &ä")).await.unwrap();
    assert_eq!((answer.value, answer.status), (json!({"ok": 1}), 201));
    let request = world.requests().pop().unwrap();
    let request = request.to_lowercase();
    for part in [
        "post /base/x?q=a%2bb+%26%c3%a4 http/1.1\r\n",
        "authorization: bearer pit-secret\r\n",
        "version: 2021-07-28\r\n",
        "accept: application/json\r\n",
        "content-type: application/json\r\n",
        concat!("user-agent: ghl-sync/", env!("CARGO_PKG_VERSION"), "\r\n"),
        "\r\n\r\n{\"a\":1}",
    ] {
        assert!(request.contains(part), "{part} in {request}");
    }
    let world = World::new(Vendor::Twitch, vec![say(200, "{}")]).await;
    world.send(&read()).await.unwrap();
    let request = world.requests().pop().unwrap();
    assert!(request.contains("client-id: client\r\n"), "{request}");
}

#[tokio::test]
async fn a_read_is_tried_until_it_succeeds() {
    let acts = vec![
        say(
            500,
            r#"{"statusCode":500,"message":"Internal server error"}"#,
        ),
        say(502, "<html>"),
        Act::Close,
        truncated("{"),
        with(200, "date: Fri, 17 Jul 2026 10:27:09 GMT\r\n", "{}"),
    ];
    let world = World::new(Vendor::HighLevel, acts).await;
    assert_eq!(world.line.skew(), None);
    let answer = world.send(&read()).await.unwrap();
    assert_eq!(answer.tries, 5);
    assert_eq!(
        answer.date.unwrap().to_rfc3339(),
        "2026-07-17T10:27:09+00:00"
    );
    assert!(world.line.skew().is_some());
    assert_eq!(
        counts(&world),
        [("GET /x", "announced", 1), ("GET /x", "retry", 4)]
    );
}

#[tokio::test]
async fn a_read_ends_after_five_tries() {
    let world = World::new(Vendor::HighLevel, vec![Act::Close]).await;
    let error = world.send(&read()).await.unwrap_err();
    assert!(matches!(error, CallError::OutOfTouch { .. }), "{error}");
    assert_eq!(world.requests().len(), 5);
    let world = World::new(Vendor::HighLevel, vec![say(200, "[1")]).await;
    let error = world.send(&read()).await.unwrap_err();
    assert!(matches!(error, CallError::BadReply { .. }), "{error}");
    assert_eq!(world.requests().len(), 5);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_never_sent_again() {
    for act in [
        Act::Close,
        Act::Hang,
        truncated(r#"{"contact":"#),
        say(500, ""),
        say(524, "<html>a time-out of the front</html>"),
        say(201, "{"),
        say(201, "<html>"),
    ] {
        let world = World::new(Vendor::HighLevel, vec![act, say(201, "{}")]).await;
        let error = world.send(&create()).await.unwrap_err();
        assert!(matches!(error, CallError::Unsure { .. }), "{error}");
        assert_eq!(world.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_absolute_write_is_sent_again() {
    let acts = vec![Act::Close, say(503, ""), say(200, "{"), say(200, "{}")];
    let world = World::new(Vendor::HighLevel, acts).await;
    assert_eq!(world.send(&update()).await.unwrap().tries, 4);
    // It may have been carried out at any of the tries.
    let world = World::new(Vendor::HighLevel, vec![Act::Close]).await;
    let error = world.send(&update()).await.unwrap_err();
    assert!(matches!(error, CallError::Unsure { .. }), "{error}");
    assert_eq!(world.requests().len(), 5);
}

#[tokio::test]
async fn a_create_that_cannot_have_arrived_is_sent_again() {
    let acts = vec![
        with(429, "retry-after: 3\r\n", ""),
        say(429, r#"{"statusCode":429,"message":"Too Many Requests"}"#),
        say(201, "{}"),
    ];
    let world = World::new(Vendor::HighLevel, acts).await;
    assert_eq!(world.send(&create()).await.unwrap().tries, 3);
    // Nobody listens: certain, also after all tries.
    let world = World::new(Vendor::HighLevel, Vec::new()).await;
    let error = world.send(&create()).await.unwrap_err();
    assert!(matches!(error, CallError::OutOfTouch { .. }), "{error}");
    assert_eq!(counts(&world).iter().map(|count| count.2).sum::<u64>(), 5);
}

#[tokio::test]
async fn a_spent_day_is_a_clean_stop() {
    let headers = "x-ratelimit-daily-remaining: 0\r\nx-ratelimit-daily-reset: 3600000\r\n";
    let world = World::new(Vendor::HighLevel, vec![with(429, headers, "")]).await;
    for _ in 0..2 {
        let error = world.send(&create()).await.unwrap_err();
        assert!(matches!(error, CallError::Spent { .. }), "{error}");
    }
    // The second one was not even sent.
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let act = with(307, "location: http://127.0.0.1:1/elsewhere\r\n", "");
    let world = World::new(Vendor::HighLevel, vec![act]).await;
    let error = world.send(&create()).await.unwrap_err();
    assert!(
        matches!(error, CallError::Refused { status: 307, .. }),
        "{error}"
    );
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_final_and_names_nobody() {
    let body = r#"{"statusCode":422,"message":["a@example.com is taken, says pit-secret"]}"#;
    let world = World::new(Vendor::HighLevel, vec![say(400, body)]).await;
    let error = world.send(&create()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST /x was refused with 422: *** is taken, says ***"
    );
    assert!(!error.nothing_happened());
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn a_client_that_only_reads_sends_no_write() {
    let world = World::with(Vendor::HighLevel, vec![say(200, "{}")], Reach::ReadsOnly).await;
    let error = world.send(&update()).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent { .. }), "{error}");
    world.send(&read()).await.unwrap();
    let search: Call<Value> = Call::new(
        Method::Post,
        "POST /contacts/search",
        "/contacts/search",
        super::super::call::json,
    );
    world.send(&search).await.unwrap();
    assert_eq!(world.requests().len(), 2);
}

#[tokio::test]
async fn an_id_cannot_lead_to_another_path() {
    let world = World::new(Vendor::HighLevel, vec![say(200, "{}")]).await;
    for path in [
        "/contacts/..",
        "/contacts/.",
        "/contacts/a?x=1",
        "/a#b",
        "x",
    ] {
        let call: Call<Value> = Call::new(Method::Get, "GET /x", path, super::super::call::json);
        let error = world.send(&call).await.unwrap_err();
        assert!(
            matches!(error, CallError::NotSent { .. }),
            "{path}: {error}"
        );
    }
    assert_eq!(world.requests().len(), 0);
}

#[tokio::test]
async fn a_503_of_twitch_is_tried_once_more() {
    let world = World::new(Vendor::Twitch, vec![say(503, "{}")]).await;
    let error = world.send(&read()).await.unwrap_err();
    assert!(matches!(error, CallError::OutOfTouch { .. }), "{error}");
    assert_eq!(world.requests().len(), 2);
}

#[tokio::test]
async fn a_reply_that_says_deleted_is_not_found() {
    let world = World::new(Vendor::HighLevel, vec![say(200, "{}")]).await;
    let call: Call<Value> = Call::new(Method::Get, "GET /x", "/x", |_| Err(Unreadable::Gone));
    let error = world.send(&call).await.unwrap_err();
    assert!(matches!(error, CallError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn a_secret_that_a_vendor_echoes_is_not_shown_even_when_its_text_is_cut_or_masked() {
    // Where a text is cut after 200 characters, and a secret with digits in a row, which are masked as a phone number is.
    let secret = "hush1234567890hushhush";
    let long = format!("{} {secret}", "word ".repeat(37));
    for said in [long, format!("bad secret {secret}"), format!("<{secret}>")] {
        let body = json!({"message": said}).to_string();
        let world = World::new(Vendor::Twitch, vec![say(400, &body)]).await;
        let call = Call::new(Method::Post, "POST /token", "/token", |_| Ok(Value::Null))
            .secret_form("client_secret", &Secret::new(secret));
        let error = world.send(&call).await.unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hush"), "{told}");
    }
}
