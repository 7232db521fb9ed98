//! `ghl-sync api`: the Contacts API from the shell.

mod beside;
mod commands;
mod gates;
mod help;
mod pages;
mod refusals;

use ghl_sync::sandbox::{SeenCall, USER_IDS};
use serde_json::Value;

use crate::program::{Ended, Running, command, now, program};
use crate::rig::Rig;

/// The call that finds out the names of custom fields.
const DEFINITIONS: &str = "GET /locations/{id}/customFields";

/// A small location with a business, an appointment and custom fields.
async fn rig(contacts: u64) -> Rig {
    Rig::new(now(1, contacts)).await
}

/// Runs `ghl-sync api` with these words; a word in single quotes may have spaces in it.
async fn api(rig: &Rig, line: &str) -> Ended {
    let words = words(line);
    let mut args = vec!["api"];
    args.extend(words.iter().map(String::as_str));
    program(rig, &args).await
}

/// Runs it with a text at stdin.
async fn api_with(rig: &Rig, line: &str, input: &str) -> Ended {
    let file = rig.folder.join("input");
    std::fs::write(&file, input).unwrap();
    let words = words(line);
    let mut args = vec!["api"];
    args.extend(words.iter().map(String::as_str));
    let mut command = command(rig, &args);
    command.stdin(std::fs::File::open(&file).unwrap());
    Running::of(rig, command).end().await
}

/// Splits a line as a shell does, as far as these tests need it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        let is_quoted = at % 2 == 1;
        match is_quoted {
            true => words.push(part.to_owned()),
            false => words.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    words
}

/// Returns the one object on stdout.
fn object(ended: &Ended) -> Value {
    let rows = rows(ended);
    assert_eq!(rows.len(), 1, "{ended}");
    rows.into_iter().next().unwrap()
}

/// Returns the JSON lines on stdout.
fn rows(ended: &Ended) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{ended}"));
    ended.out.lines().map(read).collect()
}

/// Returns the id of the one object on stdout.
fn id(ended: &Ended) -> String {
    object(ended)["id"].as_str().unwrap().to_owned()
}

/// Returns the endpoints that were called, that of definitions left out: it comes once a day, with whatever needs it first.
fn routes(rig: &Rig) -> Vec<&'static str> {
    let calls = rig.sandbox.calls();
    calls
        .iter()
        .map(|call| call.route)
        .filter(|route| *route != DEFINITIONS)
        .collect()
}

/// Makes a contact in the sandbox without a call and returns its id.
fn ann(rig: &Rig) -> String {
    rig.sandbox
        .add_contact("Ann", "Example", "ann@example.com", &[], &[])
}

/// The user that tasks are assigned to.
fn user() -> &'static str {
    USER_IDS[0]
}

/// Returns the first call of an endpoint.
fn call(rig: &Rig, route: &str) -> SeenCall {
    let calls = rig.sandbox.calls();
    let found = calls.into_iter().find(|call| call.route == route);
    found.unwrap_or_else(|| panic!("{route} was not called"))
}
