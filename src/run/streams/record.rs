//! The records of channels, from streams and broadcasts.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};

use crate::apis::twitch::Stream;
use crate::model::{Record, RecordKey};
use crate::plan::broadcast::Broadcast;

/// Makes the record of a channel while it is live; viewers are not part of it, because they change with every poll.
///
/// A blank is "unknown": the login and the name are kept from what is stored, the rest as long as it is the same broadcast.
pub(super) fn live_record(
    stream: &Stream,
    broadcast: &Broadcast,
    stored: Option<&Record>,
) -> Record {
    let same = |record: &&Record| record.attributes.get("stream_id") == Some(&broadcast.stream_id);
    let of = |stored: Option<&Record>, name: &str| stored?.attributes.get(name).cloned();
    let of_channel = |name| of(stored, name);
    let of_broadcast = |name| of(stored.filter(same), name);
    let followers = broadcast.followers_before.map(|count| count.to_string());
    let told = [
        ("channel_id", Some(stream.channel.as_str().to_owned())),
        (
            "channel_login",
            stream.login.clone().or_else(|| of_channel("channel_login")),
        ),
        (
            "channel_name",
            stream.name.clone().or_else(|| of_channel("channel_name")),
        ),
        ("stream_id", Some(broadcast.stream_id.clone())),
        (
            "title",
            stream.title.clone().or_else(|| of_broadcast("title")),
        ),
        ("game", stream.game.clone().or_else(|| of_broadcast("game"))),
        (
            "language",
            stream.language.clone().or_else(|| of_broadcast("language")),
        ),
        ("started_at", moment(broadcast.started_ms)),
        // A number of the end is newer than that of the beginning, should the broadcast go on.
        ("followers", of_broadcast("followers").or(followers)),
    ];
    record(stream.channel.clone(), BTreeMap::new(), told)
}

/// Makes the record of a channel whose broadcast has ended, from what it showed while that was live.
pub(super) fn ended_record(stored: &Record, ended: Option<&Broadcast>) -> Record {
    let Some(ended) = ended else {
        return stored.clone();
    };
    let number = |count: i64| Some(count.to_string());
    let followers = ended.followers_after.or(ended.followers_before);
    let told = [
        ("ended_at", moment(ended.seen_ms)),
        ("minutes", number(ended.minutes())),
        ("viewers_peak", number(ended.viewers_peak)),
        ("viewers_average", number(ended.viewers_average())),
        ("new_followers", ended.new_followers.and_then(number)),
        ("followers", followers.and_then(number)),
    ];
    record(stored.key.clone(), stored.attributes.clone(), told)
}

fn record<const N: usize>(
    key: RecordKey,
    mut attributes: BTreeMap<String, String>,
    told: [(&str, Option<String>); N],
) -> Record {
    for (name, value) in told {
        if let Some(value) = value {
            attributes.insert(name.to_owned(), value);
        }
    }
    Record { key, attributes }
}

fn moment(ms: i64) -> Option<String> {
    let moment = DateTime::from_timestamp_millis(ms)?;
    Some(moment.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RecordKey {
        RecordKey::try_from(text).unwrap()
    }

    fn stream() -> Stream {
        Stream {
            id: id("8"),
            channel: id("5"),
            login: Some("five".to_owned()),
            name: Some("Five".to_owned()),
            game_id: None,
            game: Some("Chess".to_owned()),
            title: Some("Night".to_owned()),
            language: Some("en".to_owned()),
            started_at: None,
            viewers: 7,
        }
    }

    fn broadcast() -> Broadcast {
        Broadcast {
            stream_id: "7".to_owned(),
            ids: vec!["7".to_owned(), "8".to_owned()],
            seen_ms: 3_600_000,
            polls: 2,
            viewers_sum: 9,
            viewers_peak: 7,
            followers_before: Some(100),
            ..Broadcast::default()
        }
    }

    #[test]
    fn a_live_record_names_the_broadcast_and_no_viewers() {
        let record = live_record(&stream(), &broadcast(), None);
        assert_eq!(
            record.attributes_json(),
            r#"{"channel_id":"5","channel_login":"five","channel_name":"Five","followers":"100","game":"Chess","language":"en","started_at":"1970-01-01T00:00:00Z","stream_id":"7","title":"Night"}"#
        );
    }

    #[test]
    fn a_blank_is_kept_from_the_same_broadcast_and_from_no_other() {
        let blank = Stream {
            login: None,
            name: None,
            game: None,
            title: None,
            language: None,
            ..stream()
        };
        let stored = live_record(&stream(), &broadcast(), None);
        let same = live_record(&blank, &broadcast(), Some(&stored));
        assert_eq!(same, stored);
        let next = Broadcast {
            stream_id: "9".to_owned(),
            followers_before: None,
            ..broadcast()
        };
        let other = live_record(&blank, &next, Some(&stored));
        assert_eq!(
            other.attributes_json(),
            r#"{"channel_id":"5","channel_login":"five","channel_name":"Five","started_at":"1970-01-01T00:00:00Z","stream_id":"9"}"#
        );
    }

    #[test]
    fn an_end_adds_its_numbers_and_a_resumption_takes_them_away() {
        let stored = live_record(&stream(), &broadcast(), None);
        let over = Broadcast {
            ended_ms: Some(3_600_000),
            followers_after: Some(104),
            new_followers: Some(0),
            ..broadcast()
        };
        let ended = ended_record(&stored, Some(&over));
        let of = |name: &str| ended.attributes.get(name).map(String::as_str);
        assert_eq!(of("ended_at"), Some("1970-01-01T01:00:00Z"));
        assert_eq!((of("minutes"), of("viewers_peak")), (Some("60"), Some("7")));
        assert_eq!(
            (of("viewers_average"), of("new_followers")),
            (Some("5"), Some("0"))
        );
        assert_eq!((of("followers"), of("title")), (Some("104"), Some("Night")));
        let again = live_record(&stream(), &broadcast(), Some(&ended));
        assert_eq!(
            again.attributes.get("followers").map(String::as_str),
            Some("104")
        );
        assert!(!again.attributes.contains_key("minutes"));
        assert_eq!(ended_record(&stored, None), stored);
    }
}
