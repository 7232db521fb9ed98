//! Which channels are live.
//!
//! Source: Twitch API Reference, "Get Streams". Channels that are not live are left out; a page may list a stream twice, and `game_id` is
//! empty for a channel without a category. No scope is needed.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::PAGE_LIMIT;
use super::wire::{Reply, key, known, moment, rows};
use crate::apis::Odd;
use crate::apis::loose::Loose;
use crate::model::RecordKey;
use crate::net::{Call, Method, Unreadable};

/// A stream that is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its id; each broadcast has a new one.
    pub id: RecordKey,
    /// The user id of the channel.
    pub channel: RecordKey,
    /// The channel's present login; `None` when blank.
    pub login: Option<String>,
    /// The channel's present display name; `None` when blank.
    pub name: Option<String>,
    /// The id of the game or category; `None` without one.
    pub game_id: Option<String>,
    /// The name of the game or category; `None` without one.
    pub game: Option<String>,
    /// The title; `None` when blank.
    pub title: Option<String>,
    /// The language, such as `en`; `None` when blank.
    pub language: Option<String>,
    /// When it began; `None` when the time cannot be read.
    pub started_at: Option<DateTime<Utc>>,
    /// How many watch at this moment.
    pub viewers: u64,
}

/// What an answer says of the channels that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// The live ones, in the vendor's order, each channel once.
    pub live: Vec<Stream>,
    /// Rows that name no channel, no stream, or another type than `live` (which the vendor uses for its own errors). While there is one, an
    /// absence from `live` proves nothing.
    pub odd: Odd,
}

/// Looks up which of these channels are live, at most 100.
///
/// An answer that names any other channel is unreadable, because then an absence proves nothing.
pub fn streams(channels: &[RecordKey]) -> Call<Streams> {
    let asked: BTreeSet<RecordKey> = channels.iter().cloned().collect();
    let call = Call::new(Method::Get, "GET /streams", "/streams", move |bytes| {
        read(bytes, &asked)
    })
    // No cursor is followed: a hundred channels fit on one page, and one comes even with a single channel.
    .with("first", PAGE_LIMIT.to_string());
    channels
        .iter()
        .fold(call, |call, id| call.with("user_id", id.as_str()))
}

fn read(bytes: &[u8], asked: &BTreeSet<RecordKey>) -> Result<Streams, Unreadable> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Row<'a> {
        #[serde(borrow)]
        id: Loose<'a>,
        user_id: Loose<'a>,
        user_login: Loose<'a>,
        user_name: Loose<'a>,
        game_id: Loose<'a>,
        game_name: Loose<'a>,
        r#type: Loose<'a>,
        title: Loose<'a>,
        viewer_count: Loose<'a>,
        started_at: Loose<'a>,
        language: Loose<'a>,
    }
    let Reply { data, .. } = crate::net::json(bytes)?;
    let mut streams = Streams::default();
    let mut seen = BTreeSet::new();
    for value in &rows(data)? {
        let Ok(row) = Row::deserialize(value) else {
            streams.odd.add("it has an unexpected shape");
            continue;
        };
        let Some(channel) = key(&row.user_id) else {
            streams.odd.add("it has no user_id");
            continue;
        };
        if !asked.contains(&channel) {
            return Err(Unreadable::Shape(
                "the reply is about other channels than asked for".to_owned(),
            ));
        }
        if row.r#type.text() != Some("live") {
            streams.odd.add("its type is not `live`");
            continue;
        }
        let Some(id) = key(&row.id) else {
            streams.odd.add("it has no id");
            continue;
        };
        if !seen.insert(channel.clone()) {
            continue;
        }
        streams.live.push(Stream {
            id,
            channel,
            login: known(&row.user_login),
            name: known(&row.user_name),
            game_id: known(&row.game_id),
            game: known(&row.game_name),
            title: known(&row.title),
            language: known(&row.language),
            started_at: row.started_at.text().and_then(moment),
            viewers: row
                .viewer_count
                .text()
                .and_then(|count| count.parse().ok())
                .unwrap_or(0),
        });
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;

    #[test]
    fn a_live_stream_as_documented() {
        let call = streams(&[id("459331509"), id("1")]);
        assert_eq!((call.path.as_str(), call.is_read()), ("/streams", true));
        assert_eq!(
            call.query,
            [
                ("first", "100".to_owned()),
                ("user_id", "459331509".to_owned()),
                ("user_id", "1".to_owned())
            ]
        );
        let seen = call
            .read(
                r#"{"data":[{"id":"123456789","user_id":"459331509","user_login":"auronplay","user_name":"auronplay",
                "game_id":"494131","game_name":"Little Nightmares","type":"live","title":"hablamos y le damos a Little Nightmares 1",
                "tags":["Español"],"viewer_count":78365,"started_at":"2021-03-10T15:04:21Z","language":"es",
                "thumbnail_url":"https://example.invalid/live-{width}x{height}.jpg","tag_ids":[],"is_mature":false}],
                "pagination":{"cursor":"eyJiIjp7IkN1cnNvciI6ImV5SnpJam8zT0RNMk5TNDBORFF4"}}"#
                    .as_bytes(),
            )
            .unwrap();
        assert_eq!(seen.odd.rows, 0);
        assert_eq!(
            seen.live,
            [Stream {
                id: id("123456789"),
                channel: id("459331509"),
                login: Some("auronplay".to_owned()),
                name: Some("auronplay".to_owned()),
                game_id: Some("494131".to_owned()),
                game: Some("Little Nightmares".to_owned()),
                title: Some("hablamos y le damos a Little Nightmares 1".to_owned()),
                language: Some("es".to_owned()),
                started_at: moment("2021-03-10T15:04:21Z"),
                viewers: 78_365,
            }]
        );
    }

    #[test]
    fn a_stream_without_a_category_is_live_all_the_same() {
        let seen = streams(&[id("1")])
            .read(
                br#"{"data":[{"id":"9","user_id":"1","game_id":"","game_name":"","type":"live","title":"","viewer_count":null}]}"#,
            )
            .unwrap();
        let stream = &seen.live[0];
        assert_eq!(
            (&stream.game_id, &stream.game, &stream.title),
            (&None, &None, &None)
        );
        assert_eq!((stream.viewers, stream.started_at), (0, None));
    }

    #[test]
    fn a_channel_that_is_listed_twice_is_live_once() {
        let row = r#"{"id":"9","user_id":"1","type":"live"}"#;
        let json = format!(r#"{{"data":[{row},{row}]}}"#);
        let seen = streams(&[id("1")]).read(json.as_bytes()).unwrap();
        assert_eq!((seen.live.len(), seen.odd.rows), (1, 0));
        let nobody = streams(&[id("1")]).read(br#"{"data":null}"#).unwrap();
        assert_eq!(nobody, Streams::default());
    }

    #[test]
    fn rows_that_prove_nothing_are_counted() {
        let seen = streams(&[id("1"), id("2")])
            .read(
                br#"{"data":[{"id":"9","user_id":"1","type":""},{"user_id":"2","type":"live"},{"id":"8","user_id":"","type":"live"},7]}"#,
            )
            .unwrap();
        assert_eq!((seen.live.len(), seen.odd.rows), (0, 4));
        let other = br#"{"data":[{"id":"9","user_id":"3","type":"live"}]}"#;
        assert!(streams(&[id("1")]).read(other).is_err());
    }
}
