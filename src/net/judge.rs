//! What an answer means.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::call::CallKind;
use super::hints::Hints;
use super::said::{said, said_all};
use super::tally::Vendor;
use crate::model::ContactId;

/// How long to pause after a 429.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pause {
    /// For as long as the vendor asked.
    For(Duration),
    /// Until the vendor's bucket is full again.
    Until(DateTime<Utc>),
    /// For one window of the rate limit: the vendor named no time.
    OneWindow,
}

/// The longest success, in bytes, that may be an error in disguise.
pub(super) const LARGEST_DISGUISE: usize = 2048;

/// What an answer means for the one who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A success: read the body.
    Use,
    /// Too fast: nothing was done, send again after the pause.
    Wait(Pause),
    /// The day's allowance is used up; it comes back after this time, when the vendor names it.
    DaySpent(Option<Duration>),
    /// What the call speaks of is not there.
    NotFound,
    /// Another contact has the e-mail or the phone.
    Duplicate {
        /// That contact.
        contact: ContactId,
        /// The colliding field, as the vendor names it.
        matching_field: Option<String>,
    },
    /// The token is dead.
    DeadToken(String),
    /// The token lacks a scope.
    Scope(String),
    /// The `Version` header was refused.
    Version(String),
    /// The token has no access to the location.
    NoAccess(String),
    /// The Twitch user may not see it.
    NoPermission(String),
    /// The request is wrong in itself.
    Refuse {
        /// The status that the body names, else that of the answer.
        status: u16,
        /// What the vendor said.
        said: String,
    },
    /// A failure on the way to a write: it may or may not have been carried out.
    Unsure(String),
    /// A failure on the way to a read: send again.
    Retry(String),
    /// A failure behind the vendor's front: one more try shows whether it lasts.
    RetryOnce(String),
}

/// Says what an answer means. Pure, so that every row of the vendors' error tables has a test.
///
/// The body decides when it parses: HighLevel wraps a 422 in a 400, says "not found" with 400, and has four different meanings of 401.
/// Source: HighLevel's OpenAPI files and the messages that several of its clients report; Twitch API Reference, Rate Limits and Validating Tokens.
pub fn judge(vendor: Vendor, kind: CallKind, status: u16, hints: &Hints, body: &[u8]) -> Verdict {
    if looks_like_html(body) {
        return failed(kind, format!("{status} with a web page instead of JSON"));
    }
    // A success is large and parsed by its reader; only a short one can be an error in disguise.
    if (200..300).contains(&status) {
        return match serde_json::from_slice(body) {
            Ok(value) if body.len() <= LARGEST_DISGUISE && disguised(&value).is_some() => {
                let status = disguised(&value).unwrap_or(status);
                refused(vendor, kind, status, hints, &value)
            }
            _ => Verdict::Use,
        };
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => {
            let status = named_status(&value).unwrap_or(status);
            refused(vendor, kind, status, hints, &value)
        }
        // No body at all: the status is all there is.
        Err(_) if body.iter().all(u8::is_ascii_whitespace) => {
            refused(vendor, kind, status, hints, &Value::Null)
        }
        // HighLevel's front speaks plain text, and its "Jwt is expired" is cured by a renewal, not by asking again.
        Err(_) if status == 401 => {
            let text = json!({ "message": String::from_utf8_lossy(body) });
            refused(vendor, kind, status, hints, &text)
        }
        Err(_) if status == 429 => refused(vendor, kind, status, hints, &Value::Null),
        Err(_) => failed(kind, format!("{status} with a body that is not JSON")),
    }
}

fn refused(vendor: Vendor, kind: CallKind, status: u16, hints: &Hints, body: &Value) -> Verdict {
    if status == 429 {
        return too_fast(vendor, hints, body);
    }
    // Official advice: retry once; if it fails again the service behind is down (as quoted in twitch4j).
    if (vendor, kind, status) == (Vendor::Twitch, CallKind::Read, 503) {
        return Verdict::RetryOnce(failure_text(status, body));
    }
    if status >= 500 || status == 408 {
        return failed(kind, failure_text(status, body));
    }
    match vendor {
        Vendor::HighLevel => highlevel(status, body),
        Vendor::Twitch => twitch(status, hints, body),
    }
}

