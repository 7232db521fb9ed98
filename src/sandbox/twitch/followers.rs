//! The followers of a channel.

use super::super::audience::FollowRow;
use super::super::json::Json;
use super::super::wire::{Answer, Outcome};
use super::super::world::World;
use super::pages::{self, List, Page};
use super::{Asked, malformed};

/// Answers `GET /channels/followers`: to whoever is neither the broadcaster nor a moderator, a total without rows.
pub(super) fn answer(world: &mut World, call: &Asked<'_>) -> Outcome {
    let broadcaster = call.broadcaster()?;
    let first = call.number("first", 20)?;
    if call.request.params("user_id").count() > 1 {
        return malformed("user_id", "only one value is allowed");
    }
    let user = call.request.param("user_id");
    let channel = world.audience.channel(broadcaster);
    let trusted = call.user().is_some_and(|user| {
        user == broadcaster || channel.is_some_and(|channel| channel.moderates(user))
    });
    let entitled = call.scoped() && trusted;
    if user.is_some() && !entitled {
        return Err(Box::new(call.unentitled()));
    }
    let ghosts = world.settings.switches.ghosts;
    let total = channel.map_or(0, |channel| channel.follows.total(ghosts));
    let (true, Some(channel)) = (entitled, channel) else {
        return page(&[], total, None);
    };
    if let Some(user) = user {
        let row = channel.follows.followed_at(user).and_then(|at| {
            let account = world.audience.accounts.get(user)?;
            Some(FollowRow::Follower { account, at })
        });
        return page(row.as_slice(), total, None);
    }
    let list = List {
        rows: channel.follows.rows(),
        first,
        full_goes_on: false,
    };
    let Page { places, next } = pages::turn(world, call, broadcaster, list)?;
    let channel = world.audience.channel(broadcaster);
    let rows: Vec<FollowRow> = places
        .into_iter()
        .filter_map(|place| channel?.follows.row(place, &world.audience.accounts))
        .collect();
    page(&rows, total, next)
}

fn page(rows: &[FollowRow], total: u64, cursor: Option<String>) -> Outcome {
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
    pages::pagination(&mut json, cursor.as_deref());
    json.close(b'}');
    Ok(Answer::json(200, json.finish()))
}
