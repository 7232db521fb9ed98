//! The Twitch API: what all of Helix has in common, and the validation of tokens.

use std::time::Instant;

use serde_json::{Value, json};

use super::limits::Bucket;
use super::routes::{Route, Row, Vendor};
use super::tokens::{Holder, Token};
use super::wire::{Answer, Outcome, Request};
use super::world::{Twist, World, too_many};

mod bits;
mod followers;
mod pages;
mod people;
mod streams;
mod users;

/// The `expires_in` of a token that never dies, as the documents show it.
const LONG_LIFE: i64 = 5_520_838;
const FOLLOWER_SCOPE: &str = "moderator:read:followers";

fn dead_token() -> Answer {
    Answer::helix(401, "Invalid OAuth token").with(
        "www-authenticate",
        "OAuth realm='TwitchTV', error='invalid_token'",
    )
}

fn bearer(request: &Request) -> Option<&str> {
    let text = request.header("authorization")?;
    text.strip_prefix("Bearer ")
        .or_else(|| text.strip_prefix("OAuth "))
}

/// Answers one Helix call. `early` is an answer that a fault puts in place of the real one.
pub(crate) fn helix(
    world: &mut World,
    row: &'static Row,
    request: &Request,
    at: Instant,
    twist: Twist,
    early: Option<Answer>,
) -> Answer {
    if row.route == Route::Unknown {
        return Answer::helix(404, "");
    }
    let now = world.clock.now();
    let Some(text) = bearer(request) else {
        return Answer::helix(401, "OAuth token is missing");
    };
    let token = world
        .tokens
        .alive(text, now)
        .filter(|_| !twist.expired)
        .cloned();
    let (client, bucket) = match token.as_ref().map(|token| &token.holder) {
        Some(Holder::TwitchUser { client_id, user_id }) => {
            (client_id, format!("{client_id} {user_id}"))
        }
        Some(Holder::TwitchApp { client_id }) => (client_id, client_id.clone()),
        Some(Holder::Location | Holder::OtherLocation { .. } | Holder::Company { .. }) | None => {
            return dead_token();
        }
    };
    if request.header("client-id") != Some(client.as_str()) {
        return Answer::helix(401, "Client ID and OAuth token do not match");
    }
    let speed = world.settings.speed;
    let bucket = world
        .buckets
        .entry(bucket)
        .or_insert_with(|| Bucket::new(speed));
    let permit = bucket.ask(at, now);
    let mut answer = match (early, &token) {
        (Some(answer), _) => answer,
        (None, _) if !permit.granted => {
            world.calls.too_many += 1;
            too_many(Vendor::Helix, None)
        }
        (None, Some(token)) => {
            let call = Asked {
                row,
                request,
                token,
                twist,
            };
            serve(world, &call).unwrap_or_else(|refusal| *refusal)
        }
        (None, None) => dead_token(),
    };
    answer.headers.extend(permit.headers);
    answer
}

/// One call of a living token.
struct Asked<'a> {
    row: &'static Row,
    request: &'a Request,
    token: &'a Token,
    twist: Twist,
}

fn serve(world: &mut World, call: &Asked<'_>) -> Outcome {
    match call.row.route {
        Route::TwitchFollowers => followers::answer(world, call),
        Route::TwitchSubscriptions => people::subscriptions(world, call),
        Route::TwitchVips => people::vips(world, call),
        Route::TwitchModerators => people::moderators(world, call),
        Route::TwitchBits => bits::answer(world, call),
        Route::TwitchStreams => streams::answer(world, call),
        // Every other route belongs to another half of the sandbox.
        _ => users::answer(world, call),
    }
}

