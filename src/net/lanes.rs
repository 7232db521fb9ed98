//! Who goes next through a gate: lane by lane, and within a lane in the order of asking.
//!
//! A job that prepares ten calls at once stands in its lane ten times and still gets one permit for each that a neighbor waits for. A lane
//! that is alone gets all. Also counts what each job used of the day, so that one of them does not leave the others without a single read.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::oneshot;

/// What every job that shares a day is sure of, as the part of the day's calls: one in a hundred.
const SHARE_PART: u64 = 100;

/// The least that a job is sure of: reading once an hour takes about so many calls.
const LEAST_SHARE: u64 = 100;

/// All that is kept for others together is at most the day divided by this, however many they are.
const MOST_KEPT_PART: u64 = 4;

/// Two ends of a day that differ by less are the same day: the vendor's word and our reckoning are seconds apart.
const SAME_DAY: TimeDelta = TimeDelta::hours(1);

/// The lanes in front of a gate.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    order: Mutex<Order>,
    used: Mutex<BTreeMap<String, Used>>,
}

#[derive(Debug, Default)]
struct Order {
    /// Who waits, by lane; no lane is empty.
    waiting: BTreeMap<u64, VecDeque<Waiter>>,
    /// Whose turn it is; `None`: nobody's, and then nobody waits.
    turn: Option<u64>,
    /// The lane that had the last turn.
    last: u64,
    tickets: u64,
    lanes: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    call: oneshot::Sender<()>,
}

/// What a job used of a day.
#[derive(Clone, Copy, Debug)]
struct Used {
    day_ends: DateTime<Utc>,
    calls: u64,
}

/// A place in a lane, and then the turn; dropping it leaves the lane, or lets the next one go.
#[derive(Debug)]
pub(crate) struct Turn<'g> {
    lanes: &'g Lanes,
    lane: u64,
    ticket: u64,
}

/// The jobs among which a day is shared, as one of them sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sharing {
    /// The job.
    pub(crate) job: String,
    /// The others.
    pub(crate) others: Vec<String>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lanes.order().leave(self.lane, self.ticket);
    }
}

impl Lanes {
    /// Returns the number of a new lane.
    pub(crate) fn open(&self) -> u64 {
        let mut order = self.order();
        order.lanes += 1;
        order.lanes
    }

