//! From the configuration to what a run works with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use crate::config::{Account, Config, HighLevelAccount, SecretSource, TwitchAccount};
use crate::model::{AccountName, Clock, Job, JobName};
use crate::net::{Gate, Reach, Tally};
use crate::plan::wanted::{Mapping, mapping_hash};
use crate::run::{RunError, Stop, Watch, World, keeping_of};
use crate::store::{Key, Store, Vault, is_ours};

use super::error::CliError;
use super::logins::secret;
use super::typed::Typed;

/// The state, the logins and the gates of one process, and the configuration that they come from.
///
/// Jobs whose accounts are in one vendor bucket share its gate.
#[derive(Debug)]
pub struct Worlds {
    config: Config,
    store: Store,
    vault: Vault,
    clock: Clock,
    gates: Arc<Mutex<BTreeMap<String, Gate>>>,
    seed: u64,
    typed: Typed,
}

impl Worlds {
    /// Opens the state of a configuration, and encrypts stored logins that are not yet, when there is a key.
    ///
    /// Errors: `Usage` for a key that cannot be had; the state cannot be opened.
    pub async fn open(config: Config, clock: Clock) -> Result<Worlds, CliError> {
        // Before the key: another user's is one that this user cannot read, and that would be said instead.
        is_ours(&config.state)?;
        let keys = keys(&config)?;
        let store = Store::open(&config.state)?;
        let vault = vault(keys, &store).await;
        // Spreads the pauses of processes that start in the same second.
        let seed =
            u64::from(std::process::id()) << 32 | u64::from(clock.now().timestamp_subsec_nanos());
        Ok(Worlds {
            config,
            store,
            vault,
            clock,
            gates: Arc::default(),
            seed,
            typed: Typed::default(),
        })
    }

    /// Returns worlds of another configuration in the same state.
    ///
    /// Errors: `Usage` for a state elsewhere, or a key that cannot be had.
    pub(super) async fn under(&self, config: Config) -> Result<Worlds, CliError> {
        if config.state != self.config.state {
            return Err(CliError::Usage {
                what: format!(
                    "the new configuration moves the state from {} to {}",
                    self.config.state.display(),
                    config.state.display()
                ),
                hint: Some("stop the daemon before, and start it afterwards".to_owned()),
            });
        }
        let vault = vault(keys(&config)?, &self.store).await;
        Ok(Worlds {
            config,
            store: self.store.clone(),
            vault,
            clock: self.clock.clone(),
            // Runs of the old configuration may be under way; what they know of the vendors' windows counts for the new ones.
            gates: Arc::clone(&self.gates),
            seed: self.seed,
            typed: self.typed.clone(),
        })
    }

    /// Says how the commands that messages name are typed.
    pub(super) fn typing(mut self, typed: &Typed) -> Worlds {
        self.typed = typed.clone();
        self
    }

    /// Returns how the commands that messages name are typed.
    pub(super) fn typed(&self) -> &Typed {
        &self.typed
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the state.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the stored logins.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Returns the time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn gates(&self) -> MutexGuard<'_, BTreeMap<String, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Makes the world of one run of a job; its lines count calls anew, and secrets are read anew.
    ///
    /// With [`Reach::ReadsOnly`] no line of it can write to a vendor.
    ///
    /// Errors: `Setup` for a secret that cannot be had, or an address that no call can be made to.
    pub fn world(
        &self,
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
        let setup = |account: &AccountName| {
            let (job, account) = (job.name.clone(), Some(account.clone()));
            move |what| RunError::Setup { job, account, what }
        };
        let tally = Tally::default();
        let to = Account::HighLevel(hub.clone());
        let hub_auth = self.auth(&to).map_err(setup(&hub.name))?;
        let hub_line = self.line(&to, reach, hub_auth, &tally);
        let hub_line = hub_line.map_err(setup(&hub.name))?;
        let others = self.others_in_bucket(&job, &hub);
        let hub_line = hub_line.of_job(job.name.as_str(), others);
        let from = Account::Twitch(spoke.clone());
        let spoke_auth = self.auth(&from).map_err(setup(&spoke.name))?;
        let spoke_line = self.line(&from, reach, spoke_auth.clone(), &tally);
        // Nothing there counts by the day.
        let spoke_line = spoke_line.map_err(setup(&spoke.name))?;
        let spoke_line = spoke_line.of_job(job.name.as_str(), Vec::new());
        let auth_line = self.token_line(&from, spoke_auth, &tally);
        let auth_line = auth_line.map_err(setup(&spoke.name))?;
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
            validated_ms: Arc::default(),
            stop,
            watch,
        })
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

/// Reads the keys of a configuration: the present one and the one before.
///
/// Errors: `Usage` for one that cannot be had.
fn keys(config: &Config) -> Result<(Option<Key>, Option<Key>), CliError> {
    let key = key("token_key", config.token_key.as_ref())?;
    let old_key = key_beside(&key, config.old_token_key.as_ref())?;
    Ok((key, old_key))
}

/// Makes the vault of a state, and encrypts logins that are not yet.
async fn vault((key, old_key): (Option<Key>, Option<Key>), store: &Store) -> Vault {
    let vault = Vault::new(store.clone(), key, old_key);
    match vault.tidy().await {
        Ok(true) => {}
        Ok(false) => warn!(
            "stored logins are encrypted now, but another process is in the way of wiping what they were before; the next start tries again"
        ),
        Err(error) => warn!(
            "what stored logins were before they were encrypted could not be wiped ({error}); the next start tries again"
        ),
    }
    vault
}

/// Reads the key that a key of the main file names; `None` when it names none.
///
/// Errors: `Usage`, with what to do.
pub(super) fn key(name: &str, source: Option<&SecretSource>) -> Result<Option<Key>, CliError> {
    let Some(source) = source else {
        return Ok(None);
    };
    let usage = |what: String| CliError::usage(format!("`{name}` in ghl-sync.toml: {what}"));
    let text = secret(source).map_err(usage)?;
    let key = Key::read(&text).map_err(|error| usage(format!("{source}: {error}")))?;
    Ok(Some(key))
}

/// Reads the key before, which is of use only beside the present one.
fn key_beside(
    present: &Option<Key>,
    source: Option<&SecretSource>,
) -> Result<Option<Key>, CliError> {
    if present.is_none() && source.is_some() {
        return Err(CliError::usage(
            "`old_token_key` in ghl-sync.toml stands alone; name the present key as `token_key`, it takes over what the old one encrypted",
        ));
    }
    key("old_token_key", source)
}

fn no_account(job: &Job, account: &AccountName, service: &str) -> RunError {
    RunError::Setup {
        job: job.name.clone(),
        account: Some(account.clone()),
        what: format!("there is no {service} account of this name in ghl-sync.toml"),
    }
}
