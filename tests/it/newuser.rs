//! Somebody who has nothing but the README: from an empty folder to the first apply, and what they meet when something is wrong.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use ghl_sync::sandbox::{
    BROADCASTER_ID, HIGHLEVEL_SCOPES, HIGHLEVEL_TOKEN, Holder, LOCATION_ID, Settings,
    TWITCH_CLIENT_ID, TWITCH_CLIENT_SECRET, Token,
};

use crate::auth::desk::{
    FIXED_HUB, FIXED_SPOKE, by_device, confidential, desk, secret, shows_no_secret, small, typed,
    typed_while, until,
};
use crate::program::{Ended, Running, now};
use crate::rig::Rig;
use crate::terminal::Terminal;

/// What the README calls the part that is followed here, and where that ends.
const PART: [&str; 2] = ["## A real location in ten minutes", "**5. Let it run.**"];

/// The commands of that part, which the tests below know how to follow.
const COMMANDS: [&str; 6] = [
    "ghl-sync init",
    "ghl-sync auth highlevel",
    "ghl-sync auth twitch",
    "ghl-sync check --online",
    "ghl-sync plan twitch-followers",
    "ghl-sync apply twitch-followers --approve DIGEST",
];

/// What the README calls `init` in a script.
const SCRIPTED: &str = "ghl-sync init --yes";

/// Returns the lines that the README tells to type.
fn lines_of_the_readme() -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, rest) = readme.split_once(PART[0]).unwrap();
    let (part, _) = rest.split_once(PART[1]).unwrap();
    assert!(part.contains(&format!("`{SCRIPTED}`")), "{part}");
    let lines = part.lines().filter(|line| line.starts_with("ghl-sync "));
    let bare = lines.map(|line| line.split('#').next().unwrap_or(line).trim().to_owned());
    let lines: Vec<String> = bare.collect();
    assert_eq!(lines, COMMANDS, "the README says something else");
    lines
}

/// An empty folder beside a sandbox, and who types in it.
struct Newcomer {
    rig: Rig,
    folder: PathBuf,
    digest: Option<String>,
}

impl Newcomer {
    async fn new(fields: bool) -> Newcomer {
        let rig = Rig::new(Settings {
            fields,
            // The shortest that Twitch can ask for.
            device_interval: Duration::from_secs(1),
            ..now(4, 3)
        })
        .await;
        let folder = rig.folder.join("empty");
        fs::create_dir(&folder).unwrap();
        Newcomer {
            rig,
            folder,
            digest: None,
        }
    }

    /// Returns the command of a line, in the folder; `init` learns where the sandbox is.
    fn command(&self, line: &str, more: &[&str]) -> Command {
        let digest = self.digest.as_deref().unwrap_or("DIGEST");
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("ghl-sync"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_ghl-sync"));
        command
            .args(words.map(|word| word.replace("DIGEST", digest)))
            .args(more)
            .current_dir(&self.folder)
            .env_remove("COLUMNS")
            .env_remove("NO_COLOR")
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null());
        if line.starts_with("ghl-sync init") {
            let sandbox = &self.rig.sandbox;
            command
                .args(["--base-url", &sandbox.highlevel_url()])
                .args(["--twitch-url", &sandbox.helix_url()])
                .args(["--auth-url", &sandbox.auth_url()]);
        }
        command
    }

    /// Confirms the code that a login shows, as the broadcaster on another device.
    async fn confirm(&self) {
        let sandbox = &self.rig.sandbox;
        until(|| !sandbox.pending_devices().is_empty()).await;
        sandbox.approve_device(&sandbox.pending_devices().remove(0), BROADCASTER_ID);
    }

    /// Remembers the digest that a plan shows.
    fn read_digest(&mut self, shown: &str) {
        let (_, after) = shown.split_once("--approve ").unwrap();
        let end = after.find(|c: char| !c.is_ascii_hexdigit());
        self.digest = Some(after[..end.unwrap_or(after.len())].to_owned());
    }

    /// Asserts that every follower has become a contact.
    fn is_through(&self) {
        let sandbox = &self.rig.sandbox;
        for follower in sandbox.followers() {
            let contacts = sandbox.contacts_by_field("twitch_user_id", &follower.id);
            assert_eq!(contacts.len(), 1, "{}", follower.login);
        }
    }

