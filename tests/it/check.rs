//! `check`: each finding once good and once bad, and a write test that leaves nothing behind.

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
    BROADCASTER_ID, Fault, FaultKind, HIGHLEVEL_SCOPES, HIGHLEVEL_TOKEN, Holder, LOCATION_ID,
    TWITCH_CLIENT_ID, TWITCH_SCOPES, TWITCH_TOKEN, Token,
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
fn edit(rig: &Rig, from: &str, to: &str) {
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
    let login = Login {
        facts,
        access: Secret::new(token),
        refresh: None,
    };
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

#[tokio::test]
async fn without_being_asked_to_it_makes_no_call_and_no_state() {
    let rig = Rig::new(now(1, 1)).await;
    let text = program(&rig, &["check"]).await.exits(0);
    text.says(&[
        "all is well, as far as can be told without a call",
        "not there yet",
    ]);
    assert_eq!(rig.sandbox.calls().len(), 0);
    assert!(!rig.state().exists());
    program(&rig, &["check", "--account", "main"])
        .await
        .exits(4)
        .complains(&["--account chooses whom to ask", "--online"]);
    program(&rig, &["check", "--online", "--account", "mian"])
        .await
        .exits(4)
        .complains(&["there is no account `mian`", "main (highlevel)"]);
}

#[tokio::test]
async fn what_others_can_read_is_told_with_the_command_that_closes_it() {
    let rig = Rig::new(now(1, 1)).await;
    check(&rig, "--online").await.is_well();
    chmod(&rig.state(), 0o755);
    chmod(&rig.state().join("ghl-sync.db"), 0o644);
    let checked = check(&rig, "").await;
    let state = rig.state();
    let folder = format!("run `chmod 700 {}`", state.display());
    let file = format!("run `chmod 600 {}`", state.join("ghl-sync.db").display());
    checked
        .is_well()
        .has("note", &["open to other users (mode 0755)", &folder])
        .has("note", &["open to other users (mode 0644)", &file]);
    chmod(&rig.state(), 0o700);
    chmod(&rig.folder.join("highlevel.token"), 0o644);
    check(&rig, "")
        .await
        .is_wrong(4, &["account main", "open to other users", "chmod"]);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_wrong_only_where_it_is_used() {
    let rig = Rig::new(now(1, 1)).await;
    fs::remove_file(rig.folder.join("twitch.token")).unwrap();
    let checked = check(&rig, "--online").await;
    checked
        .is_wrong(
            4,
            &[
                "account channel",
                "cannot read the secret file",
                "make it, readable by this user alone",
            ],
        )
        .has(
            "note",
            &["account channel", "not asked, because of what stands above"],
        )
        .has("ok", &["account main", "Sandbox Location"]);
    rig.write_config();
    let text = fs::read_to_string(rig.config_path()).unwrap();
    let unused = "[accounts.other]\nservice = \"highlevel\"\nlocation = \"Elsewhere\"\ntoken = \"env:GHL_SYNC_NO_SUCH\"\n";
    fs::write(rig.config_path(), format!("{text}{unused}")).unwrap();
    check(&rig, "--online")
        .await
        .is_well()
        .has(
            "ok",
            &[
                "account other",
                "no job uses it, and its token is not there",
            ],
        )
        .has("ok", &["account other", "so it is not asked"])
        .has(
            "note",
            &[
                "configuration",
                "env:GHL_SYNC_NO_SUCH comes from the environment",
                "restart",
            ],
        );
    // Whoever is named is asked.
    check(&rig, "--online --account other")
        .await
        .is_wrong(4, &["account other", "GHL_SYNC_NO_SUCH is not set"]);
}

#[tokio::test]
async fn credentials_and_keys_are_looked_at() {
    let rig = Rig::new(now(1, 1)).await;
    let folder = rig.folder.join("credentials");
    fs::create_dir(&folder).unwrap();
    fs::copy(rig.folder.join("highlevel.token"), folder.join("hub")).unwrap();
    edit(&rig, "file:highlevel.token", "credential:hub");
    let checked = check(&rig, "--online").await;
    checked.is_well().has(
        "note",
        &["credential:hub comes from systemd", "restart the service"],
    );
    let key = rig.folder.join("token.key");
    let text = fs::read_to_string(rig.config_path()).unwrap();
    fs::write(
        rig.config_path(),
        format!("token_key = \"file:token.key\"\n{text}"),
    )
    .unwrap();
    for (digits, is_key) in [("ab".repeat(32), true), ("no key".to_owned(), false)] {
        fs::write(&key, digits).unwrap();
        chmod(&key, 0o600);
        let checked = check(&rig, "--online").await;
        if is_key {
            checked.is_well().has("ok", &["`token_key`", "is key "]);
        } else {
            checked
                .is_wrong(4, &["configuration: `token_key`"])
                .has("note", &["no vendor is asked"]);
        }
    }
}

#[tokio::test]
async fn an_account_that_nobody_logged_in_is_a_note_until_it_is_asked() {
    let rig = Rig::new(now(2, 1)).await;
    edit(&rig, "token = \"file:highlevel.token\"\n", "");
    edit(&rig, "token = \"file:twitch.token\"\n", "");
    let (hub, spoke) = (
        "auth highlevel --account main",
        "auth twitch --account channel",
    );
    check(&rig, "")
        .await
        .is_well()
        .has("note", &["account main", "not logged in yet", hub])
        .has("note", &["account channel", "not logged in yet", spoke]);
    let checked = check(&rig, "--online").await;
    assert_eq!((checked.exit(), checked.all("wrong").len()), (4, 2));
    checked
        .has("wrong", &["account main", "not logged in yet", hub])
        .has("wrong", &["account channel", "not logged in yet", spoke]);
    log_in(&rig, "main", LoginKind::Integration, HIGHLEVEL_TOKEN, &[]).await;
    log_in(
        &rig,
        "channel",
        LoginKind::User,
        TWITCH_TOKEN,
        TWITCH_SCOPES,
    )
    .await;
    let checked = check(&rig, "--online").await;
    checked
        .is_well()
        .has("ok", &["account channel", "logged in as somebody on 2"])
        .has("ok", &["account channel", "as its broadcaster"])
        .has("ok", &["account main", "Sandbox Location"])
        .has(
            "note",
            &["state", "stored logins are not encrypted", "token_key"],
        );
    // Revoked at the vendor: the command logs in again.
    rig.sandbox.revoke_token(HIGHLEVEL_TOKEN);
    check(&rig, "--online")
        .await
        .is_wrong(4, &["account main", "expired or revoked", hub]);
}

#[tokio::test]
async fn a_dead_token_of_one_vendor_hides_nothing_of_the_other() {
    let rig = Rig::new(now(1, 1)).await;
    rig.sandbox.revoke_token(HIGHLEVEL_TOKEN);
    check(&rig, "--online")
        .await
        .is_wrong(
            4,
            &[
                "account main",
                "the token is expired or revoked",
                "file:",
                "highlevel.token",
            ],
        )
        .has("ok", &["account channel", "as its broadcaster"]);
    let rig = Rig::new(now(1, 1)).await;
    rig.sandbox.revoke_token(TWITCH_TOKEN);
    check(&rig, "--online")
        .await
        .is_wrong(
            4,
            &[
                "account channel",
                "expired or revoked",
                "auth twitch --account channel",
            ],
        )
        .has("ok", &["account main", "Sandbox Location"]);
}

#[tokio::test]
async fn a_missing_scope_is_named_with_how_to_grant_it() {
    for (scope, level) in [
        ("contacts.readonly", "wrong"),
        ("locations/customFields.readonly", "wrong"),
        // No job needs it.
        ("locations.readonly", "note"),
    ] {
        let mut settings = now(1, 1);
        settings.highlevel_scopes.retain(|have| have != scope);
        let rig = Rig::new(settings).await;
        let checked = check(&rig, "--online").await;
        checked.has(
            level,
            &[
                "account main",
                &format!("lacks the scope {scope}"),
                "private integration",
            ],
        );
        assert_eq!(
            checked.exit(),
            if level == "wrong" { 4 } else { 0 },
            "{scope}"
        );
        checked.has("ok", &["account main", "calls are left"]);
    }
    let rig = Rig::new(now(1, 1)).await;
    twitch_token(&rig, BROADCASTER_ID, &[]);
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account channel",
            "lacks the scope moderator:read:followers",
            "new user token",
        ],
    );
    // What an application was granted is known without trying.
    let rig = Rig::new(now(1, 1)).await;
    edit(
        &rig,
        "token = \"file:highlevel.token\"\n",
        "client_id = \"app-1\"\nclient_secret = \"file:highlevel.token\"\n",
    );
    let granted: Vec<&str> = HIGHLEVEL_SCOPES
        .iter()
        .copied()
        .filter(|scope| *scope != "contacts.write")
        .collect();
    log_in_app(&rig, &granted).await;
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account main",
            "contacts.write was not granted",
            "marketplace",
            "auth highlevel --account main",
        ],
    );
    log_in_app(&rig, HIGHLEVEL_SCOPES).await;
    check(&rig, "--online").await.is_well().has(
        "ok",
        &[
            "account main",
            "every needed scope was granted",
            "locations/customFields.write",
        ],
    );
}

