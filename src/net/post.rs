//! The second exit: addresses of the operator's own, which are told something. They are secrets, and no vendor's gate counts them.

use std::fmt;
use std::time::Duration;

use reqwest::header;

use super::line::{Timeouts, Way, way};
use super::send::{client, innermost};
use crate::model::Secret;

/// How much of a refusal is read.
const LARGEST_ANSWER_BYTES: usize = 4 * 1024;

/// The longest pause that an answer may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer of 200 to 299.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The status.
    pub status: u16,
}

/// Why nothing was told. Never names the address: whoever has it can use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostError {
    /// It is not an address that may be called.
    Address,
    /// The proxy's address is not one, or TLS cannot be set up.
    Client {
        /// What is wrong.
        said: String,
    },
    /// No answer within the time, or no connection.
    NoAnswer {
        /// What happened.
        why: String,
    },
    /// An answer that is no success.
    Refused {
        /// The status.
        status: u16,
        /// How long to wait before the next call, where the answer says so.
        pause: Option<Duration>,
        /// What it said, masked and cut; may be empty.
        said: String,
    },
}

impl PostError {
    /// Returns whether a later try may end otherwise without anybody changing something.
    pub fn is_passing(&self) -> bool {
        match self {
            PostError::Address | PostError::Client { .. } => false,
            PostError::NoAnswer { .. } => true,
            PostError::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
        }
    }
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PostError::Address => f.write_str(
                "the address is not one that can be called: expected https://host/path (http:// is taken for localhost and loopback addresses alone)",
            ),
            PostError::Client { said } => f.write_str(said),
            PostError::NoAnswer { why } => write!(f, "no answer: {why}"),
            PostError::Refused { status, said, .. } if said.is_empty() => {
                write!(f, "it was refused with {status}")
            }
            PostError::Refused { status, said, .. } => {
                write!(f, "it was refused with {status}: {said}")
            }
        }
    }
}

impl std::error::Error for PostError {}

/// Checks an address without calling it.
///
/// Errors: [`PostError::Address`].
pub fn check_address(address: &Secret) -> Result<(), PostError> {
    parsed(address).map(|_| ())
}

