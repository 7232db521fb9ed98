//! Access tokens: what each may do, and until when.

use std::collections::HashMap;

use super::settings::{
    BROADCASTER_ID, HIGHLEVEL_TOKEN, Settings, TWITCH_CLIENT_ID, TWITCH_TOKEN, channel_token,
};

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A HighLevel location's token (private integration or OAuth).
    Location,
    /// The token of another location of the same company; this sandbox serves no contacts of it.
    OtherLocation {
        /// The location's id.
        location_id: String,
    },
    /// An agency's token: it makes tokens for its locations and is refused by their endpoints.
    Company {
        /// The company's id.
        company_id: String,
    },
    /// A Twitch user's token for one client id.
    TwitchUser {
        /// The client id that the token was made for.
        client_id: String,
        /// The user who granted it.
        user_id: String,
    },
    /// A Twitch app token for one client id.
    TwitchApp {
        /// The client id that the token was made for.
        client_id: String,
    },
}

/// One access token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Whose it is.
    pub holder: Holder,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The virtual time in milliseconds at which it dies; `None` means never.
    pub expires_at_ms: Option<i64>,
}

impl Token {
    /// Tells whether the token has a scope; an empty scope is always there.
    pub(crate) fn has(&self, scope: &str) -> bool {
        scope.is_empty() || self.scopes.iter().any(|known| known == scope)
    }
}

/// All tokens that are alive or were.
pub(crate) struct Tokens(HashMap<String, Token>);

impl Tokens {
    pub(crate) fn new(settings: &Settings, now: i64) -> Tokens {
        let highlevel = Token {
            holder: Holder::Location,
            scopes: settings.highlevel_scopes.clone(),
            expires_at_ms: None,
        };
        let life = settings.twitch_token_life;
        let twitch = |user: &str| Token {
            holder: Holder::TwitchUser {
                client_id: TWITCH_CLIENT_ID.to_string(),
                user_id: user.to_string(),
            },
            scopes: settings.twitch_scopes.clone(),
            expires_at_ms: life.map(|life| now + life.as_millis() as i64),
        };
        let further = settings.channels.iter();
        let further = further.map(|channel| (channel_token(&channel.id), twitch(&channel.id)));
        let mut tokens: HashMap<String, Token> = further.collect();
        tokens.insert(HIGHLEVEL_TOKEN.to_string(), highlevel);
        tokens.insert(TWITCH_TOKEN.to_string(), twitch(BROADCASTER_ID));
        Tokens(tokens)
    }

    pub(crate) fn set(&mut self, text: &str, token: Token) {
        self.0.insert(text.to_string(), token);
    }

    pub(crate) fn revoke(&mut self, text: &str) {
        self.0.remove(text);
    }

    /// Returns the token if it is alive.
    pub(crate) fn alive(&self, text: &str, now: i64) -> Option<&Token> {
        self.0
            .get(text)
            .filter(|token| token.expires_at_ms.is_none_or(|end| now < end))
    }
}
