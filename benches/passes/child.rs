//! The hidden halves of the program: the sandbox, and one measured pass.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use ghl_sync::cli::Worlds;
use ghl_sync::config;
use ghl_sync::model::{Clock, GuardKind};
use ghl_sync::net::{Counted, Reach, Tally, Vendor};
use ghl_sync::run::{Ask, Stop, Tick, Watch, run_job};
use ghl_sync::sandbox::{Sandbox, Settings};
use serde::{Deserialize, Serialize};

use super::Failure;

/// The first argument that makes this program the sandbox.
pub(crate) const SANDBOX: &str = "serve-the-sandbox";
/// The first argument that makes this program one pass.
pub(crate) const PASS: &str = "run-one-pass";

/// The kernel's unit of CPU times in `/proc/self/stat`: USER_HZ, 100 on every Linux that Rust supports.
const TICKS_A_SECOND: f64 = 100.0;
/// The daily budget is no subject here.
const DAILY: u64 = 1_000_000_000;

/// The world that a sandbox shows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Vendors {
    /// How many people follow.
    pub(crate) followers: u64,
    /// How many contacts the location has.
    pub(crate) contacts: u64,
    /// How many of them are followers already.
    pub(crate) twins: u64,
    /// How much faster than the real ones.
    pub(crate) speed: f64,
}

/// What a pass is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Where the configuration is.
    pub(crate) folder: PathBuf,
    /// How far the sandbox's time is ahead of ours, in ms.
    pub(crate) ahead_ms: i64,
    /// Whether everything is read.
    pub(crate) full: bool,
    /// Whether the plan is carried out.
    pub(crate) apply: bool,
    /// When the pass is asked to stop, as a person would; `None` lets it end by itself.
    pub(crate) stop_after: Option<Duration>,
}

/// What a pass came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// User and system time, in seconds.
    pub(crate) cpu: f64,
    /// The most memory it had, in KiB (`VmHWM`).
    pub(crate) peak_kib: u64,
    /// From the start of the process to the report, in seconds.
    pub(crate) wall: f64,
    /// The calls to HighLevel.
    pub(crate) highlevel: u64,
    /// The calls to Twitch.
    pub(crate) twitch: u64,
    /// Tries after the first among all of them.
    pub(crate) retries: u64,
    /// The calls to HighLevel after the plan was made.
    pub(crate) writes: u64,
    /// From the beginning of the execution to its last answer, in seconds.
    pub(crate) writing: f64,
    /// Steps planned, and steps carried out.
    pub(crate) planned: u64,
    /// Steps carried out.
    pub(crate) done: u64,
    /// How it ended.
    pub(crate) outcome: String,
    /// The state file and its WAL afterwards, in bytes.
    pub(crate) state_bytes: u64,
}

/// Serves a sandbox until stdin is closed, so that it cannot outlive whoever started it.
pub(crate) fn serve(arguments: &[String]) -> Result<(), Failure> {
    let vendors: Vendors = serde_json::from_str(argument(arguments)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let settings = Settings {
        start: Utc::now(),
        followers: vendors.followers,
        contacts: vendors.contacts,
        twins: vendors.twins,
        fields: true,
        speed: vendors.speed,
        daily: DAILY,
        call_log: 0,
        keep_bodies: false,
        ..Settings::default()
    };
    let sandbox = runtime.block_on(Sandbox::start(settings))?;
    println!("{}", sandbox.address());
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest)?;
    Ok(())
}

