//! `docs/api.md` names every operation with its command and its scope, and the program has those commands and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory;
use ghl_sync::apis::highlevel::scope_of;
use ghl_sync::cli::args::{Args, parse_from};

use super::Stage;
use super::rows::ROWS;
use super::spec::{Spec, corrections};

/// A line of the table.
struct Line {
    commands: Vec<String>,
    scope: String,
    /// Who uses it, and the peculiarities.
    cells: usize,
}

/// Returns the lines of the tables by operation.
fn table() -> BTreeMap<String, Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let code = |cell: &str| -> Vec<String> {
            let spans = cell.split('`').skip(1).step_by(2);
            spans.map(str::to_owned).collect()
        };
        let [operation] = code(cells[0]).try_into().unwrap();
        let [scope] = code(cells[2]).try_into().unwrap();
        let row = Line {
            commands: code(cells[1]),
            scope,
            cells: cells.len(),
        };
        assert!(lines.insert(operation, row).is_none(), "{line}");
    }
    lines
}

/// Returns resource and verb of a typed command.
fn verb(command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    let ["ghl-sync", "api", resource, verb, ..] = words.as_slice() else {
        panic!("{command}: no command of api")
    };
    format!("{resource} {verb}")
}

#[tokio::test]
async fn the_page_of_the_api_has_every_operation_with_its_command_and_scope() {
    let spec = Spec::with(&corrections());
    let stage = Stage::new().await;
    let mut table = table();
    for (id, operation) in &spec.operations {
        let name = format!("{} {}", operation.method, operation.path);
        let line = table
            .remove(&name)
            .unwrap_or_else(|| panic!("{name} is not on the page"));
        assert_eq!(line.cells, 5, "{name}");
        let rows = || ROWS.iter().filter(|row| row.operation == id);
        let commands: BTreeSet<&str> = rows().map(|row| row.command).collect();
        let told: BTreeSet<String> = line.commands.iter().map(|typed| verb(typed)).collect();
        assert!(told.iter().eq(commands.iter().copied()), "{name}: {told:?}");
        for row in rows() {
            let route = (row.call)(&stage.scene).route;
            assert_eq!(scope_of(route), Some(line.scope.as_str()), "{name}");
        }
    }
    let unknown: Vec<&String> = table.keys().collect();
    assert_eq!(unknown, Vec::<&String>::new(), "no such operation");
}

#[test]
fn every_command_on_the_page_of_the_api_can_be_typed_and_none_is_missing() {
    let table = table();
    let typed: Vec<&String> = table.values().flat_map(|line| &line.commands).collect();
    for command in &typed {
        let words = command.split(' ').map(OsString::from);
        if let Err((said, _)) = parse_from(words) {
            panic!("{command}: {said}");
        }
    }
    let program = Args::command();
    let api = program.find_subcommand("api").unwrap();
    let verbs = api.get_subcommands().flat_map(|resource| {
        let verbs = resource.get_subcommands();
        verbs.map(move |verb| format!("{} {}", resource.get_name(), verb.get_name()))
    });
    let there: BTreeSet<String> = verbs.filter(|verb| !verb.ends_with(" help")).collect();
    let told: BTreeSet<String> = typed.iter().map(|command| verb(command)).collect();
    assert_eq!(told, there);
}