    /// Waits for the turn of one caller of a lane.
    pub(crate) async fn turn(&self, lane: u64) -> Turn<'_> {
        let (ticket, called) = self.order().ask(lane);
        let turn = Turn {
            lanes: self,
            lane,
            ticket,
        };
        if let Some(called) = called {
            // The other end goes only by calling, or together with this turn.
            let _ = called.await;
        }
        turn
    }

    /// Returns how many callers wait behind the one whose turn it is.
    pub(crate) fn waiting(&self) -> u32 {
        let count: usize = self.order().waiting.values().map(VecDeque::len).sum();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Notes that a job may send one more call of the day that ends then.
    pub(crate) fn count(&self, job: &str, day_ends: DateTime<Utc>) {
        let mut all = self.used();
        let of_day = of_day(all.get(job), day_ends);
        let calls = of_day + 1;
        all.insert(job.to_owned(), Used { day_ends, calls });
    }

    /// Returns how many calls of a day with `limit` a job leaves to the others: what each of them did not use yet of what it is sure of.
    ///
    /// Nothing while the job itself has not used more than that. What other processes used is not known here, and counts as unused.
    pub(crate) fn kept(&self, sharing: &Sharing, limit: u64, day_ends: DateTime<Utc>) -> u64 {
        let share = share(limit, sharing.others.len());
        let all = self.used();
        let used = |job: &String| of_day(all.get(job), day_ends);
        if used(&sharing.job) < share {
            return 0;
        }
        let left = sharing.others.iter().map(|job| {
            let used = used(job);
            share.saturating_sub(used)
        });
        left.sum()
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<String, Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what each of `others` and the job itself is sure of in a day with `limit`.
fn share(limit: u64, others: usize) -> u64 {
    let others = u64::try_from(others).unwrap_or(u64::MAX).max(1);
    let most = limit / MOST_KEPT_PART / others;
    (limit / SHARE_PART).max(LEAST_SHARE).min(most)
}

fn of_day(used: Option<&Used>, day_ends: DateTime<Utc>) -> u64 {
    match used {
        Some(used) if (used.day_ends - day_ends).abs() < SAME_DAY => used.calls,
        Some(_) | None => 0,
    }
}

impl Order {
    /// Gives a ticket, and what to wait for unless the turn is free.
    fn ask(&mut self, lane: u64) -> (u64, Option<oneshot::Receiver<()>>) {
        self.tickets += 1;
        let ticket = self.tickets;
        if self.turn.is_none() {
            self.turn = Some(ticket);
            self.last = lane;
            return (ticket, None);
        }
        let (call, called) = oneshot::channel();
        let waiting = self.waiting.entry(lane).or_default();
        waiting.push_back(Waiter { ticket, call });
        (ticket, Some(called))
    }

    fn leave(&mut self, lane: u64, ticket: u64) {
        if self.turn == Some(ticket) {
            self.pass_on();
            return;
        }
        if let Some(waiting) = self.waiting.get_mut(&lane) {
            waiting.retain(|waiter| waiter.ticket != ticket);
            if waiting.is_empty() {
                self.waiting.remove(&lane);
            }
        }
    }

    /// Gives the turn to the first of the next lane in which somebody waits, round and round.
    fn pass_on(&mut self) {
        let after = (Bound::Excluded(self.last), Bound::Unbounded);
        let next = self.waiting.range(after).next();
        let lane = next
            .or_else(|| self.waiting.iter().next())
            .map(|(lane, _)| *lane);
        self.turn = None;
        let Some(lane) = lane else { return };
        let Some(waiting) = self.waiting.get_mut(&lane) else {
            return;
        };
        let first = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&lane);
        }
        if let Some(Waiter { ticket, call }) = first {
            self.turn = Some(ticket);
            self.last = lane;
            // Should nobody listen any more, that turn is being dropped and passes itself on.
            let _ = call.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets everybody ask, in this order of lanes, behind one that has the turn; returns the lanes in the order of their turns.
    async fn turns(asking: &[u64], gives_up: &[usize]) -> Vec<u64> {
        let lanes = Lanes::default();
        let first = lanes.turn(0).await;
        let mut waiting: Vec<_> = Vec::new();
        for lane in asking {
            let mut turn = Box::pin(lanes.turn(*lane));
            std::future::poll_fn(|context| {
                assert!(turn.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            waiting.push(Some(turn));
        }
        for index in gives_up {
            waiting[*index] = None;
        }
        drop(first);
        let mut order = Vec::new();
        while waiting.iter().any(Option::is_some) {
            for index in 0..waiting.len() {
                let Some(turn) = &mut waiting[index] else {
                    continue;
                };
                let got = std::future::poll_fn(|context| {
                    std::task::Poll::Ready(turn.as_mut().poll(context).is_ready())
                })
                .await;
                if got {
                    order.push(asking[index]);
                    waiting[index] = None;
                }
            }
        }
        assert_eq!(lanes.waiting(), 0);
        assert!(lanes.order().turn.is_none());
        order
    }

    #[tokio::test]
    async fn lanes_take_turns_however_many_stand_in_each() {
        assert_eq!(turns(&[1, 1, 1, 1, 2], &[]).await, [1, 2, 1, 1, 1]);
        assert_eq!(
            turns(&[3, 3, 3, 1, 1, 2], &[]).await,
            [1, 2, 3, 1, 3, 3],
            "three lanes"
        );
        assert_eq!(turns(&[7, 7, 7], &[]).await, [7, 7, 7], "one lane alone");
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_no_hole() {
        assert_eq!(turns(&[1, 1, 2, 2], &[0, 2]).await, [1, 2]);
        assert_eq!(turns(&[1, 2, 3], &[0, 1, 2]).await, [0_u64; 0]);
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_with_its_turn_lets_the_next_one_go() {
        let lanes = Lanes::default();
        let first = lanes.turn(1).await;
        let mut second = Box::pin(lanes.turn(2));
        let mut third = Box::pin(lanes.turn(3));
        for turn in [&mut second, &mut third] {
            std::future::poll_fn(|context| {
                assert!(turn.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        }
        drop(first);
        // It was called and is not polled any more.
        drop(second);
        third.await;
    }

    #[test]
    fn a_job_that_used_its_share_leaves_the_others_theirs() {
        let lanes = Lanes::default();
        let day = DateTime::from_timestamp_millis(1_772_452_800_000).unwrap();
        let big = Sharing {
            job: "big".to_owned(),
            others: vec!["one".to_owned(), "other".to_owned()],
        };
        let one = Sharing {
            job: "one".to_owned(),
            others: vec!["big".to_owned(), "other".to_owned()],
        };
        assert_eq!(lanes.kept(&big, 200_000, day), 0);
        for _ in 0..2_000 {
            lanes.count("big", day);
        }
        assert_eq!(lanes.kept(&big, 200_000, day), 4_000);
        assert_eq!(lanes.kept(&one, 200_000, day), 0);
        for _ in 0..500 {
            lanes.count("one", day + TimeDelta::seconds(3));
        }
        assert_eq!(lanes.kept(&big, 200_000, day), 3_500);
        // A new day, and a job that is alone.
        assert_eq!(lanes.kept(&big, 200_000, day + TimeDelta::hours(24)), 0);
        let alone = Sharing {
            job: "big".to_owned(),
            others: Vec::new(),
        };
        assert_eq!(lanes.kept(&alone, 200_000, day), 0);
    }

    #[test]
    fn a_small_day_is_not_kept_away_as_a_whole() {
        assert_eq!(share(200_000, 4), 2_000);
        assert_eq!(share(5_000, 4), 100);
        assert_eq!(share(1_000, 4), 62);
        assert_eq!(share(10, 9), 0);
        assert!(share(100_000, 50) * 50 <= 25_000);
    }
}
