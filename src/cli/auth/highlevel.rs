//! Logging in to HighLevel, as the account says: a private integration token, an app of a location, or an app of an agency.

use std::path::Path;
use std::sync::Arc;

use crate::apis::highlevel::{Keys, Search, location};
use crate::config::{
    Account, AgencyAccount, Config, HighLevelAccount, HubApp, HubLogin, SecretSource, scopes,
};
use crate::model::{AccountName, LocationId, Secret};
use crate::net::auth::highlevel::{UserType, exchange_code};
use crate::net::auth::{authorize_address, new_state};
use crate::net::{Auth, CallError, Grant, Keeper, Purpose, Reach, Tally, resolve};

use super::super::args::{AuthDo, HubAuth};
use super::super::ask::Asker;
use super::super::error::CliError;
use super::super::exit::{self, Exit};
use super::browser::{self, Visit};
use super::{Desk, NOTHING_STORED, until};

/// How private integration tokens begin. Source: several of HighLevel's clients.
const PREFIX: &str = "pit-";

/// The scope without which a location's name cannot be read.
const LOCATIONS: &str = "locations.readonly";

/// Logs in.
pub(super) async fn login(
    desk: &mut Desk<'_>,
    asker: &mut Asker,
    args: &HubAuth,
) -> Result<Exit, CliError> {
    match desk.account.clone() {
        Account::HighLevel(account) => match &account.login {
            HubLogin::Kept => {
                for (given, option) in [(args.paste, "--paste"), (args.port.is_some(), "--port")] {
                    if given {
                        return Err(desk.wrong(format!(
                            "{option} belongs to the login of an app, and this account takes a private integration token; leave it out, or give the account a `client_id`"
                        )));
                    }
                }
                integration(desk, asker, args.from.as_deref(), &account).await
            }
            HubLogin::App(app) => {
                no_from(desk, args)?;
                of_location(desk, asker, args, &account, app).await
            }
            HubLogin::Agency(agency) => Err(CliError::Usage {
                what: format!(
                    "account {} needs no login of its own: its tokens are made from the login of the agency's account {agency}",
                    desk.name
                ),
                hint: Some(format!(
                    "log the agency in: {}",
                    desk.typed(&format!("ghl-sync auth highlevel --account {agency}"))
                )),
            }),
            // Said before.
            HubLogin::Fixed(_) => Err(desk.wrong("its token is kept elsewhere")),
        },
        Account::Agency(account) => {
            no_from(desk, args)?;
            of_agency(desk, asker, args, &account).await
        }
        Account::Twitch(_) => Err(desk.wrong("it is no HighLevel account")),
    }
}

fn no_from(desk: &Desk<'_>, args: &HubAuth) -> Result<(), CliError> {
    match args.from {
        Some(_) => Err(desk.wrong(
            "--from is for private integration tokens, and this account logs in by an app; leave it out, or take `client_id` out of the account",
        )),
        None => Ok(()),
    }
}

/// Takes a private integration token, tries it, and keeps it.
async fn integration(
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
            asked.map_err(|error| error.leaving(NOTHING_STORED))?
        }
        Some(source) => read(desk, source)?,
    };
    if !token.reveal().starts_with(PREFIX) {
        desk.tell(&format!(
            "warning: private integration tokens begin with `{PREFIX}`, and this one does not; it is tried all the same"
        ));
    }
    let tried = asker.or_stopped(try_token(desk, account, &token)).await;
    let tried = tried.map_err(|error| error.leaving(NOTHING_STORED))??;
    let grant = Grant {
        access: token,
        refresh: None,
        expires_in: None,
        scopes: Vec::new(),
        location: Some(account.location.as_str().to_owned()),
        company: None,
    };
    let owner = Some(account.location.as_str().to_owned());
    let kept = keeper.keep(grant, owner, tried.name.clone()).await;
    kept.map_err(|error| desk.unusable(error))?;
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
struct Tried {
    /// The location's name.
    name: Option<String>,
    /// The scopes that it was found to lack.
    lacking: Vec<&'static str>,
}

