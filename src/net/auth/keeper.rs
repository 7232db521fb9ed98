//! Keeps one account's login good: reads it and says when it wants renewing; the renewal itself is in `renewing`.

mod renewing;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tracing::warn;

use super::super::line::Line;
use super::error::AuthError;
use super::grant::Grant;
use crate::model::{AccountName, Clock, LocationId, Secret};
use crate::store::{Lock, Login, LoginFacts, LoginKind, Taken, Vault, VaultError};

/// HighLevel's access tokens are renewed when less than this part of their life is left: of a day six hours, in which a renewal that fails
/// is tried again before anybody misses it. Source for renewing ahead: a refresh token is spent by its use, so a renewal should not be
/// squeezed between two calls.
const AHEAD_PART: i32 = 4;
/// After a failed renewal ahead of time the old token goes on being used; the next try waits this long.
const AHEAD_AGAIN: TimeDelta = TimeDelta::minutes(5);
/// How long to wait for another process's renewal, by the machine's clock. One takes five tries of a minute at most, and pauses.
const LOCK_PATIENCE: Duration = Duration::from_secs(360);
/// How often to look whether it is through.
const LOCK_AGAIN: Duration = Duration::from_millis(25);
/// A pair that came but could not be written is written again: losing it costs a person a login.
const SAVE_TRIES: u32 = 5;
/// The pause between two of these tries.
const SAVE_AGAIN: Duration = Duration::from_millis(500);

/// How a login is renewed.
#[derive(Clone, Debug)]
pub enum App {
    /// Not at all: a private integration token.
    Integration {
        /// The location it must be good for.
        location: LocationId,
    },
    /// As a Twitch user's.
    Twitch {
        /// The application.
        client_id: String,
        /// Its secret, where it is confidential.
        client_secret: Option<Secret>,
    },
    /// As a HighLevel location's.
    Location {
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// The location it must be good for.
        location: LocationId,
    },
    /// As a HighLevel agency's.
    Agency {
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
    /// By making another one from the agency's login.
    Minted {
        /// The agency's login.
        agency: Arc<Keeper>,
        /// The location it must be good for.
        location: LocationId,
    },
}

/// What a keeper is made of.
#[derive(Debug)]
pub struct KeeperParts {
    /// The account.
    pub account: AccountName,
    /// Where its login is stored.
    pub vault: Vault,
    /// A line to the token endpoints and nowhere else.
    pub line: Line,
    /// How it is renewed.
    pub app: App,
    /// The time.
    pub clock: Clock,
    /// What the commands that errors name end with, from its space on: the main file, when it was named.
    pub ending: String,
}

/// Keeps one account's login good; clones share it.
#[derive(Clone, Debug)]
pub struct Keeper {
    parts: Arc<KeeperParts>,
    /// The login as last read, and when a renewal ahead of time is worth the next try.
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    login: Option<Login>,
    not_before: Option<DateTime<Utc>>,
}

/// How urgent a renewal is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Not at all.
    None,
    /// The token is good for a while.
    Soon,
    /// The token has ended.
    Now,
    /// A person asks for it, also of a login that was taken for lost.
    Asked,
}

impl Keeper {
    /// Makes the keeper of an account. Nothing is read or sent yet.
    pub fn new(parts: KeeperParts) -> Keeper {
        Keeper {
            parts: Arc::new(parts),
            known: Arc::default(),
        }
    }

    /// Returns the account.
    pub fn account(&self) -> &AccountName {
        &self.parts.account
    }

    /// Returns the line to the token endpoints.
    pub fn line(&self) -> &Line {
        &self.parts.line
    }

    /// Returns how it is renewed.
    pub fn app(&self) -> &App {
        &self.parts.app
    }

    /// Returns what kind of login it keeps.
    pub fn kind(&self) -> LoginKind {
        match &self.parts.app {
            App::Integration { .. } => LoginKind::Integration,
            App::Twitch { .. } => LoginKind::User,
            App::Location { .. } => LoginKind::Location,
            App::Agency { .. } => LoginKind::Agency,
            App::Minted { .. } => LoginKind::Minted,
        }
    }

    /// Returns the command that logs this account in.
    pub fn command(&self) -> String {
        self.typed("")
    }

    /// Returns the command that renews this account's login: the trial of what was mended, where the login itself is good.
    pub fn renew_command(&self) -> String {
        self.typed(" renew")
    }

