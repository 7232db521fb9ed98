//! From an account of the configuration to the lines to its vendor and the token that they carry.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::config::{
    Account, AgencyAccount, HighLevelAccount, HubApp, HubLogin, SecretSource, TwitchAccount,
    TwitchLogin,
};
use crate::model::{AccountName, Job, JobName, Secret};
use crate::net::{
    App, Auth, Gate, Keeper, KeeperParts, Line, LineParts, Reach, Reserve, Tally, Timeouts, Vendor,
    resolve,
};

use super::worlds::Worlds;

/// What is left of HighLevel's day to the tenant's other tools when the account does not say, in percent.
const USUAL_RESERVE: u8 = 5;

/// Where a line goes.
struct Address {
    vendor: Vendor,
    base_url: String,
    client_id: Option<String>,
    bucket: String,
    reserve: Reserve,
}

impl Worlds {
    /// Makes a line to the API of an account; `tally` counts its calls.
    ///
    /// Errors: why there is none, for people, without the account's name: a secret that cannot be had, an address that no call can be made to.
    pub fn line(
        &self,
        account: &Account,
        reach: Reach,
        auth: Auth,
        tally: &Tally,
    ) -> Result<Line, String> {
        let address = match account {
            Account::HighLevel(account) => self.of_hub(account),
            Account::Agency(account) => of_agency(account),
            Account::Twitch(account) => Address {
                vendor: Vendor::Twitch,
                base_url: account.base_url.clone(),
                client_id: Some(account.client_id.clone()),
                bucket: format!("twitch:{}:{}", account.client_id, whose(account, &auth)),
                reserve: Reserve::Percent(0),
            },
        };
        self.line_to(address, reach, auth, tally)
    }

    /// Makes a line to where an account's tokens are made and checked.
    ///
    /// Errors: as [`Worlds::line`].
    pub fn token_line(&self, account: &Account, auth: Auth, tally: &Tally) -> Result<Line, String> {
        let address = match account {
            Account::HighLevel(account) => self.of_hub(account),
            Account::Agency(account) => of_agency(account),
            // The login host has limits of its own, and calls to it are rare.
            Account::Twitch(account) => Address {
                vendor: Vendor::Twitch,
                base_url: account.auth_url.clone(),
                client_id: None,
                bucket: format!("twitch-auth:{}", account.client_id),
                reserve: Reserve::Percent(0),
            },
        };
        self.line_to(address, Reach::Tokens, auth, tally)
    }

    /// Returns whose token the calls of an account carry: read or stored as of now.
    ///
    /// Errors: as [`Worlds::line`].
    pub fn auth(&self, account: &Account) -> Result<Auth, String> {
        match (account.token(), self.keeper(account)?) {
            (Some(source), _) => Ok(Auth::Fixed(secret(source)?)),
            (None, Some(keeper)) => Ok(Auth::Kept(keeper)),
            (None, None) => Ok(Auth::Nobody),
        }
    }

    /// Makes the keeper of an account's stored login; `None` for an account whose token is kept elsewhere.
    ///
    /// Errors: as [`Worlds::line`]; for a location of an agency, what is wrong with the agency's account.
    pub fn keeper(&self, account: &Account) -> Result<Option<Arc<Keeper>>, String> {
        let (name, app) = match account {
            Account::HighLevel(HighLevelAccount {
                name,
                location,
                login,
                ..
            }) => {
                let app = match login {
                    HubLogin::Fixed(_) => return Ok(None),
                    HubLogin::Kept => App::Integration {
                        location: location.clone(),
                    },
                    HubLogin::App(app) => App::Location {
                        client_id: app.client_id.clone(),
                        client_secret: client_secret(&app.client_secret)?,
                        location: location.clone(),
                    },
                    HubLogin::Agency(agency) => App::Minted {
                        agency: self.agency(agency)?,
                        location: location.clone(),
                    },
                };
                (name, app)
            }
            Account::Agency(AgencyAccount {
                name,
                app:
                    HubApp {
                        client_id,
                        client_secret: source,
                        ..
                    },
                ..
            }) => {
                let app = App::Agency {
                    client_id: client_id.clone(),
                    client_secret: client_secret(source)?,
                };
                (name, app)
            }
            Account::Twitch(TwitchAccount {
                name,
                client_id,
                client_secret: source,
                login,
                ..
            }) => match login {
                TwitchLogin::Fixed(_) => return Ok(None),
                TwitchLogin::Kept => {
                    let app = App::Twitch {
                        client_id: client_id.clone(),
                        client_secret: source.as_ref().map(client_secret).transpose()?,
                    };
                    (name, app)
                }
            },
        };
        let line = self.token_line(account, Auth::Nobody, &Tally::default())?;
        Ok(Some(Arc::new(Keeper::new(KeeperParts {
            account: name.clone(),
            vault: self.vault().clone(),
            line,
            app,
            clock: self.clock().clone(),
            ending: self.typed().ending(),
        }))))
    }

