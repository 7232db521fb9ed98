//! What a look at a condition changes, and whether anybody is told: one table, pure.

use std::time::Duration;

use crate::model::is_ahead;
use crate::store::conditions::{Condition, ConditionKind, Told};

/// After so many changes within an hour it is told once that a condition comes and goes, and then nothing until it stood still for an hour.
const MOST_CHANGES: usize = 3;

/// The hour.
const STILL: Duration = Duration::from_secs(60 * 60);

/// What may pass by itself is told once it was seen so often in a row …
const PATIENT_TIMES: i64 = 3;

/// … or stood for so long: runs may be hours apart.
const PATIENT_FOR: Duration = Duration::from_secs(30 * 60);

/// What was seen of one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// `job:NAME`, `account:NAME`, `state` or `upkeep`.
    pub(super) subject: String,
    /// What sort.
    pub(super) kind: ConditionKind,
    /// How it is.
    pub(super) look: Look,
}

/// How a condition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All is well.
    Gone,
    /// It stands.
    Stands {
        /// Tells it from another one.
        hash: String,
        /// What it is, for people.
        what: String,
        /// Whether a person has to do something at once.
        patience: Patience,
    },
    /// It still stands, and nothing about it is new.
    Stays {
        /// What it is, for people.
        what: String,
    },
}

/// Whether a condition is told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// A person has to mend it.
    AtOnce,
    /// It may pass by itself: a vendor is away for a moment.
    Patient,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// Nothing.
    Nothing,
    /// It stands, and nobody knows yet.
    New,
    /// Another one of its kind stands.
    Changed,
    /// It is over.
    Recovered,
    /// It comes and goes; no more is told until it stands still.
    Flaps,
}

