//! `man` and `completions`: made of the definitions that the help is made of.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::{Args, Completions, Man};
use super::error::CliError;
use super::exit::Exit;
use super::place::{For, NewFile, renew};
use super::shell::Shell;

/// The program's name, which is also that of its first page.
const PROGRAM: &str = "ghl-sync";

/// What stands under FILES.
const FILES: &[(&str, &str)] = &[
    (
        "/etc/ghl-sync/ghl-sync.toml",
        "the main file, where no --config names another and the current folder has none",
    ),
    (
        "/etc/ghl-sync/schedules/*.toml",
        "the jobs, in the folder `schedules` beside the main file",
    ),
    (
        "/etc/ghl-sync/credentials/NAME",
        "what credential:NAME is outside a unit of systemd",
    ),
    (
        "/var/lib/ghl-sync/ghl-sync.db",
        "the state, where the main file says state = \"/var/lib/ghl-sync\"; it holds people's data and the logins",
    ),
];

/// What stands under ENVIRONMENT.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "CREDENTIALS_DIRECTORY",
        "set by systemd: where the credentials of a unit are",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "set by systemd: where the daemon says how it is, and how often",
    ),
    ("NO_COLOR", "when it is set, logs have no color"),
    ("COLUMNS", "how wide a report on a terminal may be"),
];

/// Lines to begin with: the command that they belong to, the line, and what it does.
const EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "demo",
        "ghl-sync demo",
        "shows the whole thing without any account",
    ),
    (
        "init",
        "ghl-sync init",
        "asks, and writes the files to begin with",
    ),
    (
        "init",
        "ghl-sync init --yes --location LOCATION --client-id ID",
        "does it without asking",
    ),
    (
        "auth",
        "ghl-sync auth highlevel",
        "asks for a token and keeps it",
    ),
    (
        "auth",
        "ghl-sync auth twitch",
        "shows an address and a code, and waits",
    ),
    ("auth", "ghl-sync auth show", "says who is logged in where"),
    (
        "check",
        "ghl-sync check --online",
        "looks at everything, and asks the vendors",
    ),
    ("plan", "ghl-sync plan", "shows what every job would do"),
    (
        "plan",
        "ghl-sync plan twitch-followers --full --out report.md --format markdown",
        "reads everything, and writes the whole report to a file",
    ),
    (
        "apply",
        "ghl-sync apply twitch-followers --approve 1a2b3c4d5e6f",
        "carries out exactly the plan with this digest",
    ),
    (
        "apply",
        "ghl-sync apply twitch-followers --limit 10",
        "begins with a handful of people",
    ),
    (
        "apply",
        "ghl-sync apply twitch-followers --scheduled --quiet",
        "is what a timer starts",
    ),
    (
        "daemon",
        "ghl-sync daemon",
        "runs every job at its schedule until it is told to end",
    ),
    (
        "resync",
        "ghl-sync resync twitch-followers --wait",
        "reads both sides in full, after the run under way",
    ),
    ("status", "ghl-sync status", "says how every job stands"),
    (
        "link",
        "ghl-sync link twitch-followers 12345 C0ntactId",
        "says that the record 12345 is that contact",
    ),
    (
        "unlink",
        "ghl-sync unlink twitch-followers 12345",
        "forgets which contact the record is",
    ),
    (
        "retry",
        "ghl-sync retry twitch-followers --all",
        "tries again in the next run what was refused",
    ),
    (
        "keep",
        "ghl-sync keep twitch-followers 12345 firstName",
        "lets the value in HighLevel stand",
    ),
    (
        "take",
        "ghl-sync take twitch-followers 12345",
        "writes what the job wants in the next run",
    ),
    (
        "api",
        "ghl-sync api contacts list --limit 5",
        "shows the newest contacts, a JSON line each",
    ),
    (
        "api",
        "ghl-sync api contacts create --first-name Ann --email ann@example.com --tag vip",
        "creates a contact and shows it, its id included",
    ),
    (
        "api",
        "ghl-sync api tags add C0ntactId vip",
        "adds a tag to the contact",
    ),
    (
        "api",
        "ghl-sync api notes create C0ntactId --body-file minutes.txt",
        "makes a note of what stands in a file",
    ),
    (
        "api",
        "ghl-sync api tasks create C0ntactId --title Call --due 2d",
        "makes a task that is due in two days",
    ),
    (
        "api",
        "ghl-sync api tasks complete C0ntactId TaskId",
        "marks the task as done",
    ),
    (
        "api",
        "ghl-sync api contacts delete C0ntactId --dry-run",
        "shows the call that would delete the contact, and sends nothing",
    ),
    (
        "install-units",
        "ghl-sync install-units --dry-run",
        "says which units of systemd would be put where",
    ),
    (
        "completions",
        "ghl-sync completions bash > /etc/bash_completion.d/ghl-sync",
        "completes words for every user of bash",
    ),
    (
        "man",
        "ghl-sync man --out /usr/local/share/man/man1",
        "writes the pages where man finds them",
    ),
];

/// Returns what an exit code means, as a fragment.
fn meaning(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "done",
        Exit::Failed => "failed, or stopped by a person; the message says why",
        Exit::Differs => "the plan is not empty (plan --exit-code alone)",
        Exit::Held => "a guard holds a part of the plan",
        Exit::BadConfig => {
            "the configuration, a token or the command line is wrong, or the state is another user's"
        }
        Exit::DoneWithRefusals => "done, with newly refused rows or conflicts",
        Exit::OutOfTouch => "a service could not be reached, or the day's calls are spent",
        Exit::WaitsForAPerson => "a person has to look or to decide first",
        Exit::Busy => "another run of the same job is at work",
    }
}