    fn shows_no_secret(&self, shown: &str) {
        assert!(!shown.contains(HIGHLEVEL_TOKEN), "{shown}");
        let ended = Ended {
            code: None,
            out: shown.to_owned(),
            err: String::new(),
        };
        shows_no_secret(&self.rig.sandbox, &ended);
    }
}

#[tokio::test]
async fn the_readme_leads_from_an_empty_folder_to_contacts_at_a_terminal() {
    let mut me = Newcomer::new(true).await;
    for line in lines_of_the_readme() {
        let mut terminal = Terminal::of(me.command(&line, &[]));
        match line.as_str() {
            "ghl-sync init" => {
                for (prompt, answer) in [
                    ("Location ID: ", LOCATION_ID),
                    ("HighLevel login [", ""),
                    ("Client ID: ", TWITCH_CLIENT_ID),
                    ("Client secret [", ""),
                    ("Jobs [", ""),
                    ("Channel [", ""),
                    ("Time zone [", ""),
                    ("Schedule [", ""),
                    ("Make a key [", ""),
                ] {
                    terminal.until(prompt).await;
                    terminal.line(answer);
                }
            }
            "ghl-sync auth highlevel" => {
                terminal.until("(it is not shown): ").await;
                // As it is copied from a chat or a table.
                terminal.line(&format!("\"{HIGHLEVEL_TOKEN}\" "));
            }
            "ghl-sync auth twitch" => {
                terminal.until("confirm the code").await;
                me.confirm().await;
            }
            _ => {}
        }
        let (code, shown) = terminal.end().await;
        assert_eq!(code, Some(0), "{line}\n{shown}");
        me.shows_no_secret(&shown);
        if line.contains(" plan ") {
            me.read_digest(&shown);
        }
    }
    me.is_through();
}

#[tokio::test]
async fn the_readme_leads_from_an_empty_folder_to_contacts_in_a_pipe() {
    let mut me = Newcomer::new(false).await;
    for line in lines_of_the_readme() {
        let mut input = None;
        let command = match line.as_str() {
            "ghl-sync init" => {
                let flags = ["--location", LOCATION_ID, "--client-id", TWITCH_CLIENT_ID];
                me.command(SCRIPTED, &flags)
            }
            "ghl-sync auth highlevel" => {
                let (reader, mut writer) = std::io::pipe().unwrap();
                writeln!(writer, "{HIGHLEVEL_TOKEN}\r").unwrap();
                input = Some(reader);
                me.command(&line, &[])
            }
            _ => me.command(&line, &[]),
        };
        let mut command = command;
        if let Some(reader) = input {
            command.stdin(reader);
        }
        let running = Running::of(&me.rig, command);
        if line == "ghl-sync auth twitch" {
            me.confirm().await;
        }
        let ended = running.end().await.exits(0);
        me.shows_no_secret(&format!("{ended}"));
        if line.contains(" plan ") {
            me.read_digest(&ended.out);
        }
        if line.contains("init") {
            // Every step names the next one, and this one all of them.
            let last = COMMANDS[1..5].iter().map(|line| format!("  {line}\n"));
            assert!(ended.out.ends_with(&last.collect::<String>()), "{ended}");
        }
    }
    me.is_through();
}

/// Runs a plan that a login stops; returns the command that its one message names, after asserting what else the message says.
async fn stopped(rig: &Rig, account: &str, parts: &[&str]) -> Option<String> {
    let ended = typed(rig, "plan").await.exits(4);
    let errors: Vec<&str> = ended
        .err
        .lines()
        .filter(|l| l.starts_with("error: "))
        .collect();
    let [error] = errors.as_slice() else {
        panic!("expected one message: {ended}");
    };
    assert!(error.contains(&format!("account {account}: ")), "{error}");
    for part in parts {
        assert!(error.contains(part), "no {part} in: {error}");
    }
    command_in(rig, error)
}

/// Returns the command that a message names, without the main file, which it has to name too.
fn command_in(rig: &Rig, text: &str) -> Option<String> {
    let spans = text.split('`').skip(1).step_by(2);
    let command = spans
        .into_iter()
        .find(|span| span.starts_with("ghl-sync "))?;
    let ending = format!(" --config {}", rig.config_path().display());
    let line = command.strip_prefix("ghl-sync ")?.strip_suffix(&ending);
    let line = line.unwrap_or_else(|| panic!("another main file is meant by {command}"));
    Some(line.to_owned())
}

