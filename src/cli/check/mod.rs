//! `check`: what is wrong and how to mend it.
//!
//! Without `--online` nothing is asked of anybody; with it the vendors are, by reads alone; `--write-test` makes, changes and removes one
//! contact in each location. What is found are [`findings`], written for people or as JSON; everything is looked at, and the trouble of one
//! account hides no other's.

mod channel;
mod channels_contact;
mod findings;
mod location;
mod notify;
mod offline;
mod online;
mod state;
mod write_test;

use std::path::Path;

use crate::config::{self, Account, Config, Problems};
use crate::model::AccountName;
use crate::store::is_ours;

use self::findings::{About, Found};
use super::args::{self, Form};
use super::error::CliError;
use super::exit::Exit;
use super::shell::Shell;
use super::typed::Typed;
use super::worlds::Worlds;

pub(super) use offline::{is_used, login_command, when};
pub(super) use online::{grant, replace};
pub(super) use write_test::STOPPING;

/// Runs `check`: everything is looked at, and all that is wrong is said at once.
///
/// Errors: an account that is not there; the state is another user's; stdout cannot be written.
pub(super) async fn check(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &args::Check,
) -> Result<Exit, CliError> {
    let typed = shell.typed.clone();
    let path = config::find(path);
    let (config, problems) = match (config::load_partly(&path), args.format) {
        (Ok(partly), _) => partly,
        (Err(problems), Form::Text) => return Err(problems.into()),
        (Err(problems), Form::Json) => {
            let mut found = Found::default();
            of_files(&mut found, &problems);
            json(shell, &found, &path, false)?;
            return Ok(found.exit());
        }
    };
    is_ours(&config.state)?;
    let is_whole = problems.0.is_empty();
    let online = args.online || args.write_test;
    if is_whole && let Some(name) = &args.account {
        known(&config, name, online)?;
    }
    let mut found = Found::default();
    let is_asked = |name: &AccountName| {
        online && is_whole && online::is_asked(&config, args.account.as_ref(), name)
    };
    let now = shell.clock.now();
    offline::look(&mut found, &config, is_whole, &typed, is_asked, now);
    if !is_whole {
        if let Form::Text = args.format {
            // Where every command tells of them; what else was found stands below.
            shell.complain(&CliError::Config(problems));
            let mut text = Vec::new();
            found
                .text(&mut text, shell.width)
                .map_err(CliError::writing("the findings"))?;
            shell
                .progress
                .say(String::from_utf8_lossy(&text).trim_end());
            return Ok(Exit::BadConfig);
        }
        of_files(&mut found, &problems);
        if online {
            let what = "no vendor is asked, because of what stands above";
            found.note(About::Configuration, what, None);
        }
    } else if online {
        ask(shell, &mut found, config, args, &typed).await;
    }
    let online = online && is_whole;
    match args.format {
        Form::Text => {
            let width = shell.width;
            shell.write(|out| {
                writeln!(out, "{}", path.display())?;
                found.text(out, width)?;
                writeln!(out, "{}", found.summary(online))
            })?;
        }
        Form::Json => json(shell, &found, &path, online)?,
    }
    Ok(found.exit())
}

/// Adds what is wrong with the files.
fn of_files(found: &mut Found, problems: &Problems) {
    for problem in &problems.0 {
        let what = problem.to_string();
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        let mend = match problem.line == 0 && matches!(problem.file.try_exists(), Ok(false)) {
            true => "write one with `ghl-sync init`, or name another with --config",
            false => "correct the file; schedules/README.md has every key",
        };
        found.wrong(About::Configuration, what, mend, Exit::BadConfig);
    }
}

fn json(shell: &mut Shell, found: &Found, path: &Path, online: bool) -> Result<(), CliError> {
    let json = found.json(&path.display().to_string(), online);
    let json = json.map_err(|error| CliError::Io {
        what: "write the findings".to_owned(),
        source: error.into(),
    })?;
    shell.say(&json)
}

/// Asks the vendors.
async fn ask(
    shell: &mut Shell,
    found: &mut Found,
    config: Config,
    args: &args::Check,
    typed: &Typed,
) {
    let mut worlds = match Worlds::open(config, shell.clock.clone()).await {
        Ok(worlds) => worlds.typing(typed),
        Err(error) => {
            let about = if error.exit() == Exit::BadConfig {
                About::Configuration
            } else {
                About::State
            };
            // What was said of the key or the state before is not said twice.
            if found.is_wrong(&about) {
                let what = "no vendor is asked, because of what stands above";
                found.note(about, what, None);
            } else {
                found.wrong_as_said(about, &error.to_string(), error.exit());
            }
            return;
        }
    };
    let chosen = args.account.as_ref();
    online::ask(found, &mut worlds, chosen, typed, shell, args.write_test).await;
    if args.write_test {
        write_test::all(found, &mut worlds, chosen, typed, shell).await;
    }
}

/// Makes sure that the account is there.
///
/// Errors: it is not; nobody is asked about it.
fn known(config: &Config, name: &AccountName, online: bool) -> Result<(), CliError> {
    if !online {
        return Err(CliError::Usage {
            what: "--account chooses whom to ask, and nobody is asked".to_owned(),
            hint: Some("add --online or --write-test".to_owned()),
        });
    }
    if config.accounts.contains_key(name) {
        return Ok(());
    }
    let names: Vec<String> = config
        .accounts
        .iter()
        .map(|(name, account): (&AccountName, &Account)| format!("{name} ({})", account.service()))
        .collect();
    Err(CliError::usage(format!(
        "there is no account `{name}`; the accounts are: {}",
        names.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::super::progress::Progress;
    use super::*;
    use crate::model::Clock;

    /// What a command said.
    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn secrets_and_state_are_looked_at_even_when_a_file_has_a_problem() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-whole-{}", std::process::id()));
        fs::create_dir_all(folder.join("schedules")).unwrap();
        let main = folder.join("ghl-sync.toml");
        fs::write(
            &main,
            "[accounts.main]\nservice = 'highlevel'\nlocation = 'L0c'\ntoken = 'file:nowhere'\ntipo = 1\n",
        )
        .unwrap();
        fs::write(folder.join("schedules/a.toml"), "name = 'A b'\n").unwrap();
        fs::write(folder.join("state"), "not a folder").unwrap();
        let mut texts = Vec::new();
        for format in [Form::Text, Form::Json] {
            let (out, said) = (Said::default(), Said::default());
            let mut shell = Shell::new(
                Box::new(out.clone()),
                Progress::quiet(Box::new(said.clone())),
                Clock::system(),
            );
            let args = args::Check {
                format,
                ..args::Check::default()
            };
            let exit = check(&mut shell, Some(&main), &args).await.unwrap();
            let text = [out, said].map(|said| {
                let text = said.0.lock().unwrap().clone();
                String::from_utf8(text).unwrap()
            });
            let text = text.concat();
            assert_eq!(exit, Exit::BadConfig, "{text}");
            for part in ["tipo", "schedules/a.toml:1", "nowhere", "not a folder"] {
                assert!(text.contains(part), "no {part} in:\n{text}");
            }
            texts.push(text);
        }
        fs::remove_dir_all(&folder).unwrap();
        assert!(texts[0].contains("WRONG  state"), "{}", texts[0]);
        assert!(texts[1].contains(r#""about":"state""#), "{}", texts[1]);
    }
}
