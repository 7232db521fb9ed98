//! Users by id or login.

use serde_json::{Value, json};

use super::super::wire::{Answer, Outcome};
use super::super::world::World;
use super::{Asked, digits, malformed, refuse};

/// Answers `GET /users`.
pub(super) fn answer(world: &mut World, call: &Asked<'_>) -> Outcome {
    let request = call.request;
    if call.twist.unpermitted {
        return refuse(401, "Missing scope: user:read");
    }
    let ids: Vec<&str> = request.params("id").collect();
    let logins: Vec<&str> = request.params("login").collect();
    if ids.len() + logins.len() > 100 {
        return refuse(
            400,
            "The number of IDs and logins exceeds the maximum of 100",
        );
    }
    if ids.iter().any(|id| !digits(id)) {
        return malformed("id", "the value must be a numeric id");
    }
    if ids.iter().any(|id| world.poisoned.contains(*id)) {
        return refuse(500, "");
    }
    let mut found = Vec::new();
    let ids = match (ids.is_empty() && logins.is_empty(), call.user()) {
        (true, Some(own)) => vec![own],
        (true, None) => return refuse(400, "Must provide an ID, Login or OAuth Token."),
        (false, _) => ids,
    };
    found.extend(ids.iter().filter_map(|id| world.audience.accounts.get(id)));
    found.extend(
        logins
            .iter()
            .filter_map(|login| world.audience.accounts.by_login(login)),
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
    Ok(Answer::value(200, &json!({ "data": rows })))
}
