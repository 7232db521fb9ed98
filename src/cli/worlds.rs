//! From the configuration to what a run works with.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{
    Account, Config, HighLevelAccount, HubLogin, SecretSource, TwitchAccount, TwitchLogin,
};
use crate::model::{AccountName, Clock, Job, JobName};
use crate::net::{Gate, Line, LineParts, Reach, Reserve, Secret, Tally, Timeouts, Vendor, resolve};
use crate::plan::wanted::{Mapping, mapping_hash};
use crate::run::{RunError, Stop, Watch, World, keeping_of};
use crate::store::{Store, StoreError};

/// What is left of HighLevel's day to the tenant's other tools when the account does not say, in percent.
const USUAL_RESERVE: u8 = 5;

/// The state, the secrets and the gates of one process, and the configuration that they come from.
///
/// Jobs whose accounts are in one vendor bucket share its gate.
#[derive(Debug)]
pub struct Worlds {
    config: Config,
    store: Store,
    clock: Clock,
    gates: BTreeMap<String, Gate>,
    seed: u64,
}

impl Worlds {
    /// Opens the state of a configuration.
    ///
    /// Errors: as [`Store::open`].
    pub fn open(config: Config, clock: Clock) -> Result<Worlds, StoreError> {
        let store = Store::open(&config.state)?;
        // Spreads the pauses of processes that start in the same second.
        let seed =
            u64::from(std::process::id()) << 32 | u64::from(clock.now().timestamp_subsec_nanos());
        Ok(Worlds {
            config,
            store,
            clock,
            gates: BTreeMap::new(),
            seed,
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the state.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Makes the world of one run of a job; its lines count calls anew.
    ///
    /// With [`Reach::ReadsOnly`] no line of it can write to a vendor.
    ///
    /// Errors: `Setup` for a secret that cannot be had, an address or a token that no call can be made with.
    pub fn world(
        &mut self,
        name: &JobName,
        reach: Reach,
        stop: Stop,
        watch: Watch,
    ) -> Result<World, RunError> {
        let job = self
            .config
            .jobs
            .get(name)
            .cloned()
            .ok_or_else(|| RunError::Bug {
                what: format!("job {name} was chosen but is not configured"),
            })?;
        let mapping = Mapping::new(&job).map_err(|problem| RunError::Setup {
            job: name.clone(),
            account: None,
            what: problem.to_string(),
        })?;
        let hub = self.highlevel(&job)?;
        let spoke = self.twitch(&job)?;
        let setup = |account: &AccountName, what: String| RunError::Setup {
            job: job.name.clone(),
            account: Some(account.clone()),
            what,
        };
        let hub_token = match &hub.login {
            HubLogin::Fixed(source) => secret(source),
            HubLogin::Kept | HubLogin::App(_) => Err(not_logged_in("highlevel", &hub.name)),
            HubLogin::Agency(agency) => Err(not_logged_in("highlevel", agency)),
        }
        .map_err(|what| setup(&hub.name, what))?;
        let spoke_token = match &spoke.login {
            TwitchLogin::Fixed(source) => secret(source),
            TwitchLogin::Kept => Err(not_logged_in("twitch", &spoke.name)),
        }
        .map_err(|what| setup(&spoke.name, what))?;

        let hub_gate = self.gate(Vendor::HighLevel, bucket_of_hub(&hub), reserve(&hub));
        let spoke_gate = self.gate(Vendor::Twitch, bucket_of_spoke(&spoke), Reserve::Percent(0));
        // The login host has limits of its own, and calls to it are rare.
        let auth_gate = self.gate(
            Vendor::Twitch,
            format!("twitch-auth:{}", spoke.client_id),
            Reserve::Percent(0),
        );
        let tally = Tally::default();
        let line =
            |account: &AccountName, vendor, base_url: &str, token: &Secret, gate, client_id| {
                Line::new(LineParts {
                    vendor,
                    base_url: base_url.to_owned(),
                    token: token.clone(),
                    client_id,
                    gate,
                    clock: self.clock.clone(),
                    tally: tally.clone(),
                    reach,
                    timeouts: Timeouts::default(),
                    seed: self.seed,
                })
                .map_err(|bad| RunError::Setup {
                    job: job.name.clone(),
                    account: Some(account.clone()),
                    what: bad.to_string(),
                })
            };
        let client_id = Some(spoke.client_id.clone());
        let hub_line = line(
            &hub.name,
            Vendor::HighLevel,
            &hub.base_url,
            &hub_token,
            hub_gate,
            None,
        )?;
        let spoke_line = line(
            &spoke.name,
            Vendor::Twitch,
            &spoke.base_url,
            &spoke_token,
            spoke_gate,
            client_id,
        )?;
        let auth_line = line(
            &spoke.name,
            Vendor::Twitch,
            &spoke.auth_url,
            &spoke_token,
            auth_gate,
            None,
        )?;
        let of_location = self
            .config
            .jobs
            .values()
            .filter(|other| other.location == job.location);
        Ok(World {
            store: self.store.clone(),
            clock: self.clock.clone(),
            digest: mapping_hash(&job),
            keeping: Arc::new(keeping_of(of_location)),
            job: Arc::new(job),
            mapping: Arc::new(mapping),
            hub,
            hub_line,
            spoke,
            spoke_line,
            auth_line,
            stop,
            watch,
        })
    }

    /// Returns the gate of a bucket, the same one for all who ask; the first decides what is reserved.
    fn gate(&mut self, vendor: Vendor, bucket: String, reserve: Reserve) -> Gate {
        let (store, clock, seed) = (&self.store, &self.clock, self.seed);
        self.gates
            .entry(bucket.clone())
            .or_insert_with(|| {
                Gate::new(store.clone(), clock.clone(), vendor, bucket, reserve, seed)
            })
            .clone()
    }

    fn highlevel(&self, job: &Job) -> Result<HighLevelAccount, RunError> {
        match self.config.accounts.get(&job.to) {
            Some(Account::HighLevel(account)) => Ok(account.clone()),
            Some(Account::Agency(_) | Account::Twitch(_)) | None => {
                Err(no_account(job, &job.to, "highlevel"))
            }
        }
    }

    fn twitch(&self, job: &Job) -> Result<TwitchAccount, RunError> {
        match self.config.accounts.get(&job.from) {
            Some(Account::Twitch(account)) => Ok(account.clone()),
            Some(Account::HighLevel(_) | Account::Agency(_)) | None => {
                Err(no_account(job, &job.from, "twitch"))
            }
        }
    }
}

/// Gets the secret behind `source`.
///
/// Errors: why it cannot be had, for people; never the secret.
pub(super) fn secret(source: &SecretSource) -> Result<Secret, String> {
    resolve(source).map_err(|error| error.to_string())
}

/// Says that there is no login yet, and how to get one; `service` is the word after `auth`.
pub(super) fn not_logged_in(service: &str, account: &AccountName) -> String {
    format!("not logged in: run `ghl-sync auth {service} --account {account}`")
}

/// A token that was renewed is still the same tenant's: buckets go by account, so that the limits heard with the old one hold.
fn bucket_of_hub(account: &HighLevelAccount) -> String {
    format!("highlevel:{}:{}", account.location, account.name)
}

fn bucket_of_spoke(account: &TwitchAccount) -> String {
    format!("twitch:{}:{}", account.client_id, account.name)
}

fn reserve(account: &HighLevelAccount) -> Reserve {
    account
        .reserve
        .map_or(Reserve::Percent(USUAL_RESERVE), Reserve::Calls)
}

fn no_account(job: &Job, account: &AccountName, service: &str) -> RunError {
    RunError::Setup {
        job: job.name.clone(),
        account: Some(account.clone()),
        what: format!("there is no {service} account of this name in ghl-sync.toml"),
    }
}
