//! Whether a walk that came to its end lists everybody.

use crate::model::{Cut, Ended, Share};

/// A first walk may be off the vendor's count by this share of it, in percent: counts may include suspended accounts.
const FIRST_GAP_PERCENT: u64 = 5;
/// And by this many rows in any case.
const FIRST_GAP_ROWS: u64 = 5;

/// Judges a walk that ended by itself: Complete when its gap (rows listed less rows counted) is close to the gap of the complete walk before.
///
/// `before` is that gap, `None` for a first walk, which may be off by the larger of 5 %, 5 rows and `drift`. Without a count there is
/// nothing to compare with.
pub fn judged(listed: i64, total: Option<i64>, before: Option<i64>, drift: Share) -> Ended {
    let Some(total) = total else {
        // Without a count an empty listing proves nothing.
        return match listed {
            0 => Ended::Cut(Cut::Gap {
                listed: 0,
                total: 0,
            }),
            _ => Ended::Complete,
        };
    };
    let gap = listed - total;
    let count = total.unsigned_abs();
    let allowed = drift.of(count);
    let fits = match before {
        None => {
            gap.unsigned_abs()
                <= (count * FIRST_GAP_PERCENT / 100)
                    .max(FIRST_GAP_ROWS)
                    .max(allowed)
        }
        Some(before) => (gap - before).unsigned_abs() <= allowed,
    };
    if fits {
        Ended::Complete
    } else {
        Ended::Cut(Cut::Gap {
            listed: listed.unsigned_abs(),
            total: count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIFT: Share = Share::Percent {
        percent: 0.5,
        atleast: 5,
    };

    #[test]
    fn a_first_walk_may_be_off_by_five_percent_and_later_ones_by_the_drift() {
        let complete =
            |listed, total, before| judged(listed, Some(total), before, DRIFT) == Ended::Complete;
        assert!(complete(950, 1_000, None) && !complete(949, 1_000, None));
        assert!(complete(5, 10, None) && !complete(4, 10, None));
        assert!(complete(895, 1_000, Some(-100)) && !complete(894, 1_000, Some(-100)));
        assert!(complete(9_950, 10_000, Some(0)) && !complete(9_949, 10_000, Some(0)));
        assert_eq!(judged(3, None, Some(7), DRIFT), Ended::Complete);
    }

    #[test]
    fn a_wide_drift_lets_a_first_walk_through() {
        let wide = Share::Percent {
            percent: 30.0,
            atleast: 5,
        };
        assert_eq!(judged(700, Some(1_000), None, wide), Ended::Complete);
        assert_ne!(judged(699, Some(1_000), None, wide), Ended::Complete);
    }
}
