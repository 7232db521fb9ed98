//! The program itself as a process, beside the sandbox of a rig.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::Utc;
use ghl_sync::sandbox::Settings;

use crate::rig::{Rig, settings};

/// No command of these tests takes longer, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(60);
/// How often a test looks whether another process has come as far as it waits for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A small honest world whose clock is the real one, as the program's is.
pub(crate) fn now(followers: u64, contacts: u64) -> Settings {
    Settings {
        start: Utc::now(),
        fields: true,
        ..settings(followers, contacts)
    }
}

/// Returns a command of the program that reads the rig's configuration; nothing of the caller's environment changes what it prints.
pub(crate) fn command(rig: &Rig, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghl-sync"));
    command.args(args).arg("--config").arg(rig.config_path());
    command
        .current_dir(&rig.folder)
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

/// Returns the same command, hearing SIGHUP: whoever runs these tests under `nohup` has every process here ignore it.
pub(crate) fn hearing(command: &Command) -> Command {
    let mut env = Command::new("env");
    env.arg("--default-signal=HUP")
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => env.env(name, value),
            None => env.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        env.current_dir(folder);
    }
    env
}

/// Runs the program to its end.
pub(crate) async fn program(rig: &Rig, args: &[&str]) -> Ended {
    Running::start(rig, args).end().await
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Stdout.
    pub(crate) out: String,
    /// Stderr.
    pub(crate) err: String,
}

impl Ended {
    /// Asserts the exit code.
    pub(crate) fn exits(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Asserts that stderr has all of these.
    pub(crate) fn complains(self, parts: &[&str]) -> Ended {
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is not said: {self}");
        }
        self
    }

    /// Asserts that stdout has all of these.
    pub(crate) fn says(self, parts: &[&str]) -> Ended {
        for part in parts {
            assert!(self.out.contains(part), "`{part}` is not said: {self}");
        }
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ended { code, out, err } = self;
        write!(f, "exit {code:?}\n--- stdout\n{out}\n--- stderr\n{err}")
    }
}

/// A process under way; what it says goes to two files.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    began: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only when the test failed: otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn start(rig: &Rig, args: &[&str]) -> Running {
        Running::of(rig, command(rig, args))
    }

    pub(crate) fn of(rig: &Rig, mut command: Command) -> Running {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let out = rig.folder.join(format!("{number}.out"));
        let err = rig.folder.join(format!("{number}.err"));
        let child = command
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Running {
            child,
            out,
            err,
            began: Instant::now(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it has said on stderr so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    /// Returns whether it has said this on stdout.
    pub(crate) fn has_told(&self, text: &str) -> bool {
        fs::read_to_string(&self.out).unwrap().contains(text)
    }

    /// Waits until `come` says so; the process must still be there then, or have ended just now.
    pub(crate) async fn until(&mut self, come: impl Fn(&Running) -> bool) {
        while !come(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() || come(self),
                "it ended before: {ended:?}\n{}",
                self.said()
            );
            self.look_again().await;
        }
    }

    /// Sends a signal, by the name that `kill` knows it by.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status()
            .unwrap();
        assert!(sent.success(), "kill -{name} {id}");
    }

    /// Returns whether it is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end. The sandbox answers it meanwhile: both are on this thread.
    pub(crate) async fn end(mut self) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            self.look_again().await;
        };
        Ended {
            code: status.code(),
            out: fs::read_to_string(&self.out).unwrap(),
            err: fs::read_to_string(&self.err).unwrap(),
        }
    }

    async fn look_again(&self) {
        assert!(self.began.elapsed() < LONGEST, "hangs: {}", self.said());
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Runs all of them on this thread at the same time.
pub(crate) async fn together<T: 'static>(
    all: impl IntoIterator<Item = impl Future<Output = T> + 'static>,
) -> Vec<T> {
    let here = tokio::task::LocalSet::new();
    let all: Vec<_> = all.into_iter().map(|one| here.spawn_local(one)).collect();
    here.run_until(async {
        let mut ends = Vec::new();
        for one in all {
            ends.push(one.await.unwrap());
        }
        ends
    })
    .await
}