    fn typed(&self, action: &str) -> String {
        let ending = &self.parts.ending;
        let (service, account) = match &self.parts.app {
            App::Twitch { .. } => ("twitch", &self.parts.account),
            App::Minted { agency, .. } => ("highlevel", agency.account()),
            App::Integration { .. } | App::Location { .. } | App::Agency { .. } => {
                ("highlevel", &self.parts.account)
            }
        };
        format!("ghl-sync auth {service}{action} --account {account}{ending}")
    }

    /// Reads what is known of the stored login; `None` when nobody logged in.
    ///
    /// Errors: `Vault`.
    pub fn facts(&self) -> Result<Option<LoginFacts>, AuthError> {
        Ok(self.load()?.map(|login| login.facts))
    }

    /// Returns the access token, renewed when it has ended or is about to, as the vendor wants it.
    ///
    /// Errors: every variant of [`AuthError`]; never because of a renewal that could wait.
    pub async fn token(&self) -> Result<Secret, AuthError> {
        Ok(self.alive().await?.access)
    }

    /// Returns another token after the vendor took `dead` for dead; `None` when the login cannot be renewed at all.
    ///
    /// Errors: every variant of [`AuthError`].
    pub async fn instead_of(&self, dead: &Secret) -> Result<Option<Secret>, AuthError> {
        if let App::Integration { .. } = self.parts.app {
            // Somebody may have put another one in its place meanwhile.
            let stored = self.load()?.filter(|login| login.access != *dead);
            if let Some(login) = &stored {
                self.fits(&login.facts)?;
                self.known().login = Some(login.clone());
            }
            return Ok(stored.map(|login| login.access));
        }
        Ok(Some(self.renewed(dead, Need::Now).await?.access))
    }

    /// Renews the login whether it needs it or not; one that was noted as lost is tried once more.
    ///
    /// Errors: every variant of [`AuthError`].
    pub async fn renew(&self) -> Result<LoginFacts, AuthError> {
        let dead = match (self.load()?, &self.parts.app) {
            (Some(login), _) => login.access,
            // Nobody logs a location of an agency in.
            (None, App::Minted { .. }) => Secret::new(""),
            (None, _) => return Err(self.not_logged_in()),
        };
        Ok(self.renewed(&dead, Need::Asked).await?.facts)
    }

    /// Returns how the stored login stands, as far as that is known without a call; `None` when nobody logged in, or when
    /// a location's token is made anew at the next call.
    ///
    /// Errors: `Foreign`; `Lost`; `Vault`.
    pub fn standing(&self) -> Result<Option<LoginFacts>, AuthError> {
        let Some(login) = self.load()? else {
            return Ok(None);
        };
        if !self.is_of_present_login(&login.facts)? {
            return Ok(None);
        }
        self.fits(&login.facts)?;
        match login.facts.lost {
            Some(why) => Err(self.lost(why)),
            None => Ok(Some(login.facts)),
        }
    }

    /// Stores what a person's login was granted, in place of whatever was there. It is on the disk when this returns.
    ///
    /// `owner` is whose it is, and `owner_name` what people call them. Errors: `OutOfTouch` when another process keeps renewing; `Vault`.
    pub async fn keep(
        &self,
        grant: Grant,
        owner: Option<String>,
        owner_name: Option<String>,
    ) -> Result<LoginFacts, AuthError> {
        let _lock = self.lock().await?;
        let now = self.parts.clock.now();
        let (access, refresh) = (grant.access.clone(), grant.refresh.clone());
        let facts = LoginFacts {
            account: self.parts.account.clone(),
            kind: self.kind(),
            client_id: self.client_id().map(str::to_owned),
            owner,
            owner_name,
            scopes: grant.scopes,
            expires: ends(now, grant.expires_in),
            made: now,
            obtained: now,
            renewing: None,
            lost: None,
        };
        let login = Login {
            facts,
            access,
            refresh,
        };
        self.save(&login).await?;
        Ok(login.facts)
    }

    /// Adds whose login it is, once the vendor told.
    ///
    /// Errors: `NotLoggedIn`; `Vault`.
    pub async fn name(&self, owner: String, owner_name: Option<String>) -> Result<(), AuthError> {
        let lock = self.lock().await?;
        self.take_up(&lock).await?;
        let mut login = self.stored()?;
        login.facts.owner = Some(owner);
        login.facts.owner_name = owner_name;
        self.save(&login).await
    }

