//! The control plane: the same world scripted over HTTP, for programs that run the sandbox as another process.
//!
//! `GET /control/state`, `GET /control/contacts_by_field?key=&value=`, and `POST` to `/control/advance` (`{"ms":…}`),
//! `/control/change`, `/control/drift` (`{"page":…,"change":{…}}`), `/control/later`, `/control/fault`,
//! `/control/clear`, `/control/settle`.

use std::time::Duration;

use serde_json::{Value, json};

use super::clock::millis_text;
use super::faults;
use super::script::{Change, Later};
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
        _ => None,
    }
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
        "followers": world.audience.listed(),
        "contacts": world.store.count(),
        "indexed": world.store.index_at(now).len(),
    })
}
