//! A rig whose accounts log in, commands typed beside it, and a browser.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ghl_sync::cli::args::parse_from;
use ghl_sync::cli::exit::Exit;
use ghl_sync::cli::progress::Progress;
use ghl_sync::cli::{Shell, run};
use ghl_sync::sandbox::{LOCATION_ID, Sandbox, Settings, TWITCH_CLIENT_ID, TWITCH_CLIENT_SECRET};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::program::{Ended, Running, command, now};
use crate::rig::{Rig, settings};

/// No wait of these tests is longer, by the machine's clock.
const LONGEST: Duration = Duration::from_secs(30);
/// How often a test looks whether what it waits for has come.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// The lines of a HighLevel account whose token is kept elsewhere.
pub(crate) const FIXED_HUB: &str = "token = \"file:highlevel.token\"";
/// The lines of a Twitch account whose token is kept elsewhere.
pub(crate) const FIXED_SPOKE: &str = "token = \"file:twitch.token\"";

/// Settings of a small world in which any port of this machine may be come back to.
pub(crate) fn small() -> Settings {
    Settings {
        any_loopback_port: true,
        fields: true,
        ..settings(4, 3)
    }
}

/// The same with the real time, for the program as a process.
pub(super) fn small_now() -> Settings {
    Settings {
        any_loopback_port: true,
        ..now(4, 3)
    }
}

/// Makes the Twitch application a confidential one.
pub(crate) fn confidential(settings: Settings) -> Settings {
    Settings {
        twitch_client_secret: Some(TWITCH_CLIENT_SECRET.to_owned()),
        ..settings
    }
}

/// Makes a rig whose accounts `main` and `channel` have these lines.
pub(crate) async fn desk(settings: Settings, hub: &str, spoke: &str) -> Rig {
    let rig = Rig::new(settings).await;
    write(&rig, hub, spoke, "");
    rig
}

/// Writes the main file: the lines of the two accounts, and what follows them.
pub(super) fn write(rig: &Rig, hub: &str, spoke: &str, rest: &str) {
    let main = format!(
        "[accounts.main]\nservice = \"highlevel\"\nlocation = \"{LOCATION_ID}\"\nbase_url = \"{}\"\n{hub}\n\
         [accounts.channel]\nservice = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\nbase_url = \"{}\"\nauth_url = \"{}\"\n{spoke}\n{rest}",
        rig.sandbox.highlevel_url(),
        rig.sandbox.helix_url(),
        rig.sandbox.auth_url(),
    );
    fs::write(rig.config_path(), main).unwrap();
}