/// Types the command that a message named, confirmed by the broadcaster where it shows a code.
async fn mended(rig: &Rig, command: Option<String>) {
    let command = command.expect("the message names a command");
    match command.starts_with("auth twitch --") {
        true => by_device(rig, &command).await.exits(0),
        false => typed(rig, &command).await.exits(0),
    };
    plans(rig).await;
}

async fn plans(rig: &Rig) {
    typed(rig, "plan").await.exits(0);
}

/// A rig whose channel was logged in by a device code.
async fn logged_in(settings: Settings, spoke: &str) -> Rig {
    let rig = desk(settings, FIXED_HUB, spoke).await;
    secret(&rig, "twitch.secret", TWITCH_CLIENT_SECRET);
    by_device(&rig, "auth twitch").await.exits(0);
    plans(&rig).await;
    rig
}

const SECRET: &str = "client_secret = \"file:twitch.secret\"";

#[tokio::test]
async fn after_a_wrong_secret_the_command_of_the_message_goes_on() {
    let rig = logged_in(confidential(small()), SECRET).await;
    secret(&rig, "twitch.secret", "an-invented-wrong-secret");
    rig.sandbox.expire_access_tokens();
    let parts = ["the client secret is missing or wrong", "`client_secret`"];
    let command = stopped(&rig, "channel", &parts).await;
    secret(&rig, "twitch.secret", TWITCH_CLIENT_SECRET);
    mended(&rig, command).await;
}

#[tokio::test]
async fn after_a_wrong_client_id_the_command_of_the_message_goes_on() {
    let rig = desk(small(), FIXED_HUB, "").await;
    let main = fs::read_to_string(rig.config_path()).unwrap();
    fs::write(
        rig.config_path(),
        main.replace(TWITCH_CLIENT_ID, "anotherclient"),
    )
    .unwrap();
    let ended = typed(&rig, "auth twitch").await.exits(4);
    let ended = ended.complains(&[
        "account channel: Twitch does not know the application",
        "correct `client_id`",
    ]);
    fs::write(rig.config_path(), &main).unwrap();
    mended(&rig, command_in(&rig, &ended.err)).await;

    // The same slip after the login.
    fs::write(
        rig.config_path(),
        main.replace(TWITCH_CLIENT_ID, "anotherclient"),
    )
    .unwrap();
    let parts = ["is of client id sandboxclient", "says anotherclient"];
    let command = stopped(&rig, "channel", &parts).await;
    fs::write(rig.config_path(), &main).unwrap();
    plans(&rig).await;
    mended(&rig, command).await;
}

#[tokio::test]
async fn after_a_wrong_location_the_command_of_the_message_goes_on() {
    let rig = desk(small(), "", FIXED_SPOKE).await;
    let main = fs::read_to_string(rig.config_path()).unwrap();
    let from = format!(
        "--from file:{}",
        rig.folder.join("highlevel.token").display()
    );
    let wrong = main.replace(LOCATION_ID, "anotherLocation");
    fs::write(rig.config_path(), &wrong).unwrap();
    let ended = typed(&rig, &format!("auth highlevel {from}"))
        .await
        .exits(4);
    let ended = ended.complains(&[
        "account main: the token is not one of location anotherLocation",
        "correct `location`",
    ]);
    fs::write(rig.config_path(), &main).unwrap();
    let command = command_in(&rig, &ended.err).map(|command| format!("{command} {from}"));
    mended(&rig, command.clone()).await;

    // The same slip after the login.
    fs::write(rig.config_path(), &wrong).unwrap();
    let parts = [
        "is of location sandboxLocation00001",
        "says anotherLocation",
    ];
    let named = stopped(&rig, "main", &parts).await;
    fs::write(rig.config_path(), &main).unwrap();
    plans(&rig).await;
    assert_eq!(named.map(|command| format!("{command} {from}")), command);
    mended(&rig, command).await;
}

