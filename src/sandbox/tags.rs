//! Tags of one contact and of many, the location's tag list, and the watchers and business of a contact.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::filters::unknown_keys;
use super::highlevel::{living, own_location};
use super::json::Json;
use super::person::{Key, Person, write_listed};
use super::settings::{BulkMax, LOCATION_ID};
use super::store::Found;
use super::wire::{Answer, Outcome, Request, refuse};
use super::world::World;
use super::writes::read_texts;

/// Returns a required list of texts and refuses every other key.
fn texts(body: &Map<String, Value>, name: &str, known: &[&str]) -> Outcome<Vec<String>> {
    let mut problems = Vec::new();
    unknown_keys(body, known, &mut problems);
    let texts = read_texts(name, body.get(name).unwrap_or(&Value::Null), &mut problems);
    match texts {
        Some(texts) if problems.is_empty() => Ok(texts),
        _ => Err(Box::new(Answer::unprocessable(&problems))),
    }
}

/// What a tag change did to a contact.
struct Changed {
    before: Vec<Arc<str>>,
    after: Vec<Arc<str>>,
    added: Vec<Arc<str>>,
    removed: Vec<Arc<str>>,
}

fn list(tags: &[Arc<str>]) -> Value {
    tags.iter().map(|tag| Value::from(&**tag)).collect()
}

/// Adds or removes tags and saves the contact if that changed anything.
fn apply(world: &mut World, person: &Arc<Person>, tags: &[String], add: bool) -> Changed {
    let before = person.tags.clone();
    let mut after = before.clone();
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for tag in tags {
        let lower = tag.to_lowercase();
        let at = after.iter().position(|known| **known == *lower);
        match (add, at) {
            (true, None) => {
                let tag = world.location.tag(&lower);
                after.push(Arc::clone(&tag));
                added.push(tag);
            }
            (false, Some(at)) => removed.push(after.remove(at)),
            (true, Some(_)) | (false, None) => {}
        }
    }
    if !added.is_empty() || !removed.is_empty() {
        let mut person = Person::clone(person);
        person.tags.clone_from(&after);
        if world.settings.switches.tag_writes_move_date_updated {
            person.updated = world.clock.now();
        }
        world.save(person);
    }
    Changed {
        before,
        after,
        added,
        removed,
    }
}

/// Answers `POST` and `DELETE /contacts/{id}/tags`.
pub(crate) fn change(world: &mut World, id: &str, request: &Request, add: bool) -> Outcome {
    let tags = texts(&request.object(), "tags", &["tags"])?;
    let person = living(world, id)?;
    let changed = apply(world, &person, &tags, add);
    let trace = world.trace();
    let (status, key, moved) = match add {
        true => (201, "tagsAdded", &changed.added),
        false => (200, "tagsRemoved", &changed.removed),
    };
    let mut body = json!({ "tags": list(&changed.after), "traceId": trace });
    body[key] = list(moved);
    Ok(Answer::value(status, &body))
}

/// Answers `POST /contacts/bulk/tags/update/{type}`.
pub(crate) fn bulk(world: &mut World, kind: &str, request: &Request) -> Outcome {
    let body = request.object();
    let add = match kind {
        "add" => true,
        "remove" => false,
        _ => return refuse(422, "type must be one of the following values: add, remove"),
    };
    let known = ["contacts", "tags", "locationId", "removeAllTags"];
    let mut contacts = texts(&body, "contacts", &known)?;
    let tags = texts(&body, "tags", &known)?;
    own_location(body.get("locationId").and_then(Value::as_str).unwrap_or(""))?;
    let remove_all = body
        .get("removeAllTags")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    match world.settings.switches.bulk_max {
        BulkMax::Refuse(most) if contacts.len() > most => {
            let message = format!("contacts must contain no more than {most} elements");
            return Err(Box::new(Answer::unprocessable(&[message])));
        }
        BulkMax::Cut(most) => contacts.truncate(most),
        BulkMax::Refuse(_) => {}
    }
    let mut errors = 0;
    let mut responses = Vec::with_capacity(contacts.len());
    for id in &contacts {
        let person = match world.store.find(id) {
            Found::Here(person) => person,
            Found::Gone(..) => {
                errors += 1;
                responses.push(
                    json!({ "contactId": id, "message": "contact is deleted", "type": "error" }),
                );
                continue;
            }
            Found::Never => {
                errors += 1;
                let message = match id.len() {
                    20 => "contact does not belong to location",
                    _ => "contact id is not a valid firebase id",
                };
                responses.push(json!({ "contactId": id, "message": message, "type": "error" }));
                continue;
            }
        };
        let own: Vec<String> = match remove_all && !add {
            true => person.tags.iter().map(ToString::to_string).collect(),
            false => tags.clone(),
        };
        let changed = apply(world, &person, &own, add);
        responses.push(json!({
            "contactId": id,
            "message": "Tags updated",
            "type": "success",
            "oldTags": list(&changed.before),
            "tagsAdded": list(&changed.added),
            "tagsRemoved": list(&changed.removed),
        }));
    }
    let body = json!({ "succeded": true, "succeeded": true, "errorCount": errors, "responses": responses });
    Ok(Answer::value(201, &body))
}

