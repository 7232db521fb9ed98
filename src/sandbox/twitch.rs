//! The Twitch API: Helix's followers and users, and the validation of tokens.

use std::time::Instant;

use serde_json::{Value, json};

use super::audience::FollowRow;
use super::faults::PageQuirk;
use super::json::Json;
use super::limits::Bucket;
use super::routes::{Route, Row, Vendor};
use super::settings::{BROADCASTER_ID, StaleAfter};
use super::tokens::{Holder, Token};
use super::wire::{Answer, Request, base64, unbase64};
use super::world::{Twist, World, too_many};

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
        (None, Some(token)) if row.route == Route::TwitchFollowers => {
            followers(world, request, token, twist)
        }
        (None, Some(token)) => users(world, request, token, twist),
        (None, None) => dead_token(),
    };
    answer.headers.extend(permit.headers);
    answer
}

fn malformed(name: &str, why: &str) -> Answer {
    Answer::helix(
        400,
        &format!("The parameter \"{name}\" was malformed: {why}"),
    )
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Where a cursor leads, and since when.
struct Cursor {
    offset: u64,
    made_at: i64,
    /// An empty page was handed out just before.
    rested: bool,
}

impl Cursor {
    fn write(&self) -> String {
        let inside = json!({ "b": null, "a": { "Offset": self.offset, "At": self.made_at, "Rest": self.rested } });
        base64(inside.to_string().as_bytes())
    }

    fn read(text: &str) -> Option<Cursor> {
        let inside: Value = serde_json::from_slice(&unbase64(text)?).ok()?;
        Some(Cursor {
            offset: inside["a"]["Offset"].as_u64()?,
            made_at: inside["a"]["At"].as_i64()?,
            rested: inside["a"]["Rest"].as_bool()?,
        })
    }
}

fn followers(world: &mut World, request: &Request, token: &Token, twist: Twist) -> Answer {
    let Some(broadcaster) = request.param("broadcaster_id") else {
        return Answer::helix(400, "Missing required parameter \"broadcaster_id\"");
    };
    if !digits(broadcaster) {
        return malformed("broadcaster_id", "the value must be a numeric id");
    }
    let first = match request.param("first").map(str::parse::<u64>) {
        None => 20,
        Some(Ok(first @ 1..=100)) => first,
        Some(Ok(0)) => return malformed("first", "the value must be greater than or equal to 1"),
        Some(Ok(_)) => return malformed("first", "the value must be less than or equal to 100"),
        Some(Err(_)) => return malformed("first", "the value must be an integer"),
    };
    if request.params("user_id").count() > 1 {
        return malformed("user_id", "only one value is allowed");
    }
    let user = request.param("user_id");
    let scoped = token.has(FOLLOWER_SCOPE);
    let own = match &token.holder {
        Holder::TwitchUser { user_id, .. } => {
            user_id == broadcaster || world.moderators.contains(user_id)
        }
        Holder::TwitchApp { .. }
        | Holder::Location
        | Holder::OtherLocation { .. }
        | Holder::Company { .. } => false,
    };
    let entitled = scoped && own && !twist.unpermitted;
    if user.is_some() && !entitled {
        return match scoped && !twist.unpermitted {
            true => Answer::helix(
                401,
                "The ID in broadcaster_id must match the user ID found in the request's OAuth token.",
            ),
            false => Answer::helix(401, "Missing scope: moderator:read:followers"),
        };
    }
    let here = broadcaster == BROADCASTER_ID;
    let total = if here {
        world.audience.total(world.settings.switches.ghosts)
    } else {
        0
    };
    if !entitled || !here {
        return page(&[], total, None);
    }
    if let Some(user) = user {
        let row = world.audience.followed_at(user).and_then(|at| {
            let account = world.audience.account(user)?;
            Some(FollowRow::Follower { account, at })
        });
        return page(row.as_slice(), total, None);
    }
    walk(world, request, first, total, twist)
}

fn walk(world: &mut World, request: &Request, first: u64, total: u64, twist: Twist) -> Answer {
    let now = world.clock.now();
    let switches = world.settings.switches.clone();
    let start = Cursor {
        offset: 0,
        made_at: now,
        rested: true,
    };
    let cursor = match request.param("after") {
        None => start,
        Some(text) => {
            let life = switches.cursor_life.as_millis() as i64;
            let good = Cursor::read(text).filter(|cursor| now - cursor.made_at <= life);
            match (good, switches.stale_after) {
                (Some(cursor), _) => cursor,
                (None, StaleAfter::BadRequest) => {
                    return malformed("after", "the cursor is invalid");
                }
                (None, StaleAfter::FirstPage) => start,
            }
        }
    };
    if request.param("after").is_none() {
        world.follower_pages = 0;
    }
    world.follower_pages += 1;
    let pages = world.follower_pages;
    let rows = world.audience.rows();
    let empty =
        switches.empty_pages > 0 && pages.is_multiple_of(switches.empty_pages) && !cursor.rested;
    let mut size = first;
    if switches.short_pages && pages.is_multiple_of(3) && size > 1 {
        size -= 1;
    }
    if empty || twist.quirk == Some(PageQuirk::Empty) {
        size = 0;
    }
    let end = (cursor.offset + size).min(rows);
    let listed: Vec<FollowRow> = (cursor.offset..end)
        .filter_map(|place| world.audience.row(place))
        .collect();
    let more = end < rows || (switches.last_cursor && end > cursor.offset);
    let next = Cursor {
        offset: end,
        made_at: now,
        rested: size == 0,
    };
    let next = match twist.quirk {
        Some(PageQuirk::MissingCursor) => None,
        Some(PageQuirk::RepeatedCursor) => Some(
            request
                .param("after")
                .map_or_else(|| start_again(now), String::from),
        ),
        Some(PageQuirk::Empty) | None => more.then(|| next.write()),
    };
    page(&listed, total, next)
}

/// The cursor of the first page itself.
fn start_again(now: i64) -> String {
    let cursor = Cursor {
        offset: 0,
        made_at: now,
        rested: true,
    };
    cursor.write()
}

fn page(rows: &[FollowRow], total: u64, cursor: Option<String>) -> Answer {
    let mut json = Json::new();
    json.open(b'{');
    json.key("total").number(total as i64);
    json.key("data").open(b'[');
    for row in rows {
        json.open(b'{');
        let blank = ("", "", "");
        let (id, login, name) = match row {
            FollowRow::Follower { account, .. } | FollowRow::Unreadable { account } => (
                account.id.as_str(),
                account.login.as_str(),
                account.name.as_str(),
            ),
            FollowRow::Blank { .. } => blank,
        };
        json.key("user_id").text(id);
        json.key("user_login").text(login);
        json.key("user_name").text(name);
        match row {
            FollowRow::Follower { at, .. } | FollowRow::Blank { at } => {
                json.key("followed_at").seconds(*at)
            }
            FollowRow::Unreadable { .. } => json.key("followed_at").text("yesterday"),
        }
        json.close(b'}');
    }
    json.close(b']');
    json.key("pagination").open(b'{');
    if let Some(cursor) = cursor {
        json.key("cursor").text(&cursor);
    }
    json.close(b'}');
    json.close(b'}');
    Answer::json(200, json.finish())
}

fn users(world: &mut World, request: &Request, token: &Token, twist: Twist) -> Answer {
    if twist.unpermitted {
        return Answer::helix(401, "Missing scope: user:read");
    }
    let ids: Vec<&str> = request.params("id").collect();
    let logins: Vec<&str> = request.params("login").collect();
    if ids.len() + logins.len() > 100 {
        return Answer::helix(
            400,
            "The number of IDs and logins exceeds the maximum of 100",
        );
    }
    if ids.iter().any(|id| !digits(id)) {
        return malformed("id", "the value must be a numeric id");
    }
    if ids.iter().any(|id| world.poisoned.contains(*id)) {
        return Answer::helix(500, "");
    }
    let mut found = Vec::new();
    let own;
    let ids = match &token.holder {
        Holder::TwitchUser { user_id, .. } if ids.is_empty() && logins.is_empty() => {
            own = user_id.clone();
            vec![own.as_str()]
        }
        _ if ids.is_empty() && logins.is_empty() => {
            return Answer::helix(400, "Must provide an ID, Login or OAuth Token.");
        }
        _ => ids,
    };
    found.extend(ids.iter().filter_map(|id| world.audience.account(id)));
    found.extend(
        logins
            .iter()
            .filter_map(|login| world.audience.account_by_login(login)),
    );
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found.dedup();
    let rows: Vec<Value> = found
        .into_iter()
        .map(|account| {
            json!({
                "id": account.id,
                "login": account.login,
                "display_name": account.name,
                "type": "",
                "broadcaster_type": "",
                "description": "",
                "profile_image_url": "",
                "offline_image_url": "",
                "view_count": 0,
                "created_at": "2016-12-14T20:32:28Z",
            })
        })
        .collect();
    Answer::value(200, &json!({ "data": rows }))
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
            let login = world.audience.account(user_id).map(|account| account.login);
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
