//! `sandbox`: the vendors as a process of their own, for benchmarks and for trying logins by hand.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};

use chrono::Utc;
use serde_json::json;
use tokio::sync::oneshot;

use crate::sandbox::{
    BROADCASTER_ID, BROADCASTER_LOGIN, COMPANY_ID, HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET,
    HIGHLEVEL_TOKEN, LOCATION_ID, Sandbox, Settings, TWITCH_CLIENT_ID, TWITCH_TOKEN,
};

use super::args;
use super::error::CliError;
use super::exit::Exit;
use super::interrupt::Signals;
use super::shell::Shell;

/// The calls that the sandbox remembers; a benchmark asks for counts alone.
const CALL_LOG: usize = 1_000;

/// Serves the sandbox until a signal comes or stdin is closed, so that whoever started it cannot leave it behind.
///
/// The one line on stdout says where it is and what it takes.
pub(super) async fn serve(shell: &mut Shell, args: &args::Sandbox) -> Result<Exit, CliError> {
    let mut signals = Signals::new();
    let settings = Settings {
        seed: args.seed,
        start: Utc::now(),
        speed: args.speed,
        followers: args.followers,
        contacts: args.contacts,
        twins: args.twins,
        fields: true,
        call_log: CALL_LOG,
        keep_bodies: false,
        twitch_client_secret: args.twitch_secret.clone(),
        any_loopback_port: true,
        ..Settings::default()
    };
    // Another port of the loopback host does as well.
    let redirects = (
        settings.twitch_redirects.first().cloned(),
        settings.highlevel_redirects.first().cloned(),
    );
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let sandbox = Sandbox::start_on(address, settings)
        .await
        .map_err(|source| CliError::Io {
            what: format!("listen on {address}"),
            source,
        })?;
    let line = json!({
        "highlevel_url": sandbox.highlevel_url(),
        "helix_url": sandbox.helix_url(),
        "auth_url": sandbox.auth_url(),
        "authorize_url": sandbox.authorize_url(),
        "control_url": sandbox.control_url(),
        "location": LOCATION_ID,
        "company": COMPANY_ID,
        "highlevel_token": HIGHLEVEL_TOKEN,
        "highlevel_client_id": HIGHLEVEL_CLIENT_ID,
        "highlevel_client_secret": HIGHLEVEL_CLIENT_SECRET,
        "highlevel_redirect_uri": redirects.1,
        "twitch_client_id": TWITCH_CLIENT_ID,
        "twitch_client_secret": args.twitch_secret,
        "twitch_redirect_uri": redirects.0,
        "twitch_token": TWITCH_TOKEN,
        "broadcaster_id": BROADCASTER_ID,
        "broadcaster_login": BROADCASTER_LOGIN,
    });
    shell.say(&line.to_string())?;
    tokio::select! {
        () = signals.next() => {}
        () = stdin_closed() => {}
    }
    Ok(Exit::Done)
}

/// Waits until nobody can write to stdin any more.
async fn stdin_closed() {
    let (closed, told) = oneshot::channel();
    // A thread of its own: a read of stdin cannot be called off, and the runtime would wait for it.
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut some = [0; 1024];
        while matches!(stdin.read(&mut some), Ok(1..)) {}
        let _ = closed.send(());
    });
    let _ = told.await;
}
