//! `auth show`: facts about every account's login, and what mends what is wrong. Never a token.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::config::{Account, Config, HubLogin, TwitchLogin, scopes};
use crate::model::AccountName;
use crate::net::AuthError;
use crate::store::{LoginFacts, LoginKind, STATE_FILE, StoreError, tokens};

use super::super::args::Form;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::logins::secret;
use super::super::shell::Shell;
use super::super::status::moment;
use super::super::typed::Typed;
use super::super::worlds::Worlds;
use super::{ONLINE_ONLY, Service, lacking, logs_in};

/// The number of the JSON shape.
const SCHEMA: u32 = 1;

/// Runs `auth show`, of all accounts or of some. Makes no database where there is none.
pub(super) async fn show(
    shell: &mut Shell,
    config: Config,
    some: Option<&[AccountName]>,
    form: Form,
) -> Result<Exit, CliError> {
    let path = config.path.display().to_string();
    let now = shell.clock.now();
    let mut worlds = match config.state.join(STATE_FILE).exists() {
        true => Some(
            Worlds::open(config.clone(), shell.clock.clone())
                .await?
                .typing(&shell.typed),
        ),
        false => None,
    };
    let stored = Stored::read(worlds.as_ref())?;
    let mut logins = Vec::new();
    for (name, account) in &config.accounts {
        if some.is_none_or(|some| some.contains(name)) {
            logins.push(Shown::of(
                name,
                account,
                &config,
                &stored,
                worlds.as_mut(),
                &shell.typed,
            ));
        }
    }
    if some.is_none() {
        let strays = stored.facts.iter();
        let strays = strays.filter(|(name, _)| !config.accounts.contains_key(*name));
        logins.extend(strays.map(|(name, facts)| Shown::stray(name, facts, &stored)));
    }
    let shown = All {
        schema: SCHEMA,
        config: path,
        accounts: logins,
    };
    match form {
        Form::Text => shell.say(&shown.text(now))?,
        Form::Json => {
            let line = serde_json::to_string(&shown).map_err(|error| CliError::Io {
                what: "write the logins".to_owned(),
                source: error.into(),
            })?;
            shell.say(&line)?;
        }
    }
    Ok(Exit::Done)
}

/// What the state holds besides tokens.
#[derive(Default)]
struct Stored {
    facts: BTreeMap<AccountName, LoginFacts>,
    keys: BTreeMap<AccountName, Option<String>>,
}

impl Stored {
    fn read(worlds: Option<&Worlds>) -> Result<Stored, StoreError> {
        let Some(worlds) = worlds else {
            return Ok(Stored::default());
        };
        let db = worlds.store().reader()?;
        let facts = tokens::all(&db)?.into_iter();
        Ok(Stored {
            facts: facts.map(|facts| (facts.account.clone(), facts)).collect(),
            keys: tokens::keys(&db)?,
        })
    }
}

#[derive(Serialize)]
struct All {
    schema: u32,
    config: String,
    accounts: Vec<Shown>,
}

/// One account.
#[derive(Serialize)]
struct Shown {
    account: AccountName,
    /// The service in the main file; `None` for a login whose account is gone.
    service: Option<&'static str>,
    /// How it logs in: `fixed`, `integration`, `app`, `agency`, `user`.
    way: Option<&'static str>,
    /// Where a token that is kept elsewhere comes from.
    source: Option<String>,
    /// The agency's account whose login makes the tokens.
    agency: Option<AccountName>,
    stored: bool,
    kind: Option<&'static str>,
    client_id: Option<String>,
    owner: Option<String>,
    owner_name: Option<String>,
    /// The granted scopes; `None` when the vendor did not say.
    scopes: Option<Vec<String>>,
    needed: Vec<&'static str>,
    lacking: Vec<&'static str>,
    expires: Option<String>,
    made: Option<String>,
    renewed: Option<String>,
    unanswered: Option<String>,
    encrypted: Option<bool>,
    key: Option<String>,
    wrong: Vec<Wrong>,
    #[serde(skip)]
    facts: Option<LoginFacts>,
}

/// Something to mend.
#[derive(Serialize)]
struct Wrong {
    what: String,
    command: Option<String>,
}

