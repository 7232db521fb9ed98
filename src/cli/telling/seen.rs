//! What the end of a run, and the stored logins, say of conditions: pure.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::{AccountName, GuardKind, Job};
use crate::report::{NewsKind, Outcome, Report, number};
use crate::run::RunError;
use crate::store::conditions::ConditionKind;
use crate::store::{LoginFacts, LoginKind, StoreError};

use super::super::error::CliError;
use super::change::{Look, Patience, Seen};

/// The subject of what concerns everything in the state.
pub(super) const STATE: &str = "state";

/// The subject of upkeep of the state. Its own: the next good run of a job says nothing about copies.
pub(super) const UPKEEP: &str = "upkeep";

/// A renewal without an answer for so long is worth a word; the next one usually heals it within minutes.
const UNANSWERED: TimeDelta = TimeDelta::hours(1);

/// A login of a public Twitch application that was not renewed for so long ends soon: after 30 days. Source: Twitch, Getting OAuth Access
/// Tokens.
const IDLE: TimeDelta = TimeDelta::days(25);

/// Returns the subject of a job.
pub(super) fn of_job(job: &Job) -> String {
    format!("job:{}", job.name)
}

/// Returns the subject of an account.
pub(super) fn of_account(account: &AccountName) -> String {
    format!("account:{account}")
}

/// Returns what the end of a run by `apply` shows. What it shows nothing of is left out and stays as it was.
///
/// `accounts` are those that the job's calls were made with. Spent budgets and runs that were stopped are no failure.
pub(super) fn of_end(
    job: &Job,
    result: Result<&Report, &CliError>,
    accounts: &[AccountName],
) -> Vec<Seen> {
    match result {
        Ok(report) => of_report(job, report, accounts),
        Err(error) => of_error(job, error),
    }
}

fn of_report(job: &Job, report: &Report, accounts: &[AccountName]) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut add = |subject: String, kind, look| {
        all.push(Seen {
            subject,
            kind,
            look,
        });
    };
    let me = of_job(job);
    let is_whole = match &report.outcome {
        Outcome::Finished => true,
        Outcome::Stopped | Outcome::OutOfTime | Outcome::Spent | Outcome::OutOfTouch(_) => false,
    };
    match &report.outcome {
        Outcome::Finished | Outcome::OutOfTime | Outcome::Spent => {
            add(me.clone(), ConditionKind::Failure, Look::Gone);
        }
        Outcome::Stopped => {}
        Outcome::OutOfTouch(_) => add(
            me.clone(),
            ConditionKind::Failure,
            out_of_touch("a service could not be reached"),
        ),
    }
    if is_whole {
        for account in accounts {
            add(of_account(account), ConditionKind::Login, Look::Gone);
        }
    }
    let held: BTreeSet<GuardKind> = report
        .guards
        .iter()
        .filter(|finding| finding.held)
        .map(|finding| finding.guard)
        .collect();
    if !held.is_empty() {
        let words: Vec<&str> = held.iter().map(|guard| guard.word()).collect();
        add(
            me.clone(),
            ConditionKind::Held,
            Look::Stands {
                hash: words.join(" "),
                what: held_words(report),
                patience: Patience::AtOnce,
            },
        );
    } else if is_whole {
        add(me.clone(), ConditionKind::Held, Look::Gone);
    }
    let waits: Vec<String> = ["conflicts", "refused", "ambiguous", "asking you"]
        .into_iter()
        .filter_map(|name| Some((name, *report.standing.get(name)?)))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{} {name}", number(count)))
        .collect();
    let is_new = [
        NewsKind::Conflict,
        NewsKind::Refused,
        NewsKind::Asks,
        NewsKind::Ambiguous,
    ]
    .into_iter()
    .any(|kind| report.has_news(kind));
    let what = match waits.is_empty() {
        true => "a row was refused or has to be decided".to_owned(),
        false => waits.join(", "),
    };
    match (is_new, waits.is_empty()) {
        (true, _) => add(
            me,
            ConditionKind::Conflict,
            Look::Stands {
                hash: format!("run {}", report.run),
                what,
                patience: Patience::AtOnce,
            },
        ),
        (false, false) => add(me, ConditionKind::Conflict, Look::Stays { what }),
        (false, true) if is_whole => add(me, ConditionKind::Conflict, Look::Gone),
        (false, true) => {}
    }
    all
}

