//! The pages for people say what the program does: commands, options, exit codes, scopes, links.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use ghl_sync::cli::args::{Args, parse_from};
use ghl_sync::cli::exit::Exit;
use ghl_sync::model::{GuardKind, StepKind};
use ghl_sync::run::Ask;

use crate::rig::{Rig, settings};

const PAGES: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "docs/api.md",
    "docs/decisions.md",
    "docs/notifications.md",
    "docs/state.md",
    "docs/troubleshooting.md",
    "schedules/README.md",
    "state/README.md",
    "systemd/README.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the code of a page: fenced lines, and what stands between backticks elsewhere.
fn code(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut is_fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced {
            pieces.push(line.to_owned());
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            pieces.extend(spans.map(ToOwned::to_owned));
        }
    }
    pieces
}

/// Returns the words that follow `ghl-sync` in a piece of code, up to a comment or a redirection; `None` where it is not called.
fn called(piece: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = piece.split_whitespace().collect();
    let at = words.iter().rposition(|word| {
        let name = word.rsplit('/').next().unwrap_or("");
        name == "ghl-sync"
    })?;
    // In the middle of a sentence the name is only mentioned.
    let before = at.checked_sub(1).map(|before| words[before]);
    let is_typed = matches!(before, None | Some("&&" | "ghl-sync" | "busy:"));
    if !is_typed && !words[at].contains('/') {
        return None;
    }
    let rest: Vec<&str> = words[at + 1..]
        .iter()
        .map(|word| word.trim_end_matches(','))
        .take_while(|word| !matches!(*word, "#" | ">" | "|" | "→"))
        .collect();
    let is_call = rest
        .first()
        .is_some_and(|word| word.starts_with(|first: char| first.is_ascii_lowercase()));
    is_call.then_some(rest)
}

/// Returns the long options of every command, those of all commands included.
fn options() -> BTreeMap<String, BTreeSet<String>> {
    let mut program = Args::command();
    program.build();
    let longs = |command: &clap::Command| -> BTreeSet<String> {
        let longs = command.get_arguments().filter_map(clap::Arg::get_long);
        longs.map(|long| format!("--{long}")).collect()
    };
    let everywhere = longs(&program);
    let commands = program.get_subcommands();
    commands
        .map(|command| {
            let mut all = longs(command);
            // `auth` has its options a word further, `api` two.
            for below in command.get_subcommands() {
                all.extend(longs(below));
                all.extend(below.get_subcommands().flat_map(longs));
            }
            all.extend(everywhere.iter().cloned());
            (command.get_name().to_owned(), all)
        })
        .collect()
}

#[test]
fn every_command_and_option_on_the_pages_exists() {
    let options = options();
    for name in PAGES {
        let text = page(name);
        for piece in code(&text) {
            let Some(words) = called(&piece) else {
                continue;
            };
            if words[0] == "help" {
                continue;
            }
            let known = options
                .get(words[0])
                .unwrap_or_else(|| panic!("{name}: no such command: {piece}"));
            for word in words.iter().filter(|word| word.starts_with("--")) {
                let word = word.trim_end_matches([']', ')']);
                assert!(known.contains(word), "{name}: no such option: {piece}");
            }
        }
        let all: BTreeSet<&String> = options.values().flatten().collect();
        for span in code(&text)
            .iter()
            .filter(|piece| piece.starts_with("--") && !piece.starts_with("---"))
        {
            let word = span.split_whitespace().next().unwrap().to_owned();
            assert!(all.contains(&word), "{name}: no such option: {span}");
        }
    }
}

#[test]
fn the_readme_names_every_command_with_options_of_its_own() {
    let text = page("README.md");
    let options = options();
    let program = Args::command();
    for command in program
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        let name = command.get_name();
        let starts = format!("| `ghl-sync {name}");
        let row = text
            .lines()
            .find(|line| {
                line.strip_prefix(&starts)
                    .is_some_and(|rest| rest.starts_with(['`', ' ']))
            })
            .unwrap_or_else(|| panic!("the README has no row for {name}"));
        for word in code(row).iter().filter(|piece| piece.starts_with("--")) {
            let word = word.split_whitespace().next().unwrap();
            assert!(options[name].contains(word), "{name} has no {word}");
        }
    }
}

#[test]
fn every_command_line_on_the_pages_can_be_typed() {
    let mut typed = 0;
    for name in PAGES {
        let text = page(name);
        let fenced = text
            .split("```")
            .skip(1)
            .step_by(2)
            .flat_map(str::lines)
            .filter_map(called);
        // The demo's report quotes no command; a report's first sentence starts with the job, not with the program.
        for words in fenced {
            let words = words.iter().map(|word| match *word {
                "DIGEST" => "1a2b3c4d5e6f",
                word => word,
            });
            let line = ["ghl-sync"].into_iter().chain(words).map(OsString::from);
            if let Err((said, _)) = parse_from(line) {
                panic!("{name}: {said}");
            }
            typed += 1;
        }
    }
    assert!(typed >= 5, "only {typed} command lines were found");
}

#[test]
fn the_readme_has_the_programs_exit_codes() {
    let text = page("README.md");
    let section = text.split("## Exit codes").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: BTreeSet<u8> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|row| row.split(' ').next()?.parse().ok())
        .collect();
    let codes: BTreeSet<u8> = Exit::BY_PRECEDENCE.map(Exit::code).into_iter().collect();
    assert_eq!(rows, codes);
    let order = Exit::BY_PRECEDENCE.map(|exit| exit.code().to_string());
    assert!(section.contains(&order.join(", ")), "{order:?}");
}