impl Shown {
    fn of(
        name: &AccountName,
        account: &Account,
        config: &Config,
        stored: &Stored,
        worlds: Option<&mut Worlds>,
        typed: &Typed,
    ) -> Shown {
        let mut shown = Shown::bare(name, stored);
        shown.service = Some(account.service());
        shown.way = Some(way(account));
        shown.source = account.token().map(ToString::to_string);
        shown.agency = agency(account).cloned();
        shown.needed = scopes::needed(config, name);
        if let Some(scopes) = &shown.scopes {
            shown.lacking = lacking(config, name, scopes);
        }
        let login = typed.command(&format!(
            "auth {} --account {name}",
            Service::of(account).word()
        ));
        for (key, source) in account.sources() {
            if let Err(what) = secret(source) {
                shown.wrong(format!("{key}: {what}"), None);
            }
        }
        if account.token().is_some() {
            return shown;
        }
        if !shown.stored {
            if logs_in(account) {
                shown.wrong("nobody is logged in".to_owned(), Some(login));
            }
            return shown;
        }
        // A secret that cannot be had is told of above.
        if let Some(Ok(Some(keeper))) = worlds.map(|worlds| worlds.keeper(account)) {
            match keeper.standing() {
                Ok(_) => {}
                Err(error) => {
                    let command = command_of(&error);
                    shown.wrong(without_command(&error), command);
                }
            }
        }
        let mut needed = shown.lacking.clone();
        needed.retain(|scope| *scope != ONLINE_ONLY);
        if !needed.is_empty() {
            let what = format!("it lacks {}, which the jobs need", needed.join(", "));
            shown.wrong(what, Some(login));
        }
        shown
    }

    /// A login whose account is gone from the main file.
    fn stray(name: &AccountName, facts: &LoginFacts, stored: &Stored) -> Shown {
        let mut shown = Shown::bare(name, stored);
        let service = match facts.kind {
            LoginKind::User => "twitch",
            LoginKind::Integration
            | LoginKind::Location
            | LoginKind::Agency
            | LoginKind::Minted => "highlevel",
        };
        shown.wrong(
            format!(
                "a {service} login is stored, and ghl-sync.toml has no account of this name; put the account back to use or to revoke it"
            ),
            None,
        );
        shown
    }

    fn bare(name: &AccountName, stored: &Stored) -> Shown {
        let facts = stored.facts.get(name).cloned();
        let known = facts.as_ref();
        let key = stored.keys.get(name).cloned();
        let scopes = known.and_then(|facts| {
            // Twitch says so of a token without scopes by leaving them out; HighLevel may just not tell.
            let is_told = facts.kind == LoginKind::User || !facts.scopes.is_empty();
            is_told.then(|| facts.scopes.clone())
        });
        Shown {
            account: name.clone(),
            service: None,
            way: None,
            source: None,
            agency: None,
            stored: known.is_some(),
            kind: known.map(|facts| facts.kind.word()),
            client_id: known.and_then(|facts| facts.client_id.clone()),
            owner: known.and_then(|facts| facts.owner.clone()),
            owner_name: known.and_then(|facts| facts.owner_name.clone()),
            scopes,
            needed: Vec::new(),
            lacking: Vec::new(),
            expires: known.and_then(|facts| facts.expires).map(stamp),
            made: known.map(|facts| stamp(facts.made)),
            renewed: known
                .filter(|facts| facts.obtained != facts.made)
                .map(|facts| stamp(facts.obtained)),
            unanswered: known.and_then(|facts| facts.renewing).map(stamp),
            encrypted: key.as_ref().map(Option::is_some),
            key: key.flatten(),
            wrong: Vec::new(),
            facts,
        }
    }

    fn wrong(&mut self, what: String, command: Option<String>) {
        self.wrong.push(Wrong { what, command });
    }

    fn text(&self, now: DateTime<Utc>) -> String {
        let mut lines = vec![format!(
            "account {}{}",
            self.account,
            self.service
                .map(|service| format!(" ({service})"))
                .unwrap_or_default()
        )];
        if let Some(source) = &self.source {
            lines.push(format!("  its token is kept elsewhere: {source}"));
        }
        if let Some(agency) = &self.agency {
            lines.push(format!(
                "  its tokens are made from the login of account {agency}"
            ));
        }
        if let Some(facts) = &self.facts {
            lines.extend(
                about(facts, now)
                    .into_iter()
                    .map(|line| format!("  {line}")),
            );
            lines.push(match &self.scopes {
                Some(scopes) if scopes.is_empty() => "  scopes: none".to_owned(),
                Some(scopes) => format!("  scopes: {}", scopes.join(", ")),
                None => "  scopes: HighLevel does not tell; `ghl-sync check --online` tries them"
                    .to_owned(),
            });
            lines.push(match &self.key {
                Some(key) => format!("  encrypted with key {key}"),
                None => "  not encrypted; `token_key` in ghl-sync.toml would do that".to_owned(),
            });
        }
        for Wrong { what, command } in &self.wrong {
            lines.push(format!("  WRONG  {what}"));
            if let Some(command) = command {
                lines.push(format!("         → {command}"));
            }
        }
        lines.join("\n")
    }
}

