//! The renewal of a login: one at a time, and the new pair on the disk before its first use.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tracing::{Instrument, Span, info};

use super::super::super::call::Call;
use super::super::super::error::CallError;
use super::super::super::tally::Purpose;
use super::super::error::AuthError;
use super::super::grant::Grant;
use super::super::highlevel::{self, UserType};
use super::super::twitch;
use super::super::under_way::UnderWay;
use super::{App, Keeper, Need, ends};
use crate::model::{LocationId, Secret};
use crate::store::{Login, LoginFacts, LoginKind, StoreError, Taken, VaultError};

/// A renewal that somebody waits for. Its type has a name because the call that it sends asks a keeper for its token again.
pub(super) type Renewed<'a> = Pin<Box<dyn Future<Output = Result<Login, AuthError>> + Send + 'a>>;

impl Keeper {
    /// Renews the login whose access token is `dead`, unless somebody did so already.
    ///
    /// In a task of its own: whoever asked may give up waiting, and the pair that comes must be written all the same. With [`Need::Soon`]
    /// it is left to another process that is at it.
    pub(super) fn renewed(&self, dead: &Secret, need: Need) -> Renewed<'static> {
        let (keeper, dead) = (self.clone(), dead.clone());
        Box::pin(async move {
            let renewal = async move { keeper.renewed_here(&dead, need).await };
            match tokio::spawn(renewal.instrument(Span::current())).await {
                Ok(done) => done,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(_) => Err(AuthError::OutOfTouch {
                        why: "the program is ending".to_owned(),
                    }),
                },
            }
        })
    }

    async fn renewed_here(&self, dead: &Secret, need: Need) -> Result<Login, AuthError> {
        let lock = match need {
            Need::None | Need::Now | Need::Asked => self.lock().await?,
            Need::Soon => match self.try_lock()? {
                Taken::Ours(lock) => lock,
                Taken::Busy { .. } => return self.stored(),
            },
        };
        // From here on, and not while another process is waited for: the end of this one waits for what is counted.
        let _under_way = UnderWay::begin();
        self.take_up(&lock).await?;
        // Read again under the lock: another task or process may have been quicker, and then the refresh token we knew is spent.
        let stored = self.load()?;
        let login = match (&self.parts.app, stored) {
            (App::Minted { agency, location }, stored) => {
                if let Some(login) = stored
                    && self.is_other(&login, dead)
                    && self.is_of_present_login(&login.facts)?
                {
                    self.known().login = Some(login.clone());
                    return Ok(login);
                }
                return self.mint(agency, location).await;
            }
            (_, Some(login)) => login,
            (_, None) => return Err(self.not_logged_in()),
        };
        self.fits(&login.facts)?;
        if self.is_other(&login, dead) {
            self.known().login = Some(login.clone());
            return Ok(login);
        }
        match &login.facts.lost {
            // What a vendor had wrong for a while is good again, and a person who asks may know.
            Some(_) if need == Need::Asked => {}
            Some(why) => return Err(self.lost(why.clone())),
            None => {}
        }
        let Some(refresh) = &login.refresh else {
            return Err(self.lost("it came without a refresh token".to_owned()));
        };
        let call = self.renewal(refresh);
        let now = self.parts.clock.now();
        let vault = &self.parts.vault;
        vault
            .renewing(&self.parts.account, now)
            .await
            .map_err(|error| self.unreadable(error.into()))?;
        let mut maybe_done = false;
        let line = &self.parts.line;
        let sent = line.send_noting(&call, Purpose::Announced, &mut maybe_done);
        let grant = match sent.await {
            Ok(answer) => answer.value,
            Err(error) => {
                let unanswered = login.facts.renewing.or(maybe_done.then_some(now));
                let noted = login.facts.lost;
                return Err(self.not_renewed(error, unanswered, noted).await);
            }
        };
        let mut facts = login.facts;
        facts.obtained = self.parts.clock.now();
        facts.expires = ends(facts.obtained, grant.expires_in);
        if !grant.scopes.is_empty() {
            facts.scopes = grant.scopes;
        }
        facts.renewing = None;
        facts.lost = None;
        let renewed = Login {
            facts,
            access: grant.access,
            // Twitch may leave it as it is, and then need not repeat it.
            refresh: grant.refresh.or(login.refresh),
        };
        if let Err(error) = self.save(&renewed).await {
            // After a stop, as after a kill, nothing more reaches the disk.
            if !is_stopped(&error) {
                self.set_aside(&renewed, &lock);
            }
            return Err(error);
        }
        info!(
            account.name = %self.parts.account,
            "the login of account {} was renewed", self.parts.account
        );
        Ok(renewed)
    }

    /// Makes a token of the location from the agency's login; the lock is held.
    async fn mint(&self, agency: &Arc<Keeper>, location: &LocationId) -> Result<Login, AuthError> {
        let of_agency = |error| agency.as_agency(error);
        let mut parent = Box::pin(agency.alive()).await.map_err(of_agency)?;
        let mut is_second = false;
        let grant = loop {
            let Some(company) = &parent.facts.owner else {
                let why = "HighLevel did not say which agency it is of".to_owned();
                return Err(of_agency(agency.lost(why)));
            };
            let call = highlevel::location_token(&parent.access, company, location);
            match self.parts.line.send(&call, Purpose::Announced).await {
                Ok(answer) => break answer.value,
                Err(CallError::DeadToken { .. }) if !is_second => {
                    is_second = true;
                    let dead = parent.access.clone();
                    parent = agency.renewed(&dead, Need::Now).await.map_err(of_agency)?;
                }
                Err(CallError::Scope { said, .. }) => {
                    return Err(of_agency(AuthError::Scope {
                        scope: "oauth.write",
                        said,
                        command: agency.command(),
                    }));
                }
                Err(error) => {
                    return Err(
                        match AuthError::of_call(error, &self.command(), &self.renew_command()) {
                            AuthError::Refused { said, .. } | AuthError::Lost { why: said, .. } => {
                                AuthError::Refused {
                                    said: format!(
                                        "HighLevel makes no token of location {location} for agency account {}: {said}; check `location`, and that the application is installed there",
                                        agency.account()
                                    ),
                                    command: agency.command(),
                                }
                            }
                            other => other,
                        },
                    );
                }
            }
        };
        let now = self.parts.clock.now();
        let scopes = if grant.scopes.is_empty() {
            parent.facts.scopes.clone()
        } else {
            grant.scopes
        };
        let login = Login {
            facts: LoginFacts {
                account: self.parts.account.clone(),
                kind: LoginKind::Minted,
                client_id: parent.facts.client_id.clone(),
                owner: Some(location.as_str().to_owned()),
                owner_name: None,
                scopes,
                expires: ends(now, grant.expires_in),
                made: parent.facts.made,
                obtained: now,
                renewing: None,
                lost: None,
            },
            access: grant.access,
            // v3 gives one; another token from the agency's login is as good and cannot be lost.
            refresh: None,
        };
        self.save(&login).await?;
        info!(
            account.name = %self.parts.account,
            "account {} has a new token from the login of {}", self.parts.account, agency.account()
        );
        Ok(login)
    }

    /// Sorts the failure of a renewal, and notes what it means for the stored login.
    ///
    /// `unanswered` is when a renewal was sent whose answer was lost, this one's earlier try or one before it; `noted` is why the login was
    /// taken for lost already.
    async fn not_renewed(
        &self,
        error: CallError,
        unanswered: Option<DateTime<Utc>>,
        noted: Option<String>,
    ) -> AuthError {
        let account = &self.parts.account;
        let vault = &self.parts.vault;
        // Only then may the refresh token be spent.
        let is_unclear = matches!(error, CallError::Unsure { .. } | CallError::BadReply { .. });
        let error = AuthError::of_call(error, &self.command(), &self.renew_command());
        let noted = match &error {
            AuthError::Lost { why, .. } => {
                let why = match (noted, unanswered) {
                    // The first refusal came closer to the cause.
                    (Some(noted), _) => noted,
                    (None, Some(at)) => format!(
                        "{why}; the answer to the renewal of {} was lost, and with it the new refresh token",
                        at.format("%Y-%m-%d %H:%M UTC")
                    ),
                    (None, None) => format!(
                        "{why}: it was revoked or has expired, or its refresh token was used elsewhere, or the answer to a renewal was lost"
                    ),
                };
                let noted = vault.lose(account, &why).await;
                return match noted {
                    Ok(()) => self.lost(why),
                    Err(error) => self.unreadable(error.into()),
                };
            }
            AuthError::OutOfTouch { .. }
            | AuthError::NotLoggedIn { .. }
            | AuthError::Foreign { .. }
            | AuthError::ClientSecret { .. }
            | AuthError::ClientId { .. }
            | AuthError::Inactive { .. }
            | AuthError::Scope { .. }
            | AuthError::Refused { .. }
            | AuthError::Agency { .. }
            | AuthError::Vault { .. } => match unanswered {
                None if !is_unclear => vault.not_renewed(account).await,
                // The mark stays until an answer tells what became of the refresh token.
                None | Some(_) => Ok(()),
            },
        };
        match noted {
            Ok(()) => error,
            Err(error) => self.unreadable(error.into()),
        }
    }

    fn renewal(&self, refresh: &Secret) -> Call<Grant> {
        match &self.parts.app {
            App::Twitch {
                client_id,
                client_secret,
            } => twitch::renew(client_id, client_secret.as_ref(), refresh),
            App::Location {
                client_id,
                client_secret,
                ..
            } => highlevel::renew(client_id, client_secret, refresh, UserType::Location),
            App::Agency {
                client_id,
                client_secret,
            } => highlevel::renew(client_id, client_secret, refresh, UserType::Company),
            App::Integration { .. } | App::Minted { .. } => {
                unreachable!("neither has a refresh token, and both were dealt with before")
            }
        }
    }
}

fn is_stopped(error: &AuthError) -> bool {
    let AuthError::Vault { error, .. } = error else {
        return false;
    };
    matches!(error, VaultError::State(StoreError::Stopped))
}
