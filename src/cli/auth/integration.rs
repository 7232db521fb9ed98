//! Private integration tokens: taken from a person, a pipe, a file or a credential, and tried before they are kept.

use std::path::Path;
use std::sync::Arc;

use crate::apis::highlevel::{Keys, Search, location};
use crate::config::{Account, HighLevelAccount, HubLogin, SecretSource, scopes};
use crate::model::Secret;
use crate::net::{Auth, CallError, Grant, Purpose, Reach, Tally, resolve};

use super::super::args::AuthDo;
use super::super::ask::{AskError, Asker};
use super::super::error::CliError;
use super::super::exit::Exit;
use super::{Desk, NOTHING_STORED, keep};

/// How private integration tokens begin. Source: several of HighLevel's clients.
const PREFIX: &str = "pit-";

/// The scope without which a location's name cannot be read.
const LOCATIONS: &str = "locations.readonly";

/// Takes a private integration token, tries it, and keeps it.
pub(super) async fn login(
    desk: &mut Desk<'_>,
    asker: &mut Asker,
    from: Option<&str>,
    account: &HighLevelAccount,
) -> Result<Exit, CliError> {
    let keeper = desk.keeper()?;
    let token = match from {
        None | Some("-") => {
            if from.is_none() && Asker::can_ask() {
                desk.tell(&format!(
                    "A private integration token is made in HighLevel, in the location: Settings, Private Integrations. It needs the scopes {}.",
                    scopes::needed(desk.worlds.config(), &desk.name).join(", ")
                ));
            }
            let what = format!("Private integration token of location {}", account.location);
            let asked = asker.secret(&what).await;
            asked.map_err(|error| no_answer(desk, error))?
        }
        Some(source) => read(desk, source)?,
    };
    let is_odd = !token.reveal().starts_with(PREFIX);
    let tried = asker.or_stopped(try_token(desk, account, &token)).await;
    let tried = tried.map_err(|error| error.leaving(NOTHING_STORED))??;
    if is_odd {
        desk.tell(&format!(
            "warning: private integration tokens begin with `{PREFIX}`, and this one does not; HighLevel takes it all the same"
        ));
    }
    let grant = Grant {
        access: token,
        refresh: None,
        expires_in: None,
        scopes: Vec::new(),
        location: Some(account.location.as_str().to_owned()),
        company: None,
    };
    let owner = Some(account.location.as_str().to_owned());
    let owner = (owner, tried.name.clone());
    keep(desk, asker, &keeper, grant, owner).await?;
    let said = format!(
        "HighLevel takes the token for location {}{}; it is stored and does not end by itself (HighLevel advises to rotate it every 90 days)",
        account.location,
        called(tried.name.as_deref())
    );
    desk.done(
        &said,
        &tried.lacking,
        "add it to the private integration, which keeps its token",
    )
}

/// Says that no token came from a person or a pipe.
fn no_answer(desk: &Desk<'_>, error: AskError) -> CliError {
    let again = desk.command(AuthDo::Login);
    match error {
        AskError::Ended { .. } => desk.wrong(format!(
            "the input ended before there was a token; {NOTHING_STORED}, run `{again}` on a terminal, pipe a line into it, or name a file with --from file:PATH"
        )),
        AskError::Wrong { why, .. } => desk.wrong(format!(
            "what came from the input is no token: {why}; {NOTHING_STORED}, run `{again}` again"
        )),
        error @ (AskError::Stopped | AskError::Io(_)) => error.leaving(NOTHING_STORED),
    }
}

/// Reads a token from where the command line says.
fn read(desk: &Desk<'_>, text: &str) -> Result<Secret, CliError> {
    let known = ["env:", "file:", "credential:"];
    if !known.iter().any(|form| text.starts_with(form)) {
        return Err(desk.wrong(
            "--from: expected env:NAME, file:PATH, credential:NAME or - for a line of stdin; a token on the command line would be seen by every user of this machine",
        ));
    }
    // A path is typed where one stands; credentials are beside the main file.
    let folder = match text.starts_with("credential:") {
        true => desk.worlds.config().path.parent().unwrap_or(Path::new("")),
        false => Path::new(""),
    };
    let source = SecretSource::parse(text, folder);
    let source = source.map_err(|what| desk.wrong(format!("--from: {what}")))?;
    resolve(&source).map_err(|error| desk.wrong(format!("--from: {error}")))
}