/// Runs one pass and tells what it took, as one line of JSON.
pub(crate) fn pass(arguments: &[String]) -> Result<(), Failure> {
    let began = Instant::now();
    let order: Order = serde_json::from_str(argument(arguments)?)?;
    // As the program itself is run.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut measured = runtime.block_on(run(&order))?;
    measured.wall = began.elapsed().as_secs_f64();
    measured.cpu = cpu_seconds()?;
    measured.peak_kib = peak_kib()?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// When the execution began and went on, and how many calls had been made by then.
#[derive(Default)]
struct Writing {
    began: Option<(Instant, u64)>,
    last: Option<Instant>,
}

async fn run(order: &Order) -> Result<Measured, Failure> {
    let config = config::load(&order.folder.join("ghl-sync.toml"))
        .map_err(|problems| problems.to_string())?;
    let state = config.state.clone();
    let clock = Clock::moved(
        Arc::new(std::sync::atomic::AtomicI64::new(order.ahead_ms)),
        None,
    );
    let name = config
        .jobs
        .keys()
        .next()
        .cloned()
        .ok_or("there is no job")?;
    let reach = if order.apply {
        Reach::Everything
    } else {
        Reach::ReadsOnly
    };
    let stop = Stop::default();
    let writing = Arc::new(Mutex::new(Writing::default()));
    let tally: Arc<OnceLock<Tally>> = Arc::default();
    let watch = watch(&writing, &tally);
    let world = Worlds::open(config, clock)
        .await?
        .world(&name, reach, stop.clone(), watch)?;
    tally.get_or_init(|| world.hub_line.tally().clone());
    if let Some(limit) = order.stop_after {
        tokio::spawn(async move {
            tokio::time::sleep(limit).await;
            stop.ask();
        });
    }
    let ask = Ask {
        full: order.full,
        apply: order.apply,
        allow: GuardKind::ALL.into_iter().collect(),
        ..Ask::default()
    };
    let done = run_job(&world, &ask).await?;
    let counted = world.hub_line.tally().snapshot();
    let calls = |of: Vendor| {
        let of_vendor = counted.iter().filter(|((vendor, _, _), _)| *vendor == of);
        of_vendor.map(|(_, count)| count).sum()
    };
    let retried = counted
        .iter()
        .filter(|((_, _, counted), _)| *counted == Counted::Retry);
    let mut measured = Measured {
        highlevel: calls(Vendor::HighLevel),
        twitch: calls(Vendor::Twitch),
        retries: retried.map(|(_, count)| count).sum(),
        planned: done
            .report
            .counts
            .values()
            .map(|counts| counts.planned)
            .sum(),
        done: done.report.counts.values().map(|counts| counts.done).sum(),
        outcome: format!("{:?}", done.report.outcome),
        state_bytes: bytes_in(&state),
        ..Measured::default()
    };
    let writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some((began, calls)), Some(last)) = (writing.began, writing.last) {
        measured.writes = (measured.highlevel + measured.twitch).saturating_sub(calls);
        measured.writing = (last - began).as_secs_f64();
    }
    Ok(measured)
}

fn watch(writing: &Arc<Mutex<Writing>>, tally: &Arc<OnceLock<Tally>>) -> Watch {
    let (writing, tally) = (Arc::clone(writing), Arc::clone(tally));
    Watch::new(move |tick| {
        let mut writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
        match tick {
            Tick::Executing { .. } => {
                let calls = tally.get().map(Tally::total).unwrap_or_default();
                writing.began = Some((Instant::now(), calls));
            }
            Tick::Advance(_) if writing.began.is_some() => writing.last = Some(Instant::now()),
            _ => {}
        }
    })
}

fn argument(arguments: &[String]) -> Result<&String, Failure> {
    arguments
        .first()
        .ok_or_else(|| "this is for the benchmark itself".into())
}

/// Reads user and system time of all threads of this process.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is the program's name in parentheses and may hold blanks; user and system time are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').ok_or("odd /proc/self/stat")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<_, _>>()?;
    #[expect(clippy::cast_precision_loss, reason = "ticks of one short process")]
    Ok(ticks as f64 / TICKS_A_SECOND)
}

fn peak_kib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("odd /proc/self/status")?;
    let number = line.split_whitespace().next().unwrap_or_default();
    Ok(number.parse()?)
}

fn bytes_in(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .map(|data| data.len())
        .sum()
}
