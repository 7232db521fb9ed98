//! Broadcasts of Twitch channels: what a poll of the live streams means for what is known.
//!
//! A broadcast is what people call a stream: it may be several streams of Twitch, each with an id of its own, with less than ten minutes
//! between them. Its name is the id of the first. Two questions are answered here, one after the other: what a poll makes of the broadcast
//! ([`decide`]), and what of that the channel's record shows next ([`show`]). They are two, because a record makes one step a plan: while the
//! leave of one broadcast was not planned yet, the join of the next one waits.

use super::row::Presence;
use crate::model::is_ahead;

/// A stream that begins so soon after another one was last seen belongs to the same broadcast, in ms.
///
/// A lost connection, or an encoder that starts again, makes a new stream at Twitch; ten minutes is our choice.
pub const SAME_WITHIN_MS: i64 = 10 * 60 * 1000;
/// A channel that was absent from two polls so far apart is no longer live, in ms: two minutes, less what a schedule may be early.
pub const ENDED_AFTER_MS: i64 = 110 * 1000;

/// One broadcast, as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Its number in the database.
    pub no: i64,
    /// The id of its first stream: the name of the broadcast.
    pub stream_id: String,
    /// The ids of all its streams, in the order they were seen.
    pub ids: Vec<String>,
    /// The title that was last seen.
    pub title: Option<String>,
    /// The game or category that was last seen.
    pub game: Option<String>,
    /// When it began by Twitch, in ms.
    pub started_ms: i64,
    /// When a poll last saw it live, in ms of Twitch's clock.
    pub seen_ms: i64,
    /// The first poll since then that did not; `None`: none.
    pub absent_ms: Option<i64>,
    /// Polls that saw it live.
    pub polls: i64,
    /// The viewers of those polls, added up.
    pub viewers_sum: i64,
    /// The most viewers of one of them.
    pub viewers_peak: i64,
    /// The followers of the channel when it was first seen; `None`: Twitch did not say.
    pub followers_before: Option<i64>,
    /// The followers when it had ended; `None`: it has not, or Twitch did not say.
    pub followers_after: Option<i64>,
    /// How many followed while it went on; `None`: it has not ended, or nobody knows.
    pub new_followers: Option<i64>,
    /// When it ended, which is when it was last seen, in ms; `None` while it goes on.
    pub ended_ms: Option<i64>,
}

impl Broadcast {
    /// Returns whether it goes on, as far as is known.
    pub fn is_live(&self) -> bool {
        self.ended_ms.is_none()
    }

    /// Returns how long it went on until it was last seen, in whole minutes.
    pub fn minutes(&self) -> i64 {
        ((self.seen_ms - self.started_ms) / 60_000).max(0)
    }

    /// Returns the viewers of an average poll, rounded; 0 before the first.
    pub fn viewers_average(&self) -> i64 {
        match self.polls {
            ..=0 => 0,
            polls => (self.viewers_sum + polls / 2) / polls,
        }
    }

    /// Returns the last moment that counts as during it, in ms: the poll that did not see it any more, at most ten minutes after the last that did.
    ///
    /// Twitch does not say when a stream ended, and people follow in its last minute.
    pub fn until_ms(&self) -> i64 {
        let latest = self.seen_ms + SAME_WITHIN_MS;
        self.absent_ms.map_or(latest, |absent| absent.min(latest))
    }

    /// Returns from when on no stream can be its continuation, in ms: what tells of its end is final then.
    pub fn settled_ms(&self) -> i64 {
        self.seen_ms + SAME_WITHIN_MS
    }
}

/// What a poll says of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll<'a> {
    /// It is live.
    Live {
        /// The id of the stream.
        stream_id: &'a str,
        /// When it began, in ms; the moment of the poll where Twitch did not say.
        started_ms: i64,
    },
    /// It is not live.
    Absent,
    /// Nothing: the poll failed, or had rows that say nothing.
    Unknown,
}

/// What a poll makes of the newest broadcast of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing changes.
    Nothing,
    /// A broadcast begins.
    Begins,
    /// It goes on: count the viewers.
    GoesOn {
        /// Under a new id of Twitch.
        new_id: bool,
    },
    /// It was taken for ended and goes on.
    Resumes {
        /// Under a new id of Twitch.
        new_id: bool,
    },
    /// It was not seen for the first time.
    Remember,
    /// It has ended.
    Ends,
    /// It has ended, and another one has begun.
    EndsAndBegins,
}

