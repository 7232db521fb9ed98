//! Law 9, the secrets: whatever the program says, logs or leaves behind, no token, code or client secret is in it.

mod modes;
mod sealed;

use std::fmt::Debug;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use ghl_sync::cli::args::Args;
use ghl_sync::cli::exit::Exit;
use ghl_sync::cli::progress::Progress;
use ghl_sync::cli::{self, Shell};
use ghl_sync::net::auth::{highlevel, twitch};
use ghl_sync::net::{Auth, Grant, Secret};
use ghl_sync::run::{Tick, Watch};
use ghl_sync::sandbox::{
    Fault, FaultKind, HIGHLEVEL_CLIENT_SECRET, HIGHLEVEL_TOKEN, TWITCH_CLIENT_SECRET, TWITCH_TOKEN,
};
use ghl_sync::store::{Key, Vault};
use tracing::level_filters::LevelFilter;

use crate::logged::{KEY, OTHER_KEY, Way, keeper, log_in, logged, run, world, worlds};
use crate::program::{Running, now, program};
use crate::rig::{Rig, ask_all, hours, minutes, run_in, settings};

/// Everything that was written to it; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
}

/// Keeps everything that is logged on this thread until the guard goes.
pub(crate) fn listening() -> (Kept, tracing::subscriber::DefaultGuard) {
    let log = Kept::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

/// Every secret there is: those that the vendors handed out, and those that are in files from the start.
pub(crate) fn secrets(rig: &Rig) -> Vec<String> {
    let issued = rig.sandbox.issued_tokens().into_iter();
    let mut all: Vec<String> = issued.map(|issued| issued.text).collect();
    let fixed = [
        HIGHLEVEL_TOKEN,
        TWITCH_TOKEN,
        HIGHLEVEL_CLIENT_SECRET,
        TWITCH_CLIENT_SECRET,
        KEY,
        OTHER_KEY,
    ];
    all.extend(fixed.map(str::to_owned));
    all
}

fn count(bytes: &[u8], text: &str) -> usize {
    // A byte that is rare in them is looked for first: the files are large and the build is a slow one.
    let (text, mut found, mut at) = (text.as_bytes(), 0, 0);
    while let Some(next) = bytes[at..].iter().position(|byte| *byte == text[0]) {
        at += next + 1;
        found += usize::from(bytes[at - 1..].starts_with(text));
    }
    found
}

pub(crate) fn assert_lacks(bytes: &[u8], secrets: &[String], what: &str) {
    for secret in secrets {
        assert_eq!(count(bytes, secret), 0, "{what} shows {secret}");
    }
}

/// Asserts that no file of a folder holds one of the secrets, but for those that are there to hold one.
fn assert_no_file_holds(folder: &Path, secrets: &[String], but: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            assert_no_file_holds(&path, secrets, but);
        } else if !but.contains(&name.as_str()) {
            assert_lacks(&fs::read(&path).unwrap(), secrets, &name);
        }
    }
}

/// The files that hold a secret because a person put it there.
const SECRET_FILES: &[&str] = &[
    "highlevel.token",
    "twitch.token",
    "highlevel.secret",
    "twitch.secret",
    "key",
    "other.key",
];

/// Runs a command of the program in this process, on the rig's clock.
async fn says(rig: &Rig, args: &[&str]) -> (Exit, Vec<u8>) {
    let kept = Kept::default();
    let progress = Progress::lines(Box::new(kept.clone()));
    let mut shell = Shell::new(Box::new(kept.clone()), progress, rig.clock.clone());
    let path = rig.config_path();
    let config = ["--config", path.to_str().unwrap()];
    let all = ["ghl-sync"].iter().chain(args).chain(&config);
    let exit = cli::run(&Args::try_parse_from(all).unwrap(), &mut shell).await;
    (exit, kept.bytes())
}

