//! `check`: each finding once good and once bad, and a write test that leaves nothing behind.

mod channel;
mod location;
mod offline;
mod write_test;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::{TimeDelta, Utc};
use ghl_sync::cli::args::parse_from;
use ghl_sync::cli::progress::Progress;
use ghl_sync::cli::{self, Shell};
use ghl_sync::model::{AccountName, Clock, Secret};
use ghl_sync::sandbox::{
    BROADCASTER_ID, COMPANY_ID, Fault, FaultKind, HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET,
    HIGHLEVEL_SCOPES, HIGHLEVEL_TOKEN, Holder, LOCATION_ID, TWITCH_CLIENT_ID, TWITCH_SCOPES,
    TWITCH_TOKEN, Token,
};
use ghl_sync::store::{Login, LoginFacts, LoginKind, Store, Vault};
use serde_json::Value;

use crate::program::{now, program};
use crate::rig::{JOB, Rig};

/// What a command said.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What `check --format json` told.
#[derive(Debug)]
pub(crate) struct Checked {
    json: Value,
    /// What was said on stderr.
    pub(crate) err: String,
}

impl Checked {
    fn of(json: &str, err: String) -> Checked {
        let json = serde_json::from_str(json).unwrap_or_else(|_| panic!("no JSON: {json}\n{err}"));
        Checked { json, err }
    }

    pub(crate) fn exit(&self) -> u64 {
        self.json["exit"].as_u64().unwrap()
    }

