use super::*;
use crate::store::open::bring_up;

const MINUTE: i64 = 60_000;
/// 2026-05-01T00:00:00Z.
const START: i64 = 1_777_593_600_000;

/// A state with two jobs: 1 watches streams, 2 lists the followers of channel 5.
fn state() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    bring_up(&mut db, std::path::Path::new("state.db")).unwrap();
    db.execute_batch(
        "INSERT INTO job (no, name, channel) VALUES (1, 'streams', '5'), (2, 'followers', '5'), (3, 'others', '6');
         INSERT INTO walk (no, job_no, pass, reader, began_ms, page_ms) VALUES (1, 1, 'full', 'streams', 0, 0);",
    )
    .unwrap();
    db
}

fn channel() -> RecordKey {
    RecordKey::try_from("5").unwrap()
}

fn sighting(stream_id: &str, after: i64, viewers: i64) -> Sighting {
    Sighting {
        stream_id: stream_id.to_owned(),
        title: Some(format!("title {after}")),
        game: Some("Chess".to_owned()),
        started_ms: START,
        seen_ms: START + after * MINUTE,
        viewers,
    }
}

fn broadcast(db: &Connection) -> Broadcast {
    newest(db, 1, &channel()).unwrap().unwrap()
}

#[test]
fn a_broadcast_is_sampled_ended_and_taken_up_again() {
    let db = state();
    assert_eq!(newest(&db, 1, &channel()).unwrap(), None);
    begin(&db, 1, &channel(), &sighting("7", 1, 10), Some(100)).unwrap();
    sample(&db, &broadcast(&db), &sighting("7", 3, 30)).unwrap();
    absent(&db, broadcast(&db).no, START + 5 * MINUTE).unwrap();
    assert_eq!(broadcast(&db).absent_ms, Some(START + 5 * MINUTE));
    assert_eq!(settled_at(&db, 1, &channel()).unwrap(), None);
    end(&db, broadcast(&db).no, Some(120), Some(25)).unwrap();
    let ended = broadcast(&db);
    assert_eq!(ended.ended_ms, Some(START + 3 * MINUTE));
    assert_eq!(
        (ended.polls, ended.viewers_sum, ended.viewers_peak),
        (2, 40, 30)
    );
    assert_eq!(
        (
            ended.followers_before,
            ended.followers_after,
            ended.new_followers
        ),
        (Some(100), Some(120), Some(25))
    );
    assert_eq!(
        settled_at(&db, 1, &channel()).unwrap(),
        Some(START + 13 * MINUTE)
    );
    let blank = Sighting {
        title: None,
        game: None,
        ..sighting("8", 9, 20)
    };
    sample(&db, &ended, &blank).unwrap();
    let again = broadcast(&db);
    assert_eq!(again.ids, ["7", "8"]);
    assert_eq!((again.stream_id.as_str(), again.ended_ms), ("7", None));
    assert_eq!((again.absent_ms, again.new_followers), (None, None));
    assert_eq!(again.title.as_deref(), Some("title 3"));
    assert_eq!(again.seen_ms, START + 9 * MINUTE);
    assert_eq!(settled_at(&db, 1, &channel()).unwrap(), None);
    // The next one; the same one twice is once.
    for _ in 0..2 {
        begin(&db, 1, &channel(), &sighting("9", 40, 1), None).unwrap();
    }
    assert_eq!(broadcast(&db).stream_id, "9");
    assert_eq!(
        named(&db, 1, &channel(), "7").unwrap().map(|old| old.no),
        Some(again.no)
    );
    assert_eq!(newest(&db, 2, &channel()).unwrap(), None);
}

#[test]
fn a_moment_belongs_to_the_broadcast_that_was_live() {
    let db = state();
    let at = |minutes: i64| {
        of_moment(&db, "5", START + minutes * MINUTE)
            .unwrap()
            .map(|broadcast| broadcast.stream_id)
    };
    assert_eq!(at(0), None);
    begin(&db, 1, &channel(), &sighting("7", 1, 1), None).unwrap();
    sample(&db, &broadcast(&db), &sighting("7", 60, 1)).unwrap();
    assert_eq!((at(-1), at(0).as_deref()), (None, Some("7")));
    // Live until a poll says that it is not, but not for ever.
    assert_eq!((at(70).as_deref(), at(71)), (Some("7"), None));
    absent(&db, broadcast(&db).no, START + 62 * MINUTE).unwrap();
    assert_eq!((at(62).as_deref(), at(63)), (Some("7"), None));
    end(&db, broadcast(&db).no, None, None).unwrap();
    assert_eq!((at(62).as_deref(), at(63)), (Some("7"), None));
    let next = Sighting {
        started_ms: START + 80 * MINUTE,
        ..sighting("9", 81, 1)
    };
    begin(&db, 1, &channel(), &next, None).unwrap();
    assert_eq!(
        (at(30).as_deref(), at(85).as_deref()),
        (Some("7"), Some("9"))
    );
    assert_eq!(of_moment(&db, "6", START).unwrap(), None);
}

