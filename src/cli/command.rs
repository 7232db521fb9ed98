//! Arguments → runtime → command → exit code.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::panic::{self, AssertUnwindSafe};

use crate::model::Clock;
use crate::net::renewals_through;

use super::args::{self, Args, Command, HistoryCommand, StateDo};
use super::error::CliError;
use super::exit::Exit;
use super::interrupt;
use super::logs::{self, Loud};
use super::progress::Progress;
use super::shell::Shell;
use super::typed::Typed;
use super::{
    api, auth, care, check, daemon, demo, explain, history, init, manual, notify, runs, sandbox,
    settle, show, status, units,
};

/// The threads that calls are made on; planning and the state have their own.
const THREADS: usize = 2;

/// Runs the program with the process's arguments.
pub fn main() -> Exit {
    let args = match args::parse() {
        Ok(args) => args,
        Err((text, exit)) => {
            // Help goes where it was asked for; that nobody reads it is no failure.
            let _ = match exit {
                Exit::Done => io::stdout().write_all(text.as_bytes()),
                _ => io::stderr().write_all(text.as_bytes()),
            };
            return exit;
        }
    };
    let progress = Progress::on_stderr(args.quiet);
    say_panics(&progress);
    // The demo tells a story of its own, and a login says itself what came of it.
    let usual = match &args.command {
        Command::Demo(_) | Command::Sandbox(_) | Command::Auth(_) => Loud::Warnings,
        _ => Loud::Runs,
    };
    logs::start(
        Loud::of(args.quiet, args.verbose, usual),
        args.log_format,
        &progress,
    );
    let ended = panic::catch_unwind(AssertUnwindSafe(|| on_a_runtime(&args, &progress)));
    // The hook told of it already.
    ended.unwrap_or(Exit::Failed)
}

fn on_a_runtime(args: &Args, progress: &Progress) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            progress.say(&format!("error: cannot start threads: {error}"));
            return Exit::Failed;
        }
    };
    let mut shell = Shell::new(Box::new(io::stdout()), progress.clone(), Clock::system());
    shell.words = std::env::args_os().collect();
    if io::stdout().is_terminal() {
        shell.width = columns();
        shell.is_terminal = true;
    }
    let exit = runtime.block_on(async {
        match &args.command {
            Command::Plan(_) | Command::Apply(_) | Command::Resync(_) => {
                interrupt::listen_unless(shell.waits.clone(), shell.stop.clone(), progress.clone());
            }
            Command::Check(check) if check.write_test => {
                interrupt::listen_saying(
                    check::STOPPING,
                    shell.stop.clone(),
                    progress.clone(),
                    || {},
                );
            }
            Command::History(args::History {
                command: Some(HistoryCommand::Prune(_)),
                ..
            })
            | Command::State(args::State {
                what: StateDo::Upkeep(_),
            }) => {
                interrupt::listen_saying(
                    care::STOPPING,
                    shell.stop.clone(),
                    progress.clone(),
                    || {},
                );
            }
            Command::Check(check) if check.online => interrupt::end_at_once(progress.clone()),
            // The first five and `api` listen themselves, with what they leave in mind; the others are over in a moment.
            Command::Init(_)
            | Command::Auth(_)
            | Command::Daemon
            | Command::Demo(_)
            | Command::Sandbox(_)
            | Command::Check(_)
            | Command::Status(_)
            | Command::Notify(_)
            | Command::State(_)
            | Command::History(_)
            | Command::Show(_)
            | Command::Explain(_)
            | Command::Link(_)
            | Command::Unlink(_)
            | Command::Retry(_)
            | Command::Keep(_)
            | Command::Take(_)
            | Command::Api(_)
            | Command::InstallUnits(_)
            | Command::Completions(_)
            | Command::Man(_) => {}
        }
        let exit = run(args, &mut shell).await;
        // Of a run that failed meanwhile: a pair that was granted is written before the process ends.
        renewals_through(interrupt::RENEWAL_PATIENCE).await;
        exit
    });
    // A connection that lingers is no reason to wait.
    runtime.shutdown_background();
    exit
}

/// Carries out one command; says on the shell's progress what went wrong.
pub async fn run(args: &Args, shell: &mut Shell) -> Exit {
    shell.typed = Typed::with(args.config.as_deref()).in_words(&shell.words);
    match carry_out(args, shell).await {
        Ok(exit) => exit,
        Err(error) => {
            shell.complain(&error);
            error.exit()
        }
    }
}

async fn carry_out(args: &Args, shell: &mut Shell) -> Result<Exit, CliError> {
    let path = args.config.as_deref();
    match &args.command {
        Command::Init(args) => init::init(shell, path, args).await,
        Command::Auth(args) => auth::auth(shell, path, args).await,
        Command::Plan(plan) => runs::plan(shell, path, plan).await,
        Command::Apply(apply) => runs::apply(shell, path, apply).await,
        Command::Resync(resync) => runs::resync(shell, path, resync).await,
        Command::Daemon => daemon::daemon(shell, path).await,
        Command::Check(check) => check::check(shell, path, check).await,
        Command::Status(status) => status::status(shell, path, status),
        Command::Notify(args) => notify::notify(shell, path, args).await,
        Command::History(args) => match &args.command {
            Some(HistoryCommand::Prune(prune)) => care::prune(shell, path, prune).await,
            None => history::history(shell, path, args),
        },
        Command::Show(show) => show::show(shell, path, show),
        Command::Explain(explain) => explain::explain(shell, path, explain),
        Command::State(state) => care::state(shell, path, state).await,
        Command::Link(link) => settle::link(shell, path, link).await,
        Command::Unlink(record) => settle::unlink(shell, path, record).await,
        Command::Retry(retry) => settle::retry(shell, path, retry).await,
        Command::Keep(settle) => settle::keep(shell, path, settle).await,
        Command::Take(settle) => settle::take(shell, path, settle).await,
        Command::Api(args) => api::api(shell, path, args).await,
        Command::Demo(demo) => demo::demo(shell, demo).await,
        Command::InstallUnits(install) => units::install(shell, path, install),
        Command::Completions(completions) => manual::completions(shell, completions),
        Command::Man(man) => manual::man(shell, man),
        Command::Sandbox(sandbox) => sandbox::serve(shell, sandbox).await,
    }
}

/// Returns the columns that the shell told us of; lines are not wrapped otherwise, which every terminal copes with.
fn columns() -> Option<u16> {
    let columns = std::env::var("COLUMNS").ok()?;
    columns.parse().ok().filter(|columns| *columns >= 40)
}

/// Makes every panic of this process one sentence for people, said on `progress`.
pub fn say_panics(progress: &Progress) {
    let progress = progress.clone();
    panic::set_hook(Box::new(move |panic| {
        let mut line = "error: a defect in ghl-sync".to_owned();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        if let Some(what) = text.or(payload.downcast_ref::<String>().map(String::as_str)) {
            // Writing to a string cannot fail.
            let _ = write!(line, ": {what}");
        }
        if let Some(at) = panic.location() {
            let _ = write!(line, " ({}:{})", at.file(), at.line());
        }
        line.push_str("; nothing is lost, the next run goes on; please report it");
        progress.finish();
        progress.alarm(&line);
    }));
}
