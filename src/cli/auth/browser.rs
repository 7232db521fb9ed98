//! The authorization code flow: a person logs in with a browser, and the browser comes back with a code, by itself or pasted.
//!
//! Source: RFC 6749, section 4.1; RFC 8252, section 7.3 (loopback addresses).

use std::io::ErrorKind;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::{Clock, Secret};
use crate::net::auth::{Back, Loopback, NotARedirect, Redirect};

use super::super::args::AuthDo;
use super::super::ask::{AskError, Asker};
use super::super::error::CliError;
use super::listener::{Arrival, Listener, Page};
use super::{Desk, NOTHING_STORED, Service};

/// How long the browser is waited for. Source: the longest life of a code that RFC 6749, section 4.1.2, recommends.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// How often the clock is looked at meanwhile: tests and people may set it forward.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The wrong answers after which something is wrong besides.
const MOST_WRONG: u32 = 20;

/// What is asked of a browser.
pub(super) struct Visit<'a> {
    /// The address that the person opens.
    pub address: String,
    /// As whom, or what to choose there: a fragment that follows "in a browser, ".
    pub who: String,
    /// Where the browser comes back to.
    pub redirect: &'a Redirect,
    /// What it has to bring back.
    pub state: &'a Secret,
    /// Whether the vendor may leave that out.
    pub may_lack_state: bool,
    /// Whether a person pastes the address where the browser came to, and nobody listens there.
    pub paste: bool,
}

/// Reads the redirect address of an account, with another port when one is named.
///
/// Errors: `Usage`.
pub(super) fn redirect(
    desk: &Desk<'_>,
    text: &str,
    port: Option<u16>,
) -> Result<Redirect, CliError> {
    let redirect = Redirect::new(text, port).map_err(|error| {
        desk.wrong(match error {
            NotARedirect::NotAUrl => format!("`redirect_uri` {text}: {error}"),
            NotARedirect::NotLoopback => format!("--port: `redirect_uri` is {text}; {error}"),
        })
    })?;
    if redirect.as_str() != text {
        desk.tell(&format!(
            "note: {} has to know the redirect address {}; register it with the application if it does not",
            desk.service.vendor(),
            redirect.as_str()
        ));
    }
    Ok(redirect)
}

/// Sends a person to the vendor's page and waits for the code that the browser brings back.
///
/// Errors: `Usage` when it is declined, does not come in time, or something else comes too often; `Stopped`. Nothing is stored yet.
pub(super) async fn code(
    desk: &Desk<'_>,
    asker: &mut Asker,
    visit: Visit<'_>,
) -> Result<Secret, CliError> {
    let Visit {
        address,
        who,
        redirect,
        state,
        may_lack_state,
        paste,
    } = visit;
    let local = redirect.loopback().filter(|_| !paste);
    let mut listener = match &local {
        Some(local) => Some(listen(desk, local).await?),
        None => None,
    };
    let clock = desk.clock();
    let deadline = clock.now() + PATIENCE;
    let how = match &listener {
        Some(_) => format!(
            "ghl-sync waits for it at {} for {} minutes. Where that browser is on another machine, it will say that it cannot connect, which is \
             expected: copy the address that it shows then, and paste it here.",
            redirect.as_str(),
            PATIENCE.num_minutes()
        ),
        None => format!(
            "It comes back to {}, and may say that it cannot connect, which is expected. Copy the address that it shows then, and paste it here \
             within {} minutes.",
            redirect.as_str(),
            PATIENCE.num_minutes()
        ),
    };
    desk.tell(&format!(
        "Open this address in a browser, {who}:\n\n  {address}\n\n{how}"
    ));
    let is_listening = listener.is_some();
    let read = |text: &str| redirect.read(text, state, may_lack_state);
    let pasted = async {
        let answer = asker.ask(
            "The address that the browser shows",
            None,
            |text| match read(text) {
                Back::Wrong(why) => Err(format!(
                    "{why}; expected the whole address that begins with {}",
                    redirect.as_str()
                )),
                back @ (Back::Code { .. } | Back::Refused { .. }) => Ok(back),
            },
        );
        match answer.await {
            // Nobody can paste anything; the browser may still come by itself.
            Err(AskError::Ended { .. }) if is_listening => {
                asker.or_stopped(std::future::pending()).await
            }
            answer => answer,
        }
    };
    tokio::pin!(pasted);
    let mut wrong = 0;
    let back = loop {
        tokio::select! {
            back = &mut pasted => break back.map_err(|error| error.leaving(NOTHING_STORED)),
            arrival = next(&mut listener) => match answered(arrival, read) {
                Back::Wrong(why) => {
                    wrong += 1;
                    let what = format!("a browser came to {} with another answer than the one that is waited for ({why})", redirect.as_str());
                    if wrong >= MOST_WRONG {
                        break Err(desk.wrong(format!(
                            "{what}, {wrong} times; {NOTHING_STORED}, run `{}` again",
                            desk.command(AuthDo::Login)
                        )));
                    }
                    below_the_prompt(desk);
                    desk.tell(&format!("warning: {what}; it was refused"));
                }
                back @ (Back::Code { .. } | Back::Refused { .. }) => {
                    below_the_prompt(desk);
                    break Ok(back);
                }
            },
            () = passed(&clock, deadline) => {
                below_the_prompt(desk);
                break Err(desk.wrong(format!(
                    "no browser came back within {} minutes; {NOTHING_STORED}, run `{}` again. If the page spoke of the redirect address: {} has to be registered with the application",
                    PATIENCE.num_minutes(),
                    desk.command(AuthDo::Login),
                    redirect.as_str()
                )));
            }
        }
    };
    if let Some(listener) = listener {
        listener.close().await;
    }
    taken(desk, back?)
}

