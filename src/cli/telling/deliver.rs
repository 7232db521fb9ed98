//! Sending the messages that wait: bounded in time, counted by the hour, tried again with back-off.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::config::{Config, NotifyTarget, NotifyTo, SecretSource};
use crate::model::{Clock, is_ahead};
use crate::net::{PostError, post};
use crate::report::plain;
use crate::store::notices::{self, Notice};
use crate::store::{Lock, Store, StoreError, Taken};

use super::super::exit::Exit;
use super::super::logins::secret;
use super::super::typed::Typed;
use super::super::worlds::Worlds;
use super::hook;
use super::message::{Message, several};

/// How long one message may take.
pub(super) const WITHIN: Duration = Duration::from_secs(10);

/// For how long further messages to one target are begun; the others wait for the next time.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);

/// A pause that a target asks for is kept here and now when it is as short as this; a longer one is left to a later try.
const SHORT_PAUSE: Duration = Duration::from_secs(2);

/// How often a message is tried.
const TRIES: i64 = 10;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Why a message did not reach its target. Holds no address.
#[derive(Debug)]
pub(in crate::cli) enum Unsent {
    /// The address, or the secret it stands in, cannot be had.
    Secret(String),
    /// It was not answered, or refused.
    Post(PostError),
    /// The program failed.
    Command(String),
}

impl Unsent {
    /// Returns the exit that fits.
    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            Unsent::Secret(_) => Exit::BadConfig,
            Unsent::Post(error) if error.is_passing() => Exit::OutOfTouch,
            Unsent::Post(_) => Exit::BadConfig,
            Unsent::Command(_) => Exit::Failed,
        }
    }

    fn pause(&self) -> Option<Duration> {
        match self {
            Unsent::Post(PostError::Refused { pause, .. }) => *pause,
            Unsent::Post(_) | Unsent::Secret(_) | Unsent::Command(_) => None,
        }
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsent::Secret(what) | Unsent::Command(what) => f.write_str(what),
            Unsent::Post(error) => error.fmt(f),
        }
    }
}

/// Sends one message to one target, once; a short pause that it asks for is kept.
///
/// Errors: why it was not sent.
pub(in crate::cli) async fn send(
    target: &NotifyTarget,
    message: &Message,
    proxy: Option<&str>,
) -> Result<(), Unsent> {
    let first = send_once(target, message, proxy).await;
    match first.as_ref().err().and_then(Unsent::pause) {
        Some(pause) if pause <= SHORT_PAUSE => {
            // Real time: the target's limits run by its own clock.
            tokio::time::sleep(pause).await;
            send_once(target, message, proxy).await
        }
        Some(_) | None => first,
    }
}

async fn send_once(
    target: &NotifyTarget,
    message: &Message,
    proxy: Option<&str>,
) -> Result<(), Unsent> {
    let (source, body) = match &target.to {
        NotifyTo::Discord(source) => (source, message.discord()),
        NotifyTo::Slack(source) => (source, message.slack()),
        NotifyTo::Json(source) => (source, message.json()),
        NotifyTo::Command(words) => {
            return hook::tell(words, message, WITHIN)
                .await
                .map_err(Unsent::Command);
        }
    };
    let address = secret(source).map_err(Unsent::Secret)?;
    let body = ("application/json", body.to_string());
    match post(&address, "", body, proxy, WITHIN).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Unsent::Post(error)),
    }
}

/// Returns where a target's messages go, for people: the kind, and where its address is kept; never the address.
pub(in crate::cli) fn place(to: &NotifyTo) -> String {
    let of = |kind: &str, source: &SecretSource| format!("{kind}, address in {source}");
    match to {
        NotifyTo::Discord(source) => of("discord", source),
        NotifyTo::Slack(source) => of("slack", source),
        NotifyTo::Json(source) => of("json", source),
        NotifyTo::Command(words) => format!(
            "command {}",
            plain(words.first().map_or("", String::as_str))
        ),
    }
}

/// Sends what waits and is due. Takes some ten seconds at most for each target, all of them at the same time.
///
/// Another process that sends at this moment sends these too. What cannot be sent is logged and waits.
pub(super) async fn deliver(worlds: &Worlds) {
    if let Err(error) = delivered(worlds).await {
        warn!("messages could not be sent: {error}");
    }
}