fn held_words(report: &Report) -> String {
    let held = report.guards.iter().filter(|finding| finding.held);
    let words: Vec<String> = held
        .map(|finding| match finding.guard {
            GuardKind::First => "the job is new or was edited, and nobody approved it".to_owned(),
            GuardKind::Create
            | GuardKind::Update
            | GuardKind::Tag
            | GuardKind::Leave
            | GuardKind::Return
            | GuardKind::Note
            | GuardKind::Task => format!(
                "guard {} counts {}, allowed are {}",
                finding.guard,
                number(finding.count),
                number(finding.limit)
            ),
        })
        .collect();
    words.join("; ")
}

fn of_error(job: &Job, error: &CliError) -> Vec<Seen> {
    let at_once = |subject: String, kind, hash: String, what: String| {
        vec![Seen {
            subject,
            kind,
            look: Look::Stands {
                hash,
                what,
                patience: Patience::AtOnce,
            },
        }]
    };
    let me = of_job(job);
    let failure = ConditionKind::Failure;
    match error {
        // Somebody else is at work, or a person typed something: neither says how the job is.
        CliError::Run(RunError::Busy { .. } | RunError::Approval { .. })
        | CliError::Refused { .. }
        | CliError::Stopped { .. } => Vec::new(),
        // The vendor answers, and the calls come back by themselves.
        CliError::Run(RunError::Spent { .. }) => vec![Seen {
            subject: me,
            kind: failure,
            look: Look::Gone,
        }],
        CliError::Run(RunError::Setup {
            account: Some(account),
            what,
            ..
        }) => at_once(
            of_account(account),
            ConditionKind::Login,
            gist(what),
            without_asides(what),
        ),
        CliError::Run(RunError::Setup {
            account: None,
            what,
            ..
        }) => at_once(me, failure, gist(what), without_asides(what)),
        CliError::Run(RunError::OutOfTouch { account, .. }) => vec![Seen {
            subject: me,
            kind: failure,
            look: out_of_touch(&format!("account {account} could not be reached")),
        }],
        CliError::OutOfTouch { .. } => vec![Seen {
            subject: me,
            kind: failure,
            look: out_of_touch("a service could not be reached"),
        }],
        CliError::Run(RunError::State(error)) => vec![of_state(error)],
        CliError::Run(error @ (RunError::Io { .. } | RunError::Bug { .. })) => {
            let hash = match error {
                RunError::Bug { .. } => "defect",
                _ => "file",
            };
            at_once(
                me,
                failure,
                hash.to_owned(),
                without_asides(&error.to_string()),
            )
        }
        CliError::Config(_) => at_once(
            me,
            failure,
            "configuration".to_owned(),
            "the configuration has problems".to_owned(),
        ),
        CliError::Care { .. } => of_upkeep(Err(error)).into_iter().collect(),
        CliError::Usage { what, .. } => at_once(me, failure, gist(what), without_asides(what)),
        CliError::Io { .. } => at_once(
            me,
            failure,
            "file".to_owned(),
            without_asides(&error.to_string()),
        ),
    }
}

/// Returns what a state that cannot be read or written is.
pub(super) fn of_state(error: &StoreError) -> Seen {
    Seen {
        subject: STATE.to_owned(),
        kind: ConditionKind::Failure,
        look: Look::Stands {
            hash: state_hash(error).to_owned(),
            what: without_asides(&error.to_string()),
            patience: Patience::AtOnce,
        },
    }
}

