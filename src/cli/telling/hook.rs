//! A program that is told: JSON on stdin, a little in its environment, ten seconds, no shell.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::net::said;

use super::message::Message;

/// What of our environment it gets: the rest may hold secrets that are none of its business.
const PASSED_ON: &[&str] = &[
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR",
];

/// How much of what it says is read.
const LARGEST_OUTPUT_BYTES: u64 = 4 * 1024;

/// How long its output is waited for once it has ended: a child of its own may keep the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A program's process group, killed when nobody waits for the program any more.
struct Group(Option<Pid>);

impl Group {
    /// Lets it go: the program has ended, and what it left behind on purpose may go on.
    fn let_go(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Starts a program for a message and waits for its end, `within` this time; after it the program and its children are killed.
///
/// Errors: what went wrong, for people, with the first 200 characters of what it said, masked.
pub(super) async fn tell(
    words: &[String],
    message: &Message,
    within: Duration,
) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("`command` is empty".to_owned());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(
            PASSED_ON
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .env("GHL_SYNC_KIND", &message.kind)
        .env("GHL_SYNC_JOB", message.job.as_deref().unwrap_or_default())
        .env("GHL_SYNC_SUMMARY", &message.summary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that its children go with it.
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    // Goes before the child does, whose end nobody has fetched then: the number is still its group's.
    let mut group = Group(
        child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
    );
    let output = [read(child.stdout.take()), read(child.stderr.take())];
    let ended = timeout(within, feed(&mut child, message.json().to_string())).await;
    let (status, why) = match ended {
        Ok(Ok(status)) => (Some(status), String::new()),
        Ok(Err(error)) => (None, error.to_string()),
        Err(_) => (
            None,
            format!("it was killed after {} s", within.as_secs_f64()),
        ),
    };
    if status.is_some() {
        group.let_go();
    }
    drop(group);
    if status.is_none() {
        let _ = child.wait().await;
    }
    let mut words = String::new();
    for part in output {
        if let Ok(Ok(part)) = timeout(LAST_WORDS, part).await {
            words.push_str(&part);
            words.push(' ');
        }
    }
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(with_words(&status.to_string(), &words)),
        None => Err(with_words(&why, &words)),
    }
}

async fn feed(child: &mut Child, text: String) -> std::io::Result<ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read is none the worse.
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    child.wait().await
}

/// Reads the beginning of what it says, and the rest away, so that it can go on.
fn read(pipe: Option<impl AsyncRead + Send + Unpin + 'static>) -> tokio::task::JoinHandle<String> {
    tokio::spawn(async move {
        let Some(mut pipe) = pipe else {
            return String::new();
        };
        let mut words = Vec::new();
        let _ = (&mut pipe)
            .take(LARGEST_OUTPUT_BYTES)
            .read_to_end(&mut words)
            .await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
        String::from_utf8_lossy(&words).into_owned()
    })
}

fn with_words(why: &str, words: &str) -> String {
    match said(words) {
        words if words.is_empty() => why.to_owned(),
        words => format!("{why}: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use chrono::Utc;

    use super::super::message::test;
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    async fn run(script: &str, within: Duration) -> Result<(), String> {
        let message = test("pager", "ghl-sync notify".to_owned(), Utc::now());
        tell(&shell(script), &message, within).await
    }

    #[tokio::test]
    async fn a_program_gets_json_on_stdin_and_a_little_environment() {
        let script = "test \"$GHL_SYNC_KIND\" = test && test -n \"$GHL_SYNC_SUMMARY\" && test -z \"$CARGO_MANIFEST_DIR\" && grep -q '\"kind\":\"test\"'";
        assert_eq!(run(script, LONG).await, Ok(()));
        assert_eq!(run("exit 0", LONG).await, Ok(()));
    }

    #[tokio::test]
    async fn a_failure_tells_a_little_of_what_it_said() {
        let error = run(
            "cat >/dev/null; echo 'no \u{1b}[31mline' >&2; yes | head -c 100000; exit 3",
            LONG,
        )
        .await
        .unwrap_err();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(!error.contains('\u{1b}'), "{error}");
        assert!(error.chars().count() < 300, "{error}");
        let missing = ["/nowhere/page-me".to_owned()];
        let message = test("pager", "ghl-sync notify".to_owned(), Utc::now());
        let error = tell(&missing, &message, LONG).await.unwrap_err();
        assert!(
            error.starts_with("cannot start /nowhere/page-me"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_its_children() {
        let began = Instant::now();
        let error = run("sleep 60 & echo $! ; wait", Duration::from_millis(100))
            .await
            .unwrap_err();
        assert!(error.contains("it was killed after 0.1 s"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(30));
        let child = error.rsplit(' ').next().unwrap();
        let process = std::fs::read_to_string(format!("/proc/{child}/stat"));
        // Gone, or dead and not yet fetched by whoever inherited it.
        assert!(process.is_err() || process.unwrap().contains(") Z "));
    }

    #[tokio::test]
    async fn a_program_that_nobody_waits_for_any_more_is_killed_with_its_children() {
        let file = std::env::temp_dir().join(format!("ghl-sync-hook-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let script = format!("sleep 60 & echo $! > '{}'; wait", file.display());
        let child = {
            let told = run(&script, LONG);
            tokio::pin!(told);
            loop {
                let pause = tokio::time::sleep(Duration::from_millis(2));
                tokio::select! {
                    told = &mut told => panic!("{told:?}"),
                    () = pause => {}
                }
                let said = std::fs::read_to_string(&file).unwrap_or_default();
                if said.ends_with('\n') {
                    break said.trim().to_owned();
                }
            }
        };
        let is_gone = || {
            let process = std::fs::read_to_string(format!("/proc/{child}/stat"));
            process.map_or(true, |process| process.contains(") Z "))
        };
        let began = Instant::now();
        while !is_gone() {
            assert!(began.elapsed() < LONG, "it lives");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        std::fs::remove_file(file).unwrap();
    }
}