impl Asked<'_> {
    /// Returns the user whose token it is; an app token has none.
    fn user(&self) -> Option<&str> {
        match &self.token.holder {
            Holder::TwitchUser { user_id, .. } => Some(user_id),
            Holder::TwitchApp { .. }
            | Holder::Location
            | Holder::OtherLocation { .. }
            | Holder::Company { .. } => None,
        }
    }

    /// Tells whether the token has one of the scopes that the endpoint takes.
    fn scoped(&self) -> bool {
        let mut any = self.row.scope.split(" or ");
        any.any(|scope| self.token.has(scope)) && !self.twist.unpermitted
    }

    /// Returns the channel of the call.
    fn broadcaster(&self) -> Outcome<&str> {
        let Some(broadcaster) = self.request.param("broadcaster_id") else {
            return refuse(400, "Missing required parameter \"broadcaster_id\"");
        };
        match digits(broadcaster) {
            true => Ok(broadcaster),
            false => malformed("broadcaster_id", "the value must be a numeric id"),
        }
    }

    /// Lets only the broadcaster's own token with a fitting scope pass.
    fn as_broadcaster(&self, broadcaster: &str) -> Outcome<()> {
        match self.scoped() && self.user() == Some(broadcaster) {
            true => Ok(()),
            false => Err(Box::new(self.unentitled())),
        }
    }

    /// The refusal of a token that is alive and may not ask.
    fn unentitled(&self) -> Answer {
        match self.scoped() {
            true => Answer::helix(
                401,
                "The ID in broadcaster_id must match the user ID found in the request's OAuth token.",
            ),
            false => Answer::helix(401, &format!("Missing scope: {}", self.row.scope)),
        }
    }

    /// Returns a number of the query between 1 and 100.
    fn number(&self, name: &str, otherwise: u64) -> Outcome<u64> {
        match self.request.param(name).map(str::parse::<u64>) {
            None => Ok(otherwise),
            Some(Ok(number @ 1..=100)) => Ok(number),
            Some(Ok(0)) => malformed(name, "the value must be greater than or equal to 1"),
            Some(Ok(_)) => malformed(name, "the value must be less than or equal to 100"),
            Some(Err(_)) => malformed(name, "the value must be an integer"),
        }
    }

    /// Returns the ids of a parameter that may come up to 100 times.
    fn ids(&self, name: &str) -> Outcome<Vec<&str>> {
        let ids: Vec<&str> = self.request.params(name).collect();
        if ids.len() > 100 {
            return malformed(name, "at most 100 values are allowed");
        }
        match ids.iter().all(|id| digits(id)) {
            true => Ok(ids),
            false => malformed(name, "the value must be a numeric id"),
        }
    }
}

fn refuse<T>(status: u16, message: &str) -> Outcome<T> {
    Err(Box::new(Answer::helix(status, message)))
}

fn malformed<T>(name: &str, why: &str) -> Outcome<T> {
    refuse(
        400,
        &format!("The parameter \"{name}\" was malformed: {why}"),
    )
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Answers `GET /oauth2/validate`.
pub(crate) fn validate(world: &mut World, request: &Request, twist: Twist) -> Answer {
    let refused = |message: &str| Answer::id(401, message);
    let Some(text) = bearer(request) else {
        return refused("missing authorization token");
    };
    let now = world.clock.now();
    let Some(token) = world.tokens.alive(text, now).filter(|_| !twist.expired) else {
        return refused("invalid access token");
    };
    let scopes: Vec<&String> = token
        .scopes
        .iter()
        .filter(|scope| !(twist.unpermitted && *scope == FOLLOWER_SCOPE))
        .collect();
    let expires_in = token
        .expires_at_ms
        .map_or(LONG_LIFE, |end| (end - now) / 1000);
    // A token without scopes shows null in place of an empty list.
    let scopes = if scopes.is_empty() {
        Value::Null
    } else {
        json!(scopes)
    };
    match &token.holder {
        Holder::TwitchUser { client_id, user_id } => {
            let login = world
                .audience
                .accounts
                .get(user_id)
                .map(|account| account.login);
            let body = json!({
                "client_id": client_id,
                "login": login,
                "scopes": scopes,
                "user_id": user_id,
                "expires_in": expires_in,
            });
            Answer::value(200, &body)
        }
        Holder::TwitchApp { client_id } => Answer::value(
            200,
            &json!({ "client_id": client_id, "scopes": scopes, "expires_in": expires_in }),
        ),
        Holder::Location | Holder::OtherLocation { .. } | Holder::Company { .. } => {
            refused("invalid access token")
        }
    }
}