/// Stores the login of the application `app-1`, whose token the sandbox takes.
async fn log_in_app(rig: &Rig, scopes: &[&str]) {
    let now = rig.clock.now();
    let facts = LoginFacts {
        account: AccountName::try_from("main").unwrap(),
        kind: LoginKind::Location,
        client_id: Some("app-1".to_owned()),
        owner: Some(LOCATION_ID.to_owned()),
        owner_name: None,
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expires: Some(now + TimeDelta::days(1)),
        made: now,
        obtained: now,
        renewing: None,
        lost: None,
    };
    let login = Login {
        facts,
        access: Secret::new(HIGHLEVEL_TOKEN),
        refresh: Some(Secret::new("refresh")),
    };
    let store = Store::open(&rig.state()).unwrap();
    Vault::new(store, None, None).save(&login).await.unwrap();
}

#[tokio::test]
async fn a_wrong_location_and_a_wrong_client_are_one_message_each() {
    let rig = Rig::new(now(1, 1)).await;
    edit(&rig, LOCATION_ID, "sandboxLocation00002");
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account main",
            "does not belong to this location",
            "check `location`",
        ],
    );
    let rig = Rig::new(now(1, 1)).await;
    edit(&rig, TWITCH_CLIENT_ID, "anotherclient");
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account channel",
            "belongs to client id sandboxclient",
            "`client_id` says anotherclient",
        ],
    );
    let rig = Rig::new(now(1, 1)).await;
    let holder = Holder::TwitchApp {
        client_id: TWITCH_CLIENT_ID.to_owned(),
    };
    set_token(&rig, TWITCH_TOKEN, holder, &[], None);
    check(&rig, "--online")
        .await
        .is_wrong(4, &["account channel", "app token", "new user token"]);
}

