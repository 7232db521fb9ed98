//! The rules that hold a part of a plan back.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AtMost, GuardKind, Limits};

/// How many records each guard counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<GuardKind, u64>);

impl Tally {
    /// Counts one more record for `guard`.
    pub fn count(&mut self, guard: GuardKind) {
        *self.0.entry(guard).or_default() += 1;
    }

    /// Sets the count of `guard`.
    pub fn set(&mut self, guard: GuardKind, count: u64) {
        self.0.insert(guard, count);
    }

    /// Returns the count of `guard`.
    pub fn of(&self, guard: GuardKind) -> u64 {
        self.0.get(&guard).copied().unwrap_or_default()
    }
}

/// What a guard found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The guard.
    pub guard: GuardKind,
    /// What this run would do, or this run and those of the 24 hours before it.
    pub count: u64,
    /// What it may.
    pub limit: u64,
    /// Whether the limit is that of a day.
    pub per_day: bool,
    /// Whether a person let it through.
    pub allowed: bool,
}

/// Returns every guard that stands against the plan, let through or not.
///
/// `would` counts this plan, `today` what was sent in the 24 hours before, `roster` the records in the roster (or, before the first run,
/// in the listing), `first` whether the mapping was never looked at by a person.
pub fn guards(
    limits: &Limits,
    would: &Tally,
    today: &Tally,
    roster: u64,
    first: bool,
    allowed: &BTreeSet<GuardKind>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for guard in GuardKind::ALL {
        let allowed = allowed.contains(&guard);
        match limit_of(limits, guard) {
            None if first => findings.push(Finding {
                guard,
                count: 0,
                limit: 0,
                per_day: false,
                allowed,
            }),
            None => {}
            Some(AtMost { run, day }) => {
                let (count, run, day) = (would.of(guard), run.of(roster), day.of(roster));
                let with_today = count + today.of(guard);
                if count > run {
                    findings.push(Finding {
                        guard,
                        count,
                        limit: run,
                        per_day: false,
                        allowed,
                    });
                } else if count > 0 && with_today > day {
                    findings.push(Finding {
                        guard,
                        count: with_today,
                        limit: day,
                        per_day: true,
                        allowed,
                    });
                }
            }
        }
    }
    findings
}

fn limit_of(limits: &Limits, guard: GuardKind) -> Option<AtMost> {
    match guard {
        GuardKind::First => None,
        GuardKind::Create => Some(limits.create),
        GuardKind::Update => Some(limits.update),
        GuardKind::Tag => Some(limits.tag),
        GuardKind::Leave => Some(limits.leave),
        GuardKind::Return => Some(limits.returns),
        GuardKind::Note => Some(limits.note),
        GuardKind::Task => Some(limits.task),
    }
}

/// Returns which guards hold their part back: those that found something and were not let through.
///
/// With `strict`, or when guard *first* holds, everything that costs a call is held.
pub fn held(findings: &[Finding], strict: bool) -> BTreeSet<GuardKind> {
    let holding: BTreeSet<_> = findings
        .iter()
        .filter(|finding| !finding.allowed)
        .map(|found| found.guard)
        .collect();
    if holding.contains(&GuardKind::First) || (strict && !holding.is_empty()) {
        return GuardKind::ALL.into_iter().collect();
    }
    holding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_counts_this_run_and_the_day() {
        let limits = Limits::default();
        let mut would = Tally::default();
        would.set(GuardKind::Create, 1_000);
        let mut today = Tally::default();
        let none = BTreeSet::new();
        assert_eq!(guards(&limits, &would, &today, 0, false, &none), []);
        today.set(GuardKind::Create, 1_001);
        let found = guards(&limits, &would, &today, 0, false, &none);
        assert_eq!(
            (found[0].count, found[0].limit, found[0].per_day),
            (2_001, 2_000, true)
        );
        would.set(GuardKind::Create, 1_001);
        let found = guards(&limits, &would, &today, 0, false, &none);
        assert_eq!(
            (found[0].count, found[0].limit, found[0].per_day),
            (1_001, 1_000, false)
        );
    }

    #[test]
    fn a_share_has_a_floor() {
        let limits = Limits::default();
        let mut would = Tally::default();
        would.set(GuardKind::Leave, 51);
        let none = BTreeSet::new();
        assert_eq!(
            guards(&limits, &would, &Tally::default(), 100, false, &none)[0].limit,
            50
        );
        assert_eq!(
            guards(&limits, &would, &Tally::default(), 2_000, false, &none),
            []
        );
    }

    #[test]
    fn guard_first_holds_everything_until_allowed() {
        let first = guards(
            &Limits::default(),
            &Tally::default(),
            &Tally::default(),
            0,
            true,
            &BTreeSet::new(),
        );
        assert_eq!(held(&first, false).len(), GuardKind::ALL.len());
        let allowed = BTreeSet::from([GuardKind::First]);
        let first = guards(
            &Limits::default(),
            &Tally::default(),
            &Tally::default(),
            0,
            true,
            &allowed,
        );
        assert_eq!(held(&first, false), BTreeSet::new());
    }
}
