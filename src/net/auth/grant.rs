//! What a token endpoint grants, in every spelling that the vendors use.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::call::{Unreadable, json};
use crate::model::Secret;

/// A granted token, or pair of tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// The access token.
    pub access: Secret,
    /// The refresh token; `None` where the vendor gave none.
    pub refresh: Option<Secret>,
    /// How long the access token is good; `None` when it does not end.
    pub expires_in: Option<Duration>,
    /// The granted scopes; empty when the vendor did not say.
    pub scopes: Vec<String>,
    /// HighLevel: the location that it is good for; `None` for an agency's.
    pub location: Option<String>,
    /// HighLevel: the agency.
    pub company: Option<String>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("expires_in", &self.expires_in)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Reads the answer of a token endpoint, as HighLevel's v2 (snake case), its v3 (camel case) and Twitch spell it.
///
/// Only the access token has to be as expected. The refresh token that was sent is spent by now, so an answer is not given up for a number
/// that is written as text, or for a name that comes in both spellings.
pub(super) fn read(bytes: &[u8]) -> Result<Grant, Unreadable> {
    let wire: Map<String, Value> = json(bytes)?;
    let get = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| wire.get(*name));
        values.find(|value| !value.is_null())
    };
    let text = |names: &[&str]| {
        let text = get(names)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    // It goes into a header: anything else would fail at every later call, after the old pair is spent.
    let access = text(&["access_token", "accessToken"])
        .filter(|text| is_graphic(text))
        .ok_or_else(|| Unreadable::Shape("the reply's access token is not a token".to_owned()))?;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    // A list at Twitch, words at HighLevel, missing for a token without scopes.
    let scopes = match get(&["scope", "scopes"]) {
        Some(Value::String(text)) => words(text),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    };
    let id = |names: &[&str]| text(names).filter(|text| is_graphic(text));
    Ok(Grant {
        access: Secret::new(access),
        // It goes into a form, which takes every character.
        refresh: text(&["refresh_token", "refreshToken"]).map(Secret::new),
        expires_in: get(&["expires_in", "expiresIn"]).and_then(life),
        scopes,
        location: id(&["locationId", "location_id"]),
        company: id(&["companyId", "company_id"]),
    })
}

/// Reads a number of seconds; `None` for none, which very old Twitch clients get as null or 0.
fn life(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    let life = Duration::try_from_secs_f64(seconds).ok()?;
    let life = Duration::from_secs(life.as_secs());
    (!life.is_zero()).then_some(life)
}

fn is_graphic(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_grant_is_read() {
        let v2 = br#"{"access_token":"a1","token_type":"Bearer","expires_in":86399,"refresh_token":"r1",
            "scope":"contacts.readonly contacts.write","userType":"Location","locationId":"L","companyId":"C","userId":"u"}"#;
        let v3 = br#"{"accessToken":"a1","tokenType":"Bearer","expiresIn":86399,"refreshToken":"r1",
            "scope":"contacts.readonly contacts.write","userType":"Location","locationId":"L","companyId":"C","userId":"u"}"#;
        let (v2, v3) = (read(v2).unwrap(), read(v3).unwrap());
        assert_eq!(v2, v3);
        assert_eq!(v2.access.reveal(), "a1");
        assert_eq!(v2.refresh.as_ref().map(Secret::reveal), Some("r1"));
        assert_eq!(v2.expires_in, Some(Duration::from_secs(86_399)));
        assert_eq!(v2.scopes, ["contacts.readonly", "contacts.write"]);
        assert_eq!(v2.location.as_deref(), Some("L"));
        let twitch = br#"{"access_token":"a2","expires_in":14124,"refresh_token":"r2","scope":["moderator:read:followers"],"token_type":"bearer"}"#;
        assert_eq!(read(twitch).unwrap().scopes, ["moderator:read:followers"]);
        let bare = read(br#"{"access_token":"a3","expires_in":null,"scope":null}"#).unwrap();
        assert_eq!((bare.expires_in, bare.refresh), (None, None));
        assert!(bare.scopes.is_empty());
    }

    #[test]
    fn a_pair_is_not_given_up_for_the_shape_of_what_is_beside_it() {
        let life = |text: &str| {
            let answer =
                format!(r#"{{"access_token":"a","refresh_token":"r","expires_in":{text}}}"#);
            let grant = read(answer.as_bytes()).unwrap();
            assert_eq!(grant.refresh.unwrap().reveal(), "r", "{text}");
            grant.expires_in.map(|life| life.as_secs())
        };
        for (text, seconds) in [
            ("86399", Some(86_399)),
            ("86399.0", Some(86_399)),
            (r#""86399""#, Some(86_399)),
            ("0", None),
            ("-1", None),
            (r#""soon""#, None),
            ("[1]", None),
            ("1e300", None),
            ("null", None),
        ] {
            assert_eq!(life(text), seconds, "{text}");
        }
        let both = br#"{"access_token":"a","accessToken":"a","refresh_token":"r","refreshToken":"r","expires_in":9,"expiresIn":9,
            "locationId":"L","location_id":"L","companyId":7,"scope":{"odd":1}}"#;
        let grant = read(both).unwrap();
        assert_eq!(grant.refresh.unwrap().reveal(), "r");
        assert_eq!(grant.location.as_deref(), Some("L"));
        assert_eq!(grant.company, None);
        let spaced = read(br#"{"access_token":"a","refresh_token":"with space"}"#).unwrap();
        assert_eq!(spaced.refresh.unwrap().reveal(), "with space");
    }

    #[test]
    fn a_grant_without_a_usable_token_is_no_grant_and_is_never_printed() {
        for broken in ["{}", r#"{"access_token":""}"#, r#"{"access_token":"a b"}"#] {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
        let grant = read(br#"{"access_token":"geheim","refresh_token":"auch"}"#).unwrap();
        let shown = format!("{grant:?}");
        assert!(
            !shown.contains("geheim") && !shown.contains("auch"),
            "{shown}"
        );
    }
}
