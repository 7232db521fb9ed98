//! What an answer means.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::call::CallKind;
use super::hints::Hints;
use super::said::said;
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
/// Source: HighLevel reference sections 4, 5 and 11.2; Twitch reference sections 2.1, 4, 5.3 and 8.
pub fn judge(vendor: Vendor, kind: CallKind, status: u16, hints: &Hints, body: &[u8]) -> Verdict {
    if looks_like_html(body) {
        return failed(kind, format!("{status} with a web page instead of JSON"));
    }
    // A success is large and parsed by its reader; only a short one can be an error in disguise.
    if (200..300).contains(&status) {
        return match serde_json::from_slice(body) {
            Ok(value) if body.len() <= 2048 && disguised(&value).is_some() => {
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
        Err(_) if status == 429 => refused(vendor, kind, status, hints, &Value::Null),
        Err(_) => failed(kind, format!("{status} with a body that is not JSON")),
    }
}

fn refused(vendor: Vendor, kind: CallKind, status: u16, hints: &Hints, body: &Value) -> Verdict {
    if status == 429 {
        return too_fast(vendor, hints, body);
    }
    // Official advice: retry once; if it fails again the service behind is down (Twitch reference section 4).
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
        // A 429 with points left is a quota of another kind, which no waiting cures (Twitch reference section 4).
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
        return Verdict::Refuse { status, said: text };
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
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => {
            let lines: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            lines.join("; ")
        }
        _ => String::new(),
    };
    if !text.trim().is_empty() {
        return said(&text);
    }
    let error = body.get("error");
    let text = error
        .and_then(Value::as_str)
        .or_else(|| error?.get("message")?.as_str());
    said(text.unwrap_or_default())
}

fn looks_like_html(body: &[u8]) -> bool {
    body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use super::super::hints::Day;
    use super::*;

    use CallKind::{Read, Write};
    use Vendor::{HighLevel, Twitch};

    fn plain(vendor: Vendor, kind: CallKind, status: u16, body: &str) -> Verdict {
        judge(vendor, kind, status, &Hints::default(), body.as_bytes())
    }

    fn refuse(status: u16, said: &str) -> Verdict {
        Verdict::Refuse {
            status,
            said: said.to_owned(),
        }
    }

    #[test]
    fn any_2xx_is_used_unless_it_is_an_error_in_disguise() {
        for status in [200, 201, 204] {
            for body in ["", r#"{"contact":{}}"#, "[", "{\"statusCode\":200}"] {
                assert_eq!(
                    plain(HighLevel, Write, status, body),
                    Verdict::Use,
                    "{status} {body}"
                );
            }
        }
        assert_eq!(
            plain(
                HighLevel,
                Write,
                200,
                r#"{"statusCode":422,"message":["property x should not exist"]}"#
            ),
            refuse(422, "property x should not exist")
        );
    }

    #[test]
    fn the_four_meanings_of_highlevels_401() {
        let judge = |text: &str| {
            let body = format!(r#"{{"statusCode":401,"message":"{text}","error":"Unauthorized"}}"#);
            plain(HighLevel, Read, 401, &body)
        };
        for dead in [
            "Invalid token: access token is invalid",
            "Invalid JWT",
            "Invalid Private Integration token",
        ] {
            assert_eq!(judge(dead), Verdict::DeadToken(dead.to_owned()));
        }
        for scope in [
            "The token is not authorized for this scope.",
            "This authClass type is not allowed to access this scope. Please use access token of a different authClass",
        ] {
            assert_eq!(judge(scope), Verdict::Scope(scope.to_owned()));
        }
        for version in ["version header was not found.", "version header is invalid"] {
            assert_eq!(judge(version), Verdict::Version(version.to_owned()));
        }
        assert_eq!(judge("who are you"), refuse(401, "who are you"));
    }

    #[test]
    fn highlevels_other_refusals() {
        let no_access = "The token does not have access to this location.";
        let forbidden =
            format!(r#"{{"statusCode":403,"message":"{no_access}","error":"Forbidden"}}"#);
        assert_eq!(
            plain(HighLevel, Read, 403, &forbidden),
            Verdict::NoAccess(no_access.to_owned())
        );
        // The body decides: a 400 around a 422, the message as text or as a list.
        assert_eq!(
            plain(
                HighLevel,
                Write,
                400,
                r#"{"statusCode":422,"message":["property a should not exist","property b should not exist"],"error":"Unprocessable Entity"}"#
            ),
            refuse(
                422,
                "property a should not exist; property b should not exist"
            )
        );
        let nameless = "Contacts without email, phone, firstName and lastName are not allowed.";
        let body = format!(r#"{{"statusCode":422,"message":"{nameless}"}}"#);
        assert_eq!(plain(HighLevel, Write, 422, &body), refuse(422, nameless));
        assert_eq!(
            plain(
                HighLevel,
                Write,
                400,
                r#"{"statusCode":400,"message":"Bad Request"}"#
            ),
            refuse(400, "Bad Request")
        );
        assert_eq!(
            plain(
                HighLevel,
                Read,
                400,
                r#"{"error":{"code":"x","message":"v3 speaks so"}}"#
            ),
            refuse(400, "v3 speaks so")
        );
    }

    #[test]
    fn not_found_has_many_forms() {
        for (status, body) in [
            (
                400,
                r#"{"statusCode":400,"message":"Contact with id TY3N not found"}"#,
            ),
            (
                404,
                r#"{"statusCode":404,"message":"Contact with id TY3N not found"}"#,
            ),
            (404, r#"{"message":"Not Found"}"#),
            (404, ""),
            (400, r#"{"statusCode":404,"message":"x"}"#),
            (400, r#"{"message":"contact is deleted"}"#),
            (422, r#"{"message":"contact does not belong to location"}"#),
        ] {
            for kind in [Read, Write] {
                assert_eq!(
                    plain(HighLevel, kind, status, body),
                    Verdict::NotFound,
                    "{status} {body}"
                );
            }
        }
        // A path that the version does not have is no missing contact.
        let gone = r#"{"statusCode":404,"message":"Cannot GET /contacts/?limit=100"}"#;
        assert!(matches!(
            plain(HighLevel, Read, 404, gone),
            Verdict::Refuse { status: 404, .. }
        ));
    }

    #[test]
    fn a_duplicate_names_the_contact_that_is_there() {
        let body = r#"{"statusCode":400,"message":"This location does not allow duplicated contacts.",
            "meta":{"contactId":"TY3N","contactName":"ann","matchingField":"email"},"traceId":"x"}"#;
        assert_eq!(
            plain(HighLevel, Write, 400, body),
            Verdict::Duplicate {
                contact: ContactId::try_from("TY3N").unwrap(),
                matching_field: Some("email".to_owned())
            }
        );
        let bare =
            r#"{"statusCode":400,"message":"This location does not allow duplicated contacts."}"#;
        assert_eq!(
            plain(HighLevel, Write, 400, bare),
            refuse(400, "This location does not allow duplicated contacts.")
        );
    }

    #[test]
    fn failures_on_the_way_are_retried_for_reads_and_doubted_for_writes() {
        for (status, body) in [
            (
                500,
                r#"{"statusCode":500,"message":"Internal server error"}"#,
            ),
            (502, ""),
            (520, "<html>cloudflare</html>"),
            (403, "<!DOCTYPE html>"),
            (200, "  <html>a page where JSON should be</html>"),
            (400, "error code: 1020"),
            (408, ""),
        ] {
            for vendor in [HighLevel, Twitch] {
                let read = plain(vendor, Read, status, body);
                assert!(
                    matches!(read, Verdict::Retry(_)),
                    "{status} {body}: {read:?}"
                );
                let write = plain(vendor, Write, status, body);
                assert!(
                    matches!(write, Verdict::Unsure(_)),
                    "{status} {body}: {write:?}"
                );
            }
        }
        assert!(matches!(plain(HighLevel, Read, 503, ""), Verdict::Retry(_)));
        assert!(matches!(
            plain(
                Twitch,
                Read,
                503,
                r#"{"error":"Service Unavailable","status":503,"message":""}"#
            ),
            Verdict::RetryOnce(_)
        ));
    }

    #[test]
    fn highlevels_429_waits_as_asked_or_a_window_or_for_the_day() {
        let judge =
            |hints: &Hints, body: &str| judge(HighLevel, Write, 429, hints, body.as_bytes());
        let mut hints = Hints::default();
        for body in [
            "",
            "Too Many Requests",
            r#"{"statusCode":429,"message":"x"}"#,
        ] {
            assert_eq!(judge(&hints, body), Verdict::Wait(Pause::OneWindow));
        }
        hints.retry_after = Some(Duration::from_secs(7));
        assert_eq!(
            judge(&hints, ""),
            Verdict::Wait(Pause::For(Duration::from_secs(7)))
        );
        let resets_in = Some(Duration::from_secs(3_600));
        hints.day = Some(Day {
            limit: Some(200_000),
            remaining: 0,
            resets_in,
        });
        assert_eq!(judge(&hints, ""), Verdict::DaySpent(resets_in));
        hints.day = Some(Day {
            limit: None,
            remaining: 5,
            resets_in,
        });
        assert!(matches!(judge(&hints, ""), Verdict::Wait(_)));
    }

    #[test]
    fn twitchs_429_with_points_left_is_no_pause() {
        let body = r#"{"error":"Too Many Requests","status":429,"message":"m"}"#;
        let with = |remaining: Option<u32>, full_at: Option<DateTime<Utc>>| {
            let hints = Hints {
                remaining,
                full_at,
                ..Hints::default()
            };
            judge(Twitch, Read, 429, &hints, body.as_bytes())
        };
        assert_eq!(with(Some(3), None), refuse(429, "m"));
        let full_at = DateTime::from_timestamp(1_784_284_708, 0);
        assert_eq!(
            with(Some(0), full_at),
            Verdict::Wait(Pause::Until(full_at.unwrap()))
        );
        assert_eq!(with(None, None), Verdict::Wait(Pause::OneWindow));
    }

    #[test]
    fn twitchs_401_is_a_dead_token_only_with_its_signs() {
        let judge_text = |text: &str| {
            let body = format!(r#"{{"error":"Unauthorized","status":401,"message":"{text}"}}"#);
            plain(Twitch, Read, 401, &body)
        };
        for dead in ["Invalid OAuth token", "invalid access token"] {
            assert_eq!(judge_text(dead), Verdict::DeadToken(dead.to_owned()));
        }
        let scope = "Missing scope: moderator:read:followers";
        assert_eq!(judge_text(scope), Verdict::Scope(scope.to_owned()));
        for other in [
            "The ID in broadcaster_id must match the user ID found in the request's OAuth token.",
            "Client ID and OAuth token do not match",
        ] {
            assert_eq!(judge_text(other), Verdict::NoPermission(other.to_owned()));
        }
        // No text at all: the error's name is all there is, and it is no sign of a dead token.
        assert_eq!(
            judge_text(""),
            Verdict::NoPermission("Unauthorized".to_owned())
        );
        let hints = Hints {
            dead_token: true,
            ..Hints::default()
        };
        assert!(matches!(
            judge(Twitch, Read, 401, &hints, b""),
            Verdict::DeadToken(_)
        ));
        assert_eq!(
            plain(
                Twitch,
                Read,
                400,
                r#"{"status":400,"message":"Missing required parameter"}"#
            ),
            refuse(400, "Missing required parameter")
        );
        assert_eq!(
            plain(Twitch, Read, 404, r#"{"status":404}"#),
            Verdict::NotFound
        );
    }

    #[test]
    fn a_redirect_is_a_refusal() {
        assert_eq!(plain(HighLevel, Write, 307, ""), refuse(307, ""));
    }

    #[test]
    fn what_is_kept_of_a_message_names_nobody() {
        let body = r#"{"statusCode":422,"message":"a@example.com and +1 555 010 0001 are taken"}"#;
        assert_eq!(
            plain(HighLevel, Write, 422, body),
            refuse(422, "*** and +*** are taken")
        );
    }
}
