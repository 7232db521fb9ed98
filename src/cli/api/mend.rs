//! Why a call by hand gave nothing, in words for whoever typed it, and what to do.
//!
//! Nothing that was typed stands in it but ids, and nothing that HighLevel keeps of people: what it said comes masked from `net`.

use crate::config::{Account, Config, HubLogin, scopes};
use crate::model::{AccountName, IfUnsure, LocationId};
use crate::net::{AuthError, CallError};
use crate::run::RunError;
use crate::store::VaultError;

use super::deed::About;
use crate::cli::check;
use crate::cli::error::CliError;
use crate::cli::typed::Typed;

/// Whose token was used, and how commands are typed here.
pub(super) struct Mender<'a> {
    pub(super) name: &'a AccountName,
    pub(super) account: &'a Account,
    pub(super) location: &'a LocationId,
    pub(super) typed: &'a Typed,
    pub(super) config: &'a Config,
    /// The scopes that its login has; empty where that is not known.
    pub(super) granted: Vec<String>,
}

impl Mender<'_> {
    /// Turns a failed call into the error of the command.
    pub(super) fn error(&self, error: CallError, about: &About) -> CliError {
        let look = self.typed.command(&about.look);
        let name = self.name;
        let usage = |what: String, hint: String| CliError::Usage {
            what: format!("account {name}: {what}"),
            hint: Some(hint),
        };
        match error {
            CallError::NotFound { .. } if about.what.is_empty() => CliError::Refused {
                what: format!(
                    "HighLevel knows no location {}, which is the `location` of account {name}",
                    self.location
                ),
                hint: Some("correct it in ghl-sync.toml".to_owned()),
            },
            CallError::NotFound { .. } => CliError::Refused {
                what: format!(
                    "HighLevel knows no {} in location {}",
                    about.what, self.location
                ),
                hint: Some(format!("`{look}` shows what is there")),
            },
            CallError::Refused { call, status, said } => self.refused(call, status, &said, about),
            CallError::Duplicate { contact, field, .. } => CliError::Refused {
                what: format!(
                    "contact {contact} has the same {} already, and the location allows no second one; nothing was made",
                    field.as_deref().unwrap_or("e-mail address or phone number")
                ),
                hint: Some(format!(
                    "`{}` shows it, `{}` with the same flags changes it",
                    self.typed.command(&format!("api contacts get {contact}")),
                    self.typed
                        .command(&format!("api contacts update {contact}")),
                )),
            },
            CallError::Unsure { call, why } => CliError::OutOfTouch {
                what: match about.if_unsure {
                    IfUnsure::SendAgain => format!(
                        "{call} may or may not have been carried out: {why}; typing it again does no harm"
                    ),
                    IfUnsure::LookFirst => format!(
                        "the answer to {call} was lost ({why}): it may have been carried out, and it was not sent again; before you type it again, {}",
                        self.look(about)
                    ),
                    IfUnsure::AskAPerson => format!(
                        "the answer to {call} was lost ({why}): it may have been carried out, and it was not sent again; the API does not show whether it was, so look at the contact in HighLevel before you type it again"
                    ),
                },
            },
            CallError::OutOfTouch { call, why } => CliError::OutOfTouch {
                what: match about.is_read {
                    true => format!("no answer to {call}: {why}; try it again later"),
                    false => {
                        format!(
                            "no answer to {call}: {why}; nothing was changed, try it again later"
                        )
                    }
                },
            },
            CallError::BadReply { call, why } => CliError::OutOfTouch {
                what: format!("the answer to {call} cannot be used: {why}"),
            },
            CallError::Spent { until } => CliError::OutOfTouch {
                what: format!(
                    "account {name}: {}; nothing was changed",
                    CallError::Spent { until }
                ),
            },
            CallError::Scope { call, said, .. } => usage(
                format!(
                    "the token lacks the scope {} for {call} ({said})",
                    about.scope
                ),
                self.grant(about.scope),
            ),
            CallError::DeadToken { said, .. } => usage(
                format!("the token is expired or revoked ({said})"),
                check::replace(self.account, name, self.typed),
            ),
            CallError::NoAccess { said, .. } | CallError::NoPermission { said, .. } => usage(
                format!(
                    "the token has no access to location {}, or an id is of another one ({said})",
                    self.location
                ),
                format!(
                    "check the ids, then the login: `{}`",
                    self.typed.command("check --online")
                ),
            ),
            CallError::Version { said, .. } => usage(
                format!("HighLevel refuses the API version that this program speaks ({said})"),
                "update ghl-sync".to_owned(),
            ),
            CallError::NotSent { call, why } => CliError::Run(RunError::Bug {
                what: format!("{call} was not sent: {why}"),
            }),
            CallError::Login(AuthError::Vault {
                error: VaultError::State(error),
                ..
            })
            | CallError::State(error) => CliError::Run(RunError::State(error)),
            CallError::Login(error) if error.is_passing() => CliError::OutOfTouch {
                what: format!("account {name}: {error}; nothing was changed, try it again later"),
            },
            CallError::Login(error) => CliError::usage(format!("account {name}: {error}")),
        }
    }

    /// Returns how to give the token a scope. A login of an app asks for those that the jobs need; others have to be named, all at once.
    fn grant(&self, scope: &str) -> String {
        let Account::HighLevel(hub) = self.account else {
            return check::grant(self.account, self.name, scope, self.typed);
        };
        let who = match &hub.login {
            HubLogin::Fixed(_) | HubLogin::Kept => {
                return check::grant(self.account, self.name, scope, self.typed);
            }
            HubLogin::App(_) => self.name,
            HubLogin::Agency(agency) => agency,
        };
        let needed = scopes::needed(self.config, who);
        let mut others: Vec<&str> = self.granted.iter().map(String::as_str).collect();
        if !others.contains(&scope) {
            others.push(scope);
        }
        others.retain(|scope| !needed.contains(scope));
        let others: String = others
            .iter()
            .map(|scope| format!(" --scope {scope}"))
            .collect();
        format!(
            "add the scope {scope} to the app in HighLevel's marketplace if it is not there, and run `{}`",
            self.typed
                .command(&format!("auth highlevel --account {who}{others}"))
        )
    }

    /// Returns the words that tell how to find out whether a call was carried out.
    fn look(&self, about: &About) -> String {
        let look = self.typed.command(&about.look);
        match about.makes_contact {
            true => format!(
                "look with `{}` and its e-mail address or phone number, or with `{look}` when a minute has passed",
                self.typed.command("api contacts duplicate")
            ),
            false => format!("look with `{look}`"),
        }
    }

    fn refused(&self, call: &str, status: u16, said: &str, about: &About) -> CliError {
        let reasons: Vec<&str> = said.split("; ").filter(|part| !part.is_empty()).collect();
        let what = match reasons.as_slice() {
            [] => format!("HighLevel refused {call} with {status}, without a reason"),
            [reason] => format!("HighLevel refused {call} with {status}: {reason}"),
            reasons => format!(
                "HighLevel refused {call} with {status}:\n  {}",
                reasons.join("\n  ")
            ),
        };
        // Seen by users of the API (issue 64 of HighLevel's tracker): refused with 422, and made all the same.
        let there = self.typed.command(&about.look);
        let hint = if about.makes_contact && status == 422 {
            format!(
                "correct it; HighLevel has been seen to make a contact all the same, so before you type it again, {}",
                self.look(about)
            )
        } else if said.starts_with("Cannot ") {
            format!(
                "HighLevel does not serve this call (any more); `{there}` may do, or an update of ghl-sync"
            )
        } else {
            format!("`{there}` shows what is there; the same with --dry-run shows what is sent")
        };
        CliError::Refused {
            what,
            hint: Some(hint),
        }
    }
}