/// Returns what a condition comes to with what was seen of it, and what is to be told.
///
/// `may_alarm` is false for a run that a person started, who sees the end of it, and when nobody wants to hear of the kind: then only
/// the end of what was told is told.
pub(super) fn step(
    before: Option<Condition>,
    mut told: Told,
    seen: &Seen,
    now_ms: i64,
    may_alarm: bool,
) -> (Option<Condition>, Told, Say) {
    let still_ms = ms(STILL);
    told.changes
        .retain(|at| now_ms - at < still_ms && !is_ahead(*at, now_ms));
    let old = before.as_ref().map(|condition| condition.hash.clone());
    let (now, patience) = match &seen.look {
        Look::Gone => (None, Patience::AtOnce),
        Look::Stands {
            hash,
            what,
            patience,
        } => (Some((hash.clone(), what)), *patience),
        Look::Stays { what } => {
            let hash = old.clone().unwrap_or_else(|| "stands".to_owned());
            (Some((hash, what)), Patience::AtOnce)
        }
    };
    let after = now.map(|(hash, what)| {
        let since_ms = before
            .filter(|before| before.hash == hash)
            .map_or(now_ms, |before| before.since_ms.min(now_ms));
        Condition {
            subject: seen.subject.clone(),
            kind: seen.kind,
            what: what.clone(),
            hash,
            since_ms,
        }
    });
    told.times = match &after {
        None => 0,
        Some(after) if old.as_ref() == Some(&after.hash) => told.times.saturating_add(1),
        Some(_) => 1,
    };
    // What people should know by now.
    let due = match &after {
        None => None,
        Some(after) => {
            let is_due = match patience {
                Patience::AtOnce => true,
                Patience::Patient => {
                    told.times >= PATIENT_TIMES || now_ms - after.since_ms >= ms(PATIENT_FOR)
                }
            };
            match is_due && may_alarm {
                true => Some(after.hash.clone()),
                // Not yet: what was told before, if anything, stands until then.
                false => told.hash.clone(),
            }
        }
    };
    let is_change = due != told.hash;
    let stood_still = told.changes.is_empty();
    let say = match (is_change, told.flaps) {
        (false, false) => Say::Nothing,
        (false, true) if !stood_still => Say::Nothing,
        // An hour without a change: it is told how it is now.
        (false, true) => {
            told.flaps = false;
            match &due {
                Some(_) => Say::New,
                None => Say::Recovered,
            }
        }
        (true, _) => {
            told.changes.push(now_ms);
            match (told.flaps, told.changes.len() > MOST_CHANGES) {
                (true, _) => Say::Nothing,
                (false, true) => {
                    told.flaps = true;
                    Say::Flaps
                }
                (false, false) => match (&told.hash, &due) {
                    (None, _) => Say::New,
                    (Some(_), Some(_)) => Say::Changed,
                    (Some(_), None) => Say::Recovered,
                },
            }
        }
    };
    told.hash = due;
    (after, told, say)
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    /// One condition and a clock.
    #[derive(Default)]
    struct One {
        condition: Option<Condition>,
        told: Told,
        now_ms: i64,
        asked: bool,
    }

    impl One {
        fn sees(&mut self, look: Look) -> Say {
            let seen = Seen {
                subject: "job:a".to_owned(),
                kind: ConditionKind::Failure,
                look,
            };
            let (condition, told) = (self.condition.take(), std::mem::take(&mut self.told));
            let (condition, told, say) = step(condition, told, &seen, self.now_ms, !self.asked);
            (self.condition, self.told) = (condition, told);
            say
        }

        fn after(&mut self, minutes: i64) -> &mut One {
            self.now_ms += minutes * MINUTE;
            self
        }
    }

    fn at_once(hash: &str) -> Look {
        stands(hash, Patience::AtOnce)
    }

    fn patient() -> Look {
        stands("out-of-touch", Patience::Patient)
    }

    fn stands(hash: &str, patience: Patience) -> Look {
        Look::Stands {
            hash: hash.to_owned(),
            what: format!("{hash} is wrong"),
            patience,
        }
    }

    #[test]
    fn a_change_is_told_once_and_its_end_too() {
        let mut one = One::default();
        assert_eq!(one.sees(Look::Gone), Say::Nothing);
        assert_eq!(one.after(15).sees(at_once("disk")), Say::New);
        assert_eq!(one.after(15).sees(at_once("disk")), Say::Nothing);
        assert_eq!(one.condition.as_ref().unwrap().since_ms, 15 * MINUTE);
        assert_eq!(one.after(15).sees(at_once("login")), Say::Changed);
        assert_eq!(one.after(15).sees(Look::Gone), Say::Recovered);
        assert_eq!(one.after(15).sees(Look::Gone), Say::Nothing);
        // Nothing is remembered of what is long over.
        assert_eq!(one.after(90).sees(Look::Gone), Say::Nothing);
        assert_eq!((one.condition, one.told), (None, Told::default()));
    }

    #[test]
    fn a_blip_is_told_to_nobody_and_an_outage_is() {
        let mut one = One::default();
        for _ in 0..20 {
            assert_eq!(one.after(1).sees(patient()), Say::Nothing);
            assert_eq!(one.after(1).sees(patient()), Say::Nothing);
            assert_eq!(one.after(1).sees(Look::Gone), Say::Nothing);
        }
        assert_eq!(one.after(1).sees(patient()), Say::Nothing);
        assert_eq!(one.after(1).sees(patient()), Say::Nothing);
        assert_eq!(one.after(1).sees(patient()), Say::New);
        assert_eq!(one.after(1).sees(patient()), Say::Nothing);
        assert_eq!(one.after(1).sees(Look::Gone), Say::Recovered);
        // Seen twice, but half an hour apart.
        assert_eq!(one.after(60).sees(patient()), Say::Nothing);
        assert_eq!(one.after(30).sees(patient()), Say::New);
    }

    #[test]
    fn a_run_that_a_person_started_tells_only_that_something_is_over() {
        let mut one = One {
            asked: true,
            ..One::default()
        };
        assert_eq!(one.sees(at_once("disk")), Say::Nothing);
        assert!(one.condition.is_some());
        one.asked = false;
        assert_eq!(one.after(1).sees(at_once("disk")), Say::New);
        one.asked = true;
        assert_eq!(one.after(1).sees(at_once("login")), Say::Nothing);
        assert_eq!(one.after(1).sees(Look::Gone), Say::Recovered);
        assert_eq!(one.after(1).sees(at_once("disk")), Say::Nothing);
        assert_eq!(one.after(1).sees(Look::Gone), Say::Nothing);
    }

    #[test]
    fn what_comes_and_goes_is_said_once_until_it_stands_still() {
        for ends_well in [true, false] {
            let mut one = One::default();
            let mut said = Vec::new();
            for minute in 0..240 {
                let look = match minute % 2 {
                    0 => at_once("disk"),
                    _ => Look::Gone,
                };
                said.push(one.after(1).sees(look));
            }
            said.retain(|say| *say != Say::Nothing);
            assert_eq!(said, [Say::New, Say::Recovered, Say::New, Say::Flaps]);
            let look = || match ends_well {
                true => Look::Gone,
                false => at_once("disk"),
            };
            assert_eq!(one.after(1).sees(look()), Say::Nothing);
            assert_eq!(one.after(40).sees(look()), Say::Nothing);
            let end = match ends_well {
                true => Say::Recovered,
                false => Say::New,
            };
            assert_eq!(one.after(61).sees(look()), end);
            assert_eq!(one.after(1).sees(look()), Say::Nothing);
            // And from then on each change is told again.
            let said = one.after(1).sees(at_once("other"));
            assert_ne!(said, Say::Nothing, "{ends_well}");
        }
    }

    #[test]
    fn a_clock_that_was_ahead_and_came_back_silences_nothing() {
        let mut one = One {
            now_ms: 365 * 24 * 60 * MINUTE,
            ..One::default()
        };
        for _ in 0..3 {
            one.after(1).sees(at_once("disk"));
            one.after(1).sees(Look::Gone);
        }
        assert!(one.told.flaps);
        one.now_ms = 0;
        assert_eq!(one.sees(Look::Gone), Say::Recovered);
        assert_eq!(one.after(1).sees(at_once("disk")), Say::New);
        one.now_ms = -90 * MINUTE;
        assert_eq!(one.sees(at_once("disk")), Say::Nothing);
        assert_eq!(one.condition.as_ref().unwrap().since_ms, -90 * MINUTE);
        assert_eq!(one.after(1).sees(Look::Gone), Say::Recovered);
    }

    #[test]
    fn what_stays_is_no_news_whatever_it_counts() {
        let stays = |n| Look::Stays {
            what: format!("{n} conflicts"),
        };
        let mut one = One::default();
        assert_eq!(one.sees(at_once("run 5")), Say::New);
        for n in 0..9 {
            assert_eq!(one.after(15).sees(stays(n)), Say::Nothing);
        }
        assert_eq!(one.condition.as_ref().unwrap().what, "8 conflicts");
        assert_eq!(one.after(15).sees(at_once("run 15")), Say::Changed);
        assert_eq!(one.after(15).sees(Look::Gone), Say::Recovered);
        // What stood before there was anybody to tell is told once.
        assert_eq!(One::default().sees(stays(3)), Say::New);
    }

    #[test]
    fn an_alarm_stays_told_while_another_one_is_waited_for() {
        let mut one = One::default();
        assert_eq!(one.sees(at_once("disk")), Say::New);
        assert_eq!(one.after(1).sees(patient()), Say::Nothing);
        assert_eq!(one.after(1).sees(Look::Gone), Say::Recovered);
    }
}