/// Returns the code of an answer that was taken.
fn taken(desk: &Desk<'_>, back: Back) -> Result<Secret, CliError> {
    let vendor = desk.service.vendor();
    match back {
        Back::Code {
            code,
            without_state,
        } => {
            if without_state {
                desk.tell(&format!(
                    "warning: {vendor} left out the `state` that it was sent, so that nothing but the address and the time says that this is \
                     the answer to the login just opened; if you did not log in just now, run `{}`",
                    desk.command(AuthDo::Revoke)
                ));
            }
            Ok(code)
        }
        Back::Refused { error, said } => {
            let said = if said.is_empty() {
                error
            } else {
                format!("{error}: {said}")
            };
            Err(desk.wrong(format!(
                "the login was declined at {vendor} ({said}); {NOTHING_STORED}, run `{}` again when it is wanted",
                desk.command(AuthDo::Login)
            )))
        }
        Back::Wrong(why) => Err(desk.wrong(format!("the answer is none: {why}"))),
    }
}

/// Ends the line on which a person was asked to paste, where one was.
fn below_the_prompt(desk: &Desk<'_>) {
    if Asker::can_ask() {
        desk.tell("");
    }
}

/// Reads what a browser brought, and tells it.
fn answered(arrival: Arrival, read: impl Fn(&str) -> Back) -> Back {
    let Arrival { address, reply } = arrival;
    let back = read(&address);
    // A browser that has gone needs no page.
    let _ = reply.send(match &back {
        Back::Code { .. } => Page::Taken,
        Back::Refused { .. } => Page::Declined,
        Back::Wrong(_) => Page::Wrong,
    });
    back
}

async fn listen(desk: &Desk<'_>, local: &Loopback) -> Result<Listener, CliError> {
    Listener::bind(local).await.map_err(|(address, error)| {
        let what = match error.kind() {
            ErrorKind::AddrInUse => {
                format!(
                    "port {} is in use by another program, perhaps by another login that waits",
                    local.port
                )
            }
            _ => format!("cannot listen on {address}: {error}"),
        };
        let browser = match desk.service {
            Service::Twitch => " --browser",
            Service::HighLevel => "",
        };
        desk.wrong(format!(
            "{what}; name another port with --port, or run `{}{browser} --paste` and paste the address yourself",
            desk.command(AuthDo::Login)
        ))
    })
}

async fn next(listener: &mut Option<Listener>) -> Arrival {
    match listener {
        Some(listener) => listener.next().await,
        None => std::future::pending().await,
    }
}

/// Waits until a moment has passed.
async fn passed(clock: &Clock, deadline: DateTime<Utc>) {
    while clock.now() < deadline {
        clock.sleep(LOOK_AGAIN).await;
    }
}