#[tokio::test]
async fn after_a_missing_scope_what_the_message_says_goes_on() {
    let rig = desk(small(), "", "").await;
    let location = |scopes: &[&str]| Token {
        holder: Holder::Location,
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expires_at_ms: None,
    };
    rig.sandbox.set_token(
        HIGHLEVEL_TOKEN,
        location(&["contacts.readonly", "locations.readonly"]),
    );
    let token = rig.folder.join("highlevel.token");
    typed(
        &rig,
        &format!("auth highlevel --from file:{}", token.display()),
    )
    .await
    .exits(0);
    let scope = "moderator:read:followers".to_owned();
    rig.sandbox
        .switch(|switches| switches.withheld_scopes = vec![scope]);
    by_device(&rig, "auth twitch").await.exits(4);
    let command = stopped(
        &rig,
        "channel",
        &["lacks the scope moderator:read:followers"],
    )
    .await;
    rig.sandbox
        .switch(|switches| switches.withheld_scopes.clear());
    by_device(&rig, &command.unwrap()).await.exits(0);

    // A private integration keeps its token when it is given a scope, so that there is nothing to type.
    let parts = ["add the scope locations/customFields.readonly to the private integration"];
    assert_eq!(stopped(&rig, "main", &parts).await, None);
    rig.sandbox
        .set_token(HIGHLEVEL_TOKEN, location(HIGHLEVEL_SCOPES));
    plans(&rig).await;
}

#[tokio::test]
async fn after_a_lost_role_the_command_of_the_message_goes_on() {
    let rig = desk(small(), FIXED_HUB, "channel = \"sandbox_channel\"").await;
    rig.sandbox.add_user("77", "helper", "Helper");
    rig.sandbox.add_moderator("77");
    let login = typed_while(&rig, "auth twitch", async |_| {
        until(|| !rig.sandbox.pending_devices().is_empty()).await;
        let code = rig.sandbox.pending_devices().remove(0);
        rig.sandbox.approve_device(&code, "77");
    });
    login.await.exits(0);
    plans(&rig).await;
    rig.sandbox.remove_moderator("77");
    let parts = ["may not see the channel's followers", "a moderator again"];
    let command = stopped(&rig, "channel", &parts).await;
    mended(&rig, command).await;
}

#[tokio::test]
async fn after_a_revoked_token_the_command_of_the_message_goes_on() {
    let rig = logged_in(small(), "").await;
    rig.sandbox.revoke_login(None);
    let command = stopped(&rig, "channel", &["the login has ended"]).await;
    mended(&rig, command).await;

    let rig = desk(small(), "", FIXED_SPOKE).await;
    let from = format!(
        "--from file:{}",
        rig.folder.join("highlevel.token").display()
    );
    typed(&rig, &format!("auth highlevel {from}"))
        .await
        .exits(0);
    rig.sandbox.revoke_token(HIGHLEVEL_TOKEN);
    let parts = [
        "the private integration token is revoked or wrong",
        "make a new one",
    ];
    let command = stopped(&rig, "main", &parts).await;
    let another = Token {
        holder: Holder::Location,
        scopes: HIGHLEVEL_SCOPES.iter().map(ToString::to_string).collect(),
        expires_at_ms: None,
    };
    rig.sandbox.set_token("pit-another-one", another);
    secret(&rig, "highlevel.token", "pit-another-one");
    mended(&rig, command.map(|command| format!("{command} {from}"))).await;
}

#[tokio::test]
async fn a_login_in_another_persons_name_warns_that_another_channel_is_read() {
    let rig = logged_in(small(), "").await;
    rig.sandbox.add_user("77", "helper", "Helper");
    let login = typed_while(&rig, "auth twitch", async |_| {
        until(|| !rig.sandbox.pending_devices().is_empty()).await;
        let code = rig.sandbox.pending_devices().remove(0);
        rig.sandbox.approve_device(&code, "77");
    });
    login.await.exits(0).complains(&[
        "warning: account channel: sandbox_channel was logged in before",
        "add `channel = \"sandbox_channel\"` to the account",
    ]);
    let again = by_device(&rig, "auth twitch").await.exits(0);
    let again = again.complains(&["warning: account channel: helper was logged in before"]);
    assert_eq!(again.err.matches("warning").count(), 1, "{again}");
    let same = by_device(&rig, "auth twitch").await.exits(0);
    assert!(!same.err.contains("warning"), "{same}");
}