#[tokio::test]
async fn a_lost_role_and_a_missing_channel_say_what_to_do() {
    let rig = Rig::new(now(3, 1)).await;
    edit(
        &rig,
        "[accounts.channel]\n",
        "[accounts.channel]\nchannel = \"sandbox_channel\"\n",
    );
    rig.sandbox.add_user("77", "helper", "Helper");
    twitch_token(&rig, "77", TWITCH_SCOPES);
    rig.sandbox.add_moderator("77");
    check(&rig, "--online").await.is_well().has(
        "ok",
        &[
            "channel sandbox_channel has 3 followers",
            "helper may list them as its moderator",
        ],
    );
    rig.sandbox.remove_moderator("77");
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account channel",
            "helper is neither the broadcaster nor a moderator of sandbox_channel",
            "/mod helper",
            "auth twitch --account channel",
        ],
    );
    // The silent empty list alone says the same.
    rig.sandbox.add_moderator("77");
    rig.sandbox.fault(
        Fault::new(FaultKind::MissingPermission)
            .on("GET /channels/followers")
            .skip(1)
            .times(9),
    );
    check(&rig, "--online").await.is_wrong(
        4,
        &["account channel", "neither the broadcaster nor a moderator"],
    );
    rig.sandbox.clear_faults();
    edit(&rig, "\"sandbox_channel\"", "\"nobody_there\"");
    check(&rig, "--online").await.is_wrong(
        4,
        &[
            "account channel",
            "there is no Twitch channel `nobody_there`",
            "twitch.tv/LOGIN",
        ],
    );
}

