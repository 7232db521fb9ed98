//! Logging in to Twitch, and proving that the login is the right one and renews itself.

use std::sync::Arc;

use crate::apis::twitch::validate;
use crate::config::{Account, TwitchAccount, scopes};
use crate::model::{Channel, JobName, Secret};
use crate::net::auth::twitch::exchange_code;
use crate::net::auth::{authorize_address, new_state};
use crate::net::{App, Auth, AuthError, CallError, Grant, Keeper, Purpose, Tally};
use crate::store::LoginFacts;

use super::super::args::{AuthDo, TwitchAuth};
use super::super::ask::Asker;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::browser::{self, Visit};
use super::{Desk, NOTHING_STORED, device, keep, until};

/// Logs in: by a device code, or by a browser when asked to.
pub(super) async fn login(
    desk: &mut Desk<'_>,
    asker: &mut Asker,
    args: &TwitchAuth,
) -> Result<Exit, CliError> {
    let Account::Twitch(account) = desk.account.clone() else {
        return Err(desk.wrong("it is no Twitch account"));
    };
    let keeper = desk.keeper()?;
    let client_secret = match keeper.app() {
        App::Twitch { client_secret, .. } => client_secret.clone(),
        App::Integration { .. }
        | App::Location { .. }
        | App::Agency { .. }
        | App::Minted { .. } => None,
    };
    let scopes = scopes::needed(desk.worlds.config(), &desk.name);
    let grant = if args.browser {
        by_browser(
            desk,
            asker,
            args,
            &account,
            client_secret.as_ref(),
            &keeper,
            &scopes,
        )
        .await?
    } else {
        let secret = client_secret.as_ref();
        let granted = device::grant(desk, &account, secret, &keeper, &scopes);
        let granted = asker.or_stopped(granted).await;
        granted.map_err(|error| error.leaving(NOTHING_STORED))??
    };
    let before = keeper.facts().ok().flatten();
    keep(desk, asker, &keeper, grant, (None, None)).await?;
    let left = format!(
        "the login of account {} is stored; `{}` tests it",
        desk.name,
        desk.typed("check --online")
    );
    let proven = prove(desk, &account, &keeper, client_secret.is_none(), before);
    let proven = asker.or_stopped(proven).await;
    proven.map_err(|error| error.leaving(&left))?
}

async fn by_browser(
    desk: &Desk<'_>,
    asker: &mut Asker,
    args: &TwitchAuth,
    account: &TwitchAccount,
    client_secret: Option<&Secret>,
    keeper: &Keeper,
    scopes: &[&str],
) -> Result<Grant, CliError> {
    let Some(client_secret) = client_secret else {
        return Err(desk.wrong(format!(
            "a public application cannot log in through a browser, Twitch exchanges no code without a client secret; leave out --browser, \
             or, if the application is a confidential one, add `client_secret = \"file:PATH\"` to [accounts.{}]",
            desk.name
        )));
    };
    let redirect = browser::redirect(desk, &account.redirect_uri, args.port)?;
    let state = new_state();
    let page = format!("{}/authorize", account.auth_url);
    let visit = Visit {
        address: authorize_address(&page, &account.client_id, &redirect, scopes, &state),
        who: format!("logged in to Twitch as {}", who(scopes)),
        redirect: &redirect,
        state: &state,
        may_lack_state: false,
        paste: args.paste,
    };
    let code = browser::code(desk, asker, visit).await?;
    let exchange = exchange_code(&account.client_id, client_secret, &code, redirect.as_str());
    let exchanged = keeper.line().send(&exchange, Purpose::Announced);
    let exchanged = asker.or_stopped(exchanged).await;
    let exchanged = exchanged.map_err(|error| error.leaving(NOTHING_STORED))?;
    Ok(exchanged.map_err(|error| desk.refused(error))?.value)
}

/// Returns who has to confirm: a moderator will do where the scopes are a moderator's, every other list is shown to the broadcaster alone.
///
/// Source: Twitch, reference of `Get Broadcaster Subscriptions`, `Get VIPs`, `Get Moderators` and `Get Bits Leaderboard`.
pub(super) fn who(scopes: &[&str]) -> &'static str {
    match scopes.iter().all(|scope| scope.starts_with("moderator:")) {
        true => "the broadcaster or a moderator of the channel",
        false => "the broadcaster of the channel; Twitch shows to nobody else what the jobs read",
    }
}