    /// Returns the findings of a level as `about: what → mend`.
    pub(crate) fn all(&self, level: &str) -> Vec<String> {
        let findings = self.json["findings"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        findings
            .iter()
            .filter(|finding| finding["level"] == level)
            .map(|finding| {
                let [about, what, mend] = ["about", "what", "mend"].map(|key| text(&finding[key]));
                format!("{about}: {what} → {mend}")
            })
            .collect()
    }

    /// Asserts that one finding of this level has all of these parts.
    pub(crate) fn has(&self, level: &str, parts: &[&str]) -> &Checked {
        let has = |line: &&String| parts.iter().all(|part| line.contains(part));
        let all = self.all(level);
        assert!(
            all.iter().any(|line| has(&line)),
            "no {level} with {parts:?} in {:#}\n{}",
            self.json,
            self.err
        );
        self
    }

    /// Asserts the exit, that nothing else is wrong than one finding of these parts, and that it says how to mend it.
    pub(crate) fn is_wrong(&self, exit: u64, parts: &[&str]) -> &Checked {
        let wrong = self.all("wrong");
        assert_eq!(wrong.len(), 1, "{wrong:#?}\n{}", self.err);
        assert!(!wrong[0].ends_with("→ "), "not how to mend it: {wrong:?}");
        self.has("wrong", parts);
        assert_eq!(self.exit(), exit, "{wrong:?}");
        self
    }

    /// Asserts that nothing is wrong.
    pub(crate) fn is_well(&self) -> &Checked {
        assert_eq!(self.all("wrong"), Vec::<String>::new(), "{}", self.err);
        assert_eq!(self.exit(), 0);
        self
    }
}

/// Runs a command inside this process by a rig's clock, which leaps over waits; returns its exit, stdout and stderr.
pub(crate) async fn run(rig: &Rig, clock: Clock, line: &str) -> (u8, String, String) {
    let (out, err) = (Said::default(), Said::default());
    let mut shell = Shell::new(
        Box::new(out.clone()),
        Progress::quiet(Box::new(err.clone())),
        clock,
    );
    let config = rig.config_path();
    let words = line
        .split(' ')
        .chain(["--config", config.to_str().unwrap()]);
    let args = parse_from(words.map(Into::into)).unwrap_or_else(|(said, _)| panic!("{said}"));
    let exit = cli::run(&args, &mut shell).await;
    (exit.code(), out.text(), err.text())
}

/// Runs `check` with these options inside this process.
pub(crate) async fn check(rig: &Rig, options: &str) -> Checked {
    check_at(rig, rig.clock.clone(), options).await
}

async fn check_at(rig: &Rig, clock: Clock, options: &str) -> Checked {
    let line = format!("ghl-sync check --format json {options}");
    let (exit, out, err) = run(rig, clock, line.trim()).await;
    let checked = Checked::of(&out, err);
    assert_eq!(checked.exit(), u64::from(exit));
    for secret in [HIGHLEVEL_TOKEN, TWITCH_TOKEN] {
        let said = format!("{out}{}", checked.err);
        assert!(!said.contains(secret), "it shows {secret}");
    }
    checked
}

/// Changes one text of the main file.
pub(crate) fn edit(rig: &Rig, from: &str, to: &str) {
    edit_file(&rig.config_path(), from, to);
}

fn edit_file(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "no `{from}` in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Gives the Twitch token to another user, with these scopes.
fn twitch_token(rig: &Rig, user_id: &str, scopes: &[&str]) {
    let holder = Holder::TwitchUser {
        client_id: TWITCH_CLIENT_ID.to_owned(),
        user_id: user_id.to_owned(),
    };
    set_token(rig, TWITCH_TOKEN, holder, scopes, None);
}

fn set_token(rig: &Rig, text: &str, holder: Holder, scopes: &[&str], expires_at_ms: Option<i64>) {
    let token = Token {
        holder,
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expires_at_ms,
    };
    rig.sandbox.set_token(text, token);
}

/// Stores a login as `auth` does.
async fn log_in(rig: &Rig, account: &str, kind: LoginKind, token: &str, scopes: &[&str]) {
    save(rig, login_of(rig, account, kind, token, scopes)).await;
}

/// Stores the login of an application at HighLevel, with a refresh token that nobody takes.
pub(crate) async fn log_in_app(rig: &Rig, client_id: &str, scopes: &[&str]) {
    let login = login_of(rig, "main", LoginKind::Location, HIGHLEVEL_TOKEN, scopes);
    let facts = LoginFacts {
        client_id: Some(client_id.to_owned()),
        owner: Some(LOCATION_ID.to_owned()),
        expires: Some(rig.clock.now() + TimeDelta::days(1)),
        ..login.facts.clone()
    };
    let refresh = Some(Secret::new("refresh"));
    save(
        rig,
        Login {
            facts,
            refresh,
            ..login
        },
    )
    .await;
}

fn login_of(rig: &Rig, account: &str, kind: LoginKind, token: &str, scopes: &[&str]) -> Login {
    let now = rig.clock.now();
    let facts = LoginFacts {
        account: AccountName::try_from(account).unwrap(),
        kind,
        client_id: (kind == LoginKind::User).then(|| TWITCH_CLIENT_ID.to_owned()),
        owner: None,
        owner_name: Some("somebody".to_owned()),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expires: None,
        made: now,
        obtained: now,
        renewing: None,
        lost: None,
    };
    Login {
        facts,
        access: Secret::new(token),
        refresh: None,
    }
}

async fn save(rig: &Rig, login: Login) {
    let store = Store::open(&rig.state()).unwrap();
    Vault::new(store, None, None).save(&login).await.unwrap();
}

#[tokio::test]
async fn everything_is_well_and_text_and_json_say_the_same() {
    let rig = Rig::new(now(7, 5)).await;
    // The state is made by whoever makes the first call.
    program(&rig, &["check", "--online"]).await.exits(0);
    rig.sandbox.clear_calls();
    let json = program(&rig, &["check", "--online", "--format", "json"]).await;
    let checked = Checked::of(&json.out, json.err);
    checked
        .is_well()
        .has("ok", &["account main", "Sandbox Location"])
        .has(
            "ok",
            &[
                "account main",
                "duplicates are not allowed",
                "email or phone",
            ],
        )
        .has("ok", &["account main", "contacts can be read (5 in all)"])
        .has(
            "note",
            &[
                "account main",
                "contacts.write",
                "check --write-test --account main",
            ],
        )
        .has(
            "ok",
            &["account main", "of the day's 200,000 calls are left"],
        )
        .has(
            "ok",
            &[
                "account main",
                "the clock of this machine agrees with HighLevel's",
            ],
        )
        .has("note", &["account channel", "sandbox_channel's and good"])
        .has(
            "ok",
            &[
                "account channel",
                "every needed scope was granted: moderator:read:followers",
            ],
        )
        .has(
            "ok",
            &["account channel", "has 7 followers", "as its broadcaster"],
        )
        .has(
            "ok",
            &["job followers", "has the text fields", "twitch_user_id"],
        )
        .has("ok", &["state", "MB are free"]);
    assert_eq!(rig.sandbox.writes().len(), 0);
    assert!(
        rig.sandbox.calls().len() <= 7,
        "{}",
        rig.sandbox.calls().len()
    );

    let text = program(&rig, &["check", "--online"]).await.exits(0);
    assert!(text.out.starts_with(rig.config_path().to_str().unwrap()));
    assert!(
        text.out
            .trim_end()
            .lines()
            .last()
            .unwrap()
            .starts_with("all is well"),
        "{text}"
    );
    // The numbers that a call changes are masked.
    let masked = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    let lines: Vec<&str> = text.out.lines().collect();
    let mut at = 1;
    for finding in checked.json["findings"].as_array().unwrap() {
        let word = if finding["level"] == "wrong" {
            "WRONG"
        } else {
            finding["level"].as_str().unwrap()
        };
        let what = finding["what"].as_str().unwrap();
        let line = format!(
            "  {word:<5}  {}: {what}",
            finding["about"].as_str().unwrap()
        );
        assert_eq!(masked(lines[at]), masked(&line));
        at += 1;
        if let Some(mend) = finding["mend"].as_str() {
            assert_eq!(lines[at], format!("         → {mend}"));
            at += 1;
        }
    }
    assert_eq!(at, lines.len() - 1);
}