    /// Takes the stored login away; returns it, for whoever wants to tell the vendor.
    ///
    /// Errors: `OutOfTouch` when another process keeps renewing; `Vault`, but a login that no key opens is taken away too.
    pub async fn forget(&self) -> Result<Option<Login>, AuthError> {
        let lock = self.lock().await?;
        // Whoever tells the vendor tells it of the newest.
        let _ = self.take_up(&lock).await;
        let login = self.load().ok().flatten();
        let vault = &self.parts.vault;
        vault
            .forget(&self.parts.account)
            .await
            .map_err(|error| self.unreadable(error.into()))?;
        *self.known() = Known::default();
        Ok(login)
    }

    /// Returns a login whose access token has not ended, as far as is known.
    async fn alive(&self) -> Result<Login, AuthError> {
        let login = match self.known_or_stored()? {
            Some(login) => login,
            // Nobody logs a location of an agency in: its first token is made when it is needed.
            None if self.is_minted() => return self.renewed(&Secret::new(""), Need::Now).await,
            None => return Err(self.not_logged_in()),
        };
        self.fits(&login.facts)?;
        let now = self.parts.clock.now();
        let may_try = self.known().not_before.is_none_or(|moment| now >= moment);
        match self.need(&login.facts, now) {
            Need::None => Ok(login),
            Need::Soon if !may_try => Ok(login),
            Need::Now | Need::Asked => self.renewed(&login.access, Need::Now).await,
            Need::Soon => match self.renewed(&login.access, Need::Soon).await {
                Ok(login) => Ok(login),
                Err(error) => {
                    self.known().not_before = Some(now + AHEAD_AGAIN);
                    warn!(
                        account.name = %self.parts.account,
                        "account {}: {error}; the present token is good until {}, and ghl-sync goes on with it until then",
                        self.parts.account,
                        login.facts.expires.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
                    );
                    Ok(login)
                }
            },
        }
    }

    /// Returns the login as last read, or reads it; `None` when there is none that can be used.
    fn known_or_stored(&self) -> Result<Option<Login>, AuthError> {
        if let Some(login) = self.known().login.clone() {
            return Ok(Some(login));
        }
        let stored = match self.load()? {
            Some(login) if self.is_of_present_login(&login.facts)? => Some(login),
            Some(_) | None => None,
        };
        if let Some(login) = &stored {
            // What a renewal wrote there meanwhile is newer.
            self.known().login.get_or_insert_with(|| login.clone());
        }
        Ok(stored)
    }

    fn is_minted(&self) -> bool {
        self.kind() == LoginKind::Minted
    }

    /// Returns whether a token made from an agency's login is of this location and of the login that the agency has now; another one is in
    /// nobody's way, and replaced. Whoever logs the agency in again, for a scope that was missing, is not to wait until the old one has ended.
    fn is_of_present_login(&self, facts: &LoginFacts) -> Result<bool, AuthError> {
        let App::Minted { agency, .. } = &self.parts.app else {
            return Ok(true);
        };
        let present = agency.facts().map_err(|error| agency.as_agency(error))?;
        let is_of_it = present.is_some_and(|present| present.made == facts.made);
        Ok(is_of_it && self.fits(facts).is_ok())
    }

    /// Says what is wrong with this agency's login to whom a token is made from it.
    fn as_agency(&self, error: AuthError) -> AuthError {
        AuthError::Agency {
            account: self.parts.account.clone(),
            error: Box::new(error),
        }
    }

    /// Returns how urgent a renewal is: HighLevel's ahead of the end, Twitch's when it has come. Source: Twitch, Refreshing Access Tokens, which
    /// advises against renewing ahead.
    fn need(&self, facts: &LoginFacts, now: DateTime<Utc>) -> Need {
        let Some(expires) = facts.expires else {
            return Need::None;
        };
        if now >= expires {
            return Need::Now;
        }
        let is_ahead = match &self.parts.app {
            App::Integration { .. } | App::Twitch { .. } => false,
            App::Location { .. } | App::Agency { .. } | App::Minted { .. } => true,
        };
        let life: TimeDelta = expires - facts.obtained;
        if is_ahead && (expires - now) * AHEAD_PART < life {
            Need::Soon
        } else {
            Need::None
        }
    }

