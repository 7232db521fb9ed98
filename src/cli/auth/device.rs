//! Twitch's device code flow: a code that a person confirms on any device, while this one asks whether they did.
//!
//! Source: Twitch, Getting OAuth Access Tokens, "Device code grant flow"; RFC 8628, section 3.5; issues 943 and 971 of Twitch's tracker.

use std::time::Duration;

use chrono::TimeDelta;

use crate::config::TwitchAccount;
use crate::model::Secret;
use crate::net::auth::twitch::{Device, poll_device, start_device};
use crate::net::{CallError, Grant, Keeper, Purpose};
use crate::report::duration;

use super::super::args::AuthDo;
use super::super::error::CliError;
use super::Desk;
use super::twitch::who;

/// What `slow_down` adds to the interval. Source: RFC 8628, section 3.5.
const SLOWER: Duration = Duration::from_secs(5);

/// What the answer to a poll means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    /// The person has not finished.
    Pending,
    /// The same, and we ask too often.
    SlowDown,
    /// Used or wrong; Twitch also says it while the person has not finished (issue 971).
    Invalid,
    /// The person said no.
    Declined,
    /// The code's time is up.
    Expired,
    /// Something else.
    Other,
}

/// Asks for a code, shows it, and waits until a person confirms it or its time is up.
///
/// Errors: `Usage` when it is declined or expires, or Twitch refuses the application; `OutOfTouch`. Nothing is stored yet.
pub(super) async fn grant(
    desk: &Desk<'_>,
    account: &TwitchAccount,
    client_secret: Option<&Secret>,
    keeper: &Keeper,
    scopes: &[&str],
) -> Result<Grant, CliError> {
    let start = start_device(&account.client_id, scopes);
    let device = keeper.line().send(&start, Purpose::Announced).await;
    let device = device.map_err(|error| desk.refused(error))?.value;
    #[expect(clippy::cast_precision_loss, reason = "a code lives for minutes")]
    let life = duration(device.expires_in.as_secs() as f64);
    desk.tell(&format!(
        "Open this address on any device, logged in to Twitch as {}:\n\n  \
         {}\n\nand confirm the code {}. It is good for {life}; ghl-sync waits.",
        who(scopes),
        device.verification_uri.escape_debug(),
        device.user_code.escape_debug()
    ));
    desk.shell.progress.waiting("waiting for you to confirm");
    let granted = wait(desk, account, client_secret, keeper, scopes, &device).await;
    desk.shell.progress.finish();
    granted
}

async fn wait(
    desk: &Desk<'_>,
    account: &TwitchAccount,
    client_secret: Option<&Secret>,
    keeper: &Keeper,
    scopes: &[&str],
    device: &Device,
) -> Result<Grant, CliError> {
    let clock = desk.clock();
    let life = TimeDelta::from_std(device.expires_in).unwrap_or(TimeDelta::MAX);
    let deadline = clock.now().checked_add_signed(life);
    let mut interval = device.interval;
    // What a poll that failed says, until another one is answered.
    let mut unheard: Option<String> = None;
    let mut is_lost = false;
    let poll = poll_device(
        &account.client_id,
        client_secret,
        &device.device_code,
        scopes,
    );
    let again = format!("run `{}` again", desk.command(AuthDo::Login));
    loop {
        clock.sleep(interval).await;
        if deadline.is_some_and(|deadline| clock.now() >= deadline) {
            break;
        }
        let error = match keeper.line().send(&poll, Purpose::Announced).await {
            Ok(answer) => return Ok(answer.value),
            Err(error) => error,
        };
        match &error {
            CallError::OutOfTouch { .. } | CallError::Spent { .. } => {
                unheard = Some(error.to_string());
                continue;
            }
            // Twitch may have granted the pair: the code is good once.
            CallError::Unsure { .. } | CallError::BadReply { .. } => {
                is_lost = true;
                unheard = Some(error.to_string());
                continue;
            }
            CallError::Refused { .. }
            | CallError::NotFound { .. }
            | CallError::Duplicate { .. }
            | CallError::DeadToken { .. }
            | CallError::Scope { .. }
            | CallError::Version { .. }
            | CallError::NoAccess { .. }
            | CallError::NoPermission { .. }
            | CallError::NotSent { .. }
            | CallError::Login(_)
            | CallError::State(_) => unheard = None,
        }
        match heard(&error) {
            Heard::Pending => is_lost = false,
            Heard::Invalid => {}
            Heard::SlowDown => interval += SLOWER,
            Heard::Declined => {
                return Err(desk.wrong(format!(
                    "the login was declined at Twitch; nothing was stored, {again} when it is wanted"
                )));
            }
            Heard::Expired => break,
            Heard::Other => return Err(desk.refused(error)),
        }
    }
    Err(if is_lost {
        desk.out_of_touch(format!(
            "Twitch's answer was lost after the code may have been used, so the code is spent and nothing was stored; {again}"
        ))
    } else if let Some(why) = unheard {
        desk.out_of_touch(format!(
            "the code has expired, and Twitch could not be asked at the end: {why}; {again}"
        ))
    } else {
        desk.wrong(format!(
            "nobody confirmed the code {} in time, and it has expired; nothing was stored, {again}",
            device.user_code.escape_debug()
        ))
    })
}

fn heard(error: &CallError) -> Heard {
    let said = match error {
        CallError::Refused { said, .. } | CallError::NoPermission { said, .. } => said,
        CallError::OutOfTouch { .. }
        | CallError::Unsure { .. }
        | CallError::NotFound { .. }
        | CallError::Duplicate { .. }
        | CallError::DeadToken { .. }
        | CallError::Scope { .. }
        | CallError::Version { .. }
        | CallError::NoAccess { .. }
        | CallError::Spent { .. }
        | CallError::BadReply { .. }
        | CallError::NotSent { .. }
        | CallError::Login(_)
        | CallError::State(_) => return Heard::Other,
    };
    let lower = said.to_lowercase();
    let has = |part: &str| lower.contains(part);
    if has("authorization_pending") {
        Heard::Pending
    } else if has("slow_down") {
        Heard::SlowDown
    } else if has("access_denied") {
        Heard::Declined
    } else if has("expired_token") {
        Heard::Expired
    } else if has("invalid device code") {
        Heard::Invalid
    } else {
        Heard::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_to_a_poll_has_its_meaning() {
        for (said, means) in [
            ("authorization_pending", Heard::Pending),
            ("slow_down", Heard::SlowDown),
            ("invalid device code", Heard::Invalid),
            ("Invalid device code", Heard::Invalid),
            ("access_denied", Heard::Declined),
            ("expired_token", Heard::Expired),
            ("invalid client", Heard::Other),
        ] {
            let error = CallError::Refused {
                call: "POST /token",
                status: 400,
                said: said.to_owned(),
            };
            assert_eq!(heard(&error), means, "{said}");
        }
    }
}
