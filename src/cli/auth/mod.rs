//! `auth`: logs in, and shows, renews and revokes logins.
//!
//! What a vendor grants is committed before its first use; until then nothing of what was there before is touched. Secrets and codes are
//! seen by the vendor and the state alone; the user code of a device and the addresses that a person opens are meant to be seen.

mod browser;
mod device;
mod end;
mod highlevel;
mod integration;
mod listener;
mod show;
mod twitch;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::config::{Account, Config, HubLogin, TwitchLogin, scopes};
use crate::model::{AccountName, Clock};
use crate::net::{AuthError, CallError, Grant, Keeper};
use crate::plan::spelling::near;
use crate::run::RunError;
use crate::store::{LoginFacts, VaultError, tokens};

use super::args::{Auth, AuthDo, AuthOf, AuthWhat, HubAuth, TwitchAuth};
use super::ask::Asker;
use super::error::CliError;
use super::exit::Exit;
use super::runs::load;
use super::shell::Shell;
use super::typed::Typed;
use super::worlds::Worlds;

/// What Ctrl-C leaves before a login is stored.
const NOTHING_STORED: &str = "nothing was stored";

/// The one scope that no job needs.
const ONLINE_ONLY: &str = "locations.readonly";

/// Runs `auth`.
pub(super) async fn auth(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Auth,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let (service, what) = match &args.of {
        AuthOf::Show(args) => return show::show(shell, config, None, args.format).await,
        AuthOf::Twitch(args) => (Service::Twitch, &args.what),
        AuthOf::HighLevel(args) => (Service::HighLevel, &args.what),
    };
    if what.yes && what.action != AuthDo::Revoke {
        return Err(CliError::usage("--yes belongs to `revoke`"));
    }
    if what.action == AuthDo::Show {
        // All of the service where none is named: nothing is done to any of them.
        let accounts = match &what.account {
            Some(_) => vec![service.chosen(&config, what, &shell.typed)?],
            None => service.accounts(&config),
        };
        return show::show(shell, config, Some(&accounts), what.format).await;
    }
    let name = service.chosen(&config, what, &shell.typed)?;
    let account = config.accounts[&name].clone();
    if let Some(source) = account.token() {
        return Err(CliError::Usage {
            what: format!(
                "account {name}: its token is kept elsewhere (`token` in ghl-sync.toml says {source}), so that there is no login to {}",
                match what.action {
                    AuthDo::Login => "make",
                    AuthDo::Renew => "renew",
                    AuthDo::Show | AuthDo::Revoke => "end",
                }
            ),
            hint: Some(format!(
                "`{}` tests it; take `token` out of the account to log in instead",
                shell.typed.command("check --online")
            )),
        });
    }
    let clock = shell.clock.clone();
    let mut desk = Desk {
        worlds: Worlds::open(config, clock).await?.typing(&shell.typed),
        shell,
        service,
        name,
        account,
    };
    let mut asker = Asker::new();
    match (what.action, &args.of) {
        (AuthDo::Login, AuthOf::Twitch(args)) => twitch::login(&mut desk, &mut asker, args).await,
        (AuthDo::Login, AuthOf::HighLevel(args)) => {
            highlevel::login(&mut desk, &mut asker, args).await
        }
        (AuthDo::Renew, of) => {
            no_login_options(of)?;
            end::renew(&mut desk, &mut asker).await
        }
        (AuthDo::Revoke, of) => {
            no_login_options(of)?;
            end::revoke(&mut desk, &mut asker, what.yes).await
        }
        (AuthDo::Show, _) | (AuthDo::Login, AuthOf::Show(_)) => Ok(Exit::Done),
    }
}

