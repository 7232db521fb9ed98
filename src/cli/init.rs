//! `init`: a configuration to begin with, from flags or from answers.
//!
//! Everything is known and checked before the first file is written, so that a Ctrl-C before that leaves nothing behind.

mod given;
mod text;

use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use crate::config::{self, SecretSource};
use crate::net;
use crate::report::shell_word;
use crate::store::Key;

use super::args::{Init, JobSet};
use super::ask::Asker;
use super::error::CliError;
use super::exit::Exit;
use super::place::{For, NewFile, Placed, is_there, place};
use super::shell::Shell;
use given::Given;
use text::{Answers, HubLogin, JOB_NAME};

/// The main file when none is named.
const MAIN_FILE: &str = "ghl-sync.toml";

/// What every way out before the writing leaves.
const NOTHING: &str = "nothing was written";

/// Runs `init`.
pub(super) async fn init(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Init,
) -> Result<Exit, CliError> {
    let main = path.unwrap_or(Path::new(MAIN_FILE));
    let folder = main.parent().unwrap_or(Path::new(""));
    if main.file_name().is_none() || main.is_dir() {
        return Err(CliError::Usage {
            what: format!(
                "--config {} names a folder, expected a file",
                shell_word(main)
            ),
            hint: Some(format!(
                "for example: --config {}",
                shell_word(&main.join(MAIN_FILE))
            )),
        });
    }
    let given = Given::read(args, folder)?;
    // From here on Ctrl-C ends the asking and not the writing, which is over in a moment.
    let asker = Asker::new();
    let may_ask = Asker::can_ask() && !args.yes;
    let mut asker = may_ask.then_some(asker);

    let key = folder.join("token.key");
    let job_path = |name: &str| folder.join("schedules").join(format!("{name}.toml"));
    let has_key = is_there(&key) && !args.no_encrypt;
    if has_key {
        check_key(&key)?;
    }
    let there = |names: &[&str]| -> Vec<PathBuf> {
        let jobs = names.iter().map(|name| job_path(name));
        let all = std::iter::once(main.to_owned()).chain(jobs);
        all.filter(|path| is_there(path)).collect()
    };
    // A person hears of it before all the questions, a script after what it has to mend first.
    let (answers, replaced) = match &mut asker {
        Some(asker) => {
            let before = there(&names_of(args.set.unwrap_or_default()));
            may_replace(shell, args, Some(&mut *asker), &before).await?;
            let answers = given.ask(asker, has_key).await?;
            // Which jobs are written may be one of the answers.
            let more = there(&names_of(answers.set))
                .into_iter()
                .filter(|path| !before.contains(path))
                .collect::<Vec<_>>();
            may_replace(shell, args, Some(asker), &more).await?;
            (answers, [before, more].concat())
        }
        None => {
            let answers = given.take(args)?;
            let there = there(&names_of(answers.set));
            may_replace(shell, args, None, &there).await?;
            (answers, there)
        }
    };
    let mut files = Vec::new();
    if answers.encrypt && !has_key {
        files.push(NewFile {
            path: key.clone(),
            text: new_key()?,
            whose: For::ThisUser,
        });
    }
    for (name, text) in text::job_files(&answers) {
        files.push(NewFile {
            path: job_path(name),
            text,
            whose: For::ThisUser,
        });
    }
    // Last, so that a main file never speaks of something that is not there.
    files.push(NewFile {
        path: main.to_owned(),
        text: text::main_file(&answers, state_of(folder)),
        whose: For::ThisUser,
    });
    let placed = place(&files, !replaced.is_empty())?;

    let kept = (answers.encrypt && has_key).then_some(key.as_path());
    shell.say(&told(&placed, kept, &answers, folder, path))?;
    // What was there besides may not fit.
    config::load(main)?;
    Ok(Exit::Done)
}

/// Returns the names of the jobs of a set.
fn names_of(set: JobSet) -> Vec<&'static str> {
    match set {
        JobSet::Followers => vec![JOB_NAME],
        JobSet::Streamer => text::streamers_jobs(),
    }
}

/// Returns where the state of a main file in this folder is: beside it, but for the service's, which may write nothing below /etc.
fn state_of(folder: &Path) -> &'static str {
    if folder == Path::new("/etc/ghl-sync") {
        "/var/lib/ghl-sync"
    } else {
        "state"
    }
}

