//! `install-units`: puts the units of systemd in place, with the path of this program in them.
//!
//! The texts are those of the folder `systemd`. Each file ends with a line that says what stood above it when it was written, so that an update
//! replaces its own files silently and never one that a person changed.

mod place;
mod texts;

use std::path::{Path, PathBuf};

use self::place::{Deed, Step, carry_out, steps};
use self::texts::Files;
use super::args::InstallUnits;
use super::error::CliError;
use super::exit::Exit;
use super::shell::Shell;
use super::typed::Typed;

/// Where people enable units; links in there lead to files that are to be removed.
const ENABLED: &[&str] = &[
    "etc/systemd/system/multi-user.target.wants",
    "etc/systemd/system/timers.target.wants",
];

/// Runs `install-units`.
///
/// Errors: `Usage` when the files of this machine are not this user's to write, for a file that was changed by hand, and before a
/// removal for a unit that is still enabled; nothing was written then. `Io` for a file that cannot be written.
pub(super) fn install(
    shell: &mut Shell,
    config: Option<&Path>,
    args: &InstallUnits,
) -> Result<Exit, CliError> {
    if config.is_some() {
        return Err(CliError::Usage {
            what: "the units read /etc/ghl-sync/ghl-sync.toml".to_owned(),
            hint: Some(
                "leave --config out; a drop-in (systemctl edit ghl-sync.service) can start the program with another file".to_owned(),
            ),
        });
    }
    if !args.prefix.is_absolute() {
        let seen = args.prefix.display();
        return Err(CliError::usage(format!(
            "--prefix is the folder on the machine that the units will run on, such as /usr/local, and {seen} does not start with /"
        )));
    }
    if args.root.is_none() && !args.dry_run && !rustix::process::geteuid().is_root() {
        return Err(CliError::Usage {
            what: format!(
                "only root can install units below {}",
                args.prefix.display()
            ),
            hint: Some(as_root(&shell.typed)),
        });
    }
    let root = args.root.as_deref().unwrap_or(Path::new("/"));
    let program = program(args)?;
    let files = Files {
        root,
        prefix: &args.prefix,
        program: &program,
    };
    let steps = steps(&files.all(), args.remove)?;
    if args.remove {
        refuse_enabled(root, &shell.typed)?;
    }
    refuse_changed(&steps, args)?;
    let kept = match args.dry_run {
        true => Vec::new(),
        false => carry_out(&steps)?,
    };
    let mut told: Vec<String> = steps.iter().map(|step| line(step, args.dry_run)).collect();
    told.extend(kept.iter().map(|(path, old)| {
        let (path, old) = (path.display(), old.display());
        format!("kept     {path} as {old}")
    }));
    if !args.dry_run {
        told.push(match args.remove {
            true => after_removal(args),
            false => after_install(args, &program),
        });
    }
    shell.say(&told.join("\n"))?;
    Ok(Exit::Done)
}

/// Says how the same line is typed as root.
fn as_root(typed: &Typed) -> String {
    let root = crate::store::Owner {
        uid: 0,
        name: Some("root".to_owned()),
    };
    format!(
        "type {}, or write elsewhere with --root DIR, or look with --dry-run",
        typed.again_as(&root)
    )
}

/// Returns the path of the program on the machine that the units will run on.
fn program(args: &InstallUnits) -> Result<String, CliError> {
    let running = std::env::current_exe()
        .and_then(std::fs::canonicalize)
        .map_err(|source| CliError::Io {
            what: "find the file of this program".to_owned(),
            source,
        })?;
    let root = match &args.root {
        Some(root) => root
            .canonicalize()
            .ok()
            .filter(|root| root != Path::new("/")),
        None => None,
    };
    let path = match (&args.root, root) {
        (Some(_), Some(root)) => match running.strip_prefix(&root) {
            Ok(inside) => Path::new("/").join(inside),
            Err(_) => args.prefix.join("bin/ghl-sync"),
        },
        (Some(root), None) if root != Path::new("/") => args.prefix.join("bin/ghl-sync"),
        (Some(_) | None, _) => running,
    };
    texts::startable(&path, &args.prefix).map_err(|(what, hint)| CliError::Usage {
        what,
        hint: Some(hint),
    })
}

