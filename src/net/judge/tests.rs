//! Every row of the vendors' error tables.

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
    // As Envoy says it.
    assert_eq!(
        plain(HighLevel, Write, 401, "Jwt is expired"),
        Verdict::DeadToken("Jwt is expired".to_owned())
    );
    let scope = "The token is not authorized for this scope.";
    assert_eq!(judge(scope), Verdict::Scope(scope.to_owned()));
    // An agency's token: no scope would help.
    let class = "This authClass type is not allowed to access this scope. Please use access token of a different authClass";
    assert_eq!(judge(class), Verdict::NoAccess(class.to_owned()));
    for version in ["version header was not found.", "version header is invalid"] {
        assert_eq!(judge(version), Verdict::Version(version.to_owned()));
    }
    // Whatever else a 401 says is about the account, not about one record.
    assert_eq!(
        judge("who are you"),
        Verdict::NoAccess("who are you".to_owned())
    );
}

#[test]
fn highlevels_other_refusals() {
    let no_access = "The token does not have access to this location.";
    let forbidden = format!(r#"{{"statusCode":403,"message":"{no_access}","error":"Forbidden"}}"#);
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
    let judge = |hints: &Hints, body: &str| judge(HighLevel, Write, 429, hints, body.as_bytes());
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
