//! Streams that are live.
//!
//! Source: Twitch API Reference, "Get Streams".

use serde_json::Value;

use super::super::audience::Live;
use super::super::base::Account;
use super::super::json::Json;
use super::super::wire::{Answer, Outcome};
use super::super::world::World;
use super::pages::{self, List, Page};
use super::{Asked, malformed};

/// Answers `GET /streams`; whoever is not live is left out. The most watched come first.
pub(super) fn answer(world: &mut World, call: &Asked<'_>) -> Outcome {
    let first = call.number("first", 20)?;
    let ids = call.ids("user_id")?;
    let games = call.ids("game_id")?;
    let logins: Vec<&str> = call.request.params("user_login").collect();
    let languages: Vec<&str> = call.request.params("language").collect();
    if logins.len() > 100 || languages.len() > 100 {
        return malformed("user_login", "at most 100 values are allowed");
    }
    if !["all", "live"].contains(&call.request.param("type").unwrap_or("all")) {
        return malformed("type", "the value must be one of all, live");
    }
    let wanted = |account: &Account, live: &Live| {
        let asked = ids.contains(&account.id.as_str()) || logins.contains(&account.login.as_str());
        (asked || (ids.is_empty() && logins.is_empty()))
            && (games.is_empty() || games.contains(&live.game_id.as_str()))
            && (languages.is_empty() || languages.contains(&live.language.as_str()))
    };
    let mut rows: Vec<(Account, Live)> = world
        .audience
        .channels()
        .filter_map(|(id, channel)| {
            let account = world.audience.accounts.get(id)?;
            Some((account, channel.live.clone()?))
        })
        .filter(|(account, live)| wanted(account, live))
        .collect();
    rows.sort_by_key(|(account, live)| (u64::MAX - live.viewers, account.id.clone()));
    let list = List {
        rows: rows.len() as u64,
        first,
        full_goes_on: false,
    };
    // One cursor fits any filter, as long as it is used with the same one.
    let Page { places, next } = pages::turn(world, call, "", list)?;
    let mut json = Json::new();
    json.open(b'{');
    json.key("data").open(b'[');
    for place in places {
        let (account, live) = &rows[place as usize];
        write(account, live, &mut json);
    }
    json.close(b']');
    pages::pagination(&mut json, next.as_deref());
    json.close(b'}');
    Ok(Answer::json(200, json.finish()))
}

fn write(account: &Account, live: &Live, json: &mut Json) {
    json.open(b'{');
    json.key("id").text(&live.id);
    json.key("user_id").text(&account.id);
    json.key("user_login").text(&account.login);
    json.key("user_name").text(&account.name);
    json.key("game_id").text(&live.game_id);
    json.key("game_name").text(&live.game);
    json.key("type").text("live");
    json.key("title").text(&live.title);
    json.key("tags").value(&Value::Array(Vec::new()));
    json.key("viewer_count").number(live.viewers as i64);
    json.key("started_at").seconds(live.started_at);
    json.key("language").text(&live.language);
    json.key("thumbnail_url").text("");
    json.key("tag_ids").value(&Value::Array(Vec::new()));
    json.key("is_mature").bool(false);
    json.close(b'}');
}
