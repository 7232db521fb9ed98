//! Notes and tasks of contacts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::chance::Ids;
use super::clock::{millis_text, read_time};
use super::filters::unknown_keys;
use super::highlevel::succeeded;
use super::person::{Dialect, Key, Person};
use super::routes::Route;
use super::wire::{Answer, Outcome, Request, refuse};
use super::world::World;
use super::writes::read_texts;

const NOTE_KIND: u64 = 3 << 48;
const TASK_KIND: u64 = 4 << 48;
const NOTE_KEYS: &[&str] = &["body", "userId", "title", "color", "pinned"];
const TASK_KEYS: &[&str] = &["title", "body", "dueDate", "completed", "assignedTo"];

/// One note or task, kept as it is shown.
type Jotting = Value;

/// All notes and tasks, by contact, oldest first.
pub(crate) struct Jottings {
    ids: Ids,
    made: u64,
    pub(crate) notes: BTreeMap<u64, Vec<Jotting>>,
    pub(crate) tasks: BTreeMap<u64, Vec<Jotting>>,
}

impl Jottings {
    pub(crate) fn new(ids: Ids) -> Jottings {
        Jottings {
            ids,
            made: 0,
            notes: BTreeMap::new(),
            tasks: BTreeMap::new(),
        }
    }

    /// Gives what one contact has to another, as a merge does.
    pub(crate) fn hand_over(&mut self, from: u64, to: u64, to_id: &str) {
        for jottings in [&mut self.notes, &mut self.tasks] {
            for mut jotting in jottings.remove(&from).unwrap_or_default() {
                jotting["contactId"] = to_id.into();
                jottings.entry(to).or_default().push(jotting);
            }
        }
    }

    fn next_id(&mut self, kind: u64) -> String {
        self.made += 1;
        self.ids.encode(kind + self.made).to_string()
    }
}

/// Answers the calls below `/contacts/{id}/notes` and `/contacts/{id}/tasks`.
pub(crate) fn answer(
    world: &mut World,
    route: Route,
    person: &Person,
    id: &str,
    request: &Request,
    dialect: Dialect,
) -> Outcome {
    let owner = person.number;
    match route {
        Route::ListNotes => list(world, "notes", owner),
        Route::ListTasks => list(world, "tasks", owner),
        Route::CreateNote => {
            let body = read_note(&request.object(), true)?;
            let now = world.clock.now();
            let mut note = json!({
                "id": world.jottings.next_id(NOTE_KIND),
                "contactId": person.id.as_str(),
                "dateAdded": millis_text(now),
                "userId": null,
                "pinned": false,
                "relations": [],
            });
            overlay(&mut note, body);
            dress(world, &mut note);
            world
                .jottings
                .notes
                .entry(owner)
                .or_default()
                .push(note.clone());
            shown(world, 201, "note", note)
        }
        Route::CreateTask => {
            let body = read_task(&request.object(), true)?;
            let mut task =
                json!({ "id": world.jottings.next_id(TASK_KIND), "contactId": person.id.as_str() });
            overlay(&mut task, body);
            world
                .jottings
                .tasks
                .entry(owner)
                .or_default()
                .push(task.clone());
            shown(world, 201, "task", task)
        }
        Route::GetNote => {
            let note = find(world.jottings.notes.get_mut(&owner), "Note", id)?.clone();
            shown(world, 200, "note", note)
        }
        Route::GetTask => {
            let task = find(world.jottings.tasks.get_mut(&owner), "Task", id)?.clone();
            shown(world, 200, "task", task)
        }
        Route::UpdateNote => {
            let body = read_note(&request.object(), false)?;
            let rewritten = body.contains_key("body");
            let mut note = find(world.jottings.notes.get_mut(&owner), "Note", id)?.clone();
            overlay(&mut note, body);
            if rewritten {
                dress(world, &mut note);
            }
            *find(world.jottings.notes.get_mut(&owner), "Note", id)? = note.clone();
            shown(world, 200, "note", note)
        }
        Route::UpdateTask | Route::CompleteTask => {
            let object = request.object();
            if route == Route::CompleteTask {
                only_completed(&object)?;
            }
            let body = read_task(&object, false)?;
            let task = find(world.jottings.tasks.get_mut(&owner), "Task", id)?;
            overlay(task, body);
            let task = task.clone();
            shown(world, 200, "task", task)
        }
        Route::DeleteNote | Route::DeleteTask => {
            let (all, what) = match route {
                Route::DeleteNote => (world.jottings.notes.get_mut(&owner), "Note"),
                _ => (world.jottings.tasks.get_mut(&owner), "Task"),
            };
            find(all, what, id)?;
            let all = match route {
                Route::DeleteNote => world.jottings.notes.entry(owner),
                _ => world.jottings.tasks.entry(owner),
            };
            all.or_default().retain(|known| known["id"] != id);
            succeeded(world, dialect)
        }
        _ => refuse(404, "Not Found"),
    }
}

fn list(world: &mut World, what: &str, owner: u64) -> Outcome {
    let all = match what {
        "notes" => world.jottings.notes.get(&owner),
        _ => world.jottings.tasks.get(&owner),
    };
    let all = all.cloned().unwrap_or_default();
    let mut body = json!({ "traceId": world.trace() });
    body[what] = Value::Array(all);
    Ok(Answer::value(200, &body))
}

fn shown(world: &mut World, status: u16, what: &str, jotting: Value) -> Outcome {
    let mut body = json!({ "traceId": world.trace() });
    body[what] = jotting;
    Ok(Answer::value(status, &body))
}

