//! Logging in to HighLevel, as the account says: an app of a location, or an app of an agency; private integration tokens are [`integration`]'s.

use crate::config::{Account, AgencyAccount, Config, HighLevelAccount, HubApp, HubLogin, scopes};
use crate::model::AccountName;
use crate::net::auth::highlevel::{UserType, exchange_code};
use crate::net::auth::{authorize_address, new_state};
use crate::net::{Grant, Keeper, Purpose};

use super::super::args::{AuthDo, HubAuth};
use super::super::ask::Asker;
use super::super::error::CliError;
use super::super::exit::{self, Exit};
use super::browser::{self, Visit};
use super::integration::{self, try_token};
use super::{Desk, NOTHING_STORED, keep, until};

/// Logs in.
pub(super) async fn login(
    desk: &mut Desk<'_>,
    asker: &mut Asker,
    args: &HubAuth,
) -> Result<Exit, CliError> {
    match desk.account.clone() {
        Account::HighLevel(account) => match &account.login {
            HubLogin::Kept => {
                let options = [
                    (args.paste, "--paste"),
                    (args.port.is_some(), "--port"),
                    (!args.scopes.is_empty(), "--scope"),
                ];
                for (given, option) in options {
                    if given {
                        return Err(desk.wrong(format!(
                            "{option} belongs to the login of an app, and this account takes a private integration token; leave it out, or give the account a `client_id`"
                        )));
                    }
                }
                integration::login(desk, asker, args.from.as_deref(), &account).await
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
                    desk.typed(&format!("auth highlevel --account {agency}"))
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
                "the login is of location {}, and ghl-sync.toml says {expected}; {again}",
                seen.escape_debug()
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
    let facts = keep(desk, asker, &keeper, grant, (owner, None)).await?;
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
                "the login is of location {}, and this account is an agency's; {again}",
                seen.escape_debug()
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
    let owner = (Some(company.clone()), None);
    let facts = keep(desk, asker, &keeper, grant, owner).await?;
    let left = format!("the login of account {} is stored", desk.name);
    let said = format!(
        "logged in to agency {}, {}; it renews itself",
        company.escape_debug(),
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
    let mut scopes = scopes::needed(desk.worlds.config(), &desk.name);
    for scope in &args.scopes {
        if !scopes.contains(&scope.as_str()) {
            scopes.push(scope);
        }
    }
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
