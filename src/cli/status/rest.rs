//! What `status` tells besides the jobs: calls, logins, conditions, the daemon, upkeep.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use serde::Serialize;

use crate::config::{Account, Config};
use crate::model::{AccountName, Job};
use crate::plan::agenda::Terms;
use crate::report::{hidden, number};
use crate::store::conditions::Condition;
use crate::store::kept::LastUpkeep;
use crate::store::{LoginFacts, LoginKind, Usage, tokens};

use super::super::auth::logs_in;
use super::super::check::{is_used, login_command};
use super::super::error::CliError;
use super::super::look::{self, ms};
use super::super::typed::Typed;
use super::moment;

/// Buckets that nobody used for longer are left out.
const SILENT_FOR: TimeDelta = TimeDelta::days(2);

/// One vendor bucket.
#[derive(Debug, Serialize)]
pub(super) struct BucketStanding {
    name: String,
    used: u64,
    limit: Option<u64>,
    remaining: Option<u64>,
    resets_at: Option<DateTime<Utc>>,
    held_until: Option<DateTime<Utc>>,
}

impl BucketStanding {
    pub(super) fn of(usage: Usage) -> BucketStanding {
        let Usage {
            name,
            used,
            limit,
            remaining,
            resets_at,
            held_until,
            last_at: _,
        } = usage;
        BucketStanding {
            name,
            used,
            limit,
            remaining,
            resets_at,
            held_until,
        }
    }

    pub(super) fn line(&self, now: DateTime<Utc>) -> String {
        let mut line = format!("{}: {} used", self.name, number(self.used));
        if let (Some(limit), Some(remaining)) = (self.limit, self.remaining) {
            line.push_str(&format!(
                " of {}, {} left",
                number(limit),
                number(remaining)
            ));
        }
        if let Some(at) = self.resets_at {
            line.push_str(&format!("; the day ends {}", moment(at, now)));
        }
        if let Some(at) = self.held_until {
            line.push_str(&format!("; on hold until {}", moment(at, now)));
        }
        line
    }
}

/// Returns whether nobody used a bucket for so long that its account is likely to be no more.
pub(super) fn is_silent(usage: &Usage, now: DateTime<Utc>) -> bool {
    let used = usage
        .last_at
        .is_some_and(|last_at| now - last_at <= SILENT_FOR);
    !used && usage.held_until.is_none()
}

/// The login of one account, as far as it is known without a call.
#[derive(Debug, Serialize)]
pub(super) struct AccountStanding {
    service: &'static str,
    /// When a person logged in; `None` for a token that is kept elsewhere, and where nobody did.
    made_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    /// Whether it is renewed without a person.
    renews: bool,
    /// What is wrong with it.
    trouble: Option<String>,
    /// The command that mends it.
    command: Option<String>,
}

impl AccountStanding {
    /// Returns the accounts that jobs use.
    pub(super) fn all(
        config: &Config,
        state: Option<&Connection>,
        typed: &Typed,
    ) -> Result<BTreeMap<AccountName, AccountStanding>, CliError> {
        let facts = state.map_or(Ok(Vec::new()), tokens::all)?;
        let mut all = BTreeMap::new();
        for (name, account) in &config.accounts {
            if is_used(config, name) {
                let facts = facts.iter().find(|facts| facts.account == *name);
                all.insert(
                    name.clone(),
                    AccountStanding::of(name, account, facts, typed),
                );
            }
        }
        Ok(all)
    }

    fn of(
        name: &AccountName,
        account: &Account,
        facts: Option<&LoginFacts>,
        typed: &Typed,
    ) -> AccountStanding {
        // A token that is kept elsewhere is not asked for: its secret is nobody's business here.
        let facts = facts.filter(|_| account.token().is_none());
        let trouble = match facts {
            None => logs_in(account).then(|| "nobody is logged in".to_owned()),
            Some(facts) => facts
                .lost
                .as_ref()
                .map(|lost| format!("cannot be renewed: {}", hidden(lost))),
        };
        AccountStanding {
            service: account.service(),
            made_at: facts.map(|facts| facts.made),
            expires_at: facts.and_then(|facts| facts.expires),
            renews: facts
                .is_some_and(|facts| facts.lost.is_none() && facts.kind != LoginKind::Integration),
            command: trouble
                .is_some()
                .then(|| login_command(account, name, typed)),
            trouble,
        }
    }

