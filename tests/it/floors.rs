//! The house: imports only go down.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What a part of the program may use of its own crate.
enum May {
    /// Everything on a lower floor.
    Below(u8),
    /// These parts alone.
    Only(&'static [&'static str]),
    /// Everything: it puts the parts together.
    Everything,
}

fn floor(part: &str) -> Option<u8> {
    match part {
        "model" => Some(0),
        "plan" | "report" | "config" => Some(1),
        "store" => Some(2),
        "net" => Some(3),
        "apis" => Some(4),
        "run" => Some(5),
        "cli" | "daemon" => Some(6),
        _ => None,
    }
}

fn may(part: &str) -> May {
    match part {
        "plan" | "report" => May::Only(&["model"]),
        "config" => May::Only(&["model", "plan"]),
        "sandbox" => May::Only(&[]),
        "lib" | "main" => May::Everything,
        part => match floor(part) {
            Some(floor) => May::Below(floor),
            None => panic!("the part `{part}` has no floor; give it one in src/lib.rs and here"),
        },
    }
}

fn allowed(part: &str, used: &str) -> bool {
    if part == used {
        return true;
    }
    match may(part) {
        May::Everything => true,
        May::Only(parts) => parts.contains(&used),
        // `demo` and `serve` start the sandbox; nothing else of the program knows it.
        May::Below(6) if used == "sandbox" => true,
        May::Below(own) => floor(used).is_some_and(|used| used < own),
    }
}

#[test]
fn imports_only_go_down() {
    let mut wrong = String::new();
    let mut files = 0;
    for path in sources(&source_folder()) {
        files += 1;
        let text = fs::read_to_string(&path).unwrap();
        let modules = modules_of(&path);
        // Unit tests may speak to the sandbox; the program itself never knows that it does.
        let test = modules.iter().any(|module| module == "tests");
        for (line, used) in used_parts(&text, &modules) {
            let is_fine = allowed(&modules[0], &used) || (test && used == "sandbox");
            if !is_fine {
                writeln!(
                    wrong,
                    "{}:{line}: `{}` must not use `{used}`",
                    path.display(),
                    modules[0]
                )
                .unwrap();
            }
        }
    }
    assert!(files > 50, "only {files} source files were found");
    assert!(wrong.is_empty(), "imports that go up:\n{wrong}");
}

#[test]
fn an_upward_import_is_seen_however_it_is_written() {
    let seen = |text: &str| -> Vec<String> {
        let modules = ["plan".to_owned(), "diff".to_owned()];
        used_parts(text, &modules)
            .into_iter()
            .map(|(_, used)| used)
            .collect()
    };
    assert_eq!(seen("use crate::store::Store;\n"), ["store"]);
    assert_eq!(
        seen("pub(crate) use crate::{\n    model::Tag,\n    net::{Call, Line},\n};\n"),
        ["model", "net"]
    );
    assert_eq!(
        seen("use super::super::store::Store;\nuse super::row::Row;\n"),
        ["store"]
    );
    assert_eq!(
        seen(
            "mod tests {\n    use super::super::order;\n    use super::super::super::run::Ask;\n}\n"
        ),
        ["run"]
    );
    assert_eq!(
        seen("fn f() {\n    crate::apis::twitch::x();\n}\n"),
        ["apis"]
    );
    assert_eq!(
        seen("// use crate::store::Store;\nlet a = \"crate::net\";\n"),
        ["net"]
    );
    assert!(!allowed("plan", "store"));
    assert!(!allowed("plan", "report"));
    assert!(!allowed("store", "net"));
    assert!(!allowed("sandbox", "model"));
    assert!(!allowed("run", "cli"));
    assert!(!allowed("run", "sandbox"));
    assert!(allowed("cli", "run"));
    assert!(allowed("cli", "sandbox"));
    assert!(allowed("config", "plan"));
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns the module path of a file: `src/plan/diff.rs` is `["plan", "diff"]`.
fn modules_of(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix(source_folder()).unwrap();
    let mut modules: Vec<String> = inside
        .with_extension("")
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if modules.len() > 1 && modules.last().is_some_and(|last| last == "mod") {
        modules.pop();
    }
    modules
}

/// Returns the parts of the crate that a text names, each with its line: by `crate::`, or by enough `super::` to reach the root.
fn used_parts(text: &str, modules: &[String]) -> Vec<(usize, String)> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut used = Vec::new();
    let mut add = |at: usize, rest: &str| {
        let line = code[..at].matches('\n').count() + 1;
        used.extend(named(rest).into_iter().map(|part| (line, part)));
    };
    for (at, root) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        // `pub(in crate::x)` names a place, not a part that is used; `$crate::` and `other_crate::` are other words.
        let whole = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
        if whole && !code[..at].ends_with("in ") {
            add(at, &code[at + root.len()..]);
        }
    }
    let mut from = 0;
    while let Some(at) = code[from..].find("super::").map(|at| at + from) {
        let mut end = at;
        let mut supers = 0;
        while code[end..].starts_with("super::") {
            end += "super::".len();
            supers += 1;
        }
        // Modules that are written inside the file are indented.
        let line_start = code[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let inside = code[line_start..].len() - code[line_start..].trim_start_matches(' ').len();
        let depth = modules.len() + usize::from(inside > 0 && code[line_start..at].contains("use"));
        if supers >= depth && supers > 1 {
            add(at, &code[end..]);
        }
        from = end;
    }
    used
}

/// Returns the first names of the paths that follow: one, or those of a group in braces.
fn named(rest: &str) -> Vec<String> {
    let name = |text: &str| -> Option<String> {
        let name: String = text
            .trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        name.starts_with(|c: char| c.is_lowercase())
            .then_some(name)
            .filter(|name| name != "self")
    };
    let Some(group) = rest.strip_prefix('{') else {
        return name(rest).into_iter().collect();
    };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                names.extend(name(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}
