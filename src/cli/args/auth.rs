//! The arguments of `auth`.

use clap::{Subcommand, ValueEnum};

use super::{Form, account};
use crate::model::AccountName;

/// The arguments of `auth`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Auth {
    /// Whose logins.
    #[command(subcommand)]
    pub of: AuthOf,
}

/// Whose logins.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum AuthOf {
    /// Log in to Twitch: shows a code to confirm on any device
    Twitch(TwitchAuth),
    /// Log in to HighLevel: asks for a private integration token, or sends a browser to the app's login, as the account says
    #[command(name = "highlevel")]
    HighLevel(HubAuth),
    /// Show of every account who is logged in, until when, and what is wrong with it
    Show(ShowAuth),
}

/// What to do with a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AuthDo {
    /// Log in, in place of whoever is logged in
    #[default]
    Login,
    /// Show who is logged in, until when, and what is wrong with it
    Show,
    /// Renew the login now, whether it needs it or not
    Renew,
    /// End the login, at the vendor too where it has a way, and forget it
    Revoke,
}

/// Which login, and what to do with it.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct AuthWhat {
    /// What to do with the login
    #[arg(value_name = "ACTION", default_value = "login")]
    pub action: AuthDo,
    /// The account in ghl-sync.toml [default: the only one of the service]
    #[arg(long, value_name = "NAME", value_parser = account)]
    pub account: Option<AccountName>,
    /// Revoke without asking
    #[arg(long)]
    pub yes: bool,
    /// What `show` writes
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
}

/// The arguments of `auth twitch`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct TwitchAuth {
    /// Which login, and what to do with it.
    #[command(flatten)]
    pub what: AuthWhat,
    /// Log in through a browser and the redirect address; only a confidential application can
    #[arg(long)]
    pub browser: bool,
    /// Use this port of the redirect address, which has to be registered with it
    #[arg(long, value_name = "N", requires = "browser", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Do not listen on the redirect address: paste the address that the browser came to
    #[arg(long, requires = "browser")]
    pub paste: bool,
}

/// The arguments of `auth highlevel`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct HubAuth {
    /// Which login, and what to do with it.
    #[command(flatten)]
    pub what: AuthWhat,
    /// Ask for this scope too, which no job needs, for `ghl-sync api`; an app's login alone, may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    pub scopes: Vec<String>,
    /// Take the private integration token from env:NAME, file:PATH or credential:NAME, or from a line of stdin (-) [default: ask for it]
    #[arg(long, value_name = "SOURCE", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Use this port of the redirect address, which has to be registered with it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Do not listen on the redirect address: paste the address that the browser came to
    #[arg(long)]
    pub paste: bool,
}

/// The arguments of `auth show`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct ShowAuth {
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
}

fn scope(word: &str) -> Result<String, &'static str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"./-_".contains(&b);
    match !word.is_empty() && word.bytes().all(fits) {
        true => Ok(word.to_owned()),
        false => Err("expected the name of a scope, such as users.readonly"),
    }
}
