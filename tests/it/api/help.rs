//! The help: it fits a terminal, and what it shows can be typed.

use std::ffi::OsString;

use clap::{Command, CommandFactory};
use ghl_sync::cli::args::{Args, parse_from};

use super::words;

/// The columns of a small terminal.
const NARROW: usize = 80;

/// Calls `see` with the help of every level of `api`, as a terminal of so many columns shows it.
fn each(see: &mut dyn FnMut(&str, &Command)) {
    fn go(name: &str, command: &Command, see: &mut dyn FnMut(&str, &Command)) {
        see(name, command);
        for below in command.get_subcommands() {
            if below.get_name() != "help" {
                go(&format!("{name} {}", below.get_name()), below, see);
            }
        }
    }
    let mut program = Args::command().term_width(NARROW);
    program.build();
    go("api", program.find_subcommand("api").unwrap(), see);
}

#[test]
fn every_help_fits_a_narrow_terminal() {
    let mut count = 0;
    each(&mut |name, command| {
        let mut command = command.clone().term_width(NARROW);
        for text in [command.render_help(), command.render_long_help()] {
            for line in text.to_string().lines() {
                assert!(line.chars().count() <= NARROW, "{name}: {line}");
            }
        }
        count += 1;
    });
    assert!(count > 55, "{count}");
}

#[test]
fn every_example_can_be_typed_and_is_not_broken_over_lines() {
    let mut count = 0;
    each(&mut |name, command| {
        let Some(text) = command.get_after_help() else {
            return;
        };
        for line in text.to_string().lines() {
            assert!(line.chars().count() <= NARROW, "{name}: {line}");
            let Some(line) = line.strip_prefix("  ") else {
                continue;
            };
            let line = line.split(" > ").next().unwrap();
            let read = parse_from(words(line).into_iter().map(OsString::from));
            assert!(read.is_ok(), "{name}: {line}: {read:?}");
            let rest = name.strip_prefix("api").unwrap().trim();
            // An example stands at the command that it is of, or above it.
            assert!(
                rest.is_empty() || line.contains(&format!("api {rest}")) || rest == "tags bulk-add",
                "{name}: {line}"
            );
            count += 1;
        }
    });
    assert!(count > 25, "{count}");
}

#[test]
fn all_that_writes_says_what_else_may_happen() {
    let long = |path: &[&str]| {
        let mut program = Args::command();
        program.build();
        let mut command = &program;
        for word in path {
            command = command.find_subcommand(word).unwrap();
        }
        command.clone().render_long_help().to_string()
    };
    for (path, part) in [
        (&["api"][..], "their next run reads what was changed here"),
        (&["api", "tags", "add"], "may write to people"),
        (&["api", "tags", "bulk-add"], "may write to people"),
        (&["api", "contacts", "create"], "Workflows of the location"),
        (
            &["api", "workflows", "add"],
            "messages may go to the person",
        ),
        (
            &["api", "campaigns", "add"],
            "messages may go to the person",
        ),
        (&["api", "contacts", "search"], "last minute may be missing"),
    ] {
        let help = long(path).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(part), "{path:?}: {help}");
    }
}
