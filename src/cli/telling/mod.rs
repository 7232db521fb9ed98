//! Telling the outside how the service is: messages about changes, pings, figures. Never fails a run, and bounded in time.
//!
//! A run's end is looked at once ([`seen`]); what that changes is decided by one table ([`change`]); the message of a change waits in the
//! state from the same commit on and is sent afterwards ([`deliver`]), so that a kill loses none.

mod change;
mod deliver;
mod direct;
mod figures;
mod hook;
mod message;
mod ping;
mod seen;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::config::{Account, Config, HubLogin, Occasion};
use crate::model::{AccountName, Job, JobName};
use crate::report::{Mode, Report};
use crate::run::{Done, RunError};
use crate::store::conditions::{self, Condition, ConditionKind, Told};
use crate::store::{StoreError, notices, tokens};

use self::change::{Look, Say, Seen};
use self::message::News;
use self::ping::Ping;
use super::care::Kept;
use super::check;
use super::error::CliError;
use super::typed::Typed;
use super::worlds::Worlds;

pub(super) use deliver::{place, send};
pub(super) use figures::serving;
pub(super) use message::Message;

/// The longest that all of it may keep a run's end, or the daemon's minute.
const LONGEST: Duration = Duration::from_secs(30);

/// How long the state is waited for once it is known that it cannot be written: it would be told late, and the next run waits.
const SHORT: Duration = Duration::from_secs(3);

/// Makes the message of `notify --test`.
pub(super) fn test_message(target: &str, typed: &Typed, now: DateTime<Utc>) -> Message {
    message::test(target, typed.command("notify"), now)
}

/// Tells that a run of `apply` begins; `is_scheduled` when a schedule and not a person started it.
pub(super) async fn began(worlds: &Worlds, job: &JobName, is_scheduled: bool) {
    if is_scheduled {
        ping::ping(worlds, job, Ping::Start).await;
    }
}

/// Tells how a run of `apply` ended: updates what stands, queues and sends messages, pings, writes the figures.
///
/// A run that a person started tells only what is over. Takes 30 s at most, and some 10 s when nobody answers; so it does when the state
/// cannot be written at all, which is told all the same.
pub(super) async fn ended(
    worlds: &Worlds,
    job: &JobName,
    result: Result<&Done, &CliError>,
    is_scheduled: bool,
) {
    let is_of_state = matches!(result, Err(CliError::Run(RunError::State(_))));
    let patience = if is_of_state { SHORT } else { LONGEST };
    ended_within(worlds, job, result, is_scheduled, patience).await;
}

async fn ended_within(
    worlds: &Worlds,
    job: &JobName,
    result: Result<&Done, &CliError>,
    is_scheduled: bool,
    patience: Duration,
) {
    let result = result.map(|done| &done.report);
    if result.is_ok_and(|report| report.mode != Mode::Did) {
        return;
    }
    let unnoted = match worlds.config().jobs.get(job) {
        None => None,
        Some(job) => {
            let noted = observe(worlds, job, result, is_scheduled, patience).await;
            noted.err().map(|error| (job, error))
        }
    };
    let telling = async {
        match &unnoted {
            None => deliver::deliver(worlds).await,
            // What waits cannot be noted as sent, and would be sent again and again.
            Some((job, error)) => {
                direct::cannot_note(worlds, Some(job), error, is_scheduled).await;
            }
        }
    };
    let pinging = async {
        if is_scheduled && !is_busy(job, result) {
            ping::ping(worlds, job, Ping::of_end(result)).await;
        }
    };
    let both = async { tokio::join!(pinging, telling) };
    if timeout(LONGEST, both).await.is_err() {
        warn!("telling others took too long; what is left is sent later");
    }
    figures::write(worlds);
}

/// Returns whether another run had the job. Then this one says nothing of it: one that hangs would look well for ever.
fn is_busy(job: &JobName, result: Result<&Report, &CliError>) -> bool {
    match result {
        Err(CliError::Run(RunError::Busy { what, .. })) => *what == format!("job-{job}"),
        Err(_) | Ok(_) => false,
    }
}

/// Does what is due each minute: sends messages that wait and writes the figures.
pub(super) async fn minute(worlds: &Worlds) {
    if timeout(LONGEST, deliver::deliver(worlds)).await.is_err() {
        warn!("telling others took too long; what is left is sent later");
    }
    figures::write(worlds);
}