/// Answers `GET` and `POST /locations/{id}/tags`.
pub(crate) fn definitions(world: &mut World, id: &str, request: &Request, create: bool) -> Outcome {
    own_location(id)?;
    let trace = world.trace();
    let show = |(name, id): (&Arc<str>, _)| json!({ "id": format!("{id}"), "name": **name, "locationId": LOCATION_ID });
    if !create {
        let tags: Vec<Value> = world.location.tags.iter().map(show).collect();
        return Ok(Answer::value(
            200,
            &json!({ "tags": tags, "traceId": trace }),
        ));
    }
    let body = request.object();
    let mut problems = Vec::new();
    unknown_keys(&body, &["name"], &mut problems);
    let name = body.get("name").and_then(Value::as_str).unwrap_or("");
    if name.is_empty() {
        problems.push("name must be a string".to_string());
    }
    if !problems.is_empty() {
        return Err(Box::new(Answer::unprocessable(&problems)));
    }
    let tag = world.location.tag(name);
    let id = world.location.tags[&tag];
    Ok(Answer::value(
        201,
        &json!({ "tag": show((&tag, &id)), "traceId": trace }),
    ))
}

/// Answers `POST` and `DELETE /contacts/{id}/followers`; these are CRM users who watch the contact.
pub(crate) fn watch(world: &mut World, id: &str, request: &Request, add: bool) -> Outcome {
    let users = texts(&request.object(), "followers", &["followers"])?;
    let mut person = Person::clone(&*living(world, id)?);
    let moved: Vec<String> = users
        .into_iter()
        .filter(|user| person.watchers.contains(user) != add)
        .collect();
    person.watchers.retain(|user| !moved.contains(user));
    if add {
        person.watchers.extend(moved.iter().cloned());
    }
    let person = world.save(person);
    let (status, key) = if add {
        (201, "followersAdded")
    } else {
        (200, "followersRemoved")
    };
    let mut body = json!({ "followers": person.watchers, "traceId": world.trace() });
    body[key] = json!(moved);
    Ok(Answer::value(status, &body))
}

/// Answers `POST /contacts/bulk/business`.
pub(crate) fn bulk_business(world: &mut World, request: &Request) -> Outcome {
    let body = request.object();
    let ids = texts(&body, "ids", &["locationId", "ids", "businessId"])?;
    own_location(body.get("locationId").and_then(Value::as_str).unwrap_or(""))?;
    let mut problems = Vec::new();
    if ids.len() > 50 {
        problems.push("ids must contain no more than 50 elements".to_string());
    }
    if ids.iter().any(|id| id.len() > 50) {
        problems
            .push("each value in ids must be shorter than or equal to 50 characters".to_string());
    }
    // Null detaches; a body that does not say which is refused.
    let business = match body.get("businessId") {
        Some(Value::String(id)) => Some(id.as_str()),
        Some(Value::Null) => None,
        _ => {
            problems.push("businessId must be a string".to_string());
            None
        }
    };
    if !problems.is_empty() {
        return Err(Box::new(Answer::unprocessable(&problems)));
    }
    if let Some(id) = business {
        world.office.business(id)?;
    }
    let mut done = Vec::new();
    for id in ids {
        if let Found::Here(person) = world.store.find(&id) {
            let mut person = Person::clone(&person);
            person.set(Key::BusinessId, business);
            person.updated = world.clock.now();
            world.save(person);
            done.push(id);
        }
    }
    Ok(Answer::value(200, &json!({ "success": true, "ids": done })))
}

/// Answers `GET /contacts/business/{businessId}`.
pub(crate) fn business_contacts(world: &mut World, id: &str, request: &Request) -> Outcome {
    let number = |name: &str, default: usize| match request.param(name) {
        None => default,
        Some(text) => text.parse().unwrap_or(default),
    };
    let (limit, skip) = (number("limit", 25).min(100), number("skip", 0));
    world.office.business(id)?;
    let query = request.param("query").map(super::filters::free_text);
    // Contacts of the start belong to no business.
    let mut rows = Vec::new();
    world.store.each_changed(|person| {
        let found = query.as_ref().is_none_or(|query| query.matches(person));
        if found && person.get(Key::BusinessId) == Some(id) {
            rows.push(Arc::clone(person));
        }
    });
    let names = world.settings.switches.list_names;
    let mut json = Json::new();
    json.open(b'{');
    json.key("contacts").open(b'[');
    for person in rows.iter().skip(skip).take(limit) {
        write_listed(
            &mut json,
            person,
            &|field| world.location.field_id(field),
            names,
        );
    }
    json.close(b']');
    json.key("count").number(rows.len() as i64);
    json.close(b'}');
    Ok(Answer::json(200, json.finish()))
}
