//! What a token endpoint grants, in every spelling that the vendors use.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

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

/// The answer as HighLevel's v2 (snake case), its v3 (camel case) and Twitch spell it. Only the access token is sure to be there.
#[derive(Deserialize)]
struct Wire {
    #[serde(alias = "accessToken")]
    access_token: String,
    #[serde(alias = "refreshToken")]
    refresh_token: Option<String>,
    #[serde(alias = "expiresIn")]
    expires_in: Option<u64>,
    /// A list at Twitch, words at HighLevel, missing for a token without scopes.
    scope: Option<Value>,
    #[serde(alias = "locationId", alias = "location_id")]
    location: Option<String>,
    #[serde(alias = "companyId", alias = "company_id")]
    company: Option<String>,
}

/// Reads the answer of a token endpoint.
pub(super) fn read(bytes: &[u8]) -> Result<Grant, Unreadable> {
    let wire: Wire = json(bytes)?;
    // It goes into a header: anything else would fail at every later call, after the old pair is spent.
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if !is_token(&wire.access_token) {
        return Err(Unreadable::Shape(
            "the reply's access token is not a token".to_owned(),
        ));
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let scopes = match wire.scope {
        Some(Value::String(text)) => words(&text),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    };
    let named = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Grant {
        access: Secret::new(wire.access_token),
        refresh: wire
            .refresh_token
            .filter(|token| is_token(token))
            .map(Secret::new),
        // Very old Twitch clients get tokens that never end: null, or 0.
        expires_in: wire
            .expires_in
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        scopes,
        location: named(wire.location),
        company: named(wire.company),
    })
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
    fn a_grant_without_a_usable_token_is_no_grant_and_is_never_printed() {
        for broken in ["{}", r#"{"access_token":""}"#, r#"{"access_token":"a b"}"#] {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
        let grant = read(br#"{"access_token":"geheim","refresh_token":"auch"}"#).unwrap();
        let shown = format!("{grant:?}");
        assert!(!shown.contains("geheim") && !shown.contains("auch"), "{shown}");
    }
}