fn find<'a>(all: Option<&'a mut Vec<Jotting>>, what: &str, id: &str) -> Outcome<&'a mut Jotting> {
    match all.and_then(|all| all.iter_mut().find(|known| known["id"] == id)) {
        Some(found) => Ok(found),
        None => refuse(400, &format!("{what} with id {id} not found")),
    }
}

/// Sets `bodyText` of a note just written, and turns its `body` into HTML where the switch says so.
fn dress(world: &World, note: &mut Value) {
    note["bodyText"] = note["body"].clone();
    if world.settings.switches.notes_as_html
        && let Some(text) = note["body"].as_str()
    {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
        note["body"] = Value::from(format!("<p>{}</p>", escaped.replace('\n', "<br>")));
    }
}

fn overlay(jotting: &mut Value, body: Map<String, Value>) {
    for (key, value) in body {
        jotting[key] = value;
    }
}

fn check(
    body: &Map<String, Value>,
    key: &str,
    kind: &str,
    required: bool,
    problems: &mut Vec<String>,
) {
    let fits = match body.get(key) {
        None => !required,
        Some(value) if kind == "a boolean value" => value.is_boolean(),
        Some(value) => value.is_string(),
    };
    if !fits {
        problems.push(format!("{key} must be {kind}"));
    }
}

fn settle(body: &Map<String, Value>, problems: Vec<String>) -> Outcome<Map<String, Value>> {
    match problems.is_empty() {
        true => Ok(body.clone()),
        false => Err(Box::new(Answer::unprocessable(&problems))),
    }
}

fn read_note(body: &Map<String, Value>, create: bool) -> Outcome<Map<String, Value>> {
    let mut problems = Vec::new();
    unknown_keys(body, NOTE_KEYS, &mut problems);
    check(body, "body", "a string", create, &mut problems);
    for key in ["userId", "title", "color"] {
        check(body, key, "a string", false, &mut problems);
    }
    check(body, "pinned", "a boolean value", false, &mut problems);
    settle(body, problems)
}

fn read_task(body: &Map<String, Value>, create: bool) -> Outcome<Map<String, Value>> {
    let mut problems = Vec::new();
    unknown_keys(body, TASK_KEYS, &mut problems);
    check(body, "title", "a string", create, &mut problems);
    check(body, "dueDate", "a string", create, &mut problems);
    check(body, "completed", "a boolean value", create, &mut problems);
    check(body, "body", "a string", false, &mut problems);
    check(body, "assignedTo", "a string", false, &mut problems);
    let due = body.get("dueDate").and_then(Value::as_str);
    let at = due.and_then(read_time);
    // An update refuses milliseconds; a create takes them.
    if due.is_some_and(|due| at.is_none() || (!create && due.contains('.'))) {
        problems.push("dueDate must be a valid ISO 8601 date string".to_string());
    }
    let mut body = settle(body, problems)?;
    if let Some(at) = at {
        body.insert("dueDate".to_string(), Value::from(millis_text(at)));
    }
    Ok(body)
}

fn only_completed(body: &Map<String, Value>) -> Outcome<()> {
    let mut problems = Vec::new();
    unknown_keys(body, &["completed"], &mut problems);
    check(body, "completed", "a boolean value", true, &mut problems);
    settle(body, problems).map(|_| ())
}

/// Answers `POST /locations/{id}/tasks/search`.
pub(crate) fn search_tasks(world: &mut World, request: &Request) -> Outcome {
    let body = request.object();
    let mut problems = Vec::new();
    let known = [
        "contactId",
        "completed",
        "assignedTo",
        "query",
        "limit",
        "skip",
        "businessId",
    ];
    unknown_keys(&body, &known, &mut problems);
    for key in ["contactId", "assignedTo"] {
        if let Some(value) = body.get(key) {
            read_texts(key, value, &mut problems);
        }
    }
    for key in ["limit", "skip"] {
        if body.get(key).is_some_and(|value| !value.is_u64()) {
            problems.push(format!("{key} must be a number"));
        }
    }
    check(&body, "completed", "a boolean value", false, &mut problems);
    check(&body, "query", "a string", false, &mut problems);
    check(&body, "businessId", "a string", false, &mut problems);
    settle(&body, problems)?;
    let of_business: Option<Vec<String>> = body.get("businessId").map(|wanted| {
        let mut ids = Vec::new();
        world.store.each_changed(|person| {
            if person.get(Key::BusinessId) == wanted.as_str() {
                ids.push(person.id.to_string());
            }
        });
        ids
    });
    let among = |key: &str, value: &Value| match body.get(key).and_then(Value::as_array) {
        Some(wanted) => wanted.contains(value),
        None => true,
    };
    let query = body
        .get("query")
        .and_then(Value::as_str)
        .unwrap_or("")
        .to_lowercase();
    let number =
        |key: &str, default: u64| body.get(key).and_then(Value::as_u64).unwrap_or(default) as usize;
    let tasks: Vec<Value> = world
        .jottings
        .tasks
        .values()
        .flatten()
        .filter(|task| {
            among("contactId", &task["contactId"]) && among("assignedTo", &task["assignedTo"])
        })
        .filter(|task| {
            let own = |id: &String| task["contactId"] == id.as_str();
            of_business.as_ref().is_none_or(|ids| ids.iter().any(own))
        })
        .filter(|task| {
            body.get("completed")
                .is_none_or(|completed| *completed == task["completed"])
        })
        .filter(|task| {
            task["title"]
                .as_str()
                .unwrap_or("")
                .to_lowercase()
                .contains(&query)
        })
        .skip(number("skip", 0))
        .take(number("limit", 25))
        .cloned()
        .collect();
    let trace = world.trace();
    Ok(Answer::value(
        200,
        &json!({ "tasks": tasks, "traceId": trace }),
    ))
}
