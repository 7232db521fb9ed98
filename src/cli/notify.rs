//! `notify`: who is told, what waits to be told, what stands; and a test of every target.

use std::path::Path;

use serde::Serialize;
use tokio::task::JoinSet;

use crate::config::{Config, NotifyTarget};
use crate::report::plain;
use crate::store::{Store, conditions, notices};

use super::args::{self, Form};
use super::error::CliError;
use super::exit::{self, Exit};
use super::runs::load;
use super::shell::Shell;
use super::status::moment;
use super::telling;

/// The number of the JSON shape.
const SCHEMA: u32 = 1;

/// Runs `notify`.
///
/// Errors: a name that no target has; the state cannot be read; stdout cannot be written.
pub(super) async fn notify(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &args::Notify,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let targets = chosen(&config, &args.targets)?;
    match args.test {
        true => test(shell, &config, targets, args.format).await,
        false => list(shell, &config, targets, args.format),
    }
}

/// Returns the targets that were named, all of them when none was.
fn chosen(config: &Config, names: &[String]) -> Result<Vec<NotifyTarget>, CliError> {
    let known: Vec<&str> = config.notify.keys().map(String::as_str).collect();
    if known.is_empty() {
        return Err(CliError::Usage {
            what: "nobody is told of anything: there is no [notify] target".to_owned(),
            hint: Some(
                "add one to ghl-sync.toml: [notify.team] with kind = \"discord\" and url = \"file:PATH\""
                    .to_owned(),
            ),
        });
    }
    if let Some(unknown) = names.iter().find(|name| !config.notify.contains_key(*name)) {
        return Err(CliError::usage(format!(
            "there is no notify target `{}`; the targets are: {}",
            plain(unknown),
            known.join(", ")
        )));
    }
    let is_chosen = |target: &&NotifyTarget| names.is_empty() || names.contains(&target.name);
    Ok(config.notify.values().filter(is_chosen).cloned().collect())
}

/// What came of one test message.
#[derive(Serialize)]
struct Tested {
    target: String,
    sent: bool,
    why: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

async fn test(
    shell: &mut Shell,
    config: &Config,
    targets: Vec<NotifyTarget>,
    form: Form,
) -> Result<Exit, CliError> {
    let now = shell.clock.now();
    let mut sending = JoinSet::new();
    for target in targets {
        let message = telling::test_message(&target.name, &shell.typed, now);
        let proxy = config.proxy.clone();
        sending.spawn(async move {
            let sent = telling::send(&target, &message, proxy.as_deref()).await;
            let exit = sent.as_ref().err().map_or(Exit::Done, |error| error.exit());
            Tested {
                target: target.name,
                sent: sent.is_ok(),
                why: sent.err().map(|error| error.to_string()),
                exit,
            }
        });
    }
    let mut tested = Vec::new();
    while let Some(ended) = sending.join_next().await {
        tested.push(ended.map_err(|error| CliError::Io {
            what: "send a test".to_owned(),
            source: error.into(),
        })?);
    }
    tested.sort_by(|a, b| a.target.cmp(&b.target));
    let exit = exit::first_of(tested.iter().map(|tested| tested.exit));
    match form {
        Form::Json => {
            #[derive(Serialize)]
            struct All {
                schema: u32,
                tested: Vec<Tested>,
            }
            let all = All {
                schema: SCHEMA,
                tested,
            };
            shell.say(&line(&all)?)?;
        }
        Form::Text => {
            for Tested {
                target,
                sent: _,
                why,
                exit: _,
            } in &tested
            {
                shell.say(&match why {
                    None => format!("{target}: the test was taken; look whether it arrived"),
                    Some(why) => format!("{target}: not told: {}", plain(why)),
                })?;
            }
        }
    }
    Ok(exit)
}

/// Everything that `notify` tells.
#[derive(Serialize)]
struct All {
    schema: u32,
    targets: Vec<Target>,
    standing: Vec<Standing>,
}

#[derive(Serialize)]
struct Target {
    name: String,
    /// The kind, and where the address is kept.
    to: String,
    on: Vec<&'static str>,
    at_most: u32,
    waiting: usize,
}

#[derive(Serialize)]
struct Standing {
    subject: String,
    kind: &'static str,
    what: String,
    since_at: Option<chrono::DateTime<chrono::Utc>>,
}

fn list(
    shell: &mut Shell,
    config: &Config,
    targets: Vec<NotifyTarget>,
    form: Form,
) -> Result<Exit, CliError> {
    let now = shell.clock.now();
    let state = Store::look(&config.state)?;
    let (waiting, standing) = match &state {
        None => (Vec::new(), Vec::new()),
        Some(db) => (notices::waiting(db)?, conditions::standing(db)?),
    };
    let targets = targets.into_iter().map(|target| Target {
        to: telling::place(&target.to),
        on: target.on.iter().map(|occasion| occasion.word()).collect(),
        at_most: target.at_most,
        waiting: waiting
            .iter()
            .filter(|notice| notice.target == target.name)
            .count(),
        name: target.name,
    });
    let all = All {
        schema: SCHEMA,
        targets: targets.collect(),
        standing: standing
            .into_iter()
            .map(|condition| Standing {
                subject: condition.subject,
                kind: condition.kind.word(),
                what: condition.what,
                since_at: chrono::DateTime::from_timestamp_millis(condition.since_ms),
            })
            .collect(),
    };
    if form == Form::Json {
        shell.say(&line(&all)?)?;
        return Ok(Exit::Done);
    }
    for target in &all.targets {
        shell.say(&format!(
            "{}: {}; told of {}; {} an hour at most; {} waiting",
            target.name,
            target.to,
            target.on.join(", "),
            target.at_most,
            target.waiting
        ))?;
    }
    if all.standing.is_empty() {
        shell.say("nothing stands: all is as it should be")?;
    }
    for standing in &all.standing {
        let since = standing.since_at.map(|at| moment(at, now));
        shell.say(&format!(
            "stands: {} {} since {}: {}",
            standing.subject,
            standing.kind,
            since.unwrap_or_default(),
            plain(&standing.what)
        ))?;
    }
    Ok(Exit::Done)
}

fn line(value: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string(value).map_err(|error| CliError::Io {
        what: "write the targets".to_owned(),
        source: error.into(),
    })
}