/// Returns what the end of upkeep shows; `None` when it shows nothing, because others were at it.
pub(super) fn of_upkeep(result: Result<(), &CliError>) -> Option<Seen> {
    let (hash, what) = match result {
        Ok(()) => {
            return Some(Seen {
                subject: UPKEEP.to_owned(),
                kind: ConditionKind::Failure,
                look: Look::Gone,
            });
        }
        Err(CliError::Run(RunError::Busy { .. }) | CliError::Stopped { .. }) => return None,
        Err(CliError::Run(RunError::State(error))) => {
            (state_hash(error).to_owned(), error.to_string())
        }
        Err(CliError::Care { what }) => (gist(what), what.clone()),
        Err(
            error @ (CliError::Run(_)
            | CliError::Config(_)
            | CliError::Usage { .. }
            | CliError::Refused { .. }
            | CliError::OutOfTouch { .. }
            | CliError::Io { .. }),
        ) => (gist(&error.to_string()), error.to_string()),
    };
    Some(Seen {
        subject: UPKEEP.to_owned(),
        kind: ConditionKind::Failure,
        look: Look::Stands {
            hash,
            what: without_asides(&what),
            patience: Patience::AtOnce,
        },
    })
}

/// One hash for all of them: which vendor it was, and how it did not answer, changes from run to run.
fn out_of_touch(what: &str) -> Look {
    Look::Stands {
        hash: "out-of-touch".to_owned(),
        what: what.to_owned(),
        patience: Patience::Patient,
    }
}

fn state_hash(error: &StoreError) -> &'static str {
    match error {
        StoreError::NotADatabase { .. } | StoreError::Corrupt { .. } => "state damaged",
        StoreError::Newer { .. } => "state newer",
        StoreError::Locked { .. } => "state locked",
        StoreError::Foreign { .. } => "state of another user",
        StoreError::ReadOnly { .. } => "state read-only",
        StoreError::DiskFull { .. } => "state disk full",
        StoreError::Io { .. } | StoreError::Sql { .. } | StoreError::Stopped => "state",
    }
}

/// Returns what is gone once a run could write the state to its end.
pub(super) fn state_is_well() -> Seen {
    Seen {
        subject: STATE.to_owned(),
        kind: ConditionKind::Failure,
        look: Look::Gone,
    }
}

/// Returns what stands of the stored logins by what is known without a call. `seen` is what the run saw: a login that is lost is lost,
/// whatever the run's error called it.
pub(super) fn with_logins(
    mut seen: Vec<Seen>,
    logins: &[LoginFacts],
    is_public: impl Fn(&AccountName) -> bool,
    now: DateTime<Utc>,
) -> Vec<Seen> {
    for login in logins {
        let is_idle = match login.kind {
            LoginKind::User => is_public(&login.account) && now - login.obtained > IDLE,
            LoginKind::Integration
            | LoginKind::Location
            | LoginKind::Agency
            | LoginKind::Minted => false,
        };
        let stands = if login.lost.is_some() {
            Some(("lost", "the login has ended and cannot be renewed"))
        } else if login.renewing.is_some_and(|sent| now - sent > UNANSWERED) {
            Some((
                "unanswered",
                "the login could not be renewed: the answer to a renewal is missing",
            ))
        } else if is_idle {
            Some((
                "idle",
                "the login was not renewed for 25 days, and Twitch ends it after 30",
            ))
        } else {
            None
        };
        let Some((hash, what)) = stands else { continue };
        let subject = of_account(&login.account);
        seen.retain(|seen| seen.subject != subject || seen.kind != ConditionKind::Login);
        seen.push(Seen {
            subject,
            kind: ConditionKind::Login,
            look: Look::Stands {
                hash: hash.to_owned(),
                what: what.to_owned(),
                patience: Patience::AtOnce,
            },
        });
    }
    seen
}

/// Returns a message of ours without what stands in parentheses, which are others' words, on one line of at most 300 characters.
fn without_asides(message: &str) -> String {
    let mut depth = 0_u32;
    let mut kept = String::new();
    for c in message.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    let words: Vec<&str> = kept.split_whitespace().collect();
    let line = words.join(" ").replace(" ;", ";").replace(" ,", ",");
    crate::report::plain(&line).chars().take(300).collect()
}