    /// Writes a login and remembers it. What came is not given up for a disk that was full for a moment.
    async fn save(&self, login: &Login) -> Result<(), AuthError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.parts.vault.save(login).await {
                Ok(()) => {
                    *self.known() = Known {
                        login: Some(login.clone()),
                        not_before: None,
                    };
                    return Ok(());
                }
                Err(error) if tries >= SAVE_TRIES => return Err(self.unreadable(error.into())),
                Err(_) => self.parts.clock.sleep(SAVE_AGAIN).await,
            }
        }
    }

    /// Takes the account's lock, which one renewal at a time holds, of all tasks and processes.
    async fn lock(&self) -> Result<Lock, AuthError> {
        let began = Instant::now();
        loop {
            match self.try_lock()? {
                Taken::Ours(lock) => return Ok(lock),
                Taken::Busy { holder } if began.elapsed() > LOCK_PATIENCE => {
                    return Err(AuthError::OutOfTouch {
                        why: format!("{holder} has been renewing it for minutes; end it"),
                    });
                }
                Taken::Busy { .. } => tokio::time::sleep(LOCK_AGAIN).await,
            }
        }
    }

    fn try_lock(&self) -> Result<Taken, AuthError> {
        // Nothing that passes by itself: a file of another user, a full disk.
        let taken = self.parts.vault.lock(&self.parts.account);
        taken.map_err(|error| self.unreadable(error.into()))
    }

    /// Writes what an earlier renewal had to set aside to the state: it is newer than what is stored, whose refresh token is spent.
    async fn take_up(&self, lock: &Lock) -> Result<(), AuthError> {
        if self.is_minted() {
            // Another one is made.
            return Ok(());
        }
        let taken = self.parts.vault.take_up(&self.parts.account, lock).await;
        taken.map_err(|error| self.unreadable(error))
    }

    /// Keeps a renewed login that the state would not take beside it.
    fn set_aside(&self, login: &Login, lock: &Lock) {
        let account = &self.parts.account;
        match self.parts.vault.set_aside(login, lock) {
            Ok(path) => warn!(
                account.name = %account,
                "account {account}: the renewed login could not be written to the state; {} keeps it until the next run takes it up",
                path.display()
            ),
            Err(error) => warn!(
                account.name = %account,
                "account {account}: the renewed login could not be written anywhere and is lost ({error}); once this is mended, run `{}`",
                self.command()
            ),
        }
    }

    /// Returns whether the login has another access token than the dead one, and one that has not ended.
    fn is_other(&self, login: &Login, dead: &Secret) -> bool {
        let now = self.parts.clock.now();
        login.access != *dead && self.need(&login.facts, now) != Need::Now
    }

    /// Checks that the stored login is of the application and the place that the configuration names.
    fn fits(&self, facts: &LoginFacts) -> Result<(), AuthError> {
        let foreign = |seen: String, expected: String| {
            Err(AuthError::Foreign {
                seen,
                expected,
                command: self.command(),
            })
        };
        if facts.kind != self.kind() {
            let (seen, expected) = (facts.kind.word(), self.kind().word());
            return foreign(format!("the kind {seen}"), expected.to_owned());
        }
        if let (Some(expected), Some(seen)) = (self.client_id(), &facts.client_id)
            && expected != seen
        {
            return foreign(format!("client id {seen}"), expected.to_owned());
        }
        let location = match &self.parts.app {
            App::Integration { location }
            | App::Location { location, .. }
            | App::Minted { location, .. } => location,
            App::Twitch { .. } | App::Agency { .. } => return Ok(()),
        };
        match &facts.owner {
            Some(seen) if seen != location.as_str() => {
                foreign(format!("location {seen}"), location.as_str().to_owned())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn client_id(&self) -> Option<&str> {
        match &self.parts.app {
            App::Integration { .. } => None,
            App::Twitch { client_id, .. }
            | App::Location { client_id, .. }
            | App::Agency { client_id, .. } => Some(client_id),
            App::Minted { agency, .. } => agency.client_id(),
        }
    }

    fn stored(&self) -> Result<Login, AuthError> {
        self.load()?.ok_or_else(|| self.not_logged_in())
    }

    fn load(&self) -> Result<Option<Login>, AuthError> {
        let vault = &self.parts.vault;
        vault
            .load(&self.parts.account)
            .map_err(|error| self.unreadable(error))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_logged_in(&self) -> AuthError {
        AuthError::NotLoggedIn {
            command: self.command(),
        }
    }

    fn lost(&self, why: String) -> AuthError {
        AuthError::Lost {
            why,
            command: self.command(),
        }
    }

    fn unreadable(&self, error: VaultError) -> AuthError {
        AuthError::Vault {
            error,
            command: self.command(),
        }
    }
}

fn ends(now: DateTime<Utc>, expires_in: Option<Duration>) -> Option<DateTime<Utc>> {
    let life = TimeDelta::from_std(expires_in?).ok()?;
    now.checked_add_signed(life)
}
