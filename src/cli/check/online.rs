//! What only the vendors know: whether the tokens work, what they may do, and whether the other side is as the jobs need it.
//!
//! Every call is a read. A HighLevel location takes three: the location, its custom fields, and one contact of the search; and one for each
//! business that its jobs name. An account of Twitch takes the token's validation and its channels by login or id, a hundred a call; a channel
//! whose followers are listed takes two more: whether the token's own user follows it (which tells apart "no permission" and "no followers"),
//! and the first page of followers. An account that no job uses is not asked. The calls are counted in the state like any others, so the
//! state is made when it is not there.

use chrono::{DateTime, Utc};

use crate::config::{Account, Config, HubLogin, TwitchLogin, scopes};
use crate::model::AccountName;
use crate::net::{CallError, Line};
use crate::report::number;
use crate::run::CLOCK_MAY_BE_OFF;
use crate::store::tokens::{self, LoginFacts};
use crate::store::{Store, Usage};

use super::super::exit::Exit;
use super::super::shell::Shell;
use super::super::status::moment;
use super::super::worlds::Worlds;
use super::findings::{About, Found, LATER};
use super::offline::{is_used, login_command};
use super::{Typed, channel, location};

/// What the questions to one account share.
pub(super) struct Asking<'a> {
    /// Where the findings go.
    pub(super) found: &'a mut Found,
    /// The configuration.
    pub(super) config: &'a Config,
    /// How commands are typed here.
    pub(super) typed: &'a Typed,
    /// The account.
    pub(super) name: &'a AccountName,
    /// What it is.
    pub(super) account: &'a Account,
    /// The logins that are stored.
    pub(super) logins: &'a [LoginFacts],
    /// Scopes that were said to be lacking.
    pub(super) lacking: Vec<String>,
    /// The present moment.
    pub(super) now: DateTime<Utc>,
}

/// Whether further calls to the same account make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This call alone failed.
    GoOn,
    /// Every other call would fail alike.
    Stop,
}

/// Asks about every account that a job uses, or about the one that was `chosen`; the trouble of one hides no other's.
///
/// `is_tested` says that writing is going to be tried.
pub(super) async fn ask(
    found: &mut Found,
    worlds: &mut Worlds,
    chosen: Option<&AccountName>,
    typed: &Typed,
    shell: &Shell,
    is_tested: bool,
) {
    let now = shell.clock.now();
    let config = worlds.config().clone();
    let logins = match worlds.store().reader().and_then(|db| tokens::all(&db)) {
        Ok(logins) => logins,
        Err(error) => {
            return found.wrong_as_said(About::State, &error.to_string(), Exit::Failed);
        }
    };
    for (name, account) in &config.accounts {
        if !is_asked(&config, chosen, name) {
            if chosen.is_none() {
                let line = "no job uses it, so it is not asked";
                found.well(About::Account(name.clone()), line);
            }
            continue;
        }
        if shell.stop.is_asked() {
            break;
        }
        shell.progress.reading(&format!("account {name}"), None);
        let mut asking = Asking {
            found,
            config: &config,
            typed,
            name,
            account,
            logins: &logins,
            lacking: Vec::new(),
            now,
        };
        // What no call would cure is not asked about: a secret that is not there, a login that has ended.
        if asking.found.is_wrong(&asking.about()) {
            asking.note("not asked, because of what stands above", None);
            continue;
        }
        match account {
            Account::HighLevel(hub) => location::ask(&mut asking, worlds, hub, is_tested).await,
            Account::Agency(_) => asking.agency(),
            Account::Twitch(spoke) => channel::ask(&mut asking, worlds, spoke).await,
        }
    }
}

/// Returns whether an account is asked: the one that was `chosen`, else every one that a job uses.
pub(super) fn is_asked(config: &Config, chosen: Option<&AccountName>, name: &AccountName) -> bool {
    match chosen {
        Some(chosen) => chosen == name,
        None => is_used(config, name),
    }
}

/// Returns the words that tell how to log in.
fn log_in(account: &Account, name: &AccountName, typed: &Typed) -> String {
    format!("run `{}`", login_command(account, name, typed))
}

/// Returns how to give the token of an account a scope that it lacks.
pub(in crate::cli) fn grant(
    account: &Account,
    name: &AccountName,
    scope: &str,
    typed: &Typed,
) -> String {
    let log_in = log_in(account, name, typed);
    let of_app = format!(
        "add the scope {scope} to the app in HighLevel's marketplace if it is not there, and {log_in}"
    );
    match account {
        Account::HighLevel(hub) => match &hub.login {
            HubLogin::Fixed(_) | HubLogin::Kept => format!(
                "add the scope {scope} to the private integration in HighLevel (Settings, Private Integrations); the token stays the same"
            ),
            HubLogin::App(_) | HubLogin::Agency(_) => of_app,
        },
        Account::Agency(_) => of_app,
        Account::Twitch(spoke) => match &spoke.login {
            TwitchLogin::Fixed(source) => {
                format!("make a new user token with the scope {scope} and put it into {source}")
            }
            TwitchLogin::Kept => log_in,
        },
    }
}