/// Lists what is there, and finds out whether it may be replaced.
async fn may_replace(
    shell: &Shell,
    args: &Init,
    asker: Option<&mut Asker>,
    there: &[PathBuf],
) -> Result<(), CliError> {
    if there.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = there
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let be = if names.len() == 1 { "is" } else { "are" };
    if args.force {
        let list = names.join("\n  ");
        shell
            .progress
            .say(&format!("to be replaced, and kept as NAME.old:\n  {list}"));
        return Ok(());
    }
    let Some(asker) = asker else {
        return Err(CliError::Usage {
            what: format!("{} {be} there already; {NOTHING}", names.join(" and ")),
            hint: Some(
                "--force replaces what is there and keeps it as NAME.old; --config names another place"
                    .to_owned(),
            ),
        });
    };
    asker.tell(&format!("There {be} already:\n  {}", names.join("\n  ")));
    let what = "Replace what is there, and keep it as NAME.old";
    match asker.yes_no(what, false).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::Stopped {
            left: NOTHING.to_owned(),
        }),
        Err(error) => Err(error.leaving(NOTHING)),
    }
}

/// Checks that the key which is there can be used: it is never replaced, because what it encrypted would be lost.
fn check_key(path: &Path) -> Result<(), CliError> {
    let source = SecretSource::File(path.to_owned());
    let read = net::resolve(&source).map_err(|error| error.to_string());
    let read = read.and_then(|text| Key::read(&text).map_err(|error| error.to_string()));
    match read {
        Ok(_) => Ok(()),
        Err(why) => Err(CliError::Usage {
            what: format!(
                "{} is there and cannot be used as the key: {why}; {NOTHING}",
                path.display()
            ),
            hint: Some("mend it, move it away to get a new one, or use --no-encrypt".to_owned()),
        }),
    }
}

/// Makes a key of 64 hex digits.
fn new_key() -> Result<String, CliError> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| CliError::Io {
            what: "make a key".to_owned(),
            source: std::io::Error::other("the system gives no random bytes"),
        })?;
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    Ok(text)
}

/// Says what was written, and what to type next.
fn told(
    placed: &[Placed],
    kept_key: Option<&Path>,
    answers: &Answers,
    folder: &Path,
    config: Option<&Path>,
) -> String {
    let mut lines = Vec::new();
    if let Some(key) = kept_key {
        let key = key.display();
        lines.push(format!("{key} was there and stays the key"));
    }
    for Placed { path, old } in placed {
        let old = old
            .as_ref()
            .map_or(String::new(), |old| format!(" (before: {})", old.display()));
        lines.push(format!("wrote {}{old}", path.display()));
    }
    if answers.encrypt && kept_key.is_none() {
        lines.push(
            "keep a copy of token.key elsewhere: without it you have to log in again".to_owned(),
        );
    }
    let app_secret = match &answers.login {
        HubLogin::Token => None,
        HubLogin::App(app) | HubLogin::Agency(_, app) => Some(&app.client_secret),
    };
    let sources = [app_secret, answers.client_secret.as_ref()];
    for text in sources.into_iter().flatten() {
        let there = SecretSource::parse(text, folder)
            .and_then(|source| net::resolve(&source).map_err(|error| error.to_string()));
        if let Err(why) = there {
            lines.push(format!("before you go on: {why}"));
        }
    }
    let hub = match &answers.login {
        HubLogin::Token | HubLogin::App(_) => "auth highlevel".to_owned(),
        HubLogin::Agency(agency, _) => format!("auth highlevel --account {agency}"),
    };
    let config = config.map_or(String::new(), |path| {
        format!(" --config {}", shell_word(path))
    });
    let plan = match answers.set {
        JobSet::Followers => format!("plan {JOB_NAME}"),
        JobSet::Streamer => {
            lines.push(format!(
                "`apply` makes these custom fields of contacts, as text fields, where the location lacks them:\n  {}",
                text::custom_fields(answers).join(", ")
            ));
            "plan".to_owned()
        }
    };
    lines.push("\nnext:".to_owned());
    for command in [hub.as_str(), "auth twitch", "check --online", &plan] {
        lines.push(format!("  ghl-sync {command}{config}"));
    }
    lines.join("\n")
}
