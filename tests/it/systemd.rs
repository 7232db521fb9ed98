//! The units: sound, hardened, started as the program can be, and put in place by `install-units`; and whose state it is.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ghl_sync::cli::args::parse_from;

use crate::program::{now, program};
use crate::rig::Rig;

/// No service may be more exposed, by `systemd-analyze security`.
const EXPOSURE: f64 = 1.5;

/// The program in the units of the repository.
const PROGRAM: &str = "/usr/local/bin/ghl-sync";

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ghl-sync-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns the files of the folder `systemd` with this ending, by name.
fn files(ending: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<(String, String)> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| name.ends_with(ending))
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {ending}");
    files
}

/// Returns the values of a key, one a line.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let starts = format!("{key}=");
    let lines = unit.lines();
    lines
        .filter_map(|line| line.strip_prefix(&starts))
        .collect()
}

/// Writes to stderr itself, which no capture of a passed test keeps to itself: CI's output shows it.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(format!("{}\n", text.trim_end()).as_bytes());
}

/// Runs a tool of systemd; `None`, and it is told, where it is not installed.
fn tool(name: &str, args: &[&str]) -> Option<Output> {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null());
    // Colors and pagers are for people.
    command
        .env("SYSTEMD_COLORS", "0")
        .env("SYSTEMD_PAGER", "cat");
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tell(&format!("left out: {name} is not installed"));
            None
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

fn said(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr];
    both.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
}

/// Writes all units into a folder, starting the program that these tests are of; returns their paths.
fn units(folder: &Folder) -> Vec<String> {
    let all = [files(".service"), files(".timer")].concat();
    let written = all.iter().map(|(name, text)| {
        // An instance, as one is started, where a unit is a template.
        let path = folder.join(&name.replace("@.", "@twitch-followers."));
        let text = text.replace(PROGRAM, env!("CARGO_BIN_EXE_ghl-sync"));
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    });
    written.collect()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = Folder::new("verify");
    let units = units(&folder);
    // The pages are not installed where the tests run.
    let mut args = vec!["verify", "--man=no"];
    args.extend(units.iter().map(String::as_str));
    if let Some(output) = tool("systemd-analyze", &args) {
        tell(&format!("systemd-analyze verify: {}", output.status));
        tell(&said(&output));
        assert!(output.status.success(), "{}", said(&output));
        let about_ours = said(&output);
        let about_ours = about_ours.lines().filter(|line| line.contains("ghl-sync"));
        assert_eq!(about_ours.collect::<Vec<_>>(), [""; 0]);
    }
}

#[test]
fn no_service_is_exposed_more_than_promised() {
    let folder = Folder::new("security");
    let units = units(&folder);
    for unit in units.iter().filter(|unit| unit.ends_with(".service")) {
        let args = ["security", "--offline=true", "--no-pager", unit];
        let Some(output) = tool("systemd-analyze", &args) else {
            return;
        };
        let text = said(&output);
        // → Overall exposure level for ghl-sync.service: 1.1 OK
        let figure = text
            .lines()
            .find_map(|line| line.split_once("Overall exposure level for "))
            .and_then(|(_, rest)| rest.split_once(": "))
            .and_then(|(_, figure)| figure.split(' ').next()?.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("no figure in: {text}"));
        let telling = text.lines().filter(|line| line.starts_with(['✗', '→']));
        tell(&telling.collect::<Vec<_>>().join("\n"));
        assert!(figure <= EXPOSURE, "{unit}: {figure}\n{text}");
    }
}

#[test]
fn systemd_makes_the_user_whose_state_it_is() {
    let folder = Folder::new("sysusers");
    fs::create_dir(folder.join("etc")).unwrap();
    let root = format!("--root={}", folder.0.display());
    let [(name, _)] = &files(".sysusers.conf")[..] else {
        panic!("one file");
    };
    let path = format!("{}/systemd/{name}", env!("CARGO_MANIFEST_DIR"));
    if let Some(output) = tool("systemd-sysusers", &[&root, "--dry-run", &path]) {
        assert!(output.status.success());
        assert!(said(&output).contains("Creating user 'ghl-sync'"));
    }
}

#[test]
fn every_service_starts_the_program_as_it_can_be_typed() {
    for (name, unit) in files(".service") {
        let [start] = values(&unit, "ExecStart")[..] else {
            panic!("{name} starts something else");
        };
        assert!(start.starts_with(PROGRAM), "{name}: {start}");
        let line = start.replace("%i", "twitch-followers");
        let read = parse_from(line.split_whitespace().map(Into::into));
        assert!(read.is_ok(), "{name}: {start}: {read:?}");
    }
}

#[test]
fn all_services_are_the_same_users_and_hardened_alike() {
    let services = files(".service");
    let (_, daemon) = services
        .iter()
        .find(|(name, _)| name == "ghl-sync.service")
        .unwrap();
    let part = |unit: &str| -> Vec<String> {
        let (_, part) = unit.split_once("\nUser=").unwrap();
        let part = part.split("\n[Install]").next().unwrap();
        let lines = part
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(ToOwned::to_owned).collect()
    };
    for (name, unit) in &services {
        let mut part_of_this = part(unit);
        if name == "ghl-sync-upkeep.service" {
            // It speaks to nobody.
            part_of_this.retain(|line| line != "PrivateNetwork=yes");
            for line in &mut part_of_this {
                if line == "RestrictAddressFamilies=AF_UNIX" {
                    *line = "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX".to_owned();
                }
            }
        }
        assert_eq!(part_of_this, part(daemon), "{name}");
    }
}