/// Returns what makes a message another one: its words without numbers and without others' words.
fn gist(message: &str) -> String {
    let kept = without_asides(message);
    let words: Vec<&str> = kept
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| word.len() > 2)
        .collect();
    words.join(" ").chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::{Job, JobName};
    use crate::report::{News, tests as reports};

    use super::*;

    fn job() -> Job {
        let text = include_str!("../../../schedules/twitch-followers.toml");
        let main = "[accounts.main]\nservice = 'highlevel'\nlocation = 'L0c'\ntoken = 'env:A'\n[accounts.my-channel]\nservice = 'twitch'\nclient_id = 'abc'\ntoken = 'env:B'\n";
        let folder = std::env::temp_dir().join(format!(
            "ghl-sync-seen-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(folder.join("schedules")).unwrap();
        std::fs::write(folder.join("ghl-sync.toml"), main).unwrap();
        std::fs::write(folder.join("schedules/a.toml"), text).unwrap();
        let config = crate::config::load(&folder.join("ghl-sync.toml")).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        config.jobs.into_values().next().unwrap()
    }

    fn accounts() -> Vec<AccountName> {
        ["main", "my-channel"]
            .map(|name| name.try_into().unwrap())
            .to_vec()
    }

    fn words(seen: &[Seen]) -> Vec<String> {
        let words = seen.iter().map(|seen| {
            let look = match &seen.look {
                Look::Gone => "gone".to_owned(),
                Look::Stays { .. } => "stays".to_owned(),
                Look::Stands { hash, patience, .. } => format!("{hash} {patience:?}"),
            };
            format!("{} {}: {look}", seen.subject, seen.kind.word())
        });
        words.collect()
    }

    #[test]
    fn a_report_says_what_is_held_and_what_waits() {
        let (mut report, _) = reports::carried_out();
        let job = job();
        report.guards.retain(|finding| finding.held);
        report.news.clear();
        report.standing.clear();
        let seen = words(&of_end(&job, Ok(&report), &accounts()));
        let held = report.guards[0].guard.word();
        assert_eq!(
            seen,
            [
                "job:twitch-followers failure: gone".to_owned(),
                "account:main login: gone".to_owned(),
                "account:my-channel login: gone".to_owned(),
                format!("job:twitch-followers held: {held} AtOnce"),
                "job:twitch-followers conflict: gone".to_owned(),
            ]
        );
        report.standing.insert("conflicts".to_owned(), 12);
        let seen = words(&of_end(&job, Ok(&report), &[]));
        assert!(seen.contains(&"job:twitch-followers conflict: stays".to_owned()));
        report.news.push(News {
            kind: NewsKind::Conflict,
            key: None,
            what: "Zoë is somebody's name".to_owned(),
            command: None,
        });
        let seen = of_end(&job, Ok(&report), &[]);
        let run = format!("job:twitch-followers conflict: run {} AtOnce", report.run);
        assert!(words(&seen).contains(&run), "{seen:?}");
        assert!(!format!("{seen:?}").contains("Zoë"), "{seen:?}");
    }

    #[test]
    fn spent_budgets_and_stops_are_no_failure_and_say_nothing_is_over() {
        let (mut report, _) = reports::carried_out();
        report.guards.clear();
        report.news.clear();
        report.standing.clear();
        let job = job();
        for (outcome, expected) in [
            (Outcome::Stopped, Vec::new()),
            (
                Outcome::Spent,
                vec!["job:twitch-followers failure: gone".to_owned()],
            ),
            (
                Outcome::OutOfTime,
                vec!["job:twitch-followers failure: gone".to_owned()],
            ),
            (
                Outcome::OutOfTouch("x".to_owned()),
                vec!["job:twitch-followers failure: out-of-touch Patient".to_owned()],
            ),
        ] {
            report.outcome = outcome;
            assert_eq!(words(&of_end(&job, Ok(&report), &accounts())), expected);
        }
    }

    #[test]
    fn an_error_is_told_by_its_kind_and_without_the_vendors_words() {
        let job = job();
        let name: JobName = job.name.clone();
        let setup = |account: Option<&str>, what: &str| {
            CliError::Run(RunError::Setup {
                job: name.clone(),
                account: account.map(|account| account.try_into().unwrap()),
                what: what.to_owned(),
            })
        };
        let seen = |error: &CliError| of_end(&job, Err(error), &accounts());
        let one = seen(&setup(
            Some("main"),
            "the login has ended (Zoë said 17 things); run `ghl-sync auth highlevel --account main`",
        ));
        let other = seen(&setup(
            Some("main"),
            "the login has ended (another 18); run `ghl-sync auth highlevel --account main`",
        ));
        assert_eq!(one, other);
        assert_eq!(one[0].subject, "account:main");
        assert_eq!(one[0].kind, ConditionKind::Login);
        assert!(!format!("{one:?}").contains("Zoë"), "{one:?}");
        let without = words(&seen(&setup(None, "a template is wrong")));
        assert_eq!(without.len(), 1);
        assert!(
            without[0].starts_with("job:twitch-followers failure: template wrong"),
            "{without:?}"
        );
        let busy = CliError::Run(RunError::Busy {
            what: "job-a".to_owned(),
            holder: "x".to_owned(),
        });
        assert!(seen(&busy).is_empty());
        let full = CliError::from(StoreError::DiskFull { path: "x".into() });
        assert_eq!(
            words(&seen(&full)),
            ["state failure: state disk full AtOnce"]
        );
        let away = |why: &str| {
            CliError::Run(RunError::OutOfTouch {
                account: "main".try_into().unwrap(),
                why: why.to_owned(),
            })
        };
        assert_eq!(seen(&away("503")), seen(&away("timed out")));
    }

    #[test]
    fn upkeep_has_a_subject_of_its_own_and_others_at_it_say_nothing() {
        let seen = |result| words(&of_upkeep(result).into_iter().collect::<Vec<_>>());
        assert_eq!(seen(Ok(())), ["upkeep failure: gone"]);
        let failed = |what: &str| CliError::Care {
            what: what.to_owned(),
        };
        let one = failed("no copy could be made: the disk is full (a-20260302.db)");
        let told = "upkeep failure: copy could made the disk full AtOnce";
        assert_eq!(seen(Err(&one)), [told]);
        let other = failed("no copy could be made: the disk is full (a-20260303.db)");
        assert_eq!(of_upkeep(Err(&one)), of_upkeep(Err(&other)));
        let busy = CliError::Run(RunError::Busy {
            what: "upkeep".to_owned(),
            holder: "x".to_owned(),
        });
        assert!(seen(Err(&busy)).is_empty());
    }

    #[test]
    fn a_login_that_is_lost_is_one_condition_whatever_the_run_called_it() {
        let now = DateTime::from_timestamp_millis(1_772_452_800_000).unwrap();
        let facts = LoginFacts {
            account: "my-channel".try_into().unwrap(),
            kind: LoginKind::User,
            client_id: None,
            owner: None,
            owner_name: Some("Zoë".to_owned()),
            scopes: Vec::new(),
            expires: None,
            made: now,
            obtained: now,
            renewing: None,
            lost: None,
        };
        let look = |facts: &LoginFacts, is_public: bool| {
            let before = vec![Seen {
                subject: "account:my-channel".to_owned(),
                kind: ConditionKind::Login,
                look: Look::Gone,
            }];
            let facts = std::slice::from_ref(facts);
            words(&with_logins(before, facts, |_| is_public, now))
        };
        assert_eq!(look(&facts, true), ["account:my-channel login: gone"]);
        let mut lost = facts.clone();
        lost.lost = Some("Invalid refresh token".to_owned());
        assert_eq!(look(&lost, true), ["account:my-channel login: lost AtOnce"]);
        let mut old = facts.clone();
        old.obtained = now - TimeDelta::days(26);
        assert_eq!(look(&old, true), ["account:my-channel login: idle AtOnce"]);
        assert_eq!(look(&old, false), ["account:my-channel login: gone"]);
        let mut sent = facts;
        sent.renewing = Some(now - TimeDelta::minutes(61));
        assert_eq!(
            look(&sent, true),
            ["account:my-channel login: unanswered AtOnce"]
        );
    }
}
