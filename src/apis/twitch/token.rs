//! What a token of Twitch is good for.
//!
//! Source: Twitch, "Validating Tokens".

use std::time::Duration;

use serde::Deserialize;

use crate::model::RecordKey;
use crate::net::{Call, Method};

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The client it was made for.
    pub client_id: String,
    /// The user who granted it; `None` for an app token.
    pub user_id: Option<RecordKey>,
    /// The user's present login.
    pub login: Option<String>,
    /// The granted scopes; empty when the token has none.
    pub scopes: Vec<String>,
    /// How long it is still good; `None` when it does not expire.
    pub expires_in: Option<Duration>,
}

/// Asks what the line's token is good for. Goes to the login host (`auth_url` of the account); Twitch wants it hourly and at start.
pub fn validate() -> Call<Token> {
    #[derive(Deserialize)]
    struct Wire {
        client_id: String,
        login: Option<String>,
        user_id: Option<String>,
        scopes: Option<Vec<String>>,
        expires_in: Option<u64>,
    }
    Call::new(Method::Get, "GET /validate", "/validate", |bytes| {
        let wire: Wire = crate::net::json(bytes)?;
        Ok(Token {
            client_id: wire.client_id,
            user_id: wire.user_id.and_then(|id| RecordKey::try_from(id).ok()),
            // It is shown to people.
            login: wire.login.filter(|login| is_login(login)),
            scopes: wire.scopes.unwrap_or_default(),
            expires_in: wire.expires_in.map(Duration::from_secs),
        })
    })
}

fn is_login(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;

    #[test]
    fn a_token_as_documented() {
        let read = |json: &str| validate().read(json.as_bytes()).unwrap();
        let token = read(
            r#"{"client_id":"c","login":"l","scopes":["moderator:read:followers"],"user_id":"5","expires_in":5520838}"#,
        );
        assert_eq!(token.user_id, Some(id("5")));
        assert_eq!(token.expires_in, Some(Duration::from_secs(5_520_838)));
        // An app token of an old client, granted nothing.
        let bare = read(r#"{"client_id":"c","scopes":null,"expires_in":null}"#);
        assert_eq!((bare.user_id, bare.expires_in), (None, None));
        assert!(bare.scopes.is_empty());
    }
}
