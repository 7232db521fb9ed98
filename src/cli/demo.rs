//! `demo`: the whole thing against the built-in sandbox, through the same code as the commands.

use crate::config;
use crate::model::{Digest, JobName};
use crate::report::{Mode, Options, Outcome, Report, number};
use crate::run::{Ask, Done};

use super::args::{Demo, Format};
use super::error::CliError;
use super::exit::Exit;
use super::interrupt;
use super::runs::{self, View};
use super::shell::Shell;
use super::stage::{self, Day, Stage};
use super::worlds::Worlds;

/// The rows of a dry run's report inside the demo.
const ROWS: u64 = 12;

/// The rows of a report that repeats what was announced.
const ROWS_AGAIN: u64 = 3;

/// Runs the demo.
///
/// Errors: a folder or a port that cannot be had, and whatever keeps one of its runs from a report.
pub(super) async fn demo(shell: &mut Shell, args: &Demo) -> Result<Exit, CliError> {
    let stage = Stage::open(args).await?;
    let (folder, is_kept) = (stage.folder().to_owned(), stage.is_kept());
    interrupt::listen(shell.stop.clone(), shell.progress.clone(), move || {
        if !is_kept {
            stage::clear(&folder);
        }
    });
    let config = config::load(&stage.config())?;
    let Some(job) = config.jobs.keys().next().cloned() else {
        return Err(CliError::usage("the demo has no job"));
    };
    let worlds = Worlds::open(config, stage.clock()).await?;
    let mut play = Play {
        shell,
        stage,
        worlds,
        job,
    };
    match play.all(args).await? {
        Ended::Through(exit) => Ok(exit),
        Ended::Stopped => {
            let left = if is_kept {
                ""
            } else {
                ", and nothing is left behind"
            };
            play.shell.say(&format!("The demo was stopped{left}."))?;
            Ok(Exit::Failed)
        }
    }
}

/// How the demo, or a part of it, ended.
enum Ended<T> {
    Through(T),
    Stopped,
}

struct Play<'a> {
    shell: &'a mut Shell,
    stage: Stage,
    worlds: Worlds,
    job: JobName,
}

