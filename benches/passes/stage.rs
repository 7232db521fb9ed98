//! One sandbox, one state folder, and passes in between which virtual time goes by.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use ghl_sync::sandbox::{HIGHLEVEL_TOKEN, LOCATION_ID, TWITCH_CLIENT_ID, TWITCH_TOKEN};

use super::Failure;
use super::child::{self, Measured, Order, Vendors};
use super::control;

/// A pass that takes longer is killed, so that a benchmark ends whatever happens.
const LONGEST_PASS: Duration = Duration::from_secs(1_200);

/// The job that is measured: what `ghl-sync init` writes, less the schedule.
pub(crate) const JOB: &str = r#"
name = "followers"
contacts_reader = "READER"
recheck = RECHECK
[from]
source = "twitch.followers"
account = "channel"
[to]
destination = "highlevel.contacts"
account = "main"
[match]
by = ["link", "field:twitch_user_id"]
missing = "create"
[fields]
firstName = { value = "{{ user_name or user_login or 'twitch ' ~ user_id }}", own = "fill" }
twitch_user_id = "{{ user_id }}"
twitch_username = "USERNAME"
twitch_followed_at = { value = "{{ followed_at | date }}", own = "create" }
[on.join]
add_tags = ["twitch follower", "twitch cohort {{ followed_at | date('%Y-%m') }}"EXTRA]
[on.leave]
remove_tags = ["twitch follower"]
add_tags = ["twitch unfollowed"]
"#;

static STAGES: AtomicU32 = AtomicU32::new(0);

/// What of the job a scene changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) reader: &'static str,
    pub(crate) recheck: bool,
    pub(crate) username: &'static str,
    pub(crate) extra_tag: bool,
}

impl Default for Job {
    fn default() -> Job {
        Job {
            reader: "list",
            recheck: true,
            username: "{{ user_login }}",
            extra_tag: false,
        }
    }
}

/// A process that does not outlive its owner.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sandbox and a state folder; both are gone when it is dropped.
pub(crate) struct Stage {
    address: SocketAddr,
    folder: PathBuf,
    _sandbox: Owned,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Stage {
    /// Starts a sandbox and writes the configuration for it.
    pub(crate) fn new(vendors: Vendors) -> Result<Stage, Failure> {
        let mut sandbox = Owned(
            Command::new(std::env::current_exe()?)
                .arg(child::SANDBOX)
                .arg(serde_json::to_string(&vendors)?)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?,
        );
        let stdout = sandbox.0.stdout.take().ok_or("no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let number = STAGES.fetch_add(1, Ordering::SeqCst);
        let folder =
            std::env::temp_dir().join(format!("ghl-sync-bench-{}-{number}", std::process::id()));
        let stage = Stage {
            address: line.trim().parse()?,
            folder,
            _sandbox: sandbox,
        };
        stage.write_config()?;
        stage.set(Job::default())?;
        Ok(stage)
    }

    fn write_config(&self) -> Result<(), Failure> {
        let (folder, address) = (&self.folder, self.address);
        std::fs::create_dir_all(folder.join("schedules"))?;
        for (name, token) in [
            ("hub.token", HIGHLEVEL_TOKEN),
            ("spoke.token", TWITCH_TOKEN),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, token)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        }
        let main = format!(
            "[accounts.main]\nservice = \"highlevel\"\nlocation = \"{LOCATION_ID}\"\ntoken = \"file:hub.token\"\n\
             base_url = \"http://{address}/highlevel\"\nreserve = 0\n\
             [accounts.channel]\nservice = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\ntoken = \"file:spoke.token\"\n\
             base_url = \"http://{address}/helix\"\nauth_url = \"http://{address}/id/oauth2\"\n"
        );
        std::fs::write(folder.join("ghl-sync.toml"), main)?;
        Ok(())
    }

    /// Edits the job.
    pub(crate) fn set(&self, job: Job) -> Result<(), Failure> {
        let text = JOB
            .replace("READER", job.reader)
            .replace("RECHECK", &job.recheck.to_string())
            .replace("USERNAME", job.username)
            .replace("EXTRA", if job.extra_tag { ", \"bench\"" } else { "" });
        std::fs::write(self.folder.join("schedules/followers.toml"), text)?;
        Ok(())
    }

    /// Lets virtual time pass.
    pub(crate) fn advance(&self, by: Duration) -> Result<(), Failure> {
        control::advance(self.address, by)
    }

    /// Runs a pass that carries its plan out.
    pub(crate) fn apply(&self, full: bool) -> Result<Pass, Failure> {
        self.pass(full, true, None)
    }

    /// Runs a pass as a process of its own.
    pub(crate) fn pass(
        &self,
        full: bool,
        apply: bool,
        stop_after: Option<Duration>,
    ) -> Result<Pass, Failure> {
        control::clear(self.address)?;
        let ahead = control::state(self.address)?.now - Utc::now();
        let order = Order {
            folder: self.folder.clone(),
            ahead_ms: ahead.num_milliseconds(),
            full,
            apply,
            stop_after,
        };
        let child = Command::new(std::env::current_exe()?)
            .arg(child::PASS)
            .arg(serde_json::to_string(&order)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let limit = stop_after.unwrap_or_default() + LONGEST_PASS;
        let measured = wait(Owned(child), limit)?;
        let state = control::state(self.address)?;
        let seen: u64 = state.calls.values().sum();
        let sent = measured.highlevel + measured.twitch;
        if seen != sent {
            return Err(format!("the sandbox saw {seen} calls where {sent} were counted").into());
        }
        if measured.outcome != "Finished" && stop_after.is_none() {
            return Err(format!("a pass ended with {}", measured.outcome).into());
        }
        Ok(Pass {
            measured,
            too_many: state.too_many,
        })
    }

    /// Returns where the state is.
    #[expect(dead_code, reason = "for looking into a state by hand")]
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// What a pass came to, and what the vendors thought of it.
pub(crate) struct Pass {
    pub(crate) measured: Measured,
    /// Answers with 429.
    pub(crate) too_many: u64,
}

/// Waits for a pass to tell its numbers.
fn wait(mut child: Owned, limit: Duration) -> Result<Measured, Failure> {
    let until = Instant::now() + limit;
    while child.0.try_wait()?.is_none() {
        if Instant::now() > until {
            return Err(format!("a pass took longer than {} s", limit.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let stdout = child.0.stdout.take().ok_or("no stdout")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(|_| "a pass ended without its numbers".into())
}