/// What trying a token showed.
pub(super) struct Tried {
    /// The location's name.
    pub(super) name: Option<String>,
    /// The scopes that it was found to lack.
    pub(super) lacking: Vec<&'static str>,
}

/// Tries a token on the location: reads it or, where that scope is missing, one contact of it.
///
/// Errors: HighLevel does not take it, or not for this location; `OutOfTouch`.
pub(super) async fn try_token(
    desk: &mut Desk<'_>,
    account: &HighLevelAccount,
    token: &Secret,
) -> Result<Tried, CliError> {
    let whole = Account::HighLevel(account.clone());
    let auth = Auth::Fixed(token.clone());
    let tally = Tally::default();
    let line = desk.worlds.line(&whole, Reach::ReadsOnly, auth, &tally);
    let line = line.map_err(|what| desk.wrong(what))?;
    let read = location(&account.location);
    match line.send(&read, Purpose::Announced).await {
        Ok(answer) if answer.value.id == account.location => Ok(Tried {
            name: answer.value.name,
            lacking: Vec::new(),
        }),
        Ok(answer) => Err(desk.wrong(format!(
            "the token is of location {}, and ghl-sync.toml says {}; {NOTHING_STORED}",
            answer.value.id, account.location
        ))),
        Err(CallError::Scope { .. }) => {
            let search = Search::by_added().limit(1);
            let search = search.call(&account.location, &Arc::new(Keys::default()));
            match line.send(&search, Purpose::Announced).await {
                Ok(_) => Ok(Tried {
                    name: None,
                    lacking: vec![LOCATIONS],
                }),
                Err(error) => Err(untaken(desk, account, token, error)),
            }
        }
        Err(error) => Err(untaken(desk, account, token, error)),
    }
}

fn untaken(
    desk: &Desk<'_>,
    account: &HighLevelAccount,
    token: &Secret,
    error: CallError,
) -> CliError {
    let location = &account.location;
    let again = format!("run `{}` again", desk.command(AuthDo::Login));
    match error {
        CallError::DeadToken { said, .. } => {
            let is_kept = matches!(account.login, HubLogin::Kept);
            // Most often it is the token of something else.
            let odd = match is_kept && !token.reveal().starts_with(PREFIX) {
                true => format!("; one of a private integration begins with `{PREFIX}`"),
                false => String::new(),
            };
            desk.wrong(format!(
                "HighLevel does not take the token ({said}{odd}); {NOTHING_STORED}, copy it anew (Settings, Private Integrations) and {again}"
            ))
        }
        CallError::NoAccess { said, .. } => desk.wrong(format!(
            "the token is not one of location {location} ({said}); {NOTHING_STORED}, make one in that location, or correct `location` in ghl-sync.toml, and {again}"
        )),
        CallError::NotFound { .. } => desk.wrong(format!(
            "HighLevel knows no location {location}; {NOTHING_STORED}, correct `location` in ghl-sync.toml and {again}"
        )),
        CallError::Scope { said, .. } => desk.wrong(format!(
            "the token lacks the scope contacts.readonly, so that it cannot be tried ({said}); {NOTHING_STORED}, add the scopes {} to the private integration and {again}",
            scopes::needed(desk.worlds.config(), &desk.name).join(", ")
        )),
        error @ (CallError::OutOfTouch { .. }
        | CallError::Unsure { .. }
        | CallError::Spent { .. }
        | CallError::BadReply { .. }) => desk.out_of_touch(format!(
            "the token could not be tried: {error}; {NOTHING_STORED}, {again}"
        )),
        CallError::State(error) => error.into(),
        error @ (CallError::Refused { .. }
        | CallError::Duplicate { .. }
        | CallError::Version { .. }
        | CallError::NoPermission { .. }
        | CallError::NotSent { .. }
        | CallError::Login(_)) => desk.wrong(format!(
            "the token could not be tried: {error}; {NOTHING_STORED}"
        )),
    }
}

fn called(name: Option<&str>) -> String {
    match name {
        Some(name) => format!(" (\"{}\")", name.escape_debug()),
        None => String::new(),
    }
}