async fn delivered(worlds: &Worlds) -> Result<(), StoreError> {
    let store = worlds.store();
    let now = worlds.clock().now();
    // One look without a lock: mostly nothing waits.
    if notices::waiting(&store.reader()?)?.is_empty() {
        return Ok(());
    }
    let path = store.path().with_file_name("notify.lock");
    let holder = super::super::runs::holder("notify", now);
    let taken = Lock::take(&path, &holder).map_err(|source| StoreError::of_file(path, source))?;
    let _lock = match taken {
        Taken::Ours(lock) => lock,
        Taken::Busy { .. } => return Ok(()),
    };
    let mut waiting = notices::waiting(&store.reader()?)?;
    let now_ms = now.timestamp_millis();
    let ahead = not_ahead(&mut waiting, now_ms);
    let config = worlds.config();
    let (kept, gone) = sorted(config, waiting, now_ms);
    // Of a target that was taken out of the file nobody waits for one.
    let given_up = gone.iter();
    let given_up = given_up.filter(|notice| config.notify.contains_key(&notice.target));
    for notice in given_up {
        warn!(
            notify.target = notice.target,
            "a message to {} was given up after {} tries", notice.target, notice.tries
        );
    }
    let gone: Vec<i64> = gone.iter().map(|notice| notice.no).collect();
    store
        .write(move |db| {
            notices::made_now(db, &ahead, now_ms)?;
            notices::drop_them(db, &gone)?;
            notices::forget_sent(db, now_ms - DAY_MS, now_ms)
        })
        .await?;
    let mut sending = JoinSet::new();
    for (name, due) in kept {
        let Some(target) = config.notify.get(&name) else {
            continue;
        };
        let used = notices::sent_since(&store.reader()?, &name, now_ms - HOUR_MS)?;
        let room = u64::from(target.at_most).saturating_sub(used);
        let one = OneTarget {
            target: target.clone(),
            proxy: config.proxy.clone(),
            store: store.clone(),
            clock: worlds.clock().clone(),
            typed: worlds.typed().clone(),
        };
        let batches = batches(due, usize::try_from(room).unwrap_or(usize::MAX));
        sending.spawn(async move { one.all(batches).await });
    }
    while let Some(ended) = sending.join_next().await {
        match ended {
            Ok(ended) => ended?,
            Err(error) => warn!("a message could not be sent: {error}"),
        }
    }
    Ok(())
}

/// Lets messages of a clock that was ahead be made now; returns their numbers.
fn not_ahead(waiting: &mut [Notice], now_ms: i64) -> Vec<i64> {
    let ahead = waiting
        .iter_mut()
        .filter(|notice| is_ahead(notice.made_ms, now_ms));
    ahead
        .map(|notice| {
            notice.made_ms = now_ms;
            notice.no
        })
        .collect()
}

/// Sorts what waits into what is due, by target, and what is not sent any more.
fn sorted(
    config: &Config,
    waiting: Vec<Notice>,
    now_ms: i64,
) -> (BTreeMap<String, Vec<Notice>>, Vec<Notice>) {
    let mut due: BTreeMap<String, Vec<Notice>> = BTreeMap::new();
    let mut gone = Vec::new();
    for notice in waiting {
        let is_over = notice.tries >= TRIES || now_ms - notice.made_ms > DAY_MS;
        if is_over || !config.notify.contains_key(&notice.target) {
            gone.push(notice);
        } else if due_ms(notice.made_ms, notice.tries) <= now_ms {
            due.entry(notice.target.clone()).or_default().push(notice);
        }
    }
    (due, gone)
}

/// Returns when a message is tried next: at once, after a minute, and each time after twice as long, all in all for 17 hours.
fn due_ms(made_ms: i64, tries: i64) -> i64 {
    let tries = u32::try_from(tries).unwrap_or(0).min(20);
    made_ms + ((1_i64 << tries) - 1) * MINUTE_MS
}

/// Returns the number of tries at which the next one is at or after a moment: a pause that a target asks for is kept that way.
fn tries_until(notice: &Notice, until_ms: i64) -> i64 {
    let later = (notice.tries + 1)..TRIES;
    later
        .into_iter()
        .find(|tries| due_ms(notice.made_ms, *tries) >= until_ms)
        .unwrap_or(TRIES - 1)
        .max(notice.tries + 1)
}

/// Shares messages out over the room of the hour: one by one, and what is too much together, in the last one.
fn batches(due: Vec<Notice>, room: usize) -> Vec<Vec<Notice>> {
    if room == 0 {
        return Vec::new();
    }
    if due.len() <= room {
        return due.into_iter().map(|notice| vec![notice]).collect();
    }
    let mut due = due.into_iter();
    let mut batches: Vec<Vec<Notice>> = due
        .by_ref()
        .take(room - 1)
        .map(|notice| vec![notice])
        .collect();
    batches.push(due.collect());
    batches
}