fn follower(db: &Connection, job_no: i64, key: &str, attributes: &str, state: &str) {
    let tick = next_tick(db).unwrap();
    db.execute(
        "INSERT INTO roster (job_no, key, attributes, state, walk_no, tick) VALUES (?1, ?2, ?3, ?4, 1, ?5)",
        params![job_no, key, attributes, state, tick],
    )
    .unwrap();
}

fn attributes(db: &Connection, key: &str) -> (String, i64) {
    db.query_row(
        "SELECT attributes, tick FROM roster WHERE key = ?1",
        [key],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
    .unwrap()
}

#[test]
fn followers_that_were_listed_first_are_told_of_the_broadcast_once() {
    let db = state();
    let row =
        |minute: &str| format!(r#"{{"followed_at":"2026-05-01T00:{minute}:00Z","user_id":"1"}}"#);
    follower(&db, 2, "during", &row("05"), "in");
    follower(
        &db,
        2,
        "before",
        r#"{"followed_at":"2026-04-30T23:59:59Z","user_id":"1"}"#,
        "in",
    );
    follower(&db, 2, "after", &row("30"), "in");
    follower(&db, 2, "left", &row("05"), "out");
    follower(&db, 2, "undated", r#"{"user_id":"1"}"#, "in");
    follower(&db, 3, "elsewhere", &row("05"), "in");
    follower(
        &db,
        2,
        "told",
        r#"{"followed_at":"2026-05-01T00:05:00Z","stream_id":"2"}"#,
        "in",
    );
    let tick = || {
        db.query_row("SELECT tick FROM counter", [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let before = tick();
    begin(&db, 1, &channel(), &sighting("7", 6, 1), None).unwrap();
    assert_eq!(
        stamp_followers(&db, &channel(), &broadcast(&db)).unwrap(),
        1
    );
    let (told, stamped_tick) = attributes(&db, "during");
    assert_eq!(
        told,
        r#"{"followed_at":"2026-05-01T00:05:00Z","stream_game":"Chess","stream_id":"7","stream_started_at":"2026-05-01T00:00:00Z","stream_title":"title 6","user_id":"1"}"#
    );
    assert_eq!((stamped_tick, tick()), (before + 1, before + 1));
    assert_eq!(
        stamp_followers(&db, &channel(), &broadcast(&db)).unwrap(),
        0
    );
    assert_eq!(tick(), before + 1);
}

#[test]
fn a_follower_keeps_nothing_of_the_broadcast_of_an_earlier_life() {
    let mut attributes = BTreeMap::from([
        ("user_id".to_owned(), "1".to_owned()),
        ("stream_id".to_owned(), "7".to_owned()),
        ("stream_game".to_owned(), "Chess".to_owned()),
    ]);
    let bare = Broadcast {
        stream_id: "9".to_owned(),
        started_ms: START,
        ..Broadcast::default()
    };
    stamp(&mut attributes, Some(&bare));
    assert_eq!(
        attributes.keys().collect::<Vec<_>>(),
        ["stream_id", "stream_started_at", "user_id"]
    );
    stamp(&mut attributes, None);
    assert_eq!(attributes.keys().collect::<Vec<_>>(), ["user_id"]);
}

#[test]
fn a_channel_leaves_with_what_its_broadcast_came_to() {
    let db = state();
    follower(&db, 1, "5", r#"{"channel_id":"5"}"#, "in");
    assert_eq!(channels_in(&db, 1).unwrap(), [channel()]);
    leave(&db, 1, 1, r#"{"minutes":"3"}"#).unwrap();
    let row: (String, String, Option<i64>) = db
        .query_row(
            "SELECT attributes, pending, missing_walk FROM roster WHERE no = 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(
        row,
        (r#"{"minutes":"3"}"#.to_owned(), "out".to_owned(), None)
    );
    assert!(channels_in(&db, 1).unwrap().is_empty());
}
