//! Whose token it is, and which channel is meant.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::apis::twitch;
use crate::model::{Channel, RecordKey};
use crate::net::{CallError, Purpose};
use crate::store::jobs::{self};

use super::channels::{Channels, channels};
use super::error::RunError;
use super::world::World;

/// How long a token validation is kept. Source: "every hour" (Twitch, Validating Tokens).
const VALIDATION_MS: i64 = 60 * 60 * 1000;
/// How long the user id of a login is kept.
pub(super) const CHANNEL_MS: i64 = 24 * 60 * 60 * 1000;

/// Which channel, seen by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// The user id of the channel.
    pub broadcaster: RecordKey,
    /// The user id of the token.
    pub viewer: RecordKey,
    /// The channels of a job over streams, `broadcaster` first; none for all other sources.
    pub channels: Channels,
}

impl Seat {
    /// Returns whose listing it is, by the source's own ids.
    pub(super) fn whose(&self) -> String {
        let ids: Vec<&str> = self.channels.ids.iter().map(RecordKey::as_str).collect();
        match ids.as_slice() {
            [] => self.broadcaster.to_string(),
            ids => ids.join(","),
        }
    }
}

/// What is kept of a token validation.
#[derive(Debug, Serialize, Deserialize)]
struct Validation {
    /// The fingerprint of the token: another one in its place is validated at once.
    token: String,
    client_id: String,
    user_id: Option<RecordKey>,
    scopes: Vec<String>,
}

/// Finds out whose token it is and which channel is meant; validated once an hour, as Twitch asks.
pub(super) async fn seat(world: &World) -> Result<Seat, RunError> {
    let setup = |what: String| setup(world, what);
    let now_ms = world.now_ms();
    let validation = validation(world).await?;
    let Some(viewer) = validation.user_id else {
        return Err(setup(format!(
            "the token is an app token, which cannot list {}; use a user token",
            world.job.source.plural()
        )));
    };
    if world.job.source.is_of_channels() {
        let channels = channels(world, &viewer).await?;
        return Ok(Seat {
            broadcaster: channels.ids.first().unwrap_or(&viewer).clone(),
            viewer,
            channels,
        });
    }
    let mut channels = Channels::default();
    let broadcaster = match &world.job.channel {
        Channel::Own => viewer.clone(),
        Channel::Id(id) => RecordKey::try_from(id.clone())
            .map_err(|error| setup(format!("`channel_id`: {error}")))?,
        Channel::Login(login) => channel_id(world, login, now_ms, &mut channels.remarks)
            .await?
            .ok_or_else(|| {
                let place = match world.job.channel == world.spoke.channel {
                    true => "`channel` in ghl-sync.toml",
                    false => "`channels` in the job's file",
                };
                setup(format!(
                    "there is no Twitch channel `{login}`; check {place}"
                ))
            })?,
    };
    if world.job.source.is_broadcasters_own() && viewer != broadcaster {
        return Err(setup(not_the_broadcaster(world)));
    }
    Ok(Seat {
        broadcaster,
        viewer,
        channels,
    })
}

/// Says whose login is needed for a listing that Twitch shows to the broadcaster alone.
fn not_the_broadcaster(world: &World) -> String {
    let whose = match &world.job.channel {
        Channel::Own => "the broadcaster".to_owned(),
        Channel::Login(login) => format!("the broadcaster `{login}`"),
        Channel::Id(id) => format!("the broadcaster with the id {id}"),
    };
    let how = match world.spoke_line.token_kind().command() {
        None => format!("use a token of {whose}"),
        Some(command) => format!("log in as {whose} with `{command}`"),
    };
    format!(
        "only the broadcaster's own login may list {}, and this one is another user's; {how}",
        world.job.source.plural()
    )
}

/// Validates the token again when an hour has passed in a long run. Source: Twitch, Validating Tokens, which wants it at start and hourly.
///
/// Errors: as [`seat`]: the token has ended, and it could not be renewed.
pub(super) async fn stay(world: &World) -> Result<(), RunError> {
    let last_ms = world.validated_ms.load(Ordering::Relaxed);
    // Also after a clock that ran ahead was set back.
    if (0..VALIDATION_MS).contains(&(world.now_ms() - last_ms)) {
        return Ok(());
    }
    validation(world).await.map(drop)
}

/// Does what [`stay`] does while HighLevel alone is spoken to: a token that has ended is said, once an hour, and the run goes on.
pub(super) async fn stay_if_possible(world: &World) {
    if let Err(error) = stay(world).await {
        world.validated_ms.store(world.now_ms(), Ordering::Relaxed);
        warn!(job.name = %world.job.name, "{error}; this run goes on with HighLevel, the next one cannot");
    }
}