#[test]
fn the_readme_names_every_guard_and_what_the_program_is_built_with() {
    let text = page("README.md");
    let spans: BTreeSet<String> = code(&text).into_iter().collect();
    for guard in GuardKind::ALL {
        assert!(spans.contains(guard.word()), "{guard}");
    }
    let toolchain = format!("Rust toolchain, {}", env!("CARGO_PKG_RUST_VERSION"));
    assert!(text.contains(&toolchain), "{toolchain}");
}

#[test]
fn the_first_commands_of_the_readme_are_those_that_ci_runs() {
    let text = page("README.md");
    let fences: Vec<&str> = text
        .split("```")
        .skip(1)
        .step_by(2)
        .map(str::trim)
        .take(2)
        .collect();
    assert_eq!(fences, ["cargo run --release -- demo", "cargo test"]);
    let ci = page(".ci/run");
    assert!(ci.lines().any(|line| line == "cargo test"));
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    for name in PAGES {
        let text = page(name);
        let folder = root().join(name).parent().unwrap().to_path_buf();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file: PathBuf = if path.is_empty() {
                root().join(name)
            } else {
                folder.join(path)
            };
            assert!(file.exists(), "{name}: {target}");
            if !anchor.is_empty() {
                let linked = fs::read_to_string(&file).unwrap();
                let has = linked
                    .lines()
                    .filter_map(|line| line.strip_prefix('#'))
                    .any(|heading| slug(heading) == anchor);
                assert!(has, "{name}: {target} has no such heading");
            }
        }
    }
}

fn slug(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Returns the scopes in the README's table of a HighLevel token.
fn scopes() -> Vec<String> {
    let text = page("README.md");
    let table = text.split("| scope | what for |").nth(1).unwrap();
    table
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("| `"))
        .filter_map(|row| row.split('`').next())
        .map(ToOwned::to_owned)
        .collect()
}

#[tokio::test]
async fn the_scopes_in_the_readme_are_enough_and_the_reading_ones_are_enough_to_plan() {
    let all = scopes();
    assert_eq!(all.len(), 5, "{all:?}");
    let reading: Vec<String> = all
        .iter()
        .filter(|scope| scope.ends_with(".readonly"))
        .cloned()
        .collect();
    for (scopes, writes) in [(reading, false), (all, true)] {
        let mut world = settings(5, 5);
        world.highlevel_scopes = scopes;
        world.twitch_scopes = vec!["moderator:read:followers".to_owned()];
        let mut rig = Rig::new(world).await;
        let told = rig.plan().await;
        assert_eq!(told.planned(StepKind::Create), 5);
        let allow = GuardKind::ALL.into_iter().collect();
        let applied = rig
            .run(Ask {
                apply: true,
                allow,
                ..Ask::default()
            })
            .await;
        if writes {
            assert_eq!(applied.unwrap().done(StepKind::Create), 5);
        } else {
            let said = applied.unwrap_err().to_string();
            assert!(said.contains("permission"), "{said}");
        }
    }
    assert!(page("README.md").contains("`moderator:read:followers`"));
}

/// Returns every source file's text, one after the other.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_message_in_the_troubleshooting_page_is_one_that_the_program_says() {
    let mut said = String::new();
    sources(&root().join("src"), &mut said);
    let said = said.replace(['`', '\\'], "").to_lowercase();
    let said: Vec<&str> = said.split_whitespace().collect();
    let said = said.join(" ");
    let text = page("docs/troubleshooting.md");
    let mut looked_for = 0;
    for cell in text.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cell = cell.split(" |").next().unwrap();
        let messages = cell.split('`').step_by(2);
        // What stands for something else is cut out; the rest is to be found word for word.
        for piece in messages.flat_map(|message| message.split(['…', '(', ')'])) {
            let piece = piece
                .trim_matches([' ', ':', ';', ',', '?', '"'])
                .to_lowercase();
            let is_telling = piece.chars().count() >= 8 && !piece.contains("job key");
            if is_telling {
                looked_for += 1;
                assert!(
                    said.contains(&piece),
                    "the program never says `{piece}`: {cell}"
                );
            }
        }
    }
    assert!(looked_for > 60, "only {looked_for} messages were found");
}

#[test]
fn every_crontab_on_the_pages_runs_by_schedule() {
    let mut found = 0;
    for name in PAGES {
        let text = page(name);
        let lines = text.lines().filter(|line| line.starts_with("*/"));
        for line in lines.filter(|line| line.contains("ghl-sync apply")) {
            found += 1;
            assert!(line.contains(" --scheduled"), "{name}: {line}");
        }
    }
    assert!(found > 0, "no crontab was found");
}

#[test]
fn every_lock_file_in_the_description_of_the_state_is_one_that_the_program_makes() {
    let mut made = String::new();
    sources(&root().join("src"), &mut made);
    let text = page("docs/state.md");
    let locks: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|span| span.strip_suffix(".lock"))
        .map(|lock| lock.split('-').next().unwrap())
        .collect();
    for lock in &locks {
        let ways = [
            format!("\"{lock}-{{"),
            format!("\"{lock}\""),
            format!("\"{lock}.lock\""),
            format!("\"{lock}-test-{{"),
        ];
        assert!(ways.iter().any(|way| made.contains(way)), "{lock}");
    }
    for lock in [
        "job", "source", "location", "token", "daemon", "upkeep", "notify",
    ] {
        assert!(locks.contains(&lock), "{lock} is not described: {locks:?}");
    }
}