impl All {
    fn text(&self, now: DateTime<Utc>) -> String {
        let mut parts = vec![self.config.clone()];
        parts.extend(self.accounts.iter().map(|shown| shown.text(now)));
        if self.accounts.is_empty() {
            parts.push("no account is configured".to_owned());
        }
        parts.join("\n")
    }
}

/// Says whose login it is and how long it is good.
fn about(facts: &LoginFacts, now: DateTime<Utc>) -> Vec<String> {
    // A person named the location, and may have done so with anything.
    let name = facts.owner_name.as_deref().map(str::escape_debug);
    let of = match (name, &facts.owner) {
        (Some(name), Some(id)) => format!(" {name} ({id})"),
        (None, Some(id)) => format!(" {id}"),
        (Some(name), None) => format!(" {name}"),
        (None, None) => String::new(),
    };
    let who = match facts.kind {
        LoginKind::Integration => format!("private integration token of location{of}"),
        LoginKind::User => format!("logged in as{of}"),
        LoginKind::Location => format!("logged in to location{of}"),
        LoginKind::Agency => format!("logged in to agency{of}"),
        LoginKind::Minted => format!("token of location{of}"),
    };
    let renews = match (facts.kind, &facts.lost) {
        (LoginKind::Integration, _) => "",
        // Why stands below.
        (
            LoginKind::User | LoginKind::Location | LoginKind::Agency | LoginKind::Minted,
            Some(_),
        ) => "; cannot be renewed",
        (LoginKind::User | LoginKind::Location | LoginKind::Agency, None) => "; renews itself",
        (LoginKind::Minted, None) => "; made anew when needed",
    };
    let good = match facts.expires {
        None => "does not end by itself".to_owned(),
        Some(at) if at > now => format!("good until {}{renews}", moment(at, now)),
        Some(at) => format!("ended {}{renews}", moment(at, now)),
    };
    let mut lines = vec![
        format!("{who}, since {}", moment(facts.made, now)),
        match facts.obtained == facts.made {
            true => good,
            false => format!("{good}; last renewed {}", moment(facts.obtained, now)),
        },
    ];
    if let (Some(at), None) = (facts.renewing, &facts.lost) {
        lines.push(format!(
            "the answer to the renewal of {} is not known; the next one tells whether it was lost",
            moment(at, now)
        ));
    }
    lines
}

fn way(account: &Account) -> &'static str {
    match account {
        Account::HighLevel(account) => match &account.login {
            HubLogin::Fixed(_) => "fixed",
            HubLogin::Kept => "integration",
            HubLogin::App(_) => "app",
            HubLogin::Agency(_) => "agency",
        },
        Account::Agency(_) => "app",
        Account::Twitch(account) => match &account.login {
            TwitchLogin::Fixed(_) => "fixed",
            TwitchLogin::Kept => "user",
        },
    }
}

fn agency(account: &Account) -> Option<&AccountName> {
    match account {
        Account::HighLevel(account) => match &account.login {
            HubLogin::Agency(agency) => Some(agency),
            HubLogin::Fixed(_) | HubLogin::Kept | HubLogin::App(_) => None,
        },
        Account::Agency(_) | Account::Twitch(_) => None,
    }
}

/// Returns the command that mends an error.
fn command_of(error: &AuthError) -> Option<String> {
    match error {
        AuthError::NotLoggedIn { command }
        | AuthError::Foreign { command, .. }
        | AuthError::Lost { command, .. }
        | AuthError::Refused { command, .. }
        | AuthError::ClientSecret { command, .. }
        | AuthError::ClientId { command, .. }
        | AuthError::Scope { command, .. }
        | AuthError::Vault { command, .. } => Some(command.clone()),
        AuthError::Agency { error, .. } => command_of(error),
        AuthError::Inactive { .. } | AuthError::OutOfTouch { .. } => None,
    }
}

/// Says what is wrong without the command, which stands beneath.
fn without_command(error: &AuthError) -> String {
    let text = error.to_string();
    match command_of(error) {
        Some(command) => {
            let ways = ["; run `", ", or run `", ", and run `", ": `"];
            let told = ways.map(|way| format!("{way}{command}`"));
            told.iter().fold(text, |text, told| text.replace(told, ""))
        }
        None => text,
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