/// Runs `install-units` into a root; returns the exit code and everything it said.
fn install(root: &Folder, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghl-sync"));
    command.arg("install-units").arg("--root").arg(&root.0);
    let output = command.args(more).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), said(&output))
}

#[test]
fn units_are_installed_updated_and_removed_and_what_a_person_changed_is_kept() {
    let root = Folder::new("install");
    let folder = root.join("usr/local/lib/systemd/system");
    let (code, text) = install(&root, &["--dry-run"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("would write "), "{text}");
    assert!(!folder.exists());

    let (code, text) = install(&root, &[]);
    assert_eq!(code, Some(0), "{text}");
    for (name, _) in [files(".service"), files(".timer")].concat() {
        assert!(folder.join(&name).exists(), "{name}");
        assert!(text.contains(&name), "{name}: {text}");
    }
    assert!(root.join("usr/local/lib/sysusers.d/ghl-sync.conf").exists());
    assert!(root.join("usr/local/lib/tmpfiles.d/ghl-sync.conf").exists());
    assert!(text.contains("systemd-sysusers --root="), "{text}");
    let (_, again) = install(&root, &[]);
    assert!(again.starts_with("as it is"), "{again}");
    assert!(!again.contains("wrote"), "{again}");

    // By hand.
    let daemon = folder.join("ghl-sync.service");
    let text = fs::read_to_string(&daemon).unwrap();
    let changed = text.replace("WatchdogSec=60", "WatchdogSec=90");
    fs::write(&daemon, &changed).unwrap();
    for more in [&[][..], &["--remove"]] {
        let (code, said) = install(&root, more);
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains("ghl-sync.service\n"), "{said}");
        assert!(said.contains("--force"), "{said}");
    }
    assert_eq!(fs::read_to_string(&daemon).unwrap(), changed);
    let (code, said) = install(&root, &["--force"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read_to_string(&daemon).unwrap(), text);
    let old = folder.join("ghl-sync.service.old");
    assert_eq!(fs::read_to_string(&old).unwrap(), changed);

    // Of the program, elsewhere, as after an update: nobody changed it.
    let (code, said) = install(&root, &["--prefix", "/usr"]);
    assert_eq!(code, Some(0), "{said}");
    let packaged = root.join("usr/lib/systemd/system/ghl-sync.service");
    fs::copy(&daemon, &packaged).unwrap();
    let (code, said) = install(&root, &["--prefix", "/usr"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("replaced "), "{said}");
    let text = fs::read_to_string(&packaged).unwrap();
    assert_eq!(
        values(&text, "ExecStart"),
        ["/usr/bin/ghl-sync daemon --config /etc/ghl-sync/ghl-sync.toml"]
    );

    // Enabled units are not pulled away from under systemd.
    let wants = root.join("etc/systemd/system/timers.target.wants");
    fs::create_dir_all(&wants).unwrap();
    let link = wants.join("ghl-sync@twitch-followers.timer");
    symlink(folder.join("ghl-sync@.timer"), &link).unwrap();
    let (code, said) = install(&root, &["--remove"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("systemctl disable --now ghl-sync@twitch-followers.timer"),
        "{said}"
    );
    fs::remove_file(link).unwrap();
    let (code, said) = install(&root, &["--remove"]);
    assert_eq!(code, Some(0), "{said}");
    let left = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["ghl-sync.service.old"]);
    assert!(packaged.exists());
}

#[tokio::test]
async fn a_command_in_another_users_state_is_refused_with_the_line_to_type() {
    let rig = Rig::new(now(3, 1)).await;
    fs::create_dir(rig.state()).unwrap();
    // Any user of this machine but root.
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let (name, uid) = users
        .lines()
        .filter_map(|line| {
            let mut parts = line.split(':');
            let name = parts.next()?;
            Some((name, parts.nth(1)?.parse::<u32>().ok()?))
        })
        .find(|(_, uid)| *uid > 0)
        .unwrap();
    if chown(rig.state(), Some(uid), None).is_err() {
        tell("left out: only root can give a folder to somebody else");
        return;
    }
    let config = rig.config_path().display().to_string();
    for args in [
        &["plan", "followers", "--out", "it's.txt"][..],
        &["apply"],
        &["status"],
        &["check"],
        &["auth", "show"],
        &["retry", "followers", "--all"],
    ] {
        let typed = args.join(" ").replace("it's.txt", r"'it'\''s.txt'");
        let again = format!(
            "sudo -u {name} {} {typed} --config {config}",
            env!("CARGO_BIN_EXE_ghl-sync")
        );
        program(&rig, args)
            .await
            .exits(4)
            .complains(&[&format!("belongs to {name}, and you are root"), &again]);
    }
    assert_eq!(
        fs::read_dir(rig.state()).unwrap().count(),
        0,
        "something was made"
    );
    assert!(!rig.folder.join("it's.txt").exists());
    assert_eq!(rig.sandbox.calls().len(), 0);
    chown(rig.state(), Some(0), None).unwrap();
    program(&rig, &["plan"]).await.exits(0);
}
