//! `init` as people and scripts meet it: flags, a pipe, a terminal; and what it leaves when it is stopped.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::program::hearing;
use crate::terminal::Terminal;

const LOCATION: &str = "ve9EPM428h8vShlRW1KT";
const FLAGS: &[&str] = &["init", "--location", LOCATION, "--client-id", "abc123"];

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new(name: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("ghl-sync-init-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ghl-sync"));
        command.args(args).current_dir(&self.0);
        command.env("TZ", "Europe/Berlin").env_remove("COLUMNS");
        command.env_remove("CREDENTIALS_DIRECTORY");
        command
    }

    /// Runs the program in a pipe; asserts how it ends.
    fn run(&self, args: &[&str], code: i32) -> (String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(args).stdin(Stdio::null()).output().unwrap();
        let (out, err) = (
            String::from_utf8(stdout).unwrap(),
            String::from_utf8(stderr).unwrap(),
        );
        assert_eq!(status.code(), Some(code), "{args:?}\n{out}\n{err}");
        (out, err)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        let meta = fs::metadata(self.0.join(name)).unwrap();
        meta.permissions().mode() & 0o777
    }

    /// Returns every file and folder below, by name.
    fn names(&self) -> Vec<String> {
        fn list(folder: &Path, root: &Path, names: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap();
                names.push(name.to_str().unwrap().to_owned());
                if path.is_dir() && !path.is_symlink() {
                    list(&path, root, names);
                }
            }
        }
        let mut names = Vec::new();
        list(&self.0, &self.0, &mut names);
        names.sort();
        names
    }
}

const WRITTEN: &[&str] = &[
    "ghl-sync.toml",
    "schedules",
    "schedules/twitch-followers.toml",
    "token.key",
];