/// Returns how to put a good token in the place of a dead one.
pub(in crate::cli) fn replace(account: &Account, name: &AccountName, typed: &Typed) -> String {
    let log_in = log_in(account, name, typed);
    match account {
        Account::HighLevel(hub) => match &hub.login {
            HubLogin::Fixed(source) => format!(
                "make or rotate the private integration in HighLevel (Settings, Private Integrations) and put its token into {source}"
            ),
            HubLogin::Kept | HubLogin::App(_) | HubLogin::Agency(_) => log_in,
        },
        Account::Agency(_) => log_in,
        Account::Twitch(spoke) => match &spoke.login {
            TwitchLogin::Fixed(source) => format!(
                "put a new user token into {source}, or take `token` out of ghl-sync.toml and {log_in}"
            ),
            TwitchLogin::Kept => log_in,
        },
    }
}

impl Asking<'_> {
    /// Returns what findings of this account are about.
    pub(super) fn about(&self) -> About {
        About::Account(self.name.clone())
    }

    pub(super) fn well(&mut self, what: impl Into<String>) {
        self.found.well(self.about(), what);
    }

    pub(super) fn note(&mut self, what: impl Into<String>, mend: Option<String>) {
        self.found.note(self.about(), what, mend);
    }

    /// Adds something that a person has to mend before jobs can run.
    pub(super) fn wrong(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.found.wrong(self.about(), what, mend, Exit::BadConfig);
    }

    /// Returns the words that tell how to log in.
    pub(super) fn log_in(&self) -> String {
        log_in(self.account, self.name, self.typed)
    }

    /// Returns how to give the token a scope that it lacks.
    pub(super) fn grant(&self, scope: &str) -> String {
        grant(self.account, self.name, scope, self.typed)
    }

    /// Returns how to put a good token in the place of a dead one.
    pub(super) fn replace(&self) -> String {
        replace(self.account, self.name, self.typed)
    }

    /// Returns the stored login that the account's tokens come from.
    pub(super) fn login(&self) -> Option<&LoginFacts> {
        let of = |name: &AccountName| self.logins.iter().find(|login| login.account == *name);
        let agency = match self.account {
            Account::HighLevel(hub) => match &hub.login {
                HubLogin::Agency(agency) => Some(agency),
                HubLogin::Fixed(_) | HubLogin::Kept | HubLogin::App(_) => None,
            },
            Account::Agency(_) | Account::Twitch(_) => None,
        };
        match agency {
            Some(agency) => of(agency),
            None => of(self.name),
        }
    }

    /// An agency is asked through its locations; what it was granted is known.
    fn agency(&mut self) {
        match self.login() {
            None => {
                let mend = self.log_in();
                self.wrong("not logged in yet", mend);
            }
            Some(_) => {
                self.granted();
                self.well("asked through the locations that it makes tokens for");
            }
        }
    }

    /// Holds what was granted against what the jobs need; returns whether the vendor said what was granted.
    pub(super) fn granted(&mut self) -> bool {
        let Some(granted) = self.login().map(|login| login.scopes.clone()) else {
            return false;
        };
        if granted.is_empty() {
            return false;
        }
        let lacking = scopes::lacking(self.config, self.name, &granted);
        for scope in &lacking {
            let what = format!("the scope {scope} was not granted");
            self.lacking.push((*scope).to_owned());
            let mend = self.grant(scope);
            if *scope == location::SCOPE {
                self.note(format!("{what}; no job needs it"), Some(mend));
            } else {
                self.wrong(what, mend);
            }
        }
        if lacking.is_empty() {
            let needed = scopes::needed(self.config, self.name);
            self.well(format!(
                "every needed scope was granted: {}",
                needed.join(", ")
            ));
        }
        true
    }

    /// Says why a call failed and what to do; `scope` is what it needs.
    pub(super) fn failed(&mut self, error: CallError, scope: &str) -> Next {
        let about = self.about();
        let said = error.to_string();
        match error {
            CallError::DeadToken { said, .. } => {
                let mend = self.replace();
                self.wrong(format!("the token is expired or revoked ({said})"), mend);
                Next::Stop
            }
            CallError::Scope { .. } if self.lacking.iter().any(|said| said == scope) => Next::GoOn,
            CallError::Scope { said, .. } => {
                let mend = self.grant(scope);
                self.wrong(format!("the token lacks the scope {scope} ({said})"), mend);
                Next::GoOn
            }
            CallError::Version { said, .. } => {
                let what =
                    format!("HighLevel refuses the API version that this program speaks ({said})");
                self.wrong(what, "update ghl-sync");
                Next::Stop
            }
            CallError::NoAccess { said, .. } => {
                let mend = match self.account.token() {
                    Some(source) => format!(
                        "check `location` in ghl-sync.toml, or put a token of that location into {source}"
                    ),
                    None => format!(
                        "check `location` in ghl-sync.toml, or log in to that location: {}",
                        self.log_in()
                    ),
                };
                self.wrong(
                    format!("the token does not belong to this location ({said})"),
                    mend,
                );
                Next::Stop
            }
            CallError::NoPermission { said, .. } => {
                let mend = self.replace();
                self.wrong(
                    format!("Twitch does not let this user see it ({said})"),
                    mend,
                );
                Next::GoOn
            }
            CallError::NotFound { call } => match self.account {
                Account::HighLevel(hub) if call.contains(" /locations/") => {
                    let what = format!("HighLevel knows no location {} ({said})", hub.location);
                    self.wrong(what, "correct `location` in ghl-sync.toml");
                    // Every other call would say the same.
                    Next::Stop
                }
                Account::HighLevel(_) | Account::Agency(_) => {
                    let mend = "run it again; something else may have deleted it meanwhile";
                    self.wrong(said, mend);
                    Next::GoOn
                }
                Account::Twitch(_) => {
                    self.wrong(said, "check `channel` in ghl-sync.toml");
                    Next::GoOn
                }
            },
            CallError::Spent { .. } => {
                let mend = "run it again then; until then no job can make calls either";
                self.found.wrong(about, said, mend, Exit::OutOfTouch);
                Next::Stop
            }
            CallError::OutOfTouch { .. } => {
                self.found.wrong(about, said, LATER, Exit::OutOfTouch);
                Next::Stop
            }
            CallError::Unsure { .. }
            | CallError::Refused { .. }
            | CallError::Duplicate { .. }
            | CallError::BadReply { .. } => {
                let mend = "run it again later; if it stays, update ghl-sync";
                self.found.wrong(about, said, mend, Exit::OutOfTouch);
                Next::GoOn
            }
            CallError::Login(error) => {
                let exit = match error.is_passing() {
                    true => Exit::OutOfTouch,
                    false => Exit::BadConfig,
                };
                self.found.wrong_as_said(about, &said, exit);
                Next::Stop
            }
            CallError::State(error) => {
                self.found
                    .wrong_as_said(About::State, &error.to_string(), Exit::Failed);
                Next::Stop
            }
            CallError::NotSent { .. } => {
                let mend = "this is a defect in ghl-sync; please report it";
                self.found.wrong(about, said, mend, Exit::Failed);
                Next::Stop
            }
        }
    }

    /// Says that no call can be made at all.
    pub(super) fn no_call(&mut self, why: &str) {
        self.found.wrong_as_said(self.about(), why, Exit::BadConfig);
    }

    /// Holds this machine's clock against the vendor's.
    pub(super) fn clock(&mut self, vendor: &str, line: &Line) {
        let Some(skew) = line.skew() else { return };
        let off = skew.num_seconds().abs();
        if skew.abs() > CLOCK_MAY_BE_OFF {
            let which = match skew > chrono::TimeDelta::zero() {
                true => "behind",
                false => "ahead of",
            };
            self.wrong(
                format!("the clock of this machine is {off} s {which} {vendor}'s"),
                "set it, for example with `timedatectl set-ntp true`",
            );
        } else {
            self.well(format!(
                "the clock of this machine agrees with {vendor}'s to {off} s"
            ));
        }
    }

    /// Says how much of the budget is left after the calls.
    pub(super) fn budget(
        &mut self,
        store: &Store,
        line: &Line,
        vendor: &str,
        reserve: Option<u64>,
    ) {
        let usages = store.reader().and_then(|db| Usage::all(&db, self.now));
        let usages = match usages {
            Ok(usages) => usages,
            Err(error) => {
                return self
                    .found
                    .wrong_as_said(About::State, &error.to_string(), Exit::Failed);
            }
        };
        let name = line.gate().name();
        let Some(usage) = usages.into_iter().find(|usage| usage.name == name) else {
            return;
        };
        if let Some(until) = usage.held_until {
            self.note(
                format!(
                    "{vendor} asked for a pause until {}",
                    moment(until, self.now)
                ),
                Some("something else uses the same allowance: run jobs less often".to_owned()),
            );
        }
        let (Some(limit), Some(remaining)) = (usage.limit, usage.remaining) else {
            if usage.held_until.is_none() {
                self.well(format!(
                    "{vendor} has no limit of the day and asks for no pause"
                ));
            }
            return;
        };
        let reserve = reserve.unwrap_or(limit / 20);
        let ours = remaining.saturating_sub(reserve);
        let until = match usage.resets_at {
            Some(at) => format!(" until {}", moment(at, self.now)),
            None => String::new(),
        };
        let what = format!(
            "{} of the day's {} calls are left{until}, {} of them reserved for other tools",
            number(remaining),
            number(limit),
            number(reserve.min(remaining)),
        );
        if ours < limit / 10 {
            let mend =
                "find out what uses up the calls (`ghl-sync status`), or run jobs less often";
            self.note(what, Some(mend.to_owned()));
        } else {
            self.well(what);
        }
    }
}