#[tokio::test]
async fn a_token_that_nobody_renews_is_told_with_its_end() {
    let rig = Rig::new(now(1, 1)).await;
    let holder = Holder::TwitchUser {
        client_id: TWITCH_CLIENT_ID.to_owned(),
        user_id: BROADCASTER_ID.to_owned(),
    };
    let end = rig.sandbox.now() + TimeDelta::hours(3);
    set_token(
        &rig,
        TWITCH_TOKEN,
        holder,
        TWITCH_SCOPES,
        Some(end.timestamp_millis()),
    );
    check(&rig, "--online").await.is_well().has(
        "note",
        &[
            "account channel",
            "(in 3.0 h)",
            "nobody renews it",
            "auth twitch --account channel",
        ],
    );
}

#[tokio::test]
async fn custom_fields_are_held_against_what_the_jobs_name() {
    let mut settings = now(1, 1);
    settings.fields = false;
    let rig = Rig::new(settings).await;
    check(&rig, "--online").await.is_well().has(
        "note",
        &[
            "job followers",
            "no custom field `twitch_user_id` yet; `apply` makes it",
        ],
    );
    let job = rig.folder.join("schedules/followers.toml");
    edit_file(&job, "create_fields = true\n", "");
    let checked = check(&rig, "--online").await;
    assert_eq!((checked.exit(), checked.all("wrong").len()), (4, 3));
    checked.has(
        "wrong",
        &[
            "no custom field `twitch_username`",
            "Custom Fields",
            "create_fields = true",
        ],
    );
    // Whether it fits what the job writes.
    for (marker, username, followed, level, parts) in [
        (
            "TEXT",
            "LARGE_TEXT",
            "TEXT",
            "ok",
            ["text fields", "twitch_username"],
        ),
        (
            "TEXT",
            "TEXT",
            "DATE",
            "note",
            ["`twitch_followed_at`", "YYYY-MM-DD"],
        ),
        (
            "TEXT",
            "NUMERICAL",
            "TEXT",
            "note",
            ["`twitch_username`", "numbers"],
        ),
        (
            "TEXT",
            "PHONE",
            "TEXT",
            "note",
            ["`twitch_username`", "phone numbers"],
        ),
        (
            "TEXT",
            "MONETORY",
            "TEXT",
            "note",
            ["`twitch_username`", "money"],
        ),
        (
            "NUMERICAL",
            "TEXT",
            "TEXT",
            "wrong",
            ["`twitch_user_id`", "marker"],
        ),
        (
            "LARGE_TEXT",
            "TEXT",
            "TEXT",
            "wrong",
            ["`twitch_user_id`", "expected TEXT"],
        ),
        (
            "TEXT",
            "SINGLE_OPTIONS",
            "TEXT",
            "wrong",
            ["`twitch_username`", "no free text"],
        ),
        (
            "TEXT",
            "FILE_UPLOAD",
            "TEXT",
            "wrong",
            ["`twitch_username`", "no free text"],
        ),
        (
            "TEXT",
            "SIGNATURE",
            "TEXT",
            "wrong",
            ["`twitch_username`", "no free text"],
        ),
        (
            "TEXT",
            "HOLOGRAM",
            "TEXT",
            "note",
            ["`twitch_username`", "does not know"],
        ),
    ] {
        for (key, kind) in [
            ("twitch_user_id", marker),
            ("twitch_username", username),
            ("twitch_followed_at", followed),
        ] {
            if rig.sandbox.field_id(key).is_some() {
                rig.sandbox.remove_field(key);
            }
            rig.sandbox.add_field(key, key, kind);
        }
        let checked = check(&rig, "--online").await;
        checked.has(level, &parts);
        let exit = if level == "wrong" { 4 } else { 0 };
        assert_eq!(checked.exit(), exit, "{marker} {username} {followed}");
    }
}