/// Refuses what only a login takes.
fn no_login_options(of: &AuthOf) -> Result<(), CliError> {
    let given = match of {
        AuthOf::Twitch(TwitchAuth { browser: true, .. }) => Some("--browser"),
        AuthOf::HighLevel(HubAuth { from: Some(_), .. }) => Some("--from"),
        AuthOf::HighLevel(HubAuth { port: Some(_), .. }) => Some("--port"),
        AuthOf::HighLevel(HubAuth { paste: true, .. }) => Some("--paste"),
        AuthOf::Twitch(_) | AuthOf::HighLevel(_) | AuthOf::Show(_) => None,
    };
    match given {
        Some(option) => Err(CliError::usage(format!("{option} belongs to `login`"))),
        None => Ok(()),
    }
}

/// Which vendor's accounts a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Twitch,
    HighLevel,
}

impl Service {
    fn of(account: &Account) -> Service {
        match account {
            Account::Twitch(_) => Service::Twitch,
            Account::HighLevel(_) | Account::Agency(_) => Service::HighLevel,
        }
    }

    /// Returns the word after `auth`.
    fn word(self) -> &'static str {
        match self {
            Service::Twitch => "twitch",
            Service::HighLevel => "highlevel",
        }
    }

    /// Returns what people call the vendor.
    fn vendor(self) -> &'static str {
        match self {
            Service::Twitch => "Twitch",
            Service::HighLevel => "HighLevel",
        }
    }

    fn accounts(self, config: &Config) -> Vec<AccountName> {
        let all = config.accounts.iter();
        let ours = all.filter(|(_, account)| Service::of(account) == self);
        ours.map(|(name, _)| name.clone()).collect()
    }

    /// Returns the account that is meant.
    fn chosen(
        self,
        config: &Config,
        what: &AuthWhat,
        typed: &Typed,
    ) -> Result<AccountName, CliError> {
        let ours = self.accounts(config);
        let names = || {
            let names: Vec<&str> = ours.iter().map(AccountName::as_str).collect();
            names.join(", ")
        };
        let vendor = self.vendor();
        match (&what.account, ours.as_slice()) {
            (_, []) => Err(CliError::Usage {
                what: format!("ghl-sync.toml has no {vendor} account"),
                hint: Some("`ghl-sync init` writes one, or see schedules/README.md".to_owned()),
            }),
            (None, [only]) => Ok(only.clone()),
            // A location of an agency has no login of its own, so it is not meant.
            (None, several) => {
                let mut able = several
                    .iter()
                    .filter(|name| logs_in(&config.accounts[*name]));
                match (able.next(), able.next()) {
                    (Some(only), None) => Ok(only.clone()),
                    (None, _) | (Some(_), Some(_)) => Err(CliError::usage(format!(
                        "there are several {vendor} accounts; name one with --account: {}",
                        names()
                    ))),
                }
            }
            (Some(name), _) if ours.contains(name) => Ok(name.clone()),
            (Some(name), _) => Err(match config.accounts.get(name) {
                Some(other) => CliError::usage(format!(
                    "account {name} is one of {}; run `{}`",
                    Service::of(other).vendor(),
                    typed.command(&format!(
                        "auth {} --account {name}",
                        Service::of(other).word()
                    )),
                )),
                None => CliError::Usage {
                    what: format!(
                        "there is no {vendor} account `{name}` in ghl-sync.toml; there is: {}",
                        names()
                    ),
                    hint: near(name.as_str(), ours.iter().map(AccountName::as_str))
                        .map(|near| format!("did you mean `{near}`?")),
                },
            }),
        }
    }
}

/// Where one account's login is worked on.
struct Desk<'s> {
    shell: &'s mut Shell,
    worlds: Worlds,
    service: Service,
    name: AccountName,
    account: Account,
}