/// Refuses to remove files while links of `systemctl enable` lead to them.
fn refuse_enabled(root: &Path, typed: &Typed) -> Result<(), CliError> {
    let mut enabled = Vec::new();
    for folder in ENABLED {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else {
            continue;
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        enabled.extend(names.filter(|name| texts::is_ours(name)));
    }
    if enabled.is_empty() {
        return Ok(());
    }
    enabled.sort();
    let names = enabled.join(" ");
    Err(CliError::Usage {
        what: format!("still enabled: {names}; nothing was removed"),
        hint: Some(format!(
            "`systemctl disable --now {names}`, then `{}` again",
            typed.command("install-units --remove")
        )),
    })
}

/// Refuses to replace or remove what a person changed.
fn refuse_changed(steps: &[Step], args: &InstallUnits) -> Result<(), CliError> {
    let changed: Vec<String> = steps
        .iter()
        .filter(|step| step.is_changed())
        .map(|step| format!("\n  {}", step.path.display()))
        .collect();
    if changed.is_empty() || args.force || args.dry_run {
        return Ok(());
    }
    let done = if args.remove { "removed" } else { "written" };
    Err(CliError::Usage {
        what: format!("changed by hand, so nothing was {done}:{}", changed.concat()),
        hint: Some(
            "keep your changes as drop-ins (systemctl edit NAME), then say --force: each file is kept as NAME.old".to_owned(),
        ),
    })
}

/// Returns what is said of one step.
fn line(step: &Step, is_dry: bool) -> String {
    let path = step.path.display();
    match (step.deed, is_dry) {
        (Deed::Write, true) => format!("would write    {path}"),
        (Deed::Write, false) => format!("wrote    {path}"),
        (Deed::Replace, true) => format!("would replace  {path}"),
        (Deed::Replace, false) => format!("replaced {path}"),
        (Deed::ReplaceChanged, true) => {
            format!("would replace  {path}, which was changed by hand; only with --force")
        }
        (Deed::ReplaceChanged, false) => format!("replaced {path}"),
        (Deed::Same, _) => format!("as it is {path}"),
        (Deed::Remove, true) => format!("would remove   {path}"),
        (Deed::RemoveChanged, true) => {
            format!("would remove   {path}, which was changed by hand; only with --force")
        }
        (Deed::Remove | Deed::RemoveChanged, false) => format!("removed  {path}"),
        (Deed::Absent, _) => format!("not there {path}"),
    }
}

/// Returns what comes after an installation.
fn after_install(args: &InstallUnits, program: &str) -> String {
    let root = args.root.as_deref();
    let on_root = match root {
        Some(root) => format!(" --root={}", crate::report::shell_word(root)),
        None => String::new(),
    };
    let mut lines = vec![
        String::new(),
        "Next, as root:".to_owned(),
        format!("  systemd-sysusers{on_root} ghl-sync.conf            # makes the user ghl-sync"),
        format!(
            "  systemd-tmpfiles{on_root} --create ghl-sync.conf   # makes /etc/ghl-sync and /var/lib/ghl-sync"
        ),
    ];
    match root {
        None => lines.push(
            "  systemctl daemon-reload\n\
             Then, once /etc/ghl-sync/ghl-sync.toml is there and the first plan of each job is approved:\n  \
             systemctl enable --now ghl-sync.service\n\
             systemd/README.md of ghl-sync goes through it step by step."
                .to_owned(),
        ),
        Some(_) => lines.push(format!("The units start {program}.")),
    }
    lines.join("\n")
}

/// Returns what comes after a removal.
fn after_removal(args: &InstallUnits) -> String {
    let mut text = String::new();
    if args.root.is_none() {
        text.push_str("\nNext, as root:\n  systemctl daemon-reload\n");
    }
    text.push_str(
        "The user ghl-sync, /etc/ghl-sync (with the key) and /var/lib/ghl-sync (what is known of your contacts, and the logins) stay. Never to go on:\n  \
         rm -r /etc/ghl-sync /var/lib/ghl-sync && userdel ghl-sync",
    );
    text
}

/// A file that is to be in place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    path: PathBuf,
    text: String,
}
