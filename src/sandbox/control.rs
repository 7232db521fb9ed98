//! The control plane: the same world scripted over HTTP, for programs that run the sandbox as another process.
//!
//! `GET /control/state`, `GET /control/contacts_by_field?key=&value=`, and `POST` to `/control/advance` (`{"ms":…}`),
//! `/control/change`, `/control/drift` (`{"page":…,"route":…,"change":{…}}`), `/control/later`, `/control/fault`,
//! `/control/clear`, `/control/settle`; for logins `GET /control/devices`, `GET /control/issued` and those of `login`.

use std::time::Duration;

use serde_json::{Value, json};

use super::base::Account;
use super::clock::millis_text;
use super::faults;
use super::logins::IssuedKind;
use super::script::{Change, Later};
use super::settings::{BROADCASTER_ID, Switches, UserType};
use super::wire::{Answer, Request};
use super::world::World;

/// Answers one call of the control plane.
pub(crate) fn answer(world: &mut World, request: &Request) -> Answer {
    let nothing = Value::Null;
    let body = request.body.as_ref().unwrap_or(&nothing);
    match act(world, request, body) {
        Some(answer) => Answer::value(200, &answer),
        None => Answer::value(
            400,
            &json!({ "error": "no such control, or its body does not fit" }),
        ),
    }
}

fn act(world: &mut World, request: &Request, body: &Value) -> Option<Value> {
    let done = Some(json!({ "done": true }));
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/state") => Some(state(world)),
        ("GET", "/contacts_by_field") => {
            let (key, value) = (request.param("key")?, request.param("value")?);
            Some(json!(world.truths_by_field(key, value)))
        }
        ("POST", "/advance") => {
            world
                .clock
                .advance(Duration::from_millis(body.get("ms")?.as_u64()?));
            done
        }
        ("POST", "/settle") => {
            world.store.settle();
            done
        }
        ("POST", "/clear") => {
            world.calls.clear();
            world.faults.clear();
            done
        }
        ("POST", "/fault") => {
            world.faults.add(faults::read(body)?);
            done
        }
        ("POST", "/change") => {
            let change = read_change(body)?;
            Some(json!({ "id": world.change(change).ok()? }))
        }
        ("POST", "/drift") => {
            world.later.push(Later::Page {
                route: followers_or(body).to_string(),
                page: body.get("page")?.as_u64()?,
                begun: false,
                change: read_change(body.get("change")?)?,
            });
            done
        }
        ("POST", "/later") => {
            world.later.push(Later::After {
                route: body.get("route")?.as_str()?.to_string(),
                left: body.get("calls")?.as_u64()?,
                change: read_change(body.get("change")?)?,
            });
            done
        }
        ("GET", "/devices") => {
            let now = world.clock.now();
            Some(json!({ "pending": world.logins.pending_codes(now) }))
        }
        ("GET", "/issued") => Some(json!({ "issued": issued(world) })),
        ("POST", path) => login(world, path, body).and(done),
        _ => None,
    }
}

/// Returns the route that a body names, or that of the followers.
fn followers_or(body: &Value) -> &str {
    let named = body.get("route").and_then(Value::as_str);
    named.unwrap_or("GET /channels/followers")
}

/// Steers the logins: `/expire_tokens`, `/kill_refresh_tokens`, `/revoke_login` (`{"holder":…}`, all without),
/// `/revoke_token` (`{"token":…}`), `/approve_device` (`{"user_code":…,"user_id":…}`), `/deny_device`
/// (`{"user_code":…}`), `/user` (`{"id":…,"login":…,"name":…}`), `/moderator` (`{"user_id":…,"moderates":…}`) and
/// `/switch` with some of the switches for logins.
fn login(world: &mut World, path: &str, body: &Value) -> Option<()> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    match path {
        "/expire_tokens" => world.logins.expire_access(&mut world.tokens),
        "/kill_refresh_tokens" => world.logins.kill_refresh(),
        "/revoke_login" => world.end_logins(text("holder")),
        "/revoke_token" => world.tokens.revoke(text("token")?),
        "/approve_device" => {
            let user = text("user_id").unwrap_or(BROADCASTER_ID);
            return world.approve(text("user_code")?, user).then_some(());
        }
        "/deny_device" => return world.deny(text("user_code")?).then_some(()),
        "/user" => world.audience.accounts.set(Account {
            id: text("id")?.to_string(),
            login: text("login")?.to_string(),
            name: text("name")?.to_string(),
        }),
        "/moderator" => {
            let id = text("user_id")?.to_string();
            let change = match body.get("moderates")?.as_bool()? {
                true => Change::AddModerator { id },
                false => Change::RemoveModerator { id },
            };
            world.change(change).ok()?;
        }
        "/switch" => {
            for (name, value) in body.as_object()? {
                switch(&mut world.settings.switches, name, value)?;
            }
        }
        _ => return None,
    }
    Some(())
}

/// Sets one switch by its name.
fn switch(switches: &mut Switches, name: &str, value: &Value) -> Option<()> {
    let text = || value.as_str().map(String::from);
    match name {
        "login_user" => switches.login_user = text()?,
        "login_denied" => switches.login_denied = value.as_bool()?,
        "withheld_scopes" => {
            switches.withheld_scopes = serde_json::from_value(value.clone()).ok()?;
        }
        "pending_says_invalid" => switches.pending_says_invalid = value.as_bool()?,
        "slow_downs" => switches.slow_downs = value.as_u64()?,
        "expiry_named" => switches.expiry_named = value.as_bool()?,
        "wrong_secret_403" => switches.wrong_secret_403 = value.as_bool()?,
        "refresh_rotates" => switches.refresh_rotates = value.as_bool()?,
        "revoke_ends_login" => switches.revoke_ends_login = value.as_bool()?,
        "state_left_out" => switches.state_left_out = value.as_bool()?,
        "state_changed" => switches.state_changed = value.as_bool()?,
        "user_type" => {
            switches.user_type = match value.as_str()? {
                "Location" => UserType::Location,
                "Company" => UserType::Company,
                _ => return None,
            }
        }
        "chosen_location" => switches.chosen_location = text()?,
        "location_inactive" => switches.location_inactive = value.as_bool()?,
        _ => return None,
    }
    Some(())
}

fn issued(world: &World) -> Value {
    let shown = world.logins.issued().iter().map(|issued| {
        let kind = match issued.kind {
            IssuedKind::Access => "access",
            IssuedKind::Refresh => "refresh",
            IssuedKind::Code => "code",
            IssuedKind::DeviceCode => "device_code",
            IssuedKind::ClientSecret => "client_secret",
        };
        json!({ "kind": kind, "text": issued.text })
    });
    shown.collect()
}

fn read_change(value: &Value) -> Option<Change> {
    serde_json::from_value(value.clone()).ok()
}

fn state(world: &mut World) -> Value {
    let counts: Value = world
        .calls
        .counts()
        .into_iter()
        .map(|(route, count)| (route.to_string(), json!(count)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let now = world.clock.now();
    json!({
        "now": millis_text(now),
        "calls": counts,
        "too_many": world.calls.too_many,
        "followers": world.audience.main().follows.listed(),
        "contacts": world.store.count(),
        "indexed": world.store.index_at(now).len(),
    })
}
