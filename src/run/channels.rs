//! Which channels a job over streams watches: logins become user ids, which never change.

use std::collections::{BTreeMap, BTreeSet};

use crate::apis::twitch;
use crate::model::{Channel, RecordKey};
use crate::net::Purpose;
use crate::store::jobs;

use super::error::RunError;
use super::seat::CHANNEL_MS;
use super::world::World;

/// The channels of a job over streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Channels {
    /// Their user ids, in the order of the job file, none twice.
    pub ids: Vec<RecordKey>,
    /// What is worth a line in the report.
    pub remarks: Vec<String>,
}

/// Finds out which channels are meant. `viewer` is the user id of the token.
///
/// A login is looked up once a day, a hundred in one call. One that nobody has any more is watched on under the id that it had; one that somebody
/// else has now is theirs, and the job is held until a person looked at it, because its channels are others than those let through.
///
/// Errors: a login that nobody has and nobody had; and as every call.
pub(super) async fn channels(world: &World, viewer: &RecordKey) -> Result<Channels, RunError> {
    let one = [world.job.channel.clone()];
    let wanted: &[Channel] = match world.job.channels.as_slice() {
        [] => &one,
        several => several,
    };
    let mut found = Channels::default();
    let ids = ids(world, wanted, &mut found.remarks).await?;
    let mut seen = BTreeSet::new();
    for channel in wanted {
        let id = match channel {
            Channel::Own => viewer.clone(),
            Channel::Id(id) => RecordKey::try_from(id.clone())
                .map_err(|error| setup(world, format!("`channel_id`: {error}")))?,
            Channel::Login(login) => match ids.get(login) {
                Some(id) => id.clone(),
                None => continue,
            },
        };
        if seen.insert(id.clone()) {
            found.ids.push(id);
        }
    }
    Ok(found)
}

/// Returns the ids of all logins among the channels.
async fn ids(
    world: &World,
    wanted: &[Channel],
    remarks: &mut Vec<String>,
) -> Result<BTreeMap<String, RecordKey>, RunError> {
    let now_ms = world.now_ms();
    let mut ids = BTreeMap::new();
    // Logins whose id is old or not known, with the id that they had.
    let mut asked: BTreeMap<String, Option<RecordKey>> = BTreeMap::new();
    {
        let reader = world.store.reader()?;
        for channel in wanted {
            let Channel::Login(login) = channel else {
                continue;
            };
            let kept = jobs::kept_at(&reader, &kept_name(login), i64::MIN)?;
            let kept = kept.and_then(|(id, at_ms)| Some((RecordKey::try_from(id).ok()?, at_ms)));
            match kept {
                Some((id, at_ms)) if (now_ms - CHANNEL_MS..=now_ms).contains(&at_ms) => {
                    ids.insert(login.clone(), id);
                }
                old => {
                    asked.insert(login.clone(), old.map(|(id, _)| id));
                }
            }
        }
    }
    let logins: Vec<String> = asked.keys().cloned().collect();
    let mut nobody = Vec::new();
    for chunk in logins.chunks(twitch::PAGE_LIMIT) {
        let call = twitch::users_by_login(chunk);
        let answer = world
            .spoke_line
            .send(&call, Purpose::Announced)
            .await
            .map_err(|error| RunError::of_call(&world.job.name, &world.spoke.name, error))?;
        let users: BTreeMap<String, RecordKey> = answer
            .value
            .into_iter()
            .filter_map(|user| Some((user.login?.to_lowercase(), user.id)))
            .collect();
        let mut keep = Vec::new();
        for login in chunk {
            let old = asked.get(login).and_then(Option::as_ref);
            let id = match (users.get(login), old) {
                (Some(id), _) => id.clone(),
                (None, Some(old)) => {
                    remarks.push(format!(
                        "Twitch knows no channel `{login}` any more: it is renamed, suspended or deleted; it is watched on under its id {old}, so put \
                         its new login into `channels` if it is renamed"
                    ));
                    old.clone()
                }
                (None, None) => {
                    nobody.push(format!("`{login}`"));
                    continue;
                }
            };
            keep.push((kept_name(login), id.as_str().to_owned()));
            ids.insert(login.clone(), id);
        }
        world
            .store
            .write(move |db| {
                for (name, id) in &keep {
                    jobs::keep(db, name, id, now_ms)?;
                }
                Ok(())
            })
            .await?;
    }
    match nobody.as_slice() {
        [] => Ok(ids),
        [one] => Err(setup(
            world,
            format!("there is no Twitch channel {one}; check `channels` and `channel`"),
        )),
        several => Err(setup(
            world,
            format!(
                "there are no Twitch channels {}; check `channels` and `channel`",
                several.join(", ")
            ),
        )),
    }
}

fn kept_name(login: &str) -> String {
    format!("twitch.login:{login}")
}

fn setup(world: &World, what: String) -> RunError {
    RunError::Setup {
        job: world.job.name.clone(),
        account: Some(world.spoke.name.clone()),
        what,
    }
}