/// What sending to one target takes.
struct OneTarget {
    target: NotifyTarget,
    proxy: Option<String>,
    store: Store,
    clock: Clock,
    typed: Typed,
}

impl OneTarget {
    /// Sends in order; after the first one that fails the others wait, so that a dead target costs its ten seconds once.
    async fn all(&self, batches: Vec<Vec<Notice>>) -> Result<(), StoreError> {
        let began = std::time::Instant::now();
        for batch in batches {
            if began.elapsed() >= BEGIN_WITHIN {
                break;
            }
            let Some(message) = self.message(&batch) else {
                continue;
            };
            let numbers: Vec<i64> = batch.iter().map(|notice| notice.no).collect();
            let sent = send(&self.target, &message, self.proxy.as_deref()).await;
            let now = self.clock.now();
            let now_ms = now.timestamp_millis();
            let name = &self.target.name;
            match sent {
                // A kill between the answer and this commit sends it once more, and nothing else does.
                Ok(()) => {
                    debug!(notify.target = name, "told {name}");
                    self.store
                        .write(move |db| notices::sent(db, &numbers, now_ms))
                        .await?;
                }
                Err(error) => {
                    let first = batch.first();
                    let pause = error.pause().unwrap_or_default();
                    let until_ms = now_ms + i64::try_from(pause.as_millis()).unwrap_or(0);
                    let tries = first.map_or(1, |first| tries_until(first, until_ms));
                    warn!(
                        notify.target = name,
                        "{name} could not be told: {error}; it is tried again later, `{}` tries it now",
                        self.typed.command(&format!("notify --test {name}"))
                    );
                    self.store
                        .write(move |db| notices::tried(db, &numbers, tries))
                        .await?;
                    break;
                }
            }
        }
        Ok(())
    }

    fn message(&self, batch: &[Notice]) -> Option<Message> {
        let mut messages: Vec<Message> = batch
            .iter()
            // What was written by a newer ghl-sync cannot be read, and is given up after a day.
            .filter_map(|notice| serde_json::from_str(&notice.body).ok())
            .collect();
        if batch.len() == 1 {
            return messages.pop();
        }
        let now: DateTime<Utc> = self.clock.now();
        Some(several(&messages, self.typed.command("status"), now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(no: i64, tries: i64) -> Notice {
        Notice {
            no,
            target: "team".to_owned(),
            made_ms: 0,
            tries,
            body: "{}".to_owned(),
        }
    }

    #[test]
    fn a_message_is_tried_for_most_of_a_day_and_ten_times() {
        let minutes: Vec<i64> = (0..TRIES)
            .map(|tries| due_ms(0, tries) / MINUTE_MS)
            .collect();
        assert_eq!(minutes, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511]);
        assert!(due_ms(0, TRIES - 1) < DAY_MS);
    }

    #[test]
    fn a_message_of_a_clock_that_was_ahead_is_one_of_now() {
        let now_ms = -DAY_MS;
        let mut waiting = vec![notice(1, 0), notice(2, 3)];
        waiting[1].made_ms = now_ms + MINUTE_MS;
        assert_eq!(not_ahead(&mut waiting, now_ms), [1]);
        let made: Vec<i64> = waiting.iter().map(|notice| notice.made_ms).collect();
        assert_eq!(made, [now_ms, now_ms + MINUTE_MS]);
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept() {
        assert_eq!(tries_until(&notice(1, 0), 0), 1);
        assert_eq!(tries_until(&notice(1, 0), 10 * MINUTE_MS), 4);
        assert_eq!(tries_until(&notice(1, 5), 10 * MINUTE_MS), 6);
        assert_eq!(tries_until(&notice(1, 9), HOUR_MS), 10);
        assert_eq!(tries_until(&notice(1, 0), DAY_MS), 9);
    }

    #[test]
    fn what_is_too_much_for_the_hour_goes_out_together_when_there_is_room() {
        let sizes = |count: i64, room: usize| -> Vec<usize> {
            let due = (0..count).map(|no| notice(no, 0)).collect();
            batches(due, room).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(3, 12), [1, 1, 1]);
        assert_eq!(sizes(5, 3), [1, 1, 3]);
        assert_eq!(sizes(5, 1), [5]);
        assert!(sizes(5, 0).is_empty());
    }
}