impl Desk<'_> {
    fn clock(&self) -> Clock {
        self.shell.clock.clone()
    }

    /// Says something on stderr.
    fn tell(&self, text: &str) {
        self.shell.progress.finish();
        self.shell.progress.say(text);
    }

    /// Returns the whole command that `command` is a part of, as it is typed for the same main file.
    fn typed(&self, command: &str) -> String {
        self.shell.typed.command(command)
    }

    /// Returns the command that does something to this account's login; `login` is the one without a word.
    fn command(&self, action: AuthDo) -> String {
        let word = match action {
            AuthDo::Login => "",
            AuthDo::Show => " show",
            AuthDo::Renew => " renew",
            AuthDo::Revoke => " revoke",
        };
        let (service, name) = (self.service.word(), &self.name);
        self.typed(&format!("auth {service}{word} --account {name}"))
    }

    /// Makes the error of something that a person has to mend.
    fn wrong(&self, what: impl std::fmt::Display) -> CliError {
        CliError::usage(format!("account {}: {what}", self.name))
    }

    /// Makes the error of a vendor out of touch.
    fn out_of_touch(&self, what: impl std::fmt::Display) -> CliError {
        CliError::OutOfTouch {
            what: format!("account {}: {what}", self.name),
        }
    }

    /// Makes the keeper of the account's login.
    ///
    /// Errors: a secret of the account cannot be had.
    fn keeper(&mut self) -> Result<Arc<Keeper>, CliError> {
        let account = self.account.clone();
        match self.worlds.keeper(&account) {
            Ok(Some(keeper)) => Ok(keeper),
            Ok(None) => Err(self.wrong("it keeps no login")),
            Err(what) => Err(self.wrong(what)),
        }
    }

    /// Says what a failed call of a login means; nothing was stored.
    fn refused(&self, error: CallError) -> CliError {
        let vendor = self.service.vendor();
        let again = format!("run `{}` again", self.command(AuthDo::Login));
        match AuthError::of_call(error, "", "") {
            AuthError::ClientSecret { said, .. } => self.wrong(format!(
                "{vendor} does not take the client secret ({said}); {}; then {again}",
                self.secret_advice()
            )),
            AuthError::ClientId { said, .. } => self.wrong(format!(
                "{vendor} does not know the application ({said}); correct `client_id` in ghl-sync.toml, then {again}"
            )),
            AuthError::Inactive { said } => self.wrong(format!(
                "HighLevel says that the location or its agency is paused or unpaid ({said}); once it is active {again}"
            )),
            AuthError::OutOfTouch { why } => {
                self.out_of_touch(format!("{why}; {NOTHING_STORED}, {again}"))
            }
            AuthError::Lost { why: said, .. } | AuthError::Refused { said, .. } => self.wrong(
                format!("{vendor} refused the login ({said}); {NOTHING_STORED}, {again}"),
            ),
            other @ (AuthError::NotLoggedIn { .. }
            | AuthError::Foreign { .. }
            | AuthError::Scope { .. }
            | AuthError::Agency { .. }
            | AuthError::Vault { .. }) => self.unusable(other),
        }
    }

    /// Says what is wrong with a stored login.
    fn unusable(&self, error: AuthError) -> CliError {
        match error {
            AuthError::Vault {
                error: VaultError::State(error),
                ..
            } => CliError::Run(RunError::State(error)),
            error if error.is_passing() => self.out_of_touch(error),
            error => self.wrong(error),
        }
    }

    /// Says where the application's secret belongs.
    fn secret_advice(&self) -> String {
        let sources = self.account.sources();
        let source = sources.iter().find(|(key, _)| *key == "client_secret");
        match source {
            Some((_, source)) => format!(
                "put the secret of the application {} where `client_secret` points to ({source}){}",
                self.client_id().unwrap_or_default(),
                match self.service {
                    Service::Twitch => ", or take that line out if the application is a public one",
                    Service::HighLevel => "",
                }
            ),
            None => format!(
                "the application is a confidential one, so add `client_secret = \"file:PATH\"` to [accounts.{}]",
                self.name
            ),
        }
    }

    fn client_id(&self) -> Option<&str> {
        match &self.account {
            Account::Twitch(account) => Some(&account.client_id),
            Account::Agency(account) => Some(&account.app.client_id),
            Account::HighLevel(account) => match &account.login {
                HubLogin::App(app) => Some(&app.client_id),
                HubLogin::Fixed(_) | HubLogin::Kept | HubLogin::Agency(_) => None,
            },
        }
    }

    /// Returns the scopes that the configured jobs need and `granted` lacks.
    fn lacking(&self, granted: &[String]) -> Vec<&'static str> {
        lacking(self.worlds.config(), &self.name, granted)
    }

    /// Returns the command that comes next: the login that is missing, or the check of all.
    fn next(&self) -> Result<String, CliError> {
        let stored = tokens::all(&self.worlds.store().reader()?)?;
        let is_stored = |name: &AccountName| stored.iter().any(|facts| facts.account == *name);
        let mut all = self.worlds.config().accounts.iter();
        let missing = all.find(|(name, account)| logs_in(account) && !is_stored(name));
        Ok(self.typed(&match missing {
            Some((name, account)) => {
                format!("auth {} --account {name}", Service::of(account).word())
            }
            None => "check --online".to_owned(),
        }))
    }

    /// Ends a login that is stored: says so, with the next command, and what it lacks.
    ///
    /// Errors: `Usage` when the granted scopes fall short of what the jobs need; the login is stored all the same.
    fn done(&mut self, said: &str, lacking: &[&str], mend: &str) -> Result<Exit, CliError> {
        self.shell.say(&format!("account {}: {said}", self.name))?;
        let (online, lacking): (Vec<&str>, Vec<&str>) =
            lacking.iter().partition(|scope| **scope == ONLINE_ONLY);
        if !online.is_empty() {
            self.shell.say(&format!(
                "it lacks the scope {ONLINE_ONLY}: `check --online` cannot tell the location's name and its duplicate setting, and nothing else needs it"
            ))?;
        }
        if lacking.is_empty() {
            let next = self.next()?;
            self.shell.say(&format!("next: {next}"))?;
            return Ok(Exit::Done);
        }
        let noun = if lacking.len() == 1 {
            "the scope"
        } else {
            "the scopes"
        };
        Err(CliError::Usage {
            what: format!(
                "account {}: the login is stored, but it lacks {noun} {}, which the jobs need",
                self.name,
                lacking.join(", ")
            ),
            hint: Some(format!(
                "{mend}, then run `{}` again",
                self.command(AuthDo::Login)
            )),
        })
    }
}