/// Writes a secret beside the main file.
pub(crate) fn secret(rig: &Rig, name: &str, text: &str) {
    let path = rig.folder.join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// What was said so far.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Said {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Types a command on the rig's clock, which leaps over waits, while something else happens.
pub(crate) async fn typed_while(
    rig: &Rig,
    line: &str,
    meanwhile: impl AsyncFnOnce(&Said),
) -> Ended {
    let (out, err) = (Said::default(), Said::default());
    let mut words: Vec<OsString> = ["ghl-sync"].into_iter().map(OsString::from).collect();
    words.extend(line.split_whitespace().map(OsString::from));
    words.extend(["--config".into(), rig.config_path().into_os_string()]);
    let args = parse_from(words).unwrap_or_else(|(said, _)| panic!("{said}"));
    let mut shell = Shell::new(
        Box::new(out.clone()),
        Progress::quiet(Box::new(err.clone())),
        rig.clock.clone(),
    );
    let typed = run(&args, &mut shell);
    let (exit, ()) = tokio::join!(typed, meanwhile(&err));
    let ended = Ended {
        code: Some(i32::from(exit.code())),
        out: out.text(),
        err: err.text(),
    };
    shows_no_secret(&rig.sandbox, &ended);
    ended
}

/// Types a command on the rig's clock.
pub(crate) async fn typed(rig: &Rig, line: &str) -> Ended {
    typed_while(rig, line, async |_| {}).await
}

/// Logs in with a device code that the broadcaster confirms.
pub(crate) async fn by_device(rig: &Rig, line: &str) -> Ended {
    typed_while(rig, line, async |_| {
        until(|| !rig.sandbox.pending_devices().is_empty()).await;
        let code = rig.sandbox.pending_devices().remove(0);
        rig.sandbox
            .approve_device(&code, ghl_sync::sandbox::BROADCASTER_ID);
    })
    .await
}

/// Plans and applies everything: the proof that a login works.
pub(super) async fn applies(rig: &Rig) {
    let ended = typed(rig, "apply --allow first").await.exits(0);
    for follower in rig.sandbox.followers() {
        let contacts = rig
            .sandbox
            .contacts_by_field("twitch_user_id", &follower.id);
        assert_eq!(contacts.len(), 1, "{}: {ended}", follower.login);
    }
}

/// Asserts that nothing that was ever handed out is shown.
pub(crate) fn shows_no_secret(sandbox: &Sandbox, ended: &Ended) {
    for issued in sandbox.issued_tokens() {
        for text in [&ended.out, &ended.err] {
            assert!(
                !text.contains(&issued.text),
                "{:?} is shown: {ended}",
                issued.kind
            );
        }
    }
}

/// Waits until something has come.
pub(crate) async fn until(come: impl Fn() -> bool) {
    let began = Instant::now();
    while !come() {
        assert!(began.elapsed() < LONGEST, "it does not come");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The program under way, with something at its stdin.
pub(super) fn piped(rig: &Rig, args: &[&str], stdin: Stdio) -> Running {
    let mut command: Command = command(rig, args);
    command.stdin(stdin);
    Running::of(rig, command)
}

/// Returns a pipe that holds this text and then ends.
pub(super) fn holding(text: &str) -> Stdio {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    reader.into()
}

/// Waits until the program shows the address that a person opens, and returns it.
pub(super) async fn shown_address(running: &mut Running) -> String {
    running
        .until(|running| address(&running.said()).is_some())
        .await;
    address(&running.said()).unwrap()
}

/// Returns the address that stands on a line of its own.
pub(super) fn address(said: &str) -> Option<String> {
    let mut lines = said.split_inclusive('\n');
    let line = lines.find(|line| line.starts_with("  http") && line.ends_with('\n'))?;
    Some(line.trim().to_owned())
}

/// What a browser sees.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Seen {
    /// Returns where the browser is sent.
    pub(super) fn location(&self) -> String {
        let line = self
            .head
            .lines()
            .find_map(|line| line.strip_prefix("location: "));
        line.unwrap_or_else(|| panic!("not sent anywhere: {self:?}"))
            .to_owned()
    }
}

/// Opens an address as a browser does.
pub(super) async fn open(address: &str) -> Seen {
    let rest = address.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = match path.strip_prefix('?') {
        Some(query) => format!("/?{query}"),
        None if path.is_empty() => "/".to_owned(),
        None => path.to_owned(),
    };
    let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nsec-fetch-mode: navigate\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Seen {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Logs in on the vendor's page and comes back; returns what the browser shows then.
pub(super) async fn agree(address: &str) -> Seen {
    let page = open(address).await;
    assert_eq!(page.status, 302, "{page:?}");
    open(&page.location()).await
}

/// Returns a port of this machine that is free.
pub(super) async fn free_port() -> u16 {
    let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    socket.local_addr().unwrap().port()
}

/// Asserts that the exit codes of the program and of these tests are the same.
#[test]
fn the_numbers_of_these_tests_are_those_of_the_program() {
    let numbers = [Exit::Done, Exit::Failed, Exit::BadConfig, Exit::OutOfTouch].map(Exit::code);
    assert_eq!(numbers, [0, 1, 4, 6]);
}