    pub(super) fn lines(&self, name: &AccountName, now: DateTime<Utc>) -> Vec<String> {
        let mut parts = vec![format!("{name} ({})", self.service)];
        match (&self.trouble, self.made_at) {
            (Some(trouble), _) => parts.push(trouble.clone()),
            (None, None) => parts.push("its token is kept elsewhere".to_owned()),
            (None, Some(_)) => {}
        }
        let renews = if self.renews { "; renews itself" } else { "" };
        match (self.expires_at, self.made_at) {
            (Some(at), _) if at > now => {
                parts.push(format!("good until {}{renews}", moment(at, now)))
            }
            (Some(at), _) => parts.push(format!("ended {}{renews}", moment(at, now))),
            (None, Some(_)) => parts.push("does not end by itself".to_owned()),
            (None, None) => {}
        }
        let mut lines = vec![parts.join(", ")];
        lines.extend(self.command.clone());
        lines
    }
}

/// Something that is not as it should be.
#[derive(Debug, Serialize)]
pub(super) struct ConditionStanding {
    subject: String,
    kind: &'static str,
    what: String,
    since: DateTime<Utc>,
}

impl ConditionStanding {
    pub(super) fn of(condition: Condition) -> ConditionStanding {
        let Condition {
            subject,
            kind,
            what,
            hash: _,
            since_ms,
        } = condition;
        ConditionStanding {
            subject,
            kind: kind.word(),
            what: hidden(&what).into_owned(),
            since: ms(since_ms),
        }
    }

    pub(super) fn line(&self, now: DateTime<Utc>) -> String {
        let subject = self.subject.replacen(':', " ", 1);
        format!(
            "{subject}: {}, since {}: {}",
            self.kind,
            moment(self.since, now),
            self.what
        )
    }
}

/// The daemon of this state.
#[derive(Debug, Serialize)]
pub(super) struct DaemonStanding {
    running: bool,
    /// Its command, process and start.
    holder: Option<String>,
}

impl DaemonStanding {
    pub(super) fn read(state: &Path) -> Result<DaemonStanding, CliError> {
        let holder = look::holder(state, "daemon")?;
        Ok(DaemonStanding {
            running: holder.is_some(),
            holder,
        })
    }

    pub(super) fn line(&self, config: &Config) -> String {
        let has_moments = |job: &Job| Terms::of(job).is_ok_and(|terms| terms.has_moments());
        let has_schedule = config.jobs.values().any(has_moments);
        match &self.holder {
            Some(holder) => format!("the daemon runs: {holder}"),
            None if has_schedule => {
                "no daemon runs; schedules are served by timers, if at all".to_owned()
            }
            None => "no daemon runs".to_owned(),
        }
    }
}

/// What upkeep of the state last did.
#[derive(Debug, Serialize)]
pub(super) struct UpkeepStanding {
    began_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    what: Option<String>,
    backup_at: Option<DateTime<Utc>>,
    checked_at: Option<DateTime<Utc>>,
    vacuumed_at: Option<DateTime<Utc>>,
}

impl UpkeepStanding {
    pub(super) fn of(upkeep: LastUpkeep) -> UpkeepStanding {
        let LastUpkeep {
            began_ms,
            ended_ms,
            what,
            backup_ms,
            checked_ms,
            vacuumed_ms,
        } = upkeep;
        UpkeepStanding {
            began_at: began_ms.map(ms),
            ended_at: ended_ms.map(ms),
            what,
            backup_at: backup_ms.map(ms),
            checked_at: checked_ms.map(ms),
            vacuumed_at: vacuumed_ms.map(ms),
        }
    }

    pub(super) fn lines(&self, now: DateTime<Utc>) -> Vec<String> {
        let mut lines = Vec::new();
        let what = self.what.as_ref().map(|what| format!(": {what}"));
        let what = what.unwrap_or_default();
        match (self.began_at, self.ended_at) {
            (_, Some(at)) => lines.push(format!("last upkeep {}{what}", moment(at, now))),
            // What came of it is written at its end.
            (Some(at), None) if self.what.is_some() => {
                lines.push(format!("upkeep began {} and was stopped", moment(at, now)))
            }
            (Some(at), None) => lines.push(format!(
                "upkeep began {} and did not end yet, or was killed",
                moment(at, now)
            )),
            (None, None) => {}
        }
        lines.push(match self.backup_at {
            Some(at) => format!("last backup {}", moment(at, now)),
            None => "no backup was made yet".to_owned(),
        });
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_was_silent_for_days_is_left_out_unless_it_is_held() {
        let now = ms(1_772_452_800_000);
        let usage = |days: Option<i64>| Usage {
            name: "twitch:old".to_owned(),
            used: 0,
            limit: None,
            remaining: None,
            resets_at: None,
            held_until: None,
            last_at: days.map(|days| now - TimeDelta::days(days)),
        };
        assert!(!is_silent(&usage(Some(0)), now));
        assert!(!is_silent(&usage(Some(2)), now));
        assert!(is_silent(&usage(Some(3)), now));
        assert!(is_silent(&usage(None), now));
        let held = Usage {
            held_until: Some(now + TimeDelta::hours(1)),
            ..usage(Some(3))
        };
        assert!(!is_silent(&held, now));
    }
}