    fn agency(&self, name: &AccountName) -> Result<Arc<Keeper>, String> {
        let account = self.config().accounts.get(name).cloned();
        let keeper = match &account {
            Some(account @ Account::Agency(_)) => self
                .keeper(account)
                .map_err(|what| format!("its agency's account {name}: {what}"))?,
            Some(Account::HighLevel(_) | Account::Twitch(_)) | None => None,
        };
        keeper.ok_or_else(|| format!("there is no highlevel.agency account {name}"))
    }

    /// Where a location is. Its bucket is the application's in the location; a token that was renewed is still the same tenant's, so that
    /// the limits heard with the old one hold. Source: HighLevel, rate limits: per app and resource.
    fn of_hub(&self, account: &HighLevelAccount) -> Address {
        let accounts = &self.config().accounts;
        let app = match &account.login {
            HubLogin::Fixed(_) | HubLogin::Kept => None,
            HubLogin::App(app) => Some(&app.client_id),
            HubLogin::Agency(agency) => match accounts.get(agency) {
                Some(Account::Agency(agency)) => Some(&agency.app.client_id),
                Some(Account::HighLevel(_) | Account::Twitch(_)) | None => None,
            },
        };
        let whose = match app {
            Some(client_id) => format!("app-{client_id}"),
            None => account.name.to_string(),
        };
        Address {
            vendor: Vendor::HighLevel,
            base_url: account.base_url.clone(),
            client_id: None,
            bucket: format!("highlevel:{}:{whose}", account.location),
            reserve: account
                .reserve
                .map_or(Reserve::Percent(USUAL_RESERVE), Reserve::Calls),
        }
    }

    fn line_to(
        &self,
        address: Address,
        reach: Reach,
        auth: Auth,
        tally: &Tally,
    ) -> Result<Line, String> {
        let Address {
            vendor,
            base_url,
            client_id,
            bucket,
            reserve,
        } = address;
        Line::new(LineParts {
            vendor,
            base_url,
            auth,
            client_id,
            gate: self.gate(vendor, bucket, reserve),
            clock: self.clock().clone(),
            tally: tally.clone(),
            reach,
            proxy: self.config().proxy.clone(),
            timeouts: Timeouts::default(),
            seed: self.seed(),
        })
        .map_err(|bad| bad.to_string())
    }

    /// Returns a lane to the gate of a bucket, which is the same one for all who ask.
    fn gate(&self, vendor: Vendor, bucket: String, reserve: Reserve) -> Gate {
        let (store, clock, seed) = (self.store().clone(), self.clock().clone(), self.seed());
        self.gates()
            .entry(bucket.clone())
            .or_insert_with(|| Gate::new(store, clock, vendor, bucket, reserve, seed))
            .lane(reserve)
    }

    /// Returns until when the gates are shut to a job, as they last said; `None` when none ever was.
    pub(super) fn shut_until(&self, job: &JobName) -> Option<DateTime<Utc>> {
        let gates = self.gates();
        let moments = gates
            .values()
            .filter_map(|gate| gate.shut_until(job.as_str()));
        moments.max()
    }

    /// Returns the names of the other jobs that write through the same bucket as the jobs of this account.
    pub(super) fn others_in_bucket(&self, job: &Job, account: &HighLevelAccount) -> Vec<String> {
        let mut names = self.jobs_in_bucket(account);
        names.retain(|name| *name != job.name.as_str());
        names
    }

    /// Returns the names of the jobs that write through the same bucket as this account.
    pub(super) fn jobs_in_bucket(&self, account: &HighLevelAccount) -> Vec<String> {
        let bucket = self.of_hub(account).bucket;
        let config = self.config();
        let is_there = |other: &&Job| match config.accounts.get(&other.to) {
            Some(Account::HighLevel(account)) => self.of_hub(account).bucket == bucket,
            Some(Account::Agency(_) | Account::Twitch(_)) | None => false,
        };
        let jobs = config.jobs.values();
        jobs.filter(is_there)
            .map(|job| job.name.to_string())
            .collect()
    }
}

/// Returns whose bucket at Twitch it is: the user's where the login tells, because one user may be logged in for several channels, else the
/// account's. Source: Twitch API Concepts, Rate Limits: a bucket for each client id and user.
fn whose(account: &TwitchAccount, auth: &Auth) -> String {
    let facts = match auth {
        Auth::Kept(keeper) => keeper.facts().ok().flatten(),
        Auth::Nobody | Auth::Fixed(_) => None,
    };
    let owner = facts.and_then(|facts| facts.owner);
    owner.map_or_else(|| account.name.to_string(), |owner| format!("user-{owner}"))
}

fn of_agency(account: &AgencyAccount) -> Address {
    Address {
        vendor: Vendor::HighLevel,
        base_url: account.base_url.clone(),
        client_id: None,
        bucket: format!("highlevel-agency:{}", account.name),
        reserve: Reserve::Percent(0),
    }
}

/// Gets the secret behind `source`.
///
/// Errors: why it cannot be had, for people; never the secret.
pub(super) fn secret(source: &SecretSource) -> Result<Secret, String> {
    resolve(source).map_err(|error| error.to_string())
}

fn client_secret(source: &SecretSource) -> Result<Secret, String> {
    secret(source).map_err(|what| format!("client_secret: {what}"))
}