/// Tells how upkeep of the state ended: updates what stands and queues messages. The daemon's next minute or the next run sends them: the
/// unit of upkeep has no network.
///
/// Always told, whoever started it: a timer and a person type the same.
pub(super) async fn kept(worlds: &Worlds, result: Result<&Kept, &CliError>) {
    let failed = result.ok().and_then(Kept::error);
    let seen = match (result, &failed) {
        (Ok(_), Some(error)) | (Err(error), _) => seen::of_upkeep(Err(error)),
        // It says nothing about the parts that were not tried.
        (Ok(kept), None) if kept.is_stopped => None,
        (Ok(_), None) => seen::of_upkeep(Ok(())),
    };
    let Some(seen) = seen else { return };
    let observed = Observed {
        seen: vec![(seen, worlds.typed().command("state upkeep"))],
        job: None,
        may_alarm: true,
        is_logged: true,
    };
    if let Err(error) = note(worlds, observed, LONGEST).await {
        let telling = direct::cannot_note(worlds, None, &error, true);
        // Whoever does not answer within the time is not told.
        let _ = timeout(LONGEST, telling).await;
    }
}

/// Notes what a run's end shows, and queues messages about what changed, in one commit.
async fn observe(
    worlds: &Worlds,
    job: &Job,
    result: Result<&Report, &CliError>,
    is_scheduled: bool,
    patience: Duration,
) -> Result<(), StoreError> {
    let config = worlds.config();
    let now = worlds.clock().now();
    let accounts = accounts_of(config, job);
    let mut seen = seen::of_end(job, result, &accounts);
    if result.is_ok() {
        seen.push(seen::state_is_well());
    }
    let facts = tokens::all(&worlds.store().reader()?)?;
    let facts: Vec<_> = facts
        .into_iter()
        .filter(|login| check::is_used(config, &login.account))
        .collect();
    let seen = seen::with_logins(seen, &facts, |name| is_public(config, name), now);
    let run = result.ok().map(|report| report.run);
    let seen = seen.into_iter().map(|seen| {
        let command = command(config, worlds.typed(), job, &seen, run);
        (seen, command)
    });
    let observed = Observed {
        seen: seen.collect(),
        job: Some(job.name.to_string()),
        may_alarm: is_scheduled,
        is_logged: result.is_err(),
    };
    note(worlds, observed, patience).await
}

/// What somebody saw of conditions.
struct Observed {
    /// Each with the one command that helps.
    seen: Vec<(Seen, String)>,
    /// The job whose run saw it.
    job: Option<String>,
    /// Whether anybody is told of more than what is over.
    may_alarm: bool,
    /// Whether the cause is logged where it is handled.
    is_logged: bool,
}