/// Posts a text to an address of the operator's, `within` this time at most; an empty `below` is the address itself, else a path is put behind its own.
///
/// A redirect is not followed, and is a refusal. No more than 4 KiB of the answer are read. `proxy` is obeyed except on this machine.
///
/// Errors: every variant of [`PostError`]. The address is in none of them.
pub async fn post(
    address: &Secret,
    below: &str,
    (content_type, body): (&'static str, String),
    proxy: Option<&str>,
    within: Duration,
) -> Result<Posted, PostError> {
    let (mut url, way) = parsed(address)?;
    if !below.is_empty() {
        let path = format!("{}/{below}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    let timeouts = Timeouts {
        connect: within,
        whole: within,
    };
    let client = client(way, proxy, timeouts).map_err(|bad| PostError::Client {
        said: bad.to_string(),
    })?;
    let sent = client
        .post(url)
        .header(header::CONTENT_TYPE, content_type)
        .body(body)
        .send()
        .await;
    let mut response = sent.map_err(|error| PostError::NoAnswer {
        why: match error.is_timeout() {
            true => format!("timed out after {} s", within.as_secs()),
            // The innermost cause names no address; should that change, it is not told.
            false => scrubbed(address, &innermost(&error)),
        },
    })?;
    let status = response.status().as_u16();
    if (200..300).contains(&status) {
        return Ok(Posted { status });
    }
    let pause = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(seconds);
    let mut said = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = LARGEST_ANSWER_BYTES - said.len();
        said.extend(chunk.iter().take(room));
        if said.len() == LARGEST_ANSWER_BYTES {
            break;
        }
    }
    Err(PostError::Refused {
        status,
        pause,
        said: super::said(&scrubbed(address, &String::from_utf8_lossy(&said))),
    })
}

/// Takes an address apart and says how it is reached.
fn parsed(address: &Secret) -> Result<(reqwest::Url, Way), PostError> {
    let url = reqwest::Url::parse(address.reveal()).map_err(|_| PostError::Address)?;
    let host = url.host_str().ok_or(PostError::Address)?;
    let way = way(url.scheme(), host).ok_or(PostError::Address)?;
    Ok((url, way))
}

/// Returns a text without the address, its path and its query in it, which are as secret as the whole.
fn scrubbed(address: &Secret, text: &str) -> String {
    let mut text = address.scrub(text);
    if let Ok((url, _)) = parsed(address) {
        let query = url.query().unwrap_or_default().split(['&', '=']);
        let parts = url.path().split('/').chain(query);
        for part in parts.filter(|part| part.len() > 5) {
            text = Secret::new(part).scrub(&text);
        }
    }
    text
}

/// Reads a `Retry-After` in seconds, whole ones or with a fraction, as Discord gives it. Source: Discord, Rate Limits, "Retry-After".
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    let pause = Duration::try_from_secs_f64(seconds).ok()?;
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// Answers one request with these bytes; returns what was asked.
    async fn answering(answer: &'static str) -> (Secret, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = format!("http://127.0.0.1:{port}/hooks/s3cr3t-path?token=s3cr3t-word");
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"hello") {
                let mut some = [0; 1024];
                let read = stream.read(&mut some).await.unwrap();
                heard.extend_from_slice(&some[..read]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(heard).unwrap()
        });
        (Secret::new(address), heard)
    }

    fn hello() -> (&'static str, String) {
        ("text/plain", "hello".to_owned())
    }

    #[tokio::test]
    async fn a_text_reaches_the_address_and_the_path_below_it() {
        let answer = "HTTP/1.1 204 No Content\r\n\r\n";
        for (below, line) in [
            ("", "POST /hooks/s3cr3t-path?token=s3cr3t-word HTTP/1.1"),
            (
                "start",
                "POST /hooks/s3cr3t-path/start?token=s3cr3t-word HTTP/1.1",
            ),
        ] {
            let (address, heard) = answering(answer).await;
            let posted = post(&address, below, hello(), None, SOON).await;
            assert_eq!(posted, Ok(Posted { status: 204 }));
            assert!(heard.await.unwrap().starts_with(line));
        }
    }

    #[tokio::test]
    async fn a_refusal_tells_its_pause_and_never_the_address() {
        let answer = "HTTP/1.1 429 Too Many\r\nRetry-After: 1.5\r\nContent-Length: 47\r\n\r\nno more for /hooks/s3cr3t-path of s3cr3t-word  ";
        let (address, _heard) = answering(answer).await;
        let error = post(&address, "", hello(), None, SOON).await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("s3cr3t"), "{said}");
        assert!(said.contains("429"), "{said}");
        assert!(error.is_passing());
        let PostError::Refused { pause, .. } = error else {
            panic!("{said}")
        };
        assert_eq!(pause, Some(Duration::from_millis(1_500)));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let answer =
            "HTTP/1.1 307 Elsewhere\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n";
        let (address, _heard) = answering(answer).await;
        let error = post(&address, "", hello(), None, SOON).await.unwrap_err();
        assert!(matches!(error, PostError::Refused { status: 307, .. }));
        assert!(!error.is_passing());
    }

    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let address = Secret::new(format!("http://127.0.0.1:{port}/s3cr3t"));
        let error = post(&address, "", hello(), None, SOON).await.unwrap_err();
        assert!(matches!(error, PostError::NoAnswer { .. }), "{error}");
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
    }

    #[tokio::test]
    async fn a_listener_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = Secret::new(format!("http://127.0.0.1:{port}/s3cr3t"));
        let moment = Duration::from_millis(20);
        let error = post(&address, "", hello(), None, moment).await.unwrap_err();
        assert!(error.to_string().contains("timed out"), "{error}");
    }

    #[test]
    fn only_encrypted_addresses_are_called_beyond_this_machine() {
        for (address, is_fine) in [
            ("https://discord.com/api/webhooks/1/x", true),
            ("http://127.0.0.1:9/x", true),
            ("http://example.com/x", false),
            ("ftp://localhost/x", false),
            ("discord.com/api", false),
            ("", false),
        ] {
            let checked = check_address(&Secret::new(address));
            assert_eq!(checked.is_ok(), is_fine, "{address}");
        }
    }
}