#[tokio::test]
async fn whatever_fails_at_a_login_no_secret_is_said_or_logged() {
    let (log, _guard) = listening();
    let kinds = [
        FaultKind::Status500After,
        FaultKind::Html502After,
        FaultKind::ResetAfter,
        FaultKind::Truncated,
        FaultKind::BrokenBody,
        FaultKind::WrongShape,
        FaultKind::NotJson,
        FaultKind::ExpiredToken,
        FaultKind::MissingPermission,
        FaultKind::Unprocessable422,
    ];
    for way in Way::ALL {
        let rig = logged(way, settings(3, 2)).await;
        let mut failed = 0;
        for (number, kind) in kinds.iter().enumerate() {
            for route in [
                way.route(),
                "POST /oauth/token",
                "GET /oauth2/validate",
                "GET /contacts/",
                "POST /contacts/",
            ] {
                let times = [1, 9][number % 2];
                let fault = Fault::new(kind.clone()).on(route);
                rig.sandbox.fault(fault.times(times));
            }
            rig.sandbox.expire_access_tokens();
            let format = ["text", "json", "markdown"][number % 3];
            for args in [
                &["plan", "--full", "--format", format][..],
                &["apply", "--full", "--allow", "first", "--format", format],
            ] {
                let (exit, said) = says(&rig, args).await;
                failed += u32::from(exit != Exit::Done);
                assert_lacks(
                    &said,
                    &secrets(&rig),
                    &format!("{way:?}, {kind:?}: {args:?}"),
                );
                rig.advance(minutes(20));
            }
            rig.sandbox.clear_faults();
            log_in(&rig, way).await;
            rig.advance(hours(26));
        }
        assert!(failed > 4, "{way:?}");
        let (exit, said) = says(&rig, &["status"]).await;
        assert_eq!(exit, Exit::Done);
        let secrets = secrets(&rig);
        assert_lacks(&said, &secrets, "status");
        assert_lacks(&log.bytes(), &secrets, "the log");
        // The last pair is in the state, once, and the older ones are not, anywhere.
        assert_only_present(&rig, way, &secrets);
    }
    let logged = log.text();
    for part in [
        "POST /oauth/token",
        "POST /token",
        "POST /oauth/locationToken",
    ] {
        assert!(logged.contains(part), "{part} is not logged");
    }
}

/// Asserts that the files of a closed state hold the tokens of the stored logins, each once, and no other secret.
fn assert_only_present(rig: &Rig, way: Way, secrets: &[String]) {
    let db = rig.state().join("ghl-sync.db");
    let rows = rusqlite::Connection::open(&db).unwrap();
    let mut statement = rows.prepare("SELECT secret FROM token").unwrap();
    let kept: Vec<Vec<u8>> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    drop(statement);
    drop(rows);
    let kept: Vec<String> = kept
        .into_iter()
        .map(|secret| String::from_utf8(secret).unwrap())
        .collect();
    let (present, gone): (Vec<_>, Vec<_>) = secrets
        .iter()
        .cloned()
        .partition(|secret| kept.iter().any(|row| row.contains(secret)));
    assert!(!present.is_empty(), "{way:?}");
    assert_no_file_holds(&rig.folder, &gone, SECRET_FILES);
    let bytes = fs::read(&db).unwrap();
    for secret in &present {
        assert_eq!(count(&bytes, secret), 1, "{way:?}");
    }
    assert_no_file_holds(
        &rig.folder,
        &present,
        &[SECRET_FILES, &["ghl-sync.db"]].concat(),
    );
}

#[tokio::test]
async fn a_year_of_renewals_leaves_one_pair_and_no_other() {
    for way in Way::ALL {
        let rig = logged(way, settings(1, 1)).await;
        let mut worlds = worlds(&rig).await;
        for round in 0..30 {
            rig.advance(way.life());
            if round % 7 == 3 {
                // A mark that stays, and one that goes.
                let fault = Fault::new(FaultKind::Status503).on(way.route());
                rig.sandbox.fault(fault.times(5));
                let _ = keeper(&mut worlds, &way.caller()).token().await;
            }
            keeper(&mut worlds, &way.caller()).token().await.unwrap();
        }
        drop(worlds);
        assert_only_present(&rig, way, &secrets(&rig));
    }
}

#[tokio::test]
async fn the_program_at_its_loudest_shows_no_secret() {
    for way in Way::ALL {
        let rig = logged(way, now(4, 3)).await;
        let mut all = Vec::new();
        for (number, form) in ["text", "json"].into_iter().enumerate() {
            rig.sandbox.expire_access_tokens();
            if number == 1 {
                // Refused at once, so that nobody waits.
                rig.sandbox.kill_refresh_tokens();
            }
            for args in [
                &["plan", "-vv", "--log-format", form][..],
                &["apply", "-vv", "--log-format", form, "--allow", "first"],
            ] {
                let ended = program(&rig, args).await;
                assert_eq!(ended.code, Some([0, 4][number]), "{way:?}: {ended}");
                assert!(ended.err.contains("token") || number == 0, "{ended}");
                all.push(format!("{ended}"));
            }
        }
        let secrets = secrets(&rig);
        assert_lacks(all.concat().as_bytes(), &secrets, "the program");
        assert_only_present(&rig, way, &secrets);
    }
}

