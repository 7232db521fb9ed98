//! Renewing a login now, and ending one.

use std::sync::Arc;

use crate::config::{Account, HubLogin};
use crate::model::Secret;
use crate::net::auth::twitch;
use crate::net::{AuthError, CallError, Keeper, Purpose};

use super::super::args::AuthDo;
use super::super::ask::Asker;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::{Desk, highlevel, until};

/// Where a person ends a login at Twitch.
const CONNECTIONS: &str = "https://www.twitch.tv/settings/connections";

/// Renews a login whether it needs it or not.
pub(super) async fn renew(desk: &mut Desk<'_>, asker: &mut Asker) -> Result<Exit, CliError> {
    if is_integration(&desk.account) {
        return Err(CliError::Usage {
            what: format!(
                "account {}: a private integration token does not end by itself, and cannot be renewed from here",
                desk.name
            ),
            hint: Some(format!(
                "rotate it in HighLevel (Settings, Private Integrations), then run `{}`",
                desk.command(AuthDo::Login)
            )),
        });
    }
    let keeper = desk.keeper()?;
    let renewed = asker.or_stopped(keeper.renew()).await;
    let renewed = renewed
        .map_err(|error| error.leaving("a renewal under way is ended first and then stored"))?;
    let facts = renewed.map_err(|error| desk.unusable(error))?;
    let said = format!("account {}: renewed, good {}", desk.name, until(&facts));
    desk.shell.say(&said)?;
    Ok(Exit::Done)
}

fn is_integration(account: &Account) -> bool {
    match account {
        Account::HighLevel(account) => match &account.login {
            HubLogin::Kept => true,
            HubLogin::Fixed(_) | HubLogin::App(_) | HubLogin::Agency(_) => false,
        },
        Account::Agency(_) | Account::Twitch(_) => false,
    }
}

/// What became of a login at the vendor.
enum Ended {
    /// The vendor has ended it, or had before.
    Yes(String),
    /// The vendor has no call for that; a person does it, so.
    ByHand(String),
    /// The vendor did not say.
    Unknown(String),
}

/// Tells the vendor that a login has ended, where it has a way, and forgets it whatever the vendor says.
pub(super) async fn revoke(
    desk: &mut Desk<'_>,
    asker: &mut Asker,
    yes: bool,
) -> Result<Exit, CliError> {
    let keeper = desk.keeper()?;
    if let Ok(None) = keeper.facts() {
        let said = format!("account {}: nobody is logged in", desk.name);
        desk.shell.say(&said)?;
        return Ok(Exit::Done);
    }
    if !yes {
        if !Asker::can_ask() {
            return Err(desk.wrong("nobody is there to be asked; add --yes to revoke the login"));
        }
        let what = format!(
            "End the login of account {}? Jobs that use it stop until somebody logs in again",
            desk.name
        );
        let agreed = asker.yes_no(&what, false).await;
        if !agreed.map_err(|error| error.leaving("the login is kept"))? {
            desk.tell("the login is kept");
            return Ok(Exit::Done);
        }
    }
    let ended = asker.or_stopped(at_vendor(desk, &keeper)).await;
    let ended = ended.map_err(|error| error.leaving("the login is still stored"))?;
    let forgotten = asker.or_stopped(keeper.forget()).await;
    let forgotten = forgotten.map_err(|error| {
        error.leaving(&format!(
            "`{}` tells whether it is still stored",
            desk.typed("auth show")
        ))
    })?;
    forgotten.map_err(|error| desk.unusable(error))?;
    let mut said = vec![format!("account {}: the login is forgotten", desk.name)];
    for name in highlevel::locations(desk.worlds.config(), &desk.name) {
        // What was made from it dies within a day; nobody should use it until then.
        if desk.worlds.vault().forget(&name).await? {
            said.push(format!("account {name}: its token is forgotten"));
        }
    }
    let exit = match &ended {
        Ended::Yes(what) | Ended::ByHand(what) => {
            said.push(what.clone());
            Exit::Done
        }
        Ended::Unknown(what) => {
            desk.tell(&format!("warning: {what}"));
            Exit::OutOfTouch
        }
    };
    desk.shell.say(&said.join("\n"))?;
    Ok(exit)
}

async fn at_vendor(desk: &Desk<'_>, keeper: &Arc<Keeper>) -> Ended {
    // It may be of another location than the file names by now.
    let facts = keeper.facts().ok().flatten();
    let owner = facts.as_ref().and_then(|facts| facts.owner.as_deref());
    match &desk.account {
        Account::Twitch(account) => at_twitch(keeper, &account.client_id).await,
        Account::Agency(_) => Ended::ByHand(
            "HighLevel has no call that ends it; uninstall the app in the agency's settings to end it there too".to_owned(),
        ),
        Account::HighLevel(account) => Ended::ByHand(match &account.login {
            HubLogin::App(_) => format!(
                "HighLevel has no call that ends it; uninstall the app in location {} (App Marketplace, Installed Apps) to end it there too",
                owner.unwrap_or(account.location.as_str())
            ),
            HubLogin::Agency(agency) => format!(
                "a token is made anew when one is needed, as long as the agency's account {agency} is logged in"
            ),
            HubLogin::Kept | HubLogin::Fixed(_) => format!(
                "HighLevel has no call that ends it; delete the private integration in location {} (Settings, Private Integrations) to end it there too",
                owner.unwrap_or(account.location.as_str())
            ),
        }),
    }
}

/// Ends the access token; one that has ended is renewed first, because its refresh token would outlive it.
async fn at_twitch(keeper: &Arc<Keeper>, client_id: &str) -> Ended {
    let unknown = |why: String| {
        Ended::Unknown(format!(
            "Twitch was not told that the login has ended: {why}; disconnect the application at {CONNECTIONS}"
        ))
    };
    let ended = || {
        Ended::Yes(format!(
            "Twitch has ended it; what is left of it is at {CONNECTIONS}"
        ))
    };
    let mut token = match keeper.token().await {
        Ok(token) => token,
        Err(error) => return not_alive(error, unknown),
    };
    for is_second in [false, true] {
        let said = match tell(keeper, client_id, &token).await {
            Ok(()) => return ended(),
            Err(CallError::Refused { said, .. }) => said,
            Err(error) => return unknown(error.to_string()),
        };
        // "Invalid token": it ended before its time.
        if is_second || !said.to_lowercase().contains("invalid token") {
            return unknown(said);
        }
        token = match keeper.instead_of(&token).await {
            Ok(Some(token)) => token,
            Ok(None) => return ended(),
            Err(error) => return not_alive(error, unknown),
        };
    }
    ended()
}

async fn tell(keeper: &Keeper, client_id: &str, token: &Secret) -> Result<(), CallError> {
    let call = twitch::revoke(client_id, token);
    keeper.line().send(&call, Purpose::Announced).await?;
    Ok(())
}

fn not_alive(error: AuthError, unknown: impl Fn(String) -> Ended) -> Ended {
    match error {
        AuthError::Lost { .. } => Ended::Yes("Twitch had ended it before".to_owned()),
        error @ (AuthError::NotLoggedIn { .. }
        | AuthError::Foreign { .. }
        | AuthError::ClientSecret { .. }
        | AuthError::ClientId { .. }
        | AuthError::Inactive { .. }
        | AuthError::Scope { .. }
        | AuthError::Refused { .. }
        | AuthError::Agency { .. }
        | AuthError::OutOfTouch { .. }
        | AuthError::Vault { .. }) => unknown(error.to_string()),
    }
}