fn too_fast(vendor: Vendor, hints: &Hints, body: &Value) -> Verdict {
    match vendor {
        Vendor::HighLevel => {
            if let Some(day) = hints.day.filter(|day| day.remaining == 0) {
                return Verdict::DaySpent(day.resets_in);
            }
            Verdict::Wait(hints.retry_after.map_or(Pause::OneWindow, Pause::For))
        }
        // A 429 with points left is a quota of another kind, which no waiting cures (issue 958 of Twitch's tracker).
        Vendor::Twitch if hints.remaining.is_some_and(|points| points > 0) => Verdict::Refuse {
            status: 429,
            said: message(body),
        },
        Vendor::Twitch => Verdict::Wait(match (hints.retry_after, hints.full_at) {
            (Some(wait), _) => Pause::For(wait),
            (None, Some(full_at)) => Pause::Until(full_at),
            (None, None) => Pause::OneWindow,
        }),
    }
}

fn highlevel(status: u16, body: &Value) -> Verdict {
    let text = message(body);
    let lower = text.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let duplicate = body
        .pointer("/meta/contactId")
        .and_then(Value::as_str)
        .and_then(|id| ContactId::try_from(id).ok());
    if let (400 | 409 | 422, Some(contact)) = (status, duplicate) {
        let matching_field = body
            .pointer("/meta/matchingField")
            .and_then(Value::as_str)
            .map(said);
        return Verdict::Duplicate {
            contact,
            matching_field,
        };
    }
    if matches!(status, 401 | 403) {
        if has(&["version header"]) {
            return Verdict::Version(text);
        }
        // "This authClass type is not allowed to access this scope": an agency's token where a location's is wanted.
        if has(&["authclass"]) {
            return Verdict::NoAccess(text);
        }
        if has(&["scope"]) {
            return Verdict::Scope(text);
        }
        if has(&["access to this location"]) || status == 403 {
            return Verdict::NoAccess(text);
        }
        if has(&[
            "invalid token",
            "access token is invalid",
            "invalid jwt",
            "invalid private integration token",
            "expired",
        ]) {
            return Verdict::DeadToken(text);
        }
        // Whatever else it says, it is about the account, not about one record.
        return Verdict::NoAccess(text);
    }
    // "Cannot GET /contacts/": a path that this version does not have, not a contact.
    let no_such_path = has(&["cannot get", "cannot post", "cannot put", "cannot delete"]);
    let not_there = has(&[
        "not found",
        "contact is deleted",
        "contact does not belong to location",
    ]);
    match status {
        404 if no_such_path => Verdict::Refuse { status, said: text },
        404 => Verdict::NotFound,
        400 | 422 if not_there => Verdict::NotFound,
        _ => Verdict::Refuse { status, said: text },
    }
}

fn twitch(status: u16, hints: &Hints, body: &Value) -> Verdict {
    let text = message(body);
    let lower = text.to_lowercase();
    match status {
        401 if hints.dead_token
            || lower.contains("invalid oauth token")
            || lower.contains("invalid access token") =>
        {
            Verdict::DeadToken(text)
        }
        401 | 403 if lower.contains("scope") => Verdict::Scope(text),
        401 | 403 => Verdict::NoPermission(text),
        404 => Verdict::NotFound,
        _ => Verdict::Refuse { status, said: text },
    }
}

fn failed(kind: CallKind, why: String) -> Verdict {
    match kind {
        CallKind::Read => Verdict::Retry(why),
        CallKind::Write => Verdict::Unsure(why),
    }
}

fn failure_text(status: u16, body: &Value) -> String {
    let text = message(body);
    if text.is_empty() {
        status.to_string()
    } else {
        format!("{status}: {text}")
    }
}

/// Returns the error status that a success's body names.
fn disguised(body: &Value) -> Option<u16> {
    body.get("statusCode")
        .and_then(as_status)
        .filter(|status| *status >= 400)
}

/// Returns the status that an error's body names: `statusCode` at HighLevel, `status` at Twitch.
fn named_status(body: &Value) -> Option<u16> {
    let named = body.get("statusCode").or_else(|| body.get("status"));
    named.and_then(as_status).filter(|status| *status >= 400)
}

fn as_status(value: &Value) -> Option<u16> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))?;
    u16::try_from(number).ok().filter(|status| *status < 600)
}

/// Returns what the body says, masked: `message` as text or list, else `error` as text or with a `message` of its own.
fn message(body: &Value) -> String {
    let text = match body.get("message") {
        Some(Value::String(text)) => said(text),
        Some(Value::Array(list)) => {
            let lines: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            said_all(&lines)
        }
        _ => String::new(),
    };
    if !text.is_empty() {
        return text;
    }
    // Token endpoints may say more in `error_description` than in `error` (RFC 6749, section 5.2).
    let error = body.get("error");
    let text = body
        .get("error_description")
        .and_then(Value::as_str)
        .or_else(|| error?.as_str())
        .or_else(|| error?.get("message")?.as_str());
    said(text.unwrap_or_default())
}

fn looks_like_html(body: &[u8]) -> bool {
    body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<')
}

#[cfg(test)]
mod tests;
