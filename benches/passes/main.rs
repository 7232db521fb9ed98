//! `cargo bench`: how many calls, how much CPU and how much memory the passes take, beside the numbers they are meant to reach.
//!
//! The sandbox and each measured pass are processes of their own: this program, started again with a hidden first argument. A pass
//! therefore measures ghl-sync alone. `cargo bench -- NAME` runs the scenes whose names begin so, `cargo bench -- list` names them all.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark tells its numbers on stdout and its progress on stderr"
)]

mod child;
mod control;
mod scenes;
mod stage;
mod table;

use std::process::ExitCode;

use scenes::SCENES;
use table::Table;

/// What went wrong, for people.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((word, rest)) if word == child::SANDBOX => child::serve(rest),
        Some((word, rest)) if word == child::PASS => child::pass(rest),
        _ => bench(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("passes: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> Result<(), Failure> {
    // Cargo adds `--bench`.
    let names: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if names == ["list"] {
        for scene in SCENES {
            println!("{:<14} {}", scene.name, scene.about);
        }
        return Ok(());
    }
    let chosen: Vec<_> = SCENES
        .iter()
        .filter(|scene| match names.as_slice() {
            [] => scene.usual,
            names => names.iter().any(|name| scene.name.starts_with(name)),
        })
        .collect();
    if chosen.is_empty() {
        return Err("no scene has such a name; `cargo bench -- list` names them".into());
    }
    let mut table = Table::default();
    let mut failed = Vec::new();
    for scene in chosen {
        eprintln!("{}: {}", scene.name, scene.about);
        if let Err(error) = (scene.play)(&mut table) {
            failed.push(format!("{}: {error}", scene.name));
        }
    }
    print!("{table}");
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("; ").into())
    }
}