/// Says what a poll at `now_ms` makes of the newest broadcast of a channel, ended or not.
///
/// A new id belongs to a broadcast that goes on when the stream began within ten minutes of the last poll that saw it, however long ago that
/// poll was. Once an end was told, only a poll within those ten minutes takes it back, because after them notes and tasks may be out.
pub fn decide(newest: Option<&Broadcast>, poll: Poll<'_>, now_ms: i64) -> Decision {
    match (newest, poll) {
        (_, Poll::Unknown) | (None, Poll::Absent) => Decision::Nothing,
        (None, Poll::Live { .. }) => Decision::Begins,
        (Some(newest), Poll::Absent) => {
            // An absence of a clock that was ahead would have to wait for its moment.
            let absent_ms = newest.absent_ms.filter(|ms| !is_ahead(*ms, now_ms));
            match (newest.ended_ms, absent_ms) {
                (Some(_), _) => Decision::Nothing,
                (None, None) => Decision::Remember,
                (None, Some(absent_ms)) if now_ms - absent_ms >= ENDED_AFTER_MS => Decision::Ends,
                (None, Some(_)) => Decision::Nothing,
            }
        }
        (
            Some(newest),
            Poll::Live {
                stream_id,
                started_ms,
            },
        ) => {
            let known = newest.ids.iter().any(|id| id == stream_id);
            let soon = started_ms.min(now_ms) - newest.seen_ms <= SAME_WITHIN_MS;
            match (newest.is_live(), known) {
                (true, true) => Decision::GoesOn { new_id: false },
                (false, true) => Decision::Resumes { new_id: false },
                // A replica that lags behind may still show the stream before.
                (_, false) if started_ms < newest.started_ms => Decision::Nothing,
                (true, false) if soon => Decision::GoesOn { new_id: true },
                (true, false) => Decision::EndsAndBegins,
                (false, false) if now_ms - newest.seen_ms <= SAME_WITHIN_MS => {
                    Decision::Resumes { new_id: true }
                }
                (false, false) => Decision::Begins,
            }
        }
    }
}

/// What the channel's record shows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The broadcast it is about, by its name.
    pub stream_id: Option<&'a str>,
    /// Its state, with what no plan took in yet.
    pub presence: Presence,
    /// Its state at the last journaled plan; `None` when it was not in the roster then.
    pub was: Option<Presence>,
}

/// What the record is to show next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// What it shows.
    Nothing,
    /// The newest broadcast, live.
    In,
    /// The end of the broadcast that it shows.
    Out,
    /// What it shows, until a plan took that in: there is something newer.
    Waits,
}