/// Tries a token on the location: reads it or, where that scope is missing, one contact of it.
///
/// Errors: HighLevel does not take it, or not for this location; `OutOfTouch`.
async fn try_token(
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
                Err(error) => Err(untaken(desk, account, error)),
            }
        }
        Err(error) => Err(untaken(desk, account, error)),
    }
}

fn untaken(desk: &Desk<'_>, account: &HighLevelAccount, error: CallError) -> CliError {
    let location = &account.location;
    let again = format!("run `{}` again", desk.command(AuthDo::Login));
    match error {
        CallError::DeadToken { said, .. } => desk.wrong(format!(
            "HighLevel does not take the token ({said}); {NOTHING_STORED}, copy it anew (Settings, Private Integrations) and {again}"
        )),
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

/// Logs a location in by its app.
async fn of_location(
    desk: &mut Desk<'_>,
    asker: &mut Asker,
    args: &HubAuth,
    account: &HighLevelAccount,
    app: &HubApp,
) -> Result<Exit, CliError> {
    let keeper = desk.keeper()?;
    let who = format!(
        "logged in to HighLevel, and choose the location {}",
        account.location
    );
    let grant = exchanged(desk, asker, args, &keeper, (app, UserType::Location), who).await?;
    let again = format!(
        "{NOTHING_STORED}; run `{}` again and choose that location, or correct `location`",
        desk.command(AuthDo::Login)
    );
    let expected = &account.location;
    match (&grant.location, &grant.company) {
        (Some(seen), _) if seen == expected.as_str() => {}
        (Some(seen), _) => {
            return Err(desk.wrong(format!(
                "the login is of location {seen}, and ghl-sync.toml says {expected}; {again}"
            )));
        }
        (None, Some(_)) => {
            return Err(desk.wrong(format!(
                "the login is of an agency, and ghl-sync.toml says location {expected}; {again}. For an agency there are accounts of service highlevel.agency"
            )));
        }
        // Nobody said whose it is, so it is tried.
        (None, None) => {
            let tried = asker.or_stopped(try_token(desk, account, &grant.access));
            tried
                .await
                .map_err(|error| error.leaving(NOTHING_STORED))??;
        }
    }
    let granted = grant.scopes.clone();
    let owner = Some(expected.as_str().to_owned());
    let kept = keeper.keep(grant, owner, None).await;
    let facts = kept.map_err(|error| desk.unusable(error))?;
    let said = format!(
        "logged in to location {expected}, {}; it renews itself",
        until(&facts)
    );
    let lacking = lacking_if_told(desk, &granted);
    desk.done(
        &said,
        &lacking,
        "add it to the app in HighLevel's marketplace",
    )
}

/// Logs an agency in by its app, and makes a token for each of its locations.
async fn of_agency(
    desk: &mut Desk<'_>,
    asker: &mut Asker,
    args: &HubAuth,
    account: &AgencyAccount,
) -> Result<Exit, CliError> {
    let keeper = desk.keeper()?;
    let who = "logged in to HighLevel as an administrator of the agency, and choose the agency";
    let grant = exchanged(
        desk,
        asker,
        args,
        &keeper,
        (&account.app, UserType::Company),
        who.to_owned(),
    )
    .await?;
    let again = format!(
        "{NOTHING_STORED}; run `{}` again and choose the agency",
        desk.command(AuthDo::Login)
    );
    let company = match (&grant.location, &grant.company) {
        (Some(seen), _) => {
            return Err(desk.wrong(format!(
                "the login is of location {seen}, and this account is an agency's; {again}"
            )));
        }
        (None, None) => {
            return Err(desk.wrong(format!(
                "HighLevel did not say which agency the login is of; {again}"
            )));
        }
        (None, Some(company)) => company.clone(),
    };
    let granted = grant.scopes.clone();
    let kept = keeper.keep(grant, Some(company.clone()), None).await;
    let facts = kept.map_err(|error| desk.unusable(error))?;
    let left = format!("the login of account {} is stored", desk.name);
    let said = format!(
        "logged in to agency {company}, {}; it renews itself",
        until(&facts)
    );
    let minted = asker.or_stopped(mint_all(desk)).await;
    let minted = minted.map_err(|error| error.leaving(&left))??;
    let lacking = lacking_if_told(desk, &granted);
    let done = desk.done(
        &said,
        &lacking,
        "add it to the app in HighLevel's marketplace",
    )?;
    Ok(exit::first_of([minted, done].into_iter()))
}

/// Makes a token anew for every location of the agency, and lists what came of it.
async fn mint_all(desk: &mut Desk<'_>) -> Result<Exit, CliError> {
    let mut exits = Vec::new();
    for name in locations(desk.worlds.config(), &desk.name) {
        let account = desk.worlds.config().accounts[&name].clone();
        let keeper = desk.worlds.keeper(&account);
        let made = match keeper {
            Ok(Some(keeper)) => keeper
                .renew()
                .await
                .map_err(|error| (error.is_passing(), error.to_string())),
            Ok(None) => continue,
            Err(what) => Err((false, what)),
        };
        match made {
            Ok(facts) => {
                let line = format!("account {name}: its first token is made, {}", until(&facts));
                desk.shell.say(&line)?;
            }
            Err((is_passing, what)) => {
                desk.tell(&format!("error: account {name}: {what}"));
                exits.push(match is_passing {
                    true => Exit::OutOfTouch,
                    false => Exit::BadConfig,
                });
            }
        }
    }
    Ok(exit::first_of(exits.into_iter()))
}

/// Returns the accounts whose tokens are made from an agency's login.
pub(super) fn locations(config: &Config, agency: &AccountName) -> Vec<AccountName> {
    let all = config.accounts.iter();
    let ours = all.filter(|(_, account)| match account {
        Account::HighLevel(account) => {
            matches!(&account.login, HubLogin::Agency(named) if named == agency)
        }
        Account::Agency(_) | Account::Twitch(_) => false,
    });
    ours.map(|(name, _)| name.clone()).collect()
}

/// Sends a person to the page of an app, and exchanges the code that comes back.
async fn exchanged(
    desk: &Desk<'_>,
    asker: &mut Asker,
    args: &HubAuth,
    keeper: &Keeper,
    (app, user_type): (&HubApp, UserType),
    who: String,
) -> Result<Grant, CliError> {
    let redirect = browser::redirect(desk, &app.redirect_uri, args.port)?;
    let state = new_state();
    let scopes = scopes::needed(desk.worlds.config(), &desk.name);
    let address = authorize_address(
        &app.authorize_url,
        &app.client_id,
        &redirect,
        &scopes,
        &state,
    );
    let secret = super::super::logins::secret(&app.client_secret);
    let secret = secret.map_err(|what| desk.wrong(format!("client_secret: {what}")))?;
    let visit = Visit {
        address,
        who,
        redirect: &redirect,
        state: &state,
        // It is not in HighLevel's template, and some logins come back without it.
        may_lack_state: true,
        paste: args.paste,
    };
    let code = browser::code(desk, asker, visit).await?;
    let call = exchange_code(&app.client_id, &secret, &code, redirect.as_str(), user_type);
    let sent = asker
        .or_stopped(keeper.line().send(&call, Purpose::Announced))
        .await;
    let sent = sent.map_err(|error| error.leaving(NOTHING_STORED))?;
    Ok(sent.map_err(|error| desk.refused(error))?.value)
}

/// Returns what the granted scopes lack; nothing when HighLevel did not say which it granted.
fn lacking_if_told(desk: &Desk<'_>, granted: &[String]) -> Vec<&'static str> {
    match granted.is_empty() {
        true => Vec::new(),
        false => desk.lacking(granted),
    }
}

fn called(name: Option<&str>) -> String {
    match name {
        Some(name) => format!(" (\"{}\")", name.escape_debug()),
        None => String::new(),
    }
}

/// Returns the location that an account is of.
pub(super) fn location_of(account: &Account) -> Option<&LocationId> {
    match account {
        Account::HighLevel(account) => Some(&account.location),
        Account::Agency(_) | Account::Twitch(_) => None,
    }
}