/// Asks Twitch whose login it is, renews it once when nothing else shows that it can be renewed, and says what came of it.
async fn prove(
    desk: &mut Desk<'_>,
    account: &TwitchAccount,
    keeper: &Arc<Keeper>,
    renews: bool,
    before: Option<LoginFacts>,
) -> Result<Exit, CliError> {
    let whole = Account::Twitch(account.clone());
    let auth = Auth::Kept(Arc::clone(keeper));
    let line = desk.worlds.token_line(&whole, auth, &Tally::default());
    let line = line.map_err(|what| desk.wrong(what))?;
    let token = match line.send(&validate(), Purpose::Announced).await {
        Ok(answer) => answer.value,
        Err(error) => return Err(unproven(desk, error)),
    };
    if token.client_id != account.client_id {
        return Err(desk.wrong(format!(
            "the login is of client id {}, and ghl-sync.toml says {}; correct `client_id` and log in again",
            token.client_id, account.client_id
        )));
    }
    let Some(user) = token.user_id else {
        return Err(desk.wrong(format!(
            "Twitch granted the token of an application and not of a user; run `{}` again",
            desk.command(AuthDo::Login)
        )));
    };
    let named = keeper.name(user.as_str().to_owned(), token.login.clone());
    named.await.map_err(|error| desk.unusable(error))?;
    let facts = match renews {
        true => Some(renewed(desk, keeper).await?),
        false => keeper.facts().map_err(|error| desk.unusable(error))?,
    };
    let login = token.login.unwrap_or_else(|| "a user".to_owned());
    let said = format!(
        "logged in as {} ({user}), for {}, {}; it renews itself",
        login.escape_debug(),
        channel(&account.channel, &login, user.as_str()),
        facts.as_ref().map(until).unwrap_or_default()
    );
    if let Some(warning) = other_channel(&account.channel, before.as_ref(), user.as_str()) {
        desk.tell(&format!("warning: account {}: {warning}", desk.name));
    }
    if !is_own(&account.channel, &login, user.as_str())
        && let Some(job) = broadcasters_own(desk)
    {
        let name = said_of(&account.channel);
        return Err(CliError::Usage {
            what: format!(
                "account {}: the login is stored, but it is that of {}, and Twitch shows what {job} reads to the broadcaster of {name} alone",
                desk.name,
                login.escape_debug()
            ),
            hint: Some(format!(
                "let the broadcaster confirm: run `{}` again",
                desk.command(AuthDo::Login)
            )),
        });
    }
    let lacking = desk.lacking(&token.scopes);
    desk.done(&said, &lacking, "agree to everything that Twitch asks")
}

/// Renews a login of an application without a secret at once: that of a confidential one would end in four hours, when nobody is there.
async fn renewed(desk: &Desk<'_>, keeper: &Keeper) -> Result<LoginFacts, CliError> {
    keeper.renew().await.map_err(|error| match error {
        AuthError::ClientSecret { said, .. } => desk.wrong(format!(
            "the login is stored, but it cannot be renewed and ends in some hours ({said}); {}, and run `{}`",
            desk.secret_advice(),
            desk.command(AuthDo::Renew)
        )),
        error if error.is_passing() => desk.out_of_touch(format!(
            "the login is stored, but whether it renews itself could not be found out: {error}; run `{}`",
            desk.command(AuthDo::Renew)
        )),
        error => desk.unusable(error),
    })
}

fn unproven(desk: &Desk<'_>, error: CallError) -> CliError {
    match error {
        CallError::Login(error) => desk.unusable(error),
        CallError::State(error) => error.into(),
        CallError::OutOfTouch { .. }
        | CallError::Unsure { .. }
        | CallError::Spent { .. }
        | CallError::BadReply { .. } => desk.out_of_touch(format!(
            "the login is stored, but Twitch did not say whose it is: {error}; `{}` asks again",
            desk.typed("check --online")
        )),
        CallError::Refused { .. }
        | CallError::NotFound { .. }
        | CallError::Duplicate { .. }
        | CallError::DeadToken { .. }
        | CallError::Scope { .. }
        | CallError::Version { .. }
        | CallError::NoAccess { .. }
        | CallError::NoPermission { .. }
        | CallError::NotSent { .. } => desk.wrong(format!(
            "Twitch refuses the login that it just granted: {error}; run `{}` again",
            desk.command(AuthDo::Login)
        )),
    }
}

/// Says that another person's channel is read from now on, which is hardly meant where a moderator took a broadcaster's place.
fn other_channel(channel: &Channel, before: Option<&LoginFacts>, user: &str) -> Option<String> {
    let of = before?.owner.as_deref().filter(|owner| *owner != user)?;
    match channel {
        Channel::Own => {
            let name = before.and_then(|facts| facts.owner_name.as_deref());
            let name = name.unwrap_or(of).escape_debug();
            Some(format!(
                "{name} was logged in before, so the jobs read another channel from now on; \
                 if that is not meant, add `channel = \"{name}\"` to the account in ghl-sync.toml before the next run"
            ))
        }
        Channel::Login(_) | Channel::Id(_) => None,
    }
}

/// Returns a job over the account's channel that reads what Twitch shows to the broadcaster alone.
fn broadcasters_own(desk: &Desk<'_>) -> Option<JobName> {
    let mut jobs = desk.worlds.config().jobs.values();
    // A job over channels of its own is held against each of them by `check --online`.
    jobs.find(|job| {
        job.from == desk.name && job.channels.is_empty() && job.source.is_broadcasters_own()
    })
    .map(|job| job.name.clone())
}

/// Returns whether a login is that of the account's channel.
fn is_own(channel: &Channel, login: &str, user: &str) -> bool {
    match channel {
        Channel::Own => true,
        Channel::Login(name) => name.eq_ignore_ascii_case(login),
        Channel::Id(id) => id == user,
    }
}

/// Returns what ghl-sync.toml says of a channel.
fn said_of(channel: &Channel) -> &str {
    match channel {
        Channel::Own => "its own channel",
        Channel::Login(name) => name,
        Channel::Id(id) => id,
    }
}

/// Says whose followers the login is for.
fn channel(channel: &Channel, login: &str, user: &str) -> String {
    match is_own(channel, login, user) {
        true => "its own channel".to_owned(),
        false => format!(
            "the channel {}, which it has to be a moderator of",
            said_of(channel)
        ),
    }
}
