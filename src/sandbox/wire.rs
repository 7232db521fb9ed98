//! Requests and answers as the handlers see them, and the small codecs that they need.

use std::time::Duration;

use hyper::HeaderMap;
use serde_json::{Map, Value, json};

/// One request, with its path cut off behind the vendor's prefix.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Value>,
    /// The pairs of a body that is a form.
    pub(crate) form: Vec<(String, String)>,
    /// The body said that it was JSON and was not.
    pub(crate) garbled: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the first value of a query parameter; an empty one counts as missing.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// Returns the first value of a form field of the body; an empty one counts as missing.
    pub(crate) fn form(&self, name: &str) -> Option<&str> {
        first(&self.form, name)
    }

    pub(crate) fn params<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.query
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Calls a location by another id, wherever a client names it.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        self.path = self.path.replace(from, to);
        for (_, value) in self.query.iter_mut().chain(&mut self.form) {
            *value = value.replace(from, to);
        }
        if let Some(body) = &self.body {
            let text = body.to_string().replace(from, to);
            self.body = serde_json::from_str(&text).ok();
        }
    }

    /// Returns the body as an object; anything else counts as an empty one.
    pub(crate) fn object(&self) -> Map<String, Value> {
        match &self.body {
            Some(Value::Object(object)) => object.clone(),
            _ => Map::new(),
        }
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(known, _)| known == name);
    found
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// How the body reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// As it is.
    Whole,
    /// The announced length is the whole, the connection ends in the middle.
    Broken,
    /// No answer at all: the connection ends.
    Dropped,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the world changed.
    pub(crate) acted: bool,
    pub(crate) delivery: Delivery,
    pub(crate) delay: Duration,
}

impl Answer {
    /// Calls a location by another id in a body that is text.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        if let Ok(text) = std::str::from_utf8(&self.body)
            && text.contains(from)
        {
            self.body = text.replace(from, to).into_bytes();
        }
    }
}

impl Answer {
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Answer {
        Answer {
            status,
            content_type: "application/json; charset=utf-8",
            headers: Vec::new(),
            body,
            acted: false,
            delivery: Delivery::Whole,
            delay: Duration::ZERO,
        }
    }

    pub(crate) fn value(status: u16, value: &Value) -> Answer {
        Answer::json(status, value.to_string().into_bytes())
    }

    /// A refusal of HighLevel with one message.
    pub(crate) fn refused(status: u16, message: &str) -> Answer {
        let mut body =
            json!({ "statusCode": status, "message": message, "traceId": "sandbox-trace" });
        if let Some(error) = reason(status) {
            body["error"] = json!(error);
        }
        Answer::value(status, &body)
    }

    /// A 422 of HighLevel with all its messages.
    pub(crate) fn unprocessable(messages: &[String]) -> Answer {
        let body = json!({
            "statusCode": 422,
            "message": messages,
            "error": "Unprocessable Entity",
            "traceId": "sandbox-trace",
        });
        Answer::value(422, &body)
    }

    /// A refusal of Helix.
    pub(crate) fn helix(status: u16, message: &str) -> Answer {
        let error = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            410 => "Gone",
            429 => "Too Many Requests",
            _ => "Internal Server Error",
        };
        Answer::value(
            status,
            &json!({ "error": error, "status": status, "message": message }),
        )
    }

    /// A refusal of `id.twitch.tv`, which has no `error` key.
    pub(crate) fn id(status: u16, message: &str) -> Answer {
        Answer::value(status, &json!({ "status": status, "message": message }))
    }

    /// A page for people.
    pub(crate) fn page(status: u16, text: &str) -> Answer {
        let page = format!("<!doctype html><title>Sandbox</title><p>{text}</p>\n");
        let mut answer = Answer::json(status, page.into_bytes());
        answer.content_type = "text/html; charset=UTF-8";
        answer
    }

    /// Sends the browser to an address with more parameters.
    pub(crate) fn redirect(address: &str, pairs: &[(&str, &str)]) -> Answer {
        let mut target = address.to_string();
        for (name, value) in pairs {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(name);
            target.push('=');
            target.push_str(&percent_encode(value));
        }
        Answer::page(302, "Found").with("location", target)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

/// Returns the `error` text of a HighLevel refusal; 400s have none.
fn reason(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("Unauthorized"),
        403 => Some("Forbidden"),
        404 => Some("Not Found"),
        422 => Some("Unprocessable Entity"),
        _ => None,
    }
}

/// An answer, or the refusal that ended the handling early.
pub(crate) type Outcome<T = Answer> = Result<T, Box<Answer>>;

/// Shortens `Err(Box::new(Answer::refused(…)))`.
pub(crate) fn refuse<T>(status: u16, message: &str) -> Outcome<T> {
    Err(Box::new(Answer::refused(status, message)))
}

/// Decodes `%41` and, in queries, `+`.
pub(crate) fn percent_decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if plus && bytes[at] == b'+' {
                    b' '
                } else {
                    bytes[at]
                });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Encodes as a form does; a space becomes `+`.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name, true), percent_decode(value, true))
        })
        .collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encodes as base64 in the alphabet of URLs, without padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let mut bits = 0u32;
        for place in 0..3 {
            bits = bits << 8 | u32::from(chunk.get(place).copied().unwrap_or(0));
        }
        for place in 0..=chunk.len() {
            out.push(char::from(BASE64[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

/// Undoes `base64`.
pub(crate) fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0u32, 0);
    for byte in text.bytes() {
        let digit = BASE64.iter().position(|known| *known == byte)? as u32;
        bits = bits << 6 | digit;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 255) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_read_back() {
        for text in ["", "a", "ab", "abc", "{\"b\":null,\"a\":{\"Offset\":5}}"] {
            assert_eq!(
                unbase64(&base64(text.as_bytes())),
                Some(text.as_bytes().to_vec())
            );
        }
        assert_eq!(percent_decode("%2B1+5%20x%", true), "+1 5 x%");
        let odd = "a b+c:/?&=ü%";
        assert_eq!(percent_decode(&percent_encode(odd), true), odd);
        assert_eq!(
            parse_query("id=1&id=2&x"),
            [
                ("id".to_string(), "1".to_string()),
                ("id".to_string(), "2".to_string()),
                ("x".to_string(), String::new()),
            ]
        );
    }
}