impl Play<'_> {
    async fn all(&mut self, args: &Demo) -> Result<Ended<Exit>, CliError> {
        let job = self.job.clone();
        self.say(&format!(
            "This demo runs ghl-sync against a sandbox on this machine that behaves as HighLevel and Twitch do, only faster.\n\
             A channel has {} followers; a location has {} contacts, and some of them carry a follower's user id already.\n\
             The job is schedules/twitch-followers.toml, as it comes with the program.",
            number(args.followers),
            number(args.contacts),
        ))?;

        self.heading("1. Look", &format!("ghl-sync plan {job}"))?;
        let Ended::Through(planned) = self.run(plan(false)).await? else {
            return Ok(Ended::Stopped);
        };
        self.show(&planned)?;
        let digest = planned.report.digest.as_ref();
        let approve = digest.map(|digest| digest.as_str().to_owned());
        self.heading(
            "2. Approve what you saw, and carry it out",
            &format!(
                "ghl-sync apply {job} --approve {}",
                digest.map_or("DIGEST", Digest::short)
            ),
        )?;
        let first = Ask { approve, ..apply() };
        let Ended::Through(applied) = self.run(first).await? else {
            return Ok(Ended::Stopped);
        };
        self.show(&applied)?;

        let day = self.stage.a_day_passes();
        self.say(&format!("\nA day passes. {}", story(day)))?;
        // Whoever is missing from a full listing is looked for again a little later before it is believed.
        let Ended::Through(_) = self.run(plan(true)).await? else {
            return Ok(Ended::Stopped);
        };
        self.stage.minutes_pass(3);
        self.heading(
            "3. Look at what differs now",
            &format!("ghl-sync plan {job}"),
        )?;
        let Ended::Through(planned) = self.run(plan(false)).await? else {
            return Ok(Ended::Stopped);
        };
        self.show(&planned)?;
        self.heading(
            "4. Carry it out; no guard holds any of it, so nobody has to approve it",
            &format!("ghl-sync apply {job}"),
        )?;
        let Ended::Through(applied_again) = self.run(apply()).await? else {
            return Ok(Ended::Stopped);
        };
        self.show(&applied_again)?;

        self.stage.minutes_pass(15);
        self.heading(
            "5. And once more, a quarter of an hour later",
            &format!("ghl-sync apply {job}"),
        )?;
        self.stage.sandbox.clear_calls();
        let Ended::Through(silent) = self.run(apply()).await? else {
            return Ok(Ended::Stopped);
        };
        self.show(&silent)?;
        let calls = self.stage.sandbox.calls();
        let writes = calls.iter().filter(|call| call.write).count();
        self.say(&format!(
            "\nNothing had changed, and it took {} calls to know: {} reads, {writes} writes.",
            calls.len(),
            calls.len() - writes,
        ))?;
        self.say(&self.next())?;

        let finished = [&applied, &applied_again, &silent]
            .iter()
            .all(|done| ended_well(&done.report));
        Ok(Ended::Through(match finished && writes == 0 {
            true => Exit::Done,
            false => Exit::Failed,
        }))
    }

    /// Runs the job once.
    async fn run(&mut self, ask: Ask) -> Result<Ended<Done>, CliError> {
        let ask = Ask {
            holder: runs::holder("demo", self.stage.clock().now()),
            ..ask
        };
        let done = runs::one(self.shell, &self.worlds, &self.job, &ask).await;
        match self.shell.stop.is_asked() {
            true => Ok(Ended::Stopped),
            false => done.map(Ended::Through),
        }
    }

    fn show(&mut self, done: &Done) -> Result<(), CliError> {
        let view = View {
            format: Format::Text,
            options: Options {
                gone: 0,
                show_personal: false,
                max_rows: Some(match done.report.mode {
                    Mode::Would => ROWS,
                    Mode::Did => ROWS_AGAIN,
                }),
                width: self.shell.width,
            },
        };
        let store = self.worlds.store();
        self.shell.write(|out| runs::render(store, done, view, out))
    }

    fn heading(&mut self, title: &str, command: &str) -> Result<(), CliError> {
        self.say(&format!("\n{title}\n$ {command}\n"))
    }

    fn say(&mut self, text: &str) -> Result<(), CliError> {
        self.shell.say(text)
    }

    fn next(&self) -> String {
        let kept = match self.stage.is_kept() {
            true => format!(
                "What it wrote is in {}; the sandbox ends now, but this still works:\n  ghl-sync status --config {}",
                self.stage.folder().display(),
                self.stage.config().display()
            ),
            false => "The sandbox, its configuration and its state are gone now; --keep DIR leaves them to look at.".to_owned(),
        };
        format!(
            "{kept}\n\nNext, your own location and channel (README, \"A real location in ten minutes\"):\n  \
             ghl-sync init\n  \
             ghl-sync auth highlevel\n  \
             ghl-sync auth twitch\n  \
             ghl-sync check --online\n  \
             ghl-sync plan"
        )
    }
}

fn plan(full: bool) -> Ask {
    Ask {
        full,
        ..Ask::default()
    }
}

fn apply() -> Ask {
    Ask {
        apply: true,
        ..Ask::default()
    }
}

/// Returns whether a run went through and nothing was refused or lost; what a person has to decide is part of the story.
fn ended_well(report: &Report) -> bool {
    let all = report.all();
    report.mode == Mode::Did
        && report.outcome == Outcome::Finished
        && !report.is_held()
        && all.refused == 0
        && all.unknown == 0
}

fn story(day: Day) -> String {
    let Day {
        joined,
        left,
        renamed,
        edited,
        both,
        untagged,
        deleted,
    } = day;
    let mut parts = Vec::new();
    for (count, what) in [
        (joined, "followed"),
        (left, "unfollowed"),
        (renamed, "took another name"),
        (edited, "had the name in the contact changed by a person"),
        (
            both,
            "had both, another name and a person's edit over the old one",
        ),
        (untagged, "had the tag taken off by a person"),
        (deleted, "had the contact deleted"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    format!("On it, {}.", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::cli::progress::Progress;
    use crate::model::Clock;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_small_demo_ends_in_silence_and_leaves_nothing_behind() {
        let kept = Kept::default();
        let progress = Progress::quiet(Box::new(io::sink()));
        let mut shell = Shell::new(Box::new(kept.clone()), progress, Clock::system());
        let args = Demo {
            keep: None,
            followers: 60,
            contacts: 30,
            seed: 3,
        };
        let exit = demo(&mut shell, &args).await.unwrap();
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(exit, Exit::Done, "{text}");
        for part in [
            "waiting for your approval",
            "12 followed; 8 unfollowed; 1 took another name",
            "- tag twitch follower",
            "twitch_username holds `the_real_one`, we want `second_thoughts`",
            "twitch-followers had nothing to do",
            "it took 2 calls to know: 2 reads, 0 writes",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        let folder = std::env::temp_dir().join(format!("ghl-sync-demo-{}", std::process::id()));
        assert!(!folder.exists());
    }
}