/// Returns what is known of the token, from Twitch or, for an hour, from what Twitch said before.
async fn validation(world: &World) -> Result<Validation, RunError> {
    let wrong = |error| RunError::of_call(&world.job.name, &world.spoke.name, error);
    let setup = |what: String| setup(world, what);
    let login = |error| wrong(CallError::Login(error));
    let now_ms = world.now_ms();
    let name = format!("twitch.validation:{}", world.spoke.name);
    let since = now_ms - VALIDATION_MS;
    let reader = world.store.reader()?;
    let kept = jobs::kept_at(&reader, &name, since)?.filter(|(_, at_ms)| *at_ms <= now_ms);
    drop(reader);
    let token = world.spoke_line.token_fingerprint().await.map_err(login)?;
    let kept = kept
        .and_then(|(text, at_ms)| Some((serde_json::from_str::<Validation>(&text).ok()?, at_ms)))
        .filter(|(kept, _)| kept.token == token);
    let fresh = kept.is_none();
    let (validation, at_ms) = match kept {
        Some(kept) => kept,
        None => {
            let answer = world
                .auth_line
                .send(&twitch::validate(), Purpose::Announced)
                .await
                .map_err(wrong)?;
            let twitch::Token {
                client_id,
                user_id,
                scopes,
                ..
            } = answer.value;
            let validation = Validation {
                // A dead one was renewed on the way.
                token: world.auth_line.token_fingerprint().await.map_err(login)?,
                client_id,
                user_id,
                scopes,
            };
            (validation, now_ms)
        }
    };
    if validation.client_id != world.spoke.client_id {
        return Err(setup(format!(
            "the token belongs to client id {}, but `client_id` says {}; use the two that belong together",
            validation.client_id, world.spoke.client_id
        )));
    }
    let wanted = world.job.source.scopes();
    let is_granted = |scope: &&str| validation.scopes.iter().any(|granted| granted == scope);
    if let Some(scope) = wanted.first()
        && !wanted.iter().any(is_granted)
    {
        let kind = world.spoke_line.token_kind();
        let how = match kind.command() {
            None => format!(
                "make a new token with it, or take `token` out of ghl-sync.toml and run `ghl-sync auth twitch --account {}`",
                world.spoke.name
            ),
            Some(command) => format!("run `{command}`"),
        };
        return Err(setup(format!("the token lacks the scope {scope}; {how}")));
    }
    // Kept for all jobs of the account, each of which looks for its own scope, and only when it is good: a person who mends the token should
    // not have to wait an hour.
    if fresh {
        let text = serde_json::to_string(&validation).expect("a validation is always JSON");
        world
            .store
            .write(move |db| jobs::keep(db, &name, &text, now_ms))
            .await?;
    }
    world.validated_ms.store(at_ms, Ordering::Relaxed);
    Ok(validation)
}

fn setup(world: &World, what: String) -> RunError {
    RunError::Setup {
        job: world.job.name.clone(),
        account: Some(world.spoke.name.clone()),
        what,
    }
}

async fn channel_id(
    world: &World,
    login: &str,
    now_ms: i64,
    remarks: &mut Vec<String>,
) -> Result<Option<RecordKey>, RunError> {
    let name = format!("twitch.login:{login}");
    let since = now_ms - CHANNEL_MS;
    let kept = {
        let name = name.clone();
        world
            .store
            .write(move |db| jobs::kept_at(db, &name, since))
            .await?
    };
    let kept = kept.filter(|(_, at_ms)| *at_ms <= now_ms).map(|(id, _)| id);
    if let Some(id) = kept.and_then(|id| RecordKey::try_from(id).ok()) {
        return Ok(Some(id));
    }
    let answer = world
        .spoke_line
        .send(
            &twitch::users_by_login(&[login.to_owned()]),
            Purpose::Announced,
        )
        .await
        .map_err(|error| RunError::of_call(&world.job.name, &world.spoke.name, error))?;
    let Some(user) = answer.value.into_iter().next() else {
        return renamed(world, login, name, remarks).await;
    };
    let id = user.id.clone();
    world
        .store
        .write(move |db| jobs::keep(db, &name, id.as_str(), now_ms))
        .await?;
    Ok(Some(user.id))
}

/// Returns the id of a channel whose login nobody has any more: a renamed one is still the one that was meant. Of one that is suspended or deleted
/// nothing is read, because an empty list of its followers would say nothing of them; that is `None`.
async fn renamed(
    world: &World,
    login: &str,
    kept_name: String,
    remarks: &mut Vec<String>,
) -> Result<Option<RecordKey>, RunError> {
    let known = world
        .store
        .write(move |db| jobs::kept_at(db, &kept_name, 0))
        .await?;
    let Some(id) = known.and_then(|(id, _)| RecordKey::try_from(id).ok()) else {
        return Ok(None);
    };
    let answer = world
        .spoke_line
        .send(
            &twitch::users(std::slice::from_ref(&id)),
            Purpose::Confirmation,
        )
        .await
        .map_err(|error| RunError::of_call(&world.job.name, &world.spoke.name, error))?;
    let Some(user) = answer.value.into_iter().next() else {
        return Ok(None);
    };
    let now = user.login.unwrap_or_else(|| id.to_string());
    remarks.push(format!(
        "warning: the channel `{login}` is called `{}` now and is read on under its id; put the new login into ghl-sync.toml or the job's file",
        now.escape_debug()
    ));
    Ok(Some(id))
}

/// Tells a missing permission from an empty channel: with `user_id` the same account answers 401.
pub(super) async fn trap(world: &World, seat: &Seat) -> RunError {
    let probe = twitch::follows(&seat.broadcaster, &seat.viewer);
    match world.spoke_line.send(&probe, Purpose::Confirmation).await {
        Err(error) => RunError::of_call(&world.job.name, &world.spoke.name, error),
        Ok(_) => RunError::OutOfTouch {
            account: world.spoke.name.clone(),
            why: "Twitch counts followers but lists none, though the token may see them".to_owned(),
        },
    }
}