#[tokio::test]
async fn allowed_duplicates_are_explained_and_worth_a_note_where_a_job_writes_what_identifies() {
    let rig = Rig::new(now(1, 1)).await;
    rig.sandbox
        .switch(|switches| switches.allow_duplicates = true);
    check(&rig, "--online")
        .await
        .is_well()
        .has("ok", &["account main", "duplicates are allowed"]);
    let job = rig.folder.join("schedules/followers.toml");
    edit_file(
        &job,
        "[fields]\n",
        "[fields]\nemail = \"{{ user_login }}@example.com\"\n",
    );
    check(&rig, "--online").await.is_well().has(
        "note",
        &[
            "account main",
            "duplicates are allowed",
            "match by that field",
        ],
    );
}

#[tokio::test]
async fn a_clock_that_is_off_and_a_day_that_is_nearly_spent_are_told() {
    let rig = Rig::new(now(1, 1)).await;
    for (minutes, word) in [(3, "ahead of"), (-3, "behind")] {
        let off = Clock::starting_at(
            Utc::now() + TimeDelta::minutes(minutes),
            Arc::default(),
            None,
        );
        let checked = check_at(&rig, off, "--online").await;
        assert_eq!(checked.exit(), 4);
        for vendor in ["HighLevel", "Twitch"] {
            checked.has(
                "wrong",
                &["the clock of this machine is", word, vendor, "timedatectl"],
            );
        }
    }
    let mut settings = now(1, 1);
    settings.daily = 30;
    let rig = Rig::new(settings).await;
    edit(&rig, "reserve = 0", "reserve = 25");
    check(&rig, "--online").await.is_well().has(
        "note",
        &[
            "account main",
            "of the day's 30 calls are left",
            "25 of them reserved",
            "ghl-sync status",
        ],
    );
    check(&rig, "--online")
        .await
        .is_wrong(6, &["account main", "the budget of calls is spent until"]);
}

#[tokio::test]
async fn a_vendor_out_of_reach_is_another_exit_and_the_gravest_speaks() {
    for (url, account, other) in [
        ("highlevel", "account main", "account channel"),
        ("id", "account channel", "account main"),
    ] {
        let rig = Rig::new(now(1, 1)).await;
        let route = match url {
            "id" => "GET /oauth2/validate",
            _ => "GET /locations/{id}",
        };
        rig.sandbox
            .fault(Fault::new(FaultKind::ResetBefore).on(route).times(50));
        let checked = check(&rig, "--online").await;
        checked.is_wrong(6, &[account, "no answer to GET", "run it again later"]);
        checked.has("ok", &[other, "agrees with"]);
        // What a person has to mend comes first.
        fs::remove_file(rig.folder.join(match url {
            "id" => "highlevel.token",
            _ => "twitch.token",
        }))
        .unwrap();
        let checked = check(&rig, "--online").await;
        assert_eq!((checked.exit(), checked.all("wrong").len()), (4, 2));
    }
    for (kind, route) in [
        (FaultKind::WrongShape, "GET /locations/{id}/customFields"),
        (FaultKind::NotJson, "POST /contacts/search"),
        (FaultKind::Html502, "GET /users"),
        (FaultKind::Status500, "GET /channels/followers"),
    ] {
        let rig = Rig::new(now(1, 1)).await;
        rig.sandbox
            .fault(Fault::new(kind.clone()).on(route).times(50));
        let checked = check(&rig, "--online").await;
        assert_eq!(checked.exit(), 6, "{route} {kind:?}");
        checked.has("wrong", &["run it again later"]);
    }
}

#[tokio::test]
async fn two_jobs_of_one_location_ask_it_once() {
    let rig = Rig::new(now(1, 1)).await;
    let job = JOB.replace("\"followers\"", "\"again\"");
    fs::write(rig.folder.join("schedules/again.toml"), job).unwrap();
    let checked = check(&rig, "--online").await;
    checked
        .is_well()
        .has("ok", &["job again", "text fields"])
        .has("ok", &["job followers", "text fields"]);
    assert_eq!(rig.sandbox.count("GET /locations/{id}/customFields"), 1);
}
