//! The followers of a channel at the two ends of a broadcast.

use std::collections::BTreeSet;

use chrono::DateTime;

use crate::apis::twitch::{self, Followers};
use crate::model::{Record, RecordKey};
use crate::net::{CallError, Purpose};
use crate::plan::broadcast::Broadcast;

use super::super::error::RunError;
use super::super::world::World;

/// Pages of the newest followers that are read to count those of one broadcast: two thousand people.
const PAGES: u32 = 20;

/// How many follow a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Audience {
    /// Now; `None`: Twitch did not say.
    pub followers: Option<i64>,
    /// How many came during the broadcast; `None`: nobody knows.
    pub new: Option<i64>,
}

/// Asks how many follow a channel whose broadcast begins; one call.
///
/// Errors: the state. A vendor that does not say costs the number alone, and is a remark.
pub(super) async fn at_begin(
    world: &World,
    channel: &RecordKey,
    remarks: &mut Vec<String>,
) -> Result<Audience, RunError> {
    let call = twitch::follower_total(channel);
    let followers = match world.spoke_line.send(&call, Purpose::Announced).await {
        Ok(answer) => answer.value.map(whole),
        Err(error) => {
            missed(error, remarks)?;
            None
        }
    };
    Ok(Audience {
        followers,
        new: None,
    })
}

/// Counts the followers of a channel whose broadcast has ended, and those of them who came while it went on.
///
/// The first page of followers has both. Who may not see them gets the total alone, and the difference of two totals has to do: it lacks those
/// who came while others left.
///
/// Errors: as [`at_begin`].
pub(super) async fn at_end(
    world: &World,
    channel: &RecordKey,
    broadcast: &Broadcast,
    remarks: &mut Vec<String>,
) -> Result<Audience, RunError> {
    let mut followers = None;
    let mut came = BTreeSet::new();
    let mut counted = Counted::Partly;
    let mut after: Option<String> = None;
    for _ in 0..PAGES {
        let call = twitch::followers(channel, after.as_deref());
        let page = match world.spoke_line.send(&call, Purpose::Announced).await {
            Ok(answer) => match answer.value {
                Followers::Page(page) => page,
                Followers::NotEntitled { total } => {
                    followers = Some(whole(total));
                    counted = Counted::Not;
                    break;
                }
            },
            Err(CallError::NoPermission { .. } | CallError::Scope { .. }) if after.is_none() => {
                followers = at_begin(world, channel, remarks).await?.followers;
                counted = Counted::Not;
                break;
            }
            Err(error) => {
                missed(error, remarks)?;
                break;
            }
        };
        if after.is_none() {
            followers = page.total.map(whole);
        }
        let reached = take(&page.records, broadcast, &mut came);
        if reached || page.next.is_none() || page.next == after {
            counted = Counted::All;
            break;
        }
        after = page.next;
    }
    let came = i64::try_from(came.len()).unwrap_or(i64::MAX);
    let grown = followers
        .zip(broadcast.followers_before)
        .map(|(now, before)| now - before)
        .filter(|grown| *grown >= 0);
    let new = match counted {
        Counted::All => Some(came),
        Counted::Partly => grown
            .map(|grown| grown.max(came))
            .or((came > 0).then_some(came)),
        Counted::Not => grown,
    };
    Ok(Audience { followers, new })
}

/// How far the followers of a broadcast were counted.
enum Counted {
    /// All of them.
    All,
    /// The newest of them.
    Partly,
    /// The login may not see them.
    Not,
}

/// Counts those of a page who came during the broadcast; returns whether somebody on it came before.
fn take(records: &[Record], broadcast: &Broadcast, came: &mut BTreeSet<RecordKey>) -> bool {
    let mut reached = false;
    for record in records {
        let followed_at = record.attributes.get("followed_at");
        let Some(at) = followed_at.and_then(|text| DateTime::parse_from_rfc3339(text).ok()) else {
            continue;
        };
        let at_ms = at.timestamp_millis();
        // By the second, as Twitch gives both.
        if at_ms < broadcast.started_ms {
            reached = true;
        } else if at_ms <= broadcast.until_ms() {
            came.insert(record.key.clone());
        }
    }
    reached
}

/// Says that a number is missing; only a state that fails ends the run.
fn missed(error: CallError, remarks: &mut Vec<String>) -> Result<(), RunError> {
    match error {
        CallError::State(error) => Err(error.into()),
        error => {
            remarks.push(format!(
                "the followers of a channel could not be counted: {error}"
            ));
            Ok(())
        }
    }
}

fn whole(total: u64) -> i64 {
    i64::try_from(total).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn follower(key: &str, at: &str) -> Record {
        Record {
            key: RecordKey::try_from(key).unwrap(),
            attributes: BTreeMap::from([("followed_at".to_owned(), at.to_owned())]),
        }
    }

    #[test]
    fn only_those_who_came_during_the_broadcast_count_and_each_once() {
        let ms = |text: &str| {
            DateTime::parse_from_rfc3339(text)
                .unwrap()
                .timestamp_millis()
        };
        let broadcast = Broadcast {
            started_ms: ms("2026-05-01T20:00:00Z"),
            seen_ms: ms("2026-05-01T22:00:00Z"),
            absent_ms: Some(ms("2026-05-01T22:02:00Z")),
            ..Broadcast::default()
        };
        let mut came = BTreeSet::new();
        let page = [
            follower("late", "2026-05-01T22:03:00Z"),
            follower("last", "2026-05-01T22:02:00Z"),
            follower("odd", "yesterday"),
            follower("first", "2026-05-01T20:00:00Z"),
        ];
        assert!(!take(&page, &broadcast, &mut came));
        assert_eq!(came.len(), 2);
        let next = [
            follower("first", "2026-05-01T20:00:00Z"),
            follower("before", "2026-05-01T19:59:59Z"),
        ];
        assert!(take(&next, &broadcast, &mut came));
        assert_eq!(came.len(), 2);
    }
}