#[test]
fn flags_in_a_pipe_make_a_configuration_that_passes_check() {
    let folder = Folder::new("pipe");
    let (out, err) = folder.run(&[FLAGS, &["--yes"]].concat(), 0);
    assert_eq!(err, "");
    assert_eq!(
        out,
        "wrote token.key\n\
         wrote schedules/twitch-followers.toml\n\
         wrote ghl-sync.toml\n\
         keep a copy of token.key elsewhere: without it you have to log in again\n\n\
         next:\n  \
           ghl-sync auth highlevel\n  \
           ghl-sync auth twitch\n  \
           ghl-sync check --online\n  \
           ghl-sync plan twitch-followers\n"
    );
    assert_eq!(folder.names(), WRITTEN);
    for (name, mode) in WRITTEN.iter().zip([0o600, 0o700, 0o600, 0o600]) {
        assert_eq!(folder.mode(name), mode, "{name}");
    }
    let key = folder.read("token.key");
    assert_eq!(key.trim().len(), 64);
    assert!(key.trim().bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(
        folder
            .read("schedules/twitch-followers.toml")
            .contains("Europe/Berlin")
    );
    folder.run(&["check"], 0);
}

#[test]
fn every_way_to_log_in_passes_check() {
    for (name, more) in [
        ("token", &["--highlevel", "token", "--no-encrypt"][..]),
        (
            "app",
            &[
                "--highlevel",
                "app",
                "--app-id",
                "65f-x1",
                "--app-secret",
                "file:app",
            ],
        ),
        (
            "agency",
            &[
                "--highlevel",
                "agency",
                "--app-id",
                "65f-x1",
                "--app-secret",
                "file:app",
                "--agency",
                "firm",
                "--hub",
                "shop",
                "--spoke",
                "stage",
                "--channel",
                "Some_One",
                "--client-secret",
                "file:app",
                "--timezone",
                "Asia/Tokyo",
                "--schedule",
                "0 */2 * * *",
            ],
        ),
    ] {
        let folder = Folder::new(&format!("way-{name}"));
        let (out, _) = folder.run(&[FLAGS, more].concat(), 0);
        assert_eq!(out.contains("before you go on"), name != "token", "{out}");
        let next = match name {
            "agency" => "  ghl-sync auth highlevel --account firm\n",
            _ => "  ghl-sync auth highlevel\n",
        };
        assert!(out.contains(next), "{out}");
        let secret = folder.0.join("app");
        fs::write(&secret, "very-secret\n").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        folder.run(&["check"], 0);
        assert_eq!(folder.0.join("token.key").exists(), name != "token");
    }
}

#[test]
fn what_is_missing_in_a_pipe_is_named_at_once() {
    let folder = Folder::new("missing");
    let (_, err) = folder.run(&["init"], 4);
    assert!(
        err.starts_with(
            "error: there is no terminal to ask on, and these are missing: --location ID, --client-id ID\nhint: "
        ),
        "{err}"
    );
    let (_, err) = folder.run(&["init", "--yes", "--highlevel", "app"], 4);
    assert!(
        err.contains("missing: --location ID, --app-id ID, --app-secret SOURCE, --client-id ID\n"),
        "{err}"
    );
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn wrong_flags_are_named_together_and_a_pasted_secret_is_not_shown() {
    let folder = Folder::new("wrong");
    let (_, err) = folder.run(
        &[
            "init",
            "--location",
            "a b",
            "--client-id",
            "very-secret!",
            "--client-secret",
            "very-secret",
            "--timezone",
            "Berlin",
            "--schedule",
            "often",
            "--channel",
            "https://x",
            "--hub",
            "A",
            "--app-secret",
            "very-secret",
            "--base-url",
            "http://example.com",
        ],
        4,
    );
    for flag in [
        "--location: `a b` is not a location id",
        "--client-id: expected the client id itself",
        "--client-secret: a secret does not belong",
        "--timezone: unknown time zone `Berlin`, did you mean `Europe/Berlin`?",
        "--schedule: ",
        "--channel: `https://x` is not a Twitch login",
        "--hub: `A` is not an account name",
        "--app-secret: a secret does not belong",
        "--app-id and --app-secret: ",
        "--base-url: `http://example.com` would send the token in the clear",
    ] {
        assert!(err.contains(flag), "{flag}\n{err}");
    }
    assert!(!err.contains("very-secret"), "{err}");
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn nothing_is_replaced_without_a_word_and_nothing_is_lost_with_it() {
    let folder = Folder::new("force");
    fs::write(folder.0.join("ghl-sync.toml"), "mine").unwrap();
    for more in [&["--yes"][..], &[]] {
        let (_, err) = folder.run(&[FLAGS, more].concat(), 4);
        assert!(
            err.starts_with(
                "error: ghl-sync.toml is there already; nothing was written\nhint: --force"
            ),
            "{err}"
        );
    }
    assert_eq!(folder.names(), ["ghl-sync.toml"]);
    let (out, err) = folder.run(&[FLAGS, &["--yes", "--force"]].concat(), 0);
    assert_eq!(
        err,
        "to be replaced, and kept as NAME.old:\n  ghl-sync.toml\n"
    );
    assert!(
        out.contains("wrote ghl-sync.toml (before: ghl-sync.toml.old)\n"),
        "{out}"
    );
    assert_eq!(folder.read("ghl-sync.toml.old"), "mine");
    let key = folder.read("token.key");

    // The key stays: what it encrypted would be lost. The older file does too.
    let (out, err) = folder.run(&[FLAGS, &["--force"]].concat(), 0);
    assert!(
        err.contains("\n  ghl-sync.toml\n  schedules/twitch-followers.toml\n"),
        "{err}"
    );
    assert!(
        out.starts_with("token.key was there and stays the key\n"),
        "{out}"
    );
    assert!(out.contains("(before: ghl-sync.toml.old2)"), "{out}");
    assert_eq!(folder.read("ghl-sync.toml.old"), "mine");
    assert_eq!(folder.read("token.key"), key);
    folder.run(&["check"], 0);
}

#[test]
fn a_key_that_is_none_is_never_replaced() {
    let folder = Folder::new("key");
    let key = folder.0.join("token.key");
    for (mode, text, said) in [
        (0o600, "none", "expected 64 hex digits"),
        (0o604, "0123", "run `chmod 600 token.key`"),
    ] {
        fs::write(&key, text).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let (_, err) = folder.run(&[FLAGS, &["--force"]].concat(), 4);
        assert!(
            err.contains("token.key is there and cannot be used"),
            "{err}"
        );
        assert!(err.contains(said), "{err}");
        assert_eq!(folder.names(), ["token.key"]);
    }
    folder.run(&[FLAGS, &["--no-encrypt"]].concat(), 0);
    assert_eq!(folder.read("token.key"), "0123");
}

#[test]
fn another_place_is_made_for_this_user_alone_and_named_in_what_comes_next() {
    let folder = Folder::new("place");
    let (out, _) = folder.run(&[FLAGS, &["--config", "a b/c/my.toml"]].concat(), 0);
    assert!(
        out.ends_with("  ghl-sync plan twitch-followers --config 'a b/c/my.toml'\n"),
        "{out}"
    );
    for name in ["a b", "a b/c", "a b/c/schedules"] {
        assert_eq!(folder.mode(name), 0o700, "{name}");
    }
    folder.run(&["check", "--config", "a b/c/my.toml"], 0);
    for path in ["a b", "/", ".."] {
        let (_, err) = folder.run(&[FLAGS, &["--config", path]].concat(), 4);
        assert!(err.contains("names a folder, expected a file"), "{err}");
    }
}

#[test]
fn a_link_to_nowhere_is_not_written_through() {
    let folder = Folder::new("link");
    let target = folder.0.join("target");
    symlink(&target, folder.0.join("ghl-sync.toml")).unwrap();
    let (_, err) = folder.run(FLAGS, 4);
    assert!(err.contains("ghl-sync.toml is there already"), "{err}");
    folder.run(&[FLAGS, &["--force"]].concat(), 0);
    assert!(!target.exists());
    assert!(folder.0.join("ghl-sync.toml.old").is_symlink());
    assert!(!folder.0.join("ghl-sync.toml").is_symlink());
}

#[test]
fn a_job_that_was_there_and_does_not_fit_is_told() {
    let folder = Folder::new("other");
    fs::create_dir(folder.0.join("schedules")).unwrap();
    fs::write(folder.0.join("schedules/other.toml"), "nam = 'x'\n").unwrap();
    let (out, err) = folder.run(FLAGS, 4);
    assert!(out.contains("wrote ghl-sync.toml"), "{out}");
    assert!(err.contains("schedules/other.toml:1:1: nam"), "{err}");
}

#[tokio::test]
async fn on_a_terminal_everything_is_asked_for_with_defaults() {
    let folder = Folder::new("terminal");
    let mut terminal = Terminal::of(folder.command(&["init"]));
    terminal.until("Location ID: ").await;
    terminal.line("no good");
    terminal.until("is not a location id").await;
    terminal.until("Location ID: ").await;
    terminal.line(LOCATION);
    terminal.until("HighLevel login [token]: ").await;
    terminal.line("");
    terminal.until("Client ID: ").await;
    terminal.line("abc123");
    terminal.until("Client secret [none, it is Public]: ").await;
    terminal.line("very-secret-pasted");
    terminal.until("a secret does not belong").await;
    terminal.until("Client secret [none, it is Public]: ").await;
    terminal.line("");
    terminal.until("Jobs [followers]: ").await;
    terminal.line("");
    terminal
        .until("Channel [that of the person who logs in]: ")
        .await;
    terminal.line("Some_One");
    terminal.until("Time zone [Europe/Berlin]: ").await;
    terminal.line("tokio");
    terminal.until("did you mean `Asia/Tokyo`?").await;
    terminal.until("Time zone [Europe/Berlin]: ").await;
    terminal.line("Asia/Tokyo");
    terminal.until("Schedule [*/15 * * * *]: ").await;
    terminal.line("");
    terminal.until("Make a key [yes]: ").await;
    assert_eq!(folder.names(), [""; 0]);
    terminal.line("y");
    terminal.until("next:").await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.ends_with("ghl-sync plan twitch-followers\n"),
        "{shown}"
    );
    assert_eq!(folder.names(), WRITTEN);
    let main = folder.read("ghl-sync.toml");
    assert!(main.contains("\nchannel = \"some_one\"\n"), "{main}");
    let job = folder.read("schedules/twitch-followers.toml");
    assert!(job.contains("timezone = \"Asia/Tokyo\""), "{job}");
    folder.run(&["check"], 0);
}

#[tokio::test]
async fn on_a_terminal_files_that_are_there_are_listed_and_asked_about() {
    let folder = Folder::new("asked");
    fs::write(folder.0.join("ghl-sync.toml"), "mine").unwrap();
    let mut terminal = Terminal::of(folder.command(FLAGS));
    terminal.until("ghl-sync.toml").await;
    terminal
        .until("Replace what is there, and keep it as NAME.old [no]: ")
        .await;
    terminal.line("");
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.ends_with("error: stopped by you: nothing was written\n"),
        "{shown}"
    );
    assert_eq!(folder.names(), ["ghl-sync.toml"]);

    let mut terminal = Terminal::of(folder.command(FLAGS));
    terminal.until("NAME.old [no]: ").await;
    terminal.line("yes");
    for default in [
        "[token]: ",
        "[followers]: ",
        "logs in]: ",
        "Berlin]: ",
        "* *]: ",
        "[yes]: ",
    ] {
        terminal.until(default).await;
        terminal.line("");
    }
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(folder.read("ghl-sync.toml.old"), "mine");

    // Nothing is asked with --yes, whatever it is typed at.
    let (code, shown) = Terminal::of(folder.command(&[FLAGS, &["--yes"]].concat()))
        .end()
        .await;
    assert_eq!(code, Some(4), "{shown}");
    assert!(
        shown.contains("are there already; nothing was written"),
        "{shown}"
    );
}

#[tokio::test]
async fn ctrl_c_and_the_end_of_the_input_write_nothing() {
    let folder = Folder::new("stopped");
    for signal in ["INT", "TERM", "HUP", "QUIT"] {
        let mut terminal = Terminal::of(hearing(&folder.command(FLAGS)));
        terminal.until("[token]: ").await;
        assert!(terminal.is_echoing());
        terminal.signal(signal);
        let (code, shown) = terminal.end().await;
        assert_eq!(code, Some(1), "{signal}: {shown}");
        assert!(
            shown.ends_with("\nerror: stopped by you: nothing was written\n"),
            "{shown}"
        );
    }
    let main = folder.0.join("x.toml");
    let program = env!("CARGO_BIN_EXE_ghl-sync");
    let mut terminal = Terminal::start(program, &["init", "--config", main.to_str().unwrap()]);
    terminal.until("Location ID: ").await;
    terminal.end_of_input();
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(4), "{shown}");
    assert!(
        shown.ends_with(
            "\nerror: the input ended before there was an answer to \"Location ID\"; nothing was written\n"
        ),
        "{shown}"
    );
    assert_eq!(folder.names(), [""; 0]);
}