/// Notes what was seen, and queues messages about what changed, in one commit; it does not come later when it takes longer than `patience`.
async fn note(worlds: &Worlds, observed: Observed, patience: Duration) -> Result<(), StoreError> {
    let given_up = Arc::new(AtomicBool::new(false));
    let is_given_up = Arc::clone(&given_up);
    let (config, now) = (worlds.config(), worlds.clock().now());
    let Observed {
        seen,
        job,
        may_alarm,
        is_logged,
    } = observed;
    let targets: Vec<_> = config
        .notify
        .values()
        .map(|target| (target.name.clone(), target.on.clone()))
        .collect();
    let known: Vec<String> = config
        .jobs
        .keys()
        .map(|name| format!("job:{name}"))
        .chain(config.accounts.keys().map(seen::of_account))
        .chain([seen::STATE, seen::UPKEEP].map(ToOwned::to_owned))
        .collect();
    let now_ms = now.timestamp_millis();
    let news = worlds.store().write(move |db| {
        if is_given_up.load(Ordering::SeqCst) {
            return Err(StoreError::Stopped);
        }
        let mut news = Vec::new();
        for condition in conditions::standing(db)? {
            // A job or an account that was taken out of the files is nobody's trouble any more.
            if !known.contains(&condition.subject) {
                conditions::save(
                    db,
                    &condition.subject,
                    condition.kind,
                    None,
                    &Told::default(),
                )?;
            }
        }
        for (seen, command) in &seen {
            let (before, told) = conditions::find(db, &seen.subject, seen.kind)?;
            let occasion = occasion(seen.kind);
            // Where nobody is named the log is who is told.
            let is_heard =
                targets.is_empty() || targets.iter().any(|(_, on)| on.contains(&occasion));
            let (after, told, say) =
                change::step(before.clone(), told, seen, now_ms, may_alarm && is_heard);
            conditions::save(db, &seen.subject, seen.kind, after.as_ref(), &told)?;
            let condition = after
                .or(before)
                .unwrap_or_else(|| came_and_went(seen, now_ms));
            let Some(message) = message::of_change(&News {
                say,
                condition: &condition,
                job: job.as_deref(),
                command: command.clone(),
                now,
            }) else {
                continue;
            };
            let body = message.json().to_string();
            for (target, on) in &targets {
                let is_wanted = match say {
                    // Only who was told that it stands is told that it is over.
                    Say::Recovered => on.contains(&occasion) && on.contains(&Occasion::Recovered),
                    Say::New | Say::Changed | Say::Flaps => on.contains(&occasion),
                    Say::Nothing => false,
                };
                if is_wanted {
                    notices::add(db, target, now_ms, &body)?;
                }
            }
            news.push((say, message));
        }
        Ok(news)
    });
    let Ok(news) = timeout(patience, news).await else {
        given_up.store(true, Ordering::SeqCst);
        return Err(direct::takes_too_long(worlds.store().path()));
    };
    let news = news?;
    direct::noted(worlds);
    for (say, message) in news {
        match say {
            Say::Recovered | Say::Nothing => info!("{}", message.summary),
            Say::New | Say::Changed | Say::Flaps if is_logged => {
                debug!("{}", message.summary);
            }
            Say::New | Say::Changed | Say::Flaps => warn!("{}", message.summary),
        }
    }
    Ok(())
}

/// What a condition that settled while it was gone is told as.
fn came_and_went(seen: &Seen, now_ms: i64) -> Condition {
    let what = match &seen.look {
        Look::Stands { what, .. } | Look::Stays { what } => what.clone(),
        Look::Gone => "it came and went".to_owned(),
    };
    Condition {
        subject: seen.subject.clone(),
        kind: seen.kind,
        what,
        hash: String::new(),
        since_ms: now_ms,
    }
}

/// Returns the one command that helps.
fn command(config: &Config, typed: &Typed, job: &Job, seen: &Seen, run: Option<i64>) -> String {
    let name = &job.name;
    match (seen.kind, &seen.look) {
        (_, Look::Gone) => typed.command("status"),
        (ConditionKind::Held, _) => typed.command(&format!("plan {name}")),
        (ConditionKind::Conflict, _) => match run {
            Some(run) => typed.command(&format!("show {run}")),
            None => typed.command(&format!("plan {name}")),
        },
        (ConditionKind::Login, _) => {
            let account = seen.subject.strip_prefix("account:");
            let account = account.and_then(|name| AccountName::try_from(name).ok());
            let known = account.and_then(|name| Some((config.accounts.get(&name)?, name)));
            match known {
                // A token in a file is not logged in with a command.
                Some((account, name)) if account.token().is_none() => {
                    check::login_command(account, &name, typed)
                }
                Some(_) | None => typed.command("check --online"),
            }
        }
        (ConditionKind::Failure, Look::Stands { hash, .. }) if hash == "out-of-touch" => {
            typed.command("check --online")
        }
        (ConditionKind::Failure, _) => typed.command("check"),
    }
}

/// Returns the accounts whose logins a whole run of the job proves to be good.
fn accounts_of(config: &Config, job: &Job) -> Vec<AccountName> {
    let mut all = vec![job.from.clone(), job.to.clone()];
    if let Some(Account::HighLevel(hub)) = config.accounts.get(&job.to)
        && let HubLogin::Agency(agency) = &hub.login
    {
        all.push(agency.clone());
    }
    all
}

fn is_public(config: &Config, name: &AccountName) -> bool {
    match config.accounts.get(name) {
        Some(Account::Twitch(account)) => account.client_secret.is_none(),
        Some(Account::HighLevel(_) | Account::Agency(_)) | None => false,
    }
}

fn occasion(kind: ConditionKind) -> Occasion {
    match kind {
        ConditionKind::Failure => Occasion::Failure,
        ConditionKind::Held => Occasion::Held,
        ConditionKind::Conflict => Occasion::Conflict,
        ConditionKind::Login => Occasion::Login,
    }
}
