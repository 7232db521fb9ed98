//! What happens in the week, as a table.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

/// The moment at which the jobs were let go for the first time.
pub(super) const START: &str = "2026-03-05T00:05:00Z";

/// So many days are played.
pub(super) const DAYS: i64 = 7;

/// Follow at the start; the first of them are more than that.
pub(super) const FOLLOWERS: u64 = 300;
pub(super) const SUBSCRIBERS: u64 = 40;
pub(super) const VIPS: u64 = 10;
pub(super) const MODERATORS: u64 = 6;
pub(super) const CHEERERS: u64 = 12;

/// Contacts that were there before us; the first of them picture the newest followers.
pub(super) const CONTACTS: u64 = 34;
pub(super) const TWINS: u64 = 4;

/// Some people: by their place among the followers of the start, newest first, or by a number of ours.
#[derive(Clone, Debug)]
pub(super) enum Who {
    Old(Range<u64>),
    New(Range<u64>),
}

/// One happening.
#[derive(Clone, Debug)]
pub(super) enum Does {
    /// They follow now.
    Follow(Who),
    Unfollow(Who),
    /// They subscribe at a tier of 1, 2 or 3.
    Subscribe(Who, u64),
    /// Somebody of the start gives them subscriptions; `None` is nobody knows whom.
    Gift(Option<u64>, Who),
    Tier(Who, u64),
    Unsubscribe(Who),
    Vip(Who),
    NoVip(Who),
    Moderator(Who),
    NoModerator(Who),
    Cheer(Who, u64),
    /// They take another login and name.
    Rename(Who),
    /// The first one's account is deleted, and the second takes its login and follows.
    Recycle(u64, u64),
    Suspend(Who),
    Reinstate(Who),
    /// Twitch takes so many of a hundred followers away.
    Purge(u64),
    /// A stream begins, with a title and a game.
    Live(&'static str, &'static str),
    Viewers(u64),
    Game(&'static str),
    End,
    /// A person at HighLevel types another first name.
    Types(u64, &'static str),
    /// A person at HighLevel takes a tag off.
    TakesOff(u64, &'static str),
    /// A person at HighLevel deletes the contact.
    Deletes(u64),
    /// The operator looks at what is held, and lets it go with the command that the report names.
    Allow,
}

use Does::{
    Allow, Cheer, Deletes, End, Follow, Game, Gift, Live, Moderator, NoModerator, NoVip, Purge,
    Recycle, Reinstate, Rename, Subscribe, Suspend, TakesOff, Tier, Types, Unfollow, Unsubscribe,
    Viewers, Vip,
};
use Who::{New, Old};

/// Day, time of day, what.
///
/// People come and go some while after a stream began and before it ends, as nobody can say of the last minute to which side of it they
/// belong. Whatever is undone is undone a day later or more: what comes and goes between two looks was never there.
#[rustfmt::skip]
pub(super) const WEEK: &[(i64, &str, Does)] = &[
    // Thursday: a raid of 80 and a bomb of 50 gifts in the first stream.
    (1, "10:10:20", Follow(New(0..6))),
    (1, "11:20:20", Subscribe(New(0..2), 1)),
    (1, "12:10:20", Types(30, "Somebody")),
    (1, "12:10:20", TakesOff(31, "twitch follower")),
    (1, "12:10:20", Deletes(32)),
    (1, "18:59:20", Live("Opening night", "Chess")),
    (1, "19:05:20", Viewers(120)),
    (1, "19:25:20", Follow(New(100..180))),
    (1, "19:35:20", Viewers(340)),
    (1, "20:00:20", Gift(Some(0), New(100..150))),
    (1, "20:15:20", Viewers(200)),
    (1, "21:09:20", End),
    // Friday: two streams, of which the second breaks off for six minutes.
    (2, "08:10:20", Unfollow(Old(60..66))),
    (2, "10:10:20", Rename(Old(1..4))),
    (2, "10:10:20", Rename(New(101..103))),
    (2, "12:10:20", Vip(Old(20..23))),
    (2, "12:10:20", Moderator(Old(10..12))),
    (2, "15:59:20", Live("Early", "Tetris")),
    (2, "16:05:20", Viewers(50)),
    (2, "16:35:20", Follow(New(200..210))),
    (2, "17:09:20", End),
    (2, "20:59:20", Live("Late", "Celeste")),
    (2, "21:05:20", Viewers(75)),
    (2, "21:20:20", Cheer(Old(0..2), 950)),
    (2, "21:29:20", End),
    (2, "21:35:20", Live("Late", "Celeste")),
    (2, "21:36:20", Viewers(60)),
    (2, "22:09:20", End),
    // Saturday: one over midnight.
    (3, "09:10:20", Tier(Old(6..8), 2)),
    (3, "09:10:20", NoVip(Old(3..5))),
    (3, "10:10:20", Unsubscribe(New(100..110))),
    (3, "10:10:20", Unsubscribe(Old(12..15))),
    (3, "11:10:20", Suspend(Old(70..73))),
    (3, "22:59:20", Live("Through the night", "Factorio")),
    (3, "23:05:20", Viewers(90)),
    (4, "00:20:20", Follow(New(300..312))),
    (4, "00:59:20", End),
    // Sunday: people come back, a login is recycled, and Twitch purges.
    (4, "10:10:20", Follow(Old(60..63))),
    (4, "11:10:20", Recycle(80, 400)),
    (4, "14:10:20", Purge(30)),
    (4, "18:59:20", Live("Sunday", "Chess")),
    (4, "19:05:20", Viewers(45)),
    (4, "19:25:20", Follow(New(320..330))),
    (4, "19:40:20", Cheer(Old(2..4), 10_000)),
    (4, "20:09:20", End),
    // Monday: the operator looks; gifts of nobody knows whom to people who do not follow.
    (5, "10:10:20", NoModerator(Old(2..4))),
    (5, "15:20:20", Allow),
    (5, "18:59:20", Live("Monday", "Chess")),
    (5, "19:05:20", Viewers(80)),
    (5, "19:25:20", Gift(None, New(500..550))),
    (5, "19:59:20", End),
    // Tuesday: who was gone is back.
    (6, "09:10:20", Reinstate(Old(70..72))),
    (6, "10:10:20", Subscribe(New(100..103), 1)),
    (6, "10:10:20", Vip(Old(3..4))),
    (6, "16:10:20", Unfollow(Old(90..93))),
    (6, "17:10:20", Follow(New(500..503))),
    (6, "17:10:20", Rename(New(510..512))),
    // Wednesday: a stream of two games.
    (7, "14:59:20", Live("Two games", "Chess")),
    (7, "15:05:20", Viewers(150)),
    (7, "15:30:20", Game("Tetris")),
    (7, "16:09:20", End),
];

/// Returns a moment of the week.
pub(super) fn at(day: i64, time: &str) -> DateTime<Utc> {
    let first = DateTime::parse_from_rfc3339(&format!("2026-03-05T{time}Z"));
    first.unwrap().to_utc() + TimeDelta::days(day - 1)
}