/// The jobs of `--set streamer`.
const STREAMERS: [&str; 6] = [
    "twitch-bits",
    "twitch-followers",
    "twitch-moderators",
    "twitch-streams",
    "twitch-subscribers",
    "twitch-vips",
];

#[test]
fn a_streamer_gets_a_job_for_everything_the_channel_has() {
    let folder = Folder::new("streamer");
    let (out, _) = folder.run(
        &[FLAGS, &["--set", "streamer", "--spoke", "stage"]].concat(),
        0,
    );
    for name in STREAMERS {
        let file = format!("schedules/{name}.toml");
        assert!(out.contains(&format!("wrote {file}\n")), "{out}");
        let job = folder.read(&file);
        assert!(job.contains("account = \"stage\""), "{job}");
        assert!(job.contains("timezone = \"Europe/Berlin\""), "{job}");
    }
    assert!(
        out.contains(
            "`apply` makes these custom fields of contacts, as text fields, where the location lacks them:\n  \
             twitch_bits, twitch_channel, twitch_channel_id, twitch_followed_at, twitch_followers, twitch_last_stream, \
             twitch_sub_months, twitch_sub_tier, twitch_user_id, twitch_username, twitch_viewers_peak\n"
        ),
        "{out}"
    );
    assert!(out.ends_with("  ghl-sync plan\n"), "{out}");
    let (checked, _) = folder.run(&["check"], 0);
    for name in STREAMERS {
        assert!(checked.contains(&format!("job {name}: ")), "{checked}");
    }
    // Each file that is there is named, and nothing is replaced without a word.
    let (_, err) = folder.run(&[FLAGS, &["--set", "streamer"]].concat(), 4);
    assert!(err.contains("schedules/twitch-vips.toml"), "{err}");
    let (_, err) = folder.run(&[FLAGS, &["--set", "singer"]].concat(), 4);
    assert!(err.contains("followers, streamer"), "{err}");
}

#[tokio::test]
async fn on_a_terminal_the_set_is_a_question_and_the_login_is_asked_for_once() {
    let folder = Folder::new("set");
    fs::create_dir(folder.0.join("schedules")).unwrap();
    fs::write(folder.0.join("schedules/twitch-vips.toml"), "mine").unwrap();
    let mut terminal = Terminal::of(folder.command(FLAGS));
    for (asked, answer) in [
        ("[token]: ", ""),
        ("Jobs [followers]: ", "streamer"),
        ("logs in]: ", "some_one"),
        ("Berlin]: ", ""),
        ("Make a key [yes]: ", ""),
    ] {
        terminal.until(asked).await;
        terminal.line(answer);
    }
    // What only this answer would replace is asked about after it.
    terminal.until("schedules/twitch-vips.toml").await;
    terminal.until("NAME.old [no]: ").await;
    terminal.line("yes");
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(shown.matches("twitch.tv/LOGIN").count(), 1, "{shown}");
    assert_eq!(folder.read("schedules/twitch-vips.toml.old"), "mine");
    assert_eq!(folder.read("ghl-sync.toml").matches("some_one").count(), 1);
    folder.run(&["check"], 0);
}