#[tokio::test]
async fn the_commands_about_logins_show_no_secret() {
    for way in Way::ALL {
        let rig = logged(way, now(4, 3)).await;
        let service = if way.is_twitch() {
            "twitch"
        } else {
            "highlevel"
        };
        let account = way.account();
        let auth = |action| ["auth", service, action, "--account", account.as_str()];
        let mut all = Vec::new();
        for more in [
            &["-vv"][..],
            &["-vv", "--log-format", "json"],
            &["-vv", "--format", "json"],
        ] {
            for args in [
                &auth("show")[..],
                &["auth", "show"],
                &["check", "--online"],
                &["check"],
            ] {
                all.push(program(&rig, &[args, more].concat()).await);
            }
        }
        for form in ["text", "json"] {
            let loud = ["-vv", "--log-format", form];
            all.push(
                program(&rig, &[&auth("renew")[..], &loud].concat())
                    .await
                    .exits(0),
            );
            rig.sandbox.kill_refresh_tokens();
            let refused = program(&rig, &[&auth("renew")[..], &loud].concat()).await;
            assert_ne!(refused.code, Some(0), "{refused}");
            all.push(refused);
            all.push(program(&rig, &["auth", "show"]).await);
            assert_only_present(&rig, way, &secrets(&rig));
            log_in(&rig, way).await;
        }
        // A device that nobody confirms: its code is shown, and what is polled with it is not.
        if way == Way::TwitchPublic {
            let mut login = Running::start(&rig, &[&auth("login")[..], &["-vv"]].concat());
            login.until(|it| it.said().contains("ghl-sync waits")).await;
            let code = rig.sandbox.pending_devices().remove(0);
            assert!(login.said().contains(&code));
            rig.sandbox.deny_device(&code);
            login.signal("INT");
            all.push(login.end().await);
        }
        let revoke = [&auth("revoke")[..], &["--yes", "-vv"]].concat();
        all.push(program(&rig, &revoke).await.exits(0));
        for said in &all {
            assert_lacks(format!("{said}").as_bytes(), &secrets(&rig), "a command");
        }
        // What was taken away is in no file any more.
        assert_no_file_holds(&rig.folder, &secrets(&rig), SECRET_FILES);
    }
}

#[tokio::test]
async fn a_demo_that_is_kept_holds_no_secret_but_in_the_files_for_it() {
    let rig = Rig::new(now(0, 0)).await;
    let mut demo = Command::new(env!("CARGO_BIN_EXE_ghl-sync"));
    demo.args([
        "demo",
        "-vv",
        "--followers",
        "60",
        "--contacts",
        "30",
        "--keep",
        "kept",
    ])
    .current_dir(&rig.folder)
    .stdin(Stdio::null());
    let ended = Running::of(&rig, demo).end().await.exits(0);
    let fixed = [HIGHLEVEL_TOKEN.to_owned(), TWITCH_TOKEN.to_owned()];
    assert_lacks(format!("{ended}").as_bytes(), &fixed, "the demo");
    assert!(rig.folder.join("kept/highlevel.token").is_file());
    assert_no_file_holds(&rig.folder.join("kept"), &fixed, SECRET_FILES);
}

/// What the test below runs in a process of its own: the hook of a panic is the whole process's.
const PANIC: &str = "GHL_SYNC_TEST_PANIC";

#[tokio::test]
async fn a_panic_in_the_middle_of_a_run_shows_no_secret() {
    if std::env::var_os(PANIC).is_some() {
        panics().await;
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "--nocapture"])
        .arg("secrets::a_panic_in_the_middle_of_a_run_shows_no_secret")
        .env(PANIC, "1")
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || child.output()).await;
    let output = output.unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