/// Stores what was granted.
///
/// Errors: the state cannot be written; `Stopped` while another process keeps the login to itself.
async fn keep(
    desk: &Desk<'_>,
    asker: &mut Asker,
    keeper: &Keeper,
    grant: Grant,
    (owner, owner_name): (Option<String>, Option<String>),
) -> Result<LoginFacts, CliError> {
    let kept = asker
        .or_stopped(keeper.keep(grant, owner, owner_name))
        .await;
    let left = "`ghl-sync auth show` tells whether the login was stored";
    let kept = kept.map_err(|error| error.leaving(left))?;
    kept.map_err(|error| desk.unusable(error))
}

/// Returns whether a person logs the account in.
pub(super) fn logs_in(account: &Account) -> bool {
    match account {
        Account::HighLevel(account) => match &account.login {
            HubLogin::Kept | HubLogin::App(_) => true,
            HubLogin::Fixed(_) | HubLogin::Agency(_) => false,
        },
        Account::Agency(_) => true,
        Account::Twitch(account) => match &account.login {
            TwitchLogin::Kept => true,
            TwitchLogin::Fixed(_) => false,
        },
    }
}

fn lacking(config: &Config, name: &AccountName, granted: &[String]) -> Vec<&'static str> {
    scopes::lacking(config, name, granted)
}

/// Says until when a login is good.
fn until(facts: &LoginFacts) -> String {
    match facts.expires {
        Some(at) => format!("until {}", minute(at)),
        None => "without an end".to_owned(),
    }
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