/// Runs `completions`.
///
/// Errors: stdout cannot be written.
pub(super) fn completions(shell: &mut Shell, args: &Completions) -> Result<Exit, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), PROGRAM, &mut text);
    shell.write(|out| out.write_all(&text))?;
    Ok(Exit::Done)
}

/// Runs `man`.
///
/// Errors: `Io` for stdout, or a page that cannot be written.
pub(super) fn man(shell: &mut Shell, args: &Man) -> Result<Exit, CliError> {
    let pages = pages().map_err(|source| CliError::Io {
        what: "make the pages".to_owned(),
        source,
    })?;
    match &args.out {
        None => {
            let first = pages.iter().find(|page| page.name == PROGRAM);
            let text = first.map_or("", |page| page.text.as_str());
            shell.write(|out| out.write_all(text.as_bytes()))?;
        }
        Some(folder) => {
            for page in &pages {
                renew(&page.file(folder))?;
            }
            let count = pages.len();
            shell.say(&format!("wrote {count} pages to {}", folder.display()))?;
        }
    }
    Ok(Exit::Done)
}

/// One page of the manual.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Page {
    /// Words with hyphens between them, for example `ghl-sync-auth-twitch`.
    name: String,
    text: String,
}

impl Page {
    fn file(&self, folder: &Path) -> NewFile {
        NewFile {
            path: folder.join(format!("{}.1", self.name)),
            text: self.text.clone(),
            whose: For::Everyone,
        }
    }
}

/// Makes the pages of the program and of all its commands.
fn pages() -> io::Result<Vec<Page>> {
    let mut program = Args::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    add(&program, None, &mut pages)?;
    Ok(pages)
}

/// Adds the page of a command and those of its own commands. `first` is the command below the program that it belongs to.
fn add(command: &clap::Command, first: Option<&str>, pages: &mut Vec<Page>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = clap_mangen::Man::new(command.clone())
        .manual("ghl-sync")
        .source(concat!("ghl-sync ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    ending(first).to_writer(&mut text)?;
    pages.push(Page {
        name: name.to_owned(),
        text: String::from_utf8_lossy(&text).into_owned(),
    });
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        add(below, Some(first.unwrap_or(below.get_name())), pages)?;
    }
    Ok(())
}

/// Returns what a page ends with: examples, and on the program's page everything that is the same for all commands.
fn ending(command: Option<&str>) -> Roff {
    let mut roff = Roff::new();
    let mut examples = EXAMPLES
        .iter()
        .filter(|(of, ..)| command.is_none_or(|command| command == *of))
        .peekable();
    if examples.peek().is_some() {
        roff.control("SH", ["EXAMPLES"]);
    }
    for (_, line, what) in examples {
        entry(&mut roff, line, what);
    }
    if command.is_some() {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([
            bold(PROGRAM),
            roman("(1), which has exit status, files and environment"),
        ]);
        return roff;
    }
    roff.control("SH", ["EXIT STATUS"]);
    let mut exits = Exit::BY_PRECEDENCE;
    exits.sort_by_key(|exit| exit.code());
    for exit in exits {
        entry(&mut roff, &exit.code().to_string(), meaning(exit));
    }
    let order = Exit::BY_PRECEDENCE.map(|exit| exit.code().to_string());
    roff.control("PP", []);
    roff.text([roman(format!(
        "When several fit, the first of {} counts.",
        order.join(", ")
    ))]);
    for (heading, entries) in [("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)] {
        roff.control("SH", [heading]);
        for (name, what) in entries {
            entry(&mut roff, name, what);
        }
    }
    roff
}

/// Adds a bold term and what it means.
fn entry(roff: &mut Roff, term: &str, what: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(what)]);
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::args::parse_from;
    use super::*;

    #[test]
    fn every_command_has_a_page_and_hidden_ones_have_none() {
        let names: Vec<String> = pages().unwrap().into_iter().map(|page| page.name).collect();
        for name in [
            "ghl-sync",
            "ghl-sync-plan",
            "ghl-sync-auth",
            "ghl-sync-auth-twitch",
        ] {
            assert!(names.iter().any(|seen| seen == name), "{name}: {names:?}");
        }
        assert!(
            !names.iter().any(|name| name.ends_with("sandbox")),
            "{names:?}"
        );
        assert!(
            !names.iter().any(|name| name.ends_with("help")),
            "{names:?}"
        );
    }

    #[test]
    fn the_examples_can_be_typed_and_stand_on_the_page_of_their_command() {
        let pages = pages().unwrap();
        for (command, line, what) in EXAMPLES {
            let words = line.split(" > ").next().unwrap().split_whitespace();
            let read = parse_from(words.map(OsString::from));
            assert!(read.is_ok(), "{line}: {read:?}");
            let page = pages
                .iter()
                .find(|page| page.name == format!("ghl-sync-{command}"));
            assert!(page.unwrap().text.contains(what), "{line}");
        }
        let first = &pages[0];
        assert_eq!(first.name, PROGRAM);
        for part in [
            "EXIT STATUS",
            "FILES",
            "ENVIRONMENT",
            "another run of the same job",
        ] {
            assert!(first.text.contains(part), "{part}");
        }
    }
}