/// Says what the record of a channel shows next.
///
/// One step a plan: a state that no journaled plan took in is not changed into another one, or its notes and tasks would never come up. The
/// exception is a broadcast that goes on: its end is taken back as long as nobody acted on it.
pub fn show(shown: Option<Shown<'_>>, newest: Option<&Broadcast>) -> Showing {
    let is_live = newest.is_some_and(Broadcast::is_live);
    let Some(Shown {
        stream_id,
        presence,
        was,
    }) = shown
    else {
        return match is_live {
            true => Showing::In,
            false => Showing::Nothing,
        };
    };
    let same = newest.is_some_and(|newest| stream_id == Some(newest.stream_id.as_str()));
    let waits = was.is_some_and(|was| was != presence);
    match (presence, same, is_live) {
        (Presence::In, true, true) => Showing::In,
        (Presence::In, true, false) | (Presence::In, false, _) => match waits {
            true => Showing::Waits,
            false => Showing::Out,
        },
        (Presence::Out | Presence::Gone, true, true) => Showing::In,
        (Presence::Out | Presence::Gone, false, true) => match waits {
            true => Showing::Waits,
            false => Showing::In,
        },
        (Presence::Out | Presence::Gone, _, false) => Showing::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    /// A broadcast that began at 0 and was last seen an hour later.
    fn live() -> Broadcast {
        Broadcast {
            no: 1,
            stream_id: "7".to_owned(),
            ids: vec!["7".to_owned(), "8".to_owned()],
            seen_ms: 60 * MINUTE,
            ..Broadcast::default()
        }
    }

    fn absent(after: i64) -> Broadcast {
        Broadcast {
            absent_ms: Some((60 + after) * MINUTE),
            ..live()
        }
    }

    fn ended() -> Broadcast {
        Broadcast {
            ended_ms: Some(60 * MINUTE),
            ..absent(2)
        }
    }

    #[test]
    fn every_poll_of_every_broadcast_has_its_meaning() {
        use Decision::{Begins, Ends, EndsAndBegins, GoesOn, Nothing, Remember, Resumes};
        let stream = |stream_id, started: i64| Poll::Live {
            stream_id,
            started_ms: started * MINUTE,
        };
        let (known, new) = (GoesOn { new_id: false }, GoesOn { new_id: true });
        // What is known, what a poll says, minutes after the last sighting, what that means.
        let table = [
            (None, stream("7", 0), 0, Begins),
            (None, Poll::Absent, 0, Nothing),
            (None, Poll::Unknown, 0, Nothing),
            (Some(live()), stream("7", 0), 2, known),
            (Some(live()), stream("8", 30), 2, known),
            // However long nobody looked.
            (Some(live()), stream("7", 0), 600, known),
            (Some(live()), stream("9", 65), 6, new),
            (Some(live()), stream("9", 70), 11, new),
            (Some(live()), stream("9", 70), 240, new),
            (Some(live()), stream("9", 71), 11, EndsAndBegins),
            // A start in the future is a clock's, and the poll says that it has begun.
            (Some(live()), stream("9", 90), 5, new),
            // Began before the broadcast that we know.
            (Some(live()), stream("5", -30), 2, Nothing),
            (Some(live()), Poll::Absent, 2, Remember),
            (Some(live()), Poll::Unknown, 2, Nothing),
            (Some(absent(2)), Poll::Absent, 3, Nothing),
            (Some(absent(2)), Poll::Absent, 4, Ends),
            (Some(absent(2)), Poll::Absent, 600, Ends),
            (Some(absent(2)), Poll::Unknown, 600, Nothing),
            (Some(absent(2)), stream("7", 0), 4, known),
            (Some(absent(2)), stream("9", 63), 4, new),
            (Some(absent(2)), stream("9", 80), 20, EndsAndBegins),
            (Some(ended()), Poll::Absent, 6, Nothing),
            (Some(ended()), Poll::Unknown, 6, Nothing),
            (Some(ended()), stream("9", 65), 6, Resumes { new_id: true }),
            (Some(ended()), stream("9", 69), 10, Resumes { new_id: true }),
            (Some(ended()), stream("9", 69), 11, Begins),
            (Some(ended()), stream("9", 600), 541, Begins),
            // Twitch names it still: it never ended.
            (
                Some(ended()),
                stream("8", 30),
                30,
                Resumes { new_id: false },
            ),
            (Some(ended()), stream("5", -30), 30, Nothing),
        ];
        for (newest, poll, after, expected) in table {
            let now_ms = (60 + after) * MINUTE;
            let seen = decide(newest.as_ref(), poll, now_ms);
            assert_eq!(seen, expected, "{newest:?} {poll:?} +{after}");
        }
    }

    #[test]
    fn an_absence_is_believed_after_two_minutes_less_what_a_schedule_is_early() {
        let absent = absent(0);
        let at = |ms| decide(Some(&absent), Poll::Absent, 60 * MINUTE + ms);
        assert_eq!(at(109_999), Decision::Nothing);
        assert_eq!(at(110_000), Decision::Ends);
        // A clock that was set back, by little and by much.
        assert_eq!(at(-110_000), Decision::Nothing);
        assert_eq!(at(-600_000), Decision::Remember);
    }

    #[test]
    fn a_record_makes_one_step_a_plan() {
        use Presence::{In, Out};
        let other = Broadcast {
            stream_id: "1".to_owned(),
            ids: vec!["1".to_owned()],
            ..live()
        };
        let other_ended = Broadcast {
            ended_ms: Some(1),
            ..other.clone()
        };
        // The newest broadcast, what the record of broadcast 7 shows and showed to the last plan, what it shows next.
        let table = [
            (live(), In, Some(In), Showing::In),
            (live(), In, None, Showing::In),
            (live(), In, Some(Out), Showing::In),
            (live(), Out, Some(Out), Showing::In),
            (live(), Out, Some(In), Showing::In),
            (ended(), In, Some(In), Showing::Out),
            (ended(), In, None, Showing::Out),
            (ended(), In, Some(Out), Showing::Waits),
            (ended(), Out, Some(Out), Showing::Nothing),
            (ended(), Out, Some(In), Showing::Nothing),
            (other.clone(), In, Some(In), Showing::Out),
            (other.clone(), In, Some(Out), Showing::Waits),
            (other.clone(), Out, Some(Out), Showing::In),
            (other.clone(), Out, None, Showing::In),
            (other, Out, Some(In), Showing::Waits),
            (other_ended.clone(), In, Some(In), Showing::Out),
            (other_ended, Out, Some(Out), Showing::Nothing),
        ];
        for (newest, presence, was, expected) in table {
            let shown = Shown {
                stream_id: Some("7"),
                presence,
                was,
            };
            assert_eq!(
                show(Some(shown), Some(&newest)),
                expected,
                "{shown:?} {newest:?}"
            );
        }
        assert_eq!(show(None, Some(&live())), Showing::In);
        assert_eq!(show(None, Some(&ended())), Showing::Nothing);
        assert_eq!(show(None, None), Showing::Nothing);
        let lost = Shown {
            stream_id: Some("7"),
            presence: In,
            was: Some(In),
        };
        assert_eq!(show(Some(lost), None), Showing::Out);
    }

    #[test]
    fn the_numbers_of_a_broadcast() {
        let mut broadcast = live();
        assert_eq!((broadcast.minutes(), broadcast.viewers_average()), (60, 0));
        (broadcast.polls, broadcast.viewers_sum) = (2, 25);
        assert_eq!(broadcast.viewers_average(), 13);
        assert_eq!(broadcast.until_ms(), 70 * MINUTE);
        assert_eq!(absent(2).until_ms(), 62 * MINUTE);
        assert_eq!(absent(30).until_ms(), 70 * MINUTE);
        assert_eq!(absent(2).settled_ms(), 70 * MINUTE);
    }
}
