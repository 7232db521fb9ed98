//! `state check`.

use std::path::Path;

use serde_json::json;

use crate::report::plain;
use crate::store::freeing::Fill;
use crate::store::health::{self, Depth};
use crate::store::{STATE_FILE, Store, StoreError, backup};

use super::super::args::{Form, StateCheck};
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::runs::load;
use super::super::shell::Shell;
use super::{SCHEMA, aside, no_state, restore_command, size};

/// Runs `state check`; exits with 1 when something is wrong, and says which copy to put in place.
///
/// Errors: there is no state, or it cannot be read for a reason that is no damage.
pub(super) async fn check(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &StateCheck,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let file = config.state.join(STATE_FILE);
    if !file.exists() {
        return Err(no_state(file));
    }
    let depth = if args.quick {
        Depth::Quick
    } else {
        Depth::Whole
    };
    shell.progress.waiting("checking the state");
    let folder = config.state.clone();
    let looked = aside(move || look(&folder, depth)).await;
    shell.progress.finish();
    let (wrong, fill) = looked?;
    let copies = config.upkeep.backup_folder.clone();
    let good = if wrong.is_empty() {
        None
    } else {
        aside(move || Ok(backup::newest_good(&copies))).await?
    };
    match args.format {
        Form::Json => {
            let line = json!({
                "schema": SCHEMA,
                "state": file.display().to_string(),
                "depth": depth.word(),
                "wrong": &wrong,
                "bytes": fill.map(|fill| fill.bytes),
                "free_bytes": fill.map(|fill| fill.free_bytes),
                "newest_good_copy": good.as_ref().map(|copy| copy.display().to_string()),
            });
            shell.say(&line.to_string())?;
        }
        Form::Text => {
            let of = fill.map_or(String::new(), |fill| {
                format!(
                    ", {}, {} of it free",
                    size(fill.bytes),
                    size(fill.free_bytes)
                )
            });
            if wrong.is_empty() {
                let word = depth.word();
                shell.say(&format!("{}: sound ({word} check{of}).", file.display()))?;
            } else {
                let mut text = format!("{}: damaged{of}", file.display());
                for what in &wrong {
                    text.push_str(&format!("\n  {}", plain(what)));
                }
                let mend = match &good {
                    Some(copy) => format!(
                        "put the newest sound copy in its place: {}",
                        restore_command(shell, copy)
                    ),
                    None => format!(
                        "there is no sound copy in {}; put one from elsewhere in its place with `{}`, or move the file away to start anew: contacts are found again by their marker",
                        config.upkeep.backup_folder.display(),
                        shell.typed.command("state restore FILE")
                    ),
                };
                shell.say(&format!("{text}\n{mend}"))?;
            }
        }
    }
    Ok(if wrong.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Looks the state in `folder` through; a file that is too damaged to be opened is a finding too.
pub(super) fn look(folder: &Path, depth: Depth) -> Result<(Vec<String>, Option<Fill>), StoreError> {
    let looked = Store::look(folder).and_then(|reader| {
        let Some(reader) = reader else {
            return Ok((Vec::new(), None));
        };
        let wrong = health::check(&reader, depth)?;
        Ok((wrong, Fill::of(&reader).ok()))
    });
    match looked {
        Err(StoreError::NotADatabase { said, .. }) => Ok((vec![said], None)),
        other => other,
    }
}
