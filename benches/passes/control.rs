//! Speaks to the sandbox's control plane: one request a connection, no client needed.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Failure;

/// How long the sandbox may think about one answer; counting the index of a million contacts takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the sandbox says of itself.
pub(crate) struct State {
    /// Its virtual time.
    pub(crate) now: DateTime<Utc>,
    /// Calls by route since they were cleared.
    pub(crate) calls: BTreeMap<String, u64>,
    /// Answers with 429 among them.
    pub(crate) too_many: u64,
}

/// Asks the sandbox for its time and its counts.
pub(crate) fn state(address: SocketAddr) -> Result<State, Failure> {
    let state = ask(address, "GET", "/control/state", "")?;
    let now = state["now"].as_str().ok_or("the sandbox has no time")?;
    let calls = state["calls"].as_object();
    Ok(State {
        now: DateTime::parse_from_rfc3339(now)?.to_utc(),
        calls: calls
            .into_iter()
            .flatten()
            .map(|(route, count)| (route.clone(), count.as_u64().unwrap_or_default()))
            .collect(),
        too_many: state["too_many"].as_u64().unwrap_or_default(),
    })
}

/// Lets virtual time pass.
pub(crate) fn advance(address: SocketAddr, by: Duration) -> Result<(), Failure> {
    let body = format!(r#"{{"ms":{}}}"#, by.as_millis());
    ask(address, "POST", "/control/advance", &body)?;
    Ok(())
}

/// Forgets the calls counted so far.
pub(crate) fn clear(address: SocketAddr) -> Result<(), Failure> {
    ask(address, "POST", "/control/clear", "{}")?;
    Ok(())
}

fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<Value, Failure> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("the sandbox's answer has no end of headers")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("the sandbox refuses {method} {path}: {body}").into());
    }
    Ok(serde_json::from_str(body)?)
}