async fn panics() {
    let kept = Kept::default();
    cli::say_panics(&Progress::lines(Box::new(kept.clone())));
    for at in [0, 3] {
        let rig = logged(Way::Location, settings(3, 2)).await;
        let mut worlds = worlds(&rig).await;
        let keeper = keeper(&mut worlds, &Way::Location.account());
        let all = format!("{worlds:?} {keeper:?}");
        let number = std::sync::atomic::AtomicU32::new(0);
        let watch = Watch::new(move |tick| {
            if let Tick::Advance(_) = tick {
                let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                assert!(number != at, "on purpose, with {all}");
            }
        });
        let ask = ask_all();
        let running = world(&mut worlds, &rig, &ask, watch);
        let here = tokio::task::LocalSet::new();
        let ended = here.spawn_local(async move {
            let ended = run_in(&running, &ask).await;
            format!("{ended:?}")
        });
        let ended = match here.run_until(ended).await {
            Ok(ended) => ended,
            Err(error) => format!("{error} {error:?}"),
        };
        drop(worlds);
        let secrets = secrets(&rig);
        assert_lacks(ended.as_bytes(), &secrets, "the run's end");
        let said = kept.text();
        assert!(said.contains("a defect in ghl-sync: on purpose"), "{said}");
        assert_lacks(said.as_bytes(), &secrets, "the panic");
        assert_only_present(&rig, Way::Location, &secrets);
        // And the next run goes on.
        rig.advance(minutes(20));
        run(&rig, &ask_all()).await.unwrap();
    }
}

#[tokio::test]
async fn no_type_that_holds_a_secret_prints_it() {
    let shown = |all: &mut String, what: &dyn Debug| all.push_str(&format!("{what:?} {what:#?}\n"));
    let mut all = String::new();
    let text = "hidden-0123456789";
    let secret = Secret::new(text);
    let grant = Grant {
        access: secret.clone(),
        refresh: Some(secret.clone()),
        expires_in: None,
        scopes: vec!["a".to_owned()],
        location: None,
        company: None,
    };
    shown(&mut all, &grant);
    shown(&mut all, &Auth::Fixed(secret.clone()));
    shown(&mut all, &Some(secret.clone()));
    shown(&mut all, &twitch::renew("id", Some(&secret), &secret));
    shown(&mut all, &twitch::revoke("id", &secret));
    shown(
        &mut all,
        &twitch::poll_device("id", Some(&secret), &secret, &[]),
    );
    let device = twitch::Device {
        device_code: secret.clone(),
        user_code: "ABCD".to_owned(),
        verification_uri: "https://example.com".to_owned(),
        expires_in: minutes(30),
        interval: Duration::from_secs(5),
    };
    shown(&mut all, &device);
    let user = highlevel::UserType::Location;
    shown(&mut all, &highlevel::renew("id", &secret, &secret, user));
    shown(
        &mut all,
        &highlevel::exchange_code("id", &secret, &secret, "http://localhost", user),
    );
    let location = ghl_sync::sandbox::LOCATION_ID
        .to_owned()
        .try_into()
        .unwrap();
    shown(
        &mut all,
        &highlevel::location_token(&secret, "company", &location),
    );
    let key = Key::read(&Secret::new(KEY)).unwrap();
    shown(&mut all, &key);
    for way in Way::ALL {
        let rig = logged(way, settings(1, 1)).await;
        let mut worlds = worlds(&rig).await;
        let ask = ask_all();
        let world = world(&mut worlds, &rig, &ask, Watch::nobody());
        run_in(&world, &ask).await.unwrap();
        let vault = Vault::new(worlds.store().clone(), Some(key.clone()), None);
        shown(&mut all, &vault);
        shown(&mut all, &worlds.vault().load(&way.account()).unwrap());
        let keeper = keeper(&mut worlds, &way.caller());
        keeper.token().await.unwrap();
        shown(&mut all, &keeper);
        shown(&mut all, keeper.line());
        shown(&mut all, keeper.app());
        shown(&mut all, &Auth::Kept(keeper));
        shown(&mut all, &world.hub_line);
        shown(&mut all, &world.spoke_line);
        shown(&mut all, &world.auth_line);
        shown(&mut all, &world.hub);
        shown(&mut all, &world.spoke);
        shown(&mut all, &worlds);
        assert_lacks(all.as_bytes(), &secrets(&rig), "debug output");
    }
    assert!(!all.contains(text), "{all}");
}
