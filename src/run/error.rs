//! Why a run could not be made, or not be ended.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::model::{AccountName, JobName};
use crate::net::{AuthError, CallError, TokenKind};
use crate::store::{LoginKind, StoreError, VaultError};

/// How the words of [`RunError::Spent`] end, and no others.
const SPENT_ADVICE: &str = "; nothing is lost, run it again then";

/// Why a run ended without a report of its own; variants by exit code.
#[derive(Debug)]
pub enum RunError {
    /// Another process runs the job, or refreshes the location.
    Busy {
        /// The lock.
        what: String,
        /// Who holds it.
        holder: String,
    },
    /// An account, a token, a scope or the job itself is not as it must be; a person has to mend it.
    Setup {
        /// The job.
        job: JobName,
        /// The account, when it is about one.
        account: Option<AccountName>,
        /// What is wrong and what to do.
        what: String,
    },
    /// A vendor could not be reached, or answered nothing that can be used.
    OutOfTouch {
        /// The account.
        account: AccountName,
        /// What happened.
        why: String,
    },
    /// The calls of the day are spent, or a vendor asked for a long pause, before anything was read.
    Spent {
        /// The account.
        account: AccountName,
        /// When calls are possible again.
        until: DateTime<Utc>,
    },
    /// `--approve` names a plan that cannot be carried out.
    Approval {
        /// Why, and what to do.
        why: String,
    },
    /// The state could not be read or written.
    State(StoreError),
    /// A file could not be opened.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A defect of ours.
    Bug {
        /// What broke.
        what: String,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Busy { what, holder } => {
                write!(f, "{what} is busy: {holder}; wait for its end, or end it")
            }
            RunError::Setup {
                job,
                account: Some(account),
                what,
            } => write!(f, "{job}: account {account}: {what}"),
            RunError::Setup {
                job,
                account: None,
                what,
            } => write!(f, "{job}: {what}"),
            RunError::OutOfTouch { account, why } => {
                write!(
                    f,
                    "out of touch with account {account}: {why}; nothing is lost, run it again later"
                )
            }
            RunError::Spent { account, until } => {
                let spent = CallError::Spent { until: *until };
                write!(f, "account {account}: {spent}{SPENT_ADVICE}")
            }
            RunError::Approval { why } => f.write_str(why),
            RunError::State(error) => error.fmt(f),
            RunError::Io { path, source } => write!(f, "cannot open {}: {source}", path.display()),
            RunError::Bug { what } => write!(f, "a defect in ghl-sync: {what}; please report it"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RunError::State(error) => Some(error),
            RunError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> RunError {
        RunError::State(error)
    }
}

impl RunError {
    /// Returns the number that the run is noted to have ended with: the process's exit code, were it the only run.
    pub fn exit_number(&self) -> u8 {
        match self {
            RunError::Busy { .. } => 8,
            RunError::Setup { .. }
            | RunError::Approval { .. }
            | RunError::State(StoreError::Foreign { .. }) => 4,
            RunError::OutOfTouch { .. } | RunError::Spent { .. } => 6,
            RunError::State(_) | RunError::Io { .. } | RunError::Bug { .. } => 1,
        }
    }

    /// Returns whether these are the words of [`RunError::Spent`]: of a run without a report they are all that is kept.
    pub fn is_spent(said: &str) -> bool {
        said.starts_with("account ") && said.ends_with(SPENT_ADVICE)
    }

    /// Says what a failed call means for a run of `job` on `account`.
    pub(super) fn of_call(job: &JobName, account: &AccountName, error: CallError) -> RunError {
        let setup = |what: String| RunError::Setup {
            job: job.clone(),
            account: Some(account.clone()),
            what,
        };
        match error {
            CallError::Login(AuthError::Vault {
                error: VaultError::State(error),
                ..
            }) => RunError::State(error),
            CallError::Login(error) if error.is_passing() => RunError::OutOfTouch {
                account: account.clone(),
                why: error.to_string(),
            },
            CallError::Login(error) => setup(error.to_string()),
            CallError::DeadToken { said, token, .. } => setup(match token {
                TokenKind::Fixed => format!(
                    "the token is expired or revoked ({said}); put a new one where `token` in ghl-sync.toml points to"
                ),
                TokenKind::Stored {
                    kind: LoginKind::Integration,
                    command,
                } => format!(
                    "the private integration token is revoked or wrong ({said}); make a new one in HighLevel and run `{command}`"
                ),
                TokenKind::Stored { command, .. } => {
                    format!("even the renewed token is refused ({said}); run `{command}`")
                }
            }),
            CallError::Scope {
                said, call, token, ..
            } => setup(format!(
                "the token lacks a permission for {call} ({said}); {}",
                scope_advice(call, &token)
            )),
            CallError::Version { said, .. } => setup(format!(
                "HighLevel refuses the API version that this program speaks ({said}); update ghl-sync"
            )),
            CallError::NoAccess { said, token, .. } => setup(format!(
                "the token does not belong to this location ({said}); {}",
                match token.command() {
                    None => "check `location` and `token` in ghl-sync.toml".to_owned(),
                    Some(command) =>
                        format!("check `location` in ghl-sync.toml, or run `{command}` for it"),
                }
            )),
            CallError::NoPermission { said, call, token } => {
                let how = match (token.command(), scope_of(call)) {
                    (None, Some(scope)) => {
                        format!("use a token of the broadcaster, with the scope {scope}")
                    }
                    (None, None) => "use a token of the broadcaster".to_owned(),
                    (Some(command), _) => format!("log in as the broadcaster with `{command}`"),
                };
                setup(if call.starts_with("GET /channels/followers") {
                    format!(
                        "this Twitch user may not see the channel's followers ({said}); let the broadcaster make them a moderator again, or {how}"
                    )
                } else {
                    format!("this Twitch user may not call {call} ({said}); {how}")
                })
            }
            CallError::NotFound { call } => {
                let is_of_twitch = call.contains("/channels/") || call.ends_with(" /users");
                let key = if is_of_twitch { "channel" } else { "location" };
                setup(format!(
                    "{call} answers \"not found\"; check `{key}` in ghl-sync.toml"
                ))
            }
            CallError::State(error) => RunError::State(error),
            CallError::Spent { until } => RunError::Spent {
                account: account.clone(),
                until,
            },
            CallError::NotSent { call, why } => RunError::Bug {
                what: format!("{call}: {why}"),
            },
            other @ (CallError::OutOfTouch { .. }
            | CallError::Unsure { .. }
            | CallError::Refused { .. }
            | CallError::Duplicate { .. }
            | CallError::BadReply { .. }) => RunError::OutOfTouch {
                account: account.clone(),
                why: other.to_string(),
            },
        }
    }
}

/// Says what to do about a token that lacks the scope for a route.
///
/// A private integration takes further scopes and keeps its token; an application's and a Twitch user's token has the scopes it was granted
/// with. Source: HighLevel, Scopes page; Twitch, Authentication pages.
pub(super) fn scope_advice(call: &str, token: &TokenKind) -> String {
    let Some(scope) = scope_of(call) else {
        return "give it the scopes that the README lists".to_owned();
    };
    match token {
        TokenKind::Fixed if is_of_twitch(call) => {
            format!("make a new token with the scope {scope}")
        }
        TokenKind::Stored {
            kind: LoginKind::User,
            command,
        } => format!("grant the scope {scope}: run `{command}`"),
        TokenKind::Stored {
            kind: LoginKind::Location | LoginKind::Agency | LoginKind::Minted,
            command,
        } => format!(
            "add the scope {scope} to the application in HighLevel's marketplace and run `{command}`"
        ),
        TokenKind::Fixed
        | TokenKind::Stored {
            kind: LoginKind::Integration,
            ..
        } => format!(
            "add the scope {scope} to the private integration in HighLevel; the token stays the same"
        ),
    }
}

/// Returns whether a call goes to Twitch.
fn is_of_twitch(call: &str) -> bool {
    TWITCH_SCOPES
        .iter()
        .any(|(route, _)| call.starts_with(route))
}

/// The scope that a route of Twitch takes. Source: Twitch API Reference.
const TWITCH_SCOPES: [(&str, &str); 5] = [
    ("GET /channels/followers", "moderator:read:followers"),
    ("GET /subscriptions", "channel:read:subscriptions"),
    ("GET /channels/vips", "channel:read:vips"),
    ("GET /moderation/moderators", "moderation:read"),
    ("GET /bits/leaderboard", "bits:read"),
];

/// Returns the scope that a route takes; `None` when the route has none of its own.
fn scope_of(call: &str) -> Option<&'static str> {
    let of_twitch = TWITCH_SCOPES.iter();
    if let Some((_, scope)) = of_twitch.clone().find(|(route, _)| call.starts_with(route)) {
        return Some(scope);
    }
    Some(match call {
        "GET /locations/{id}/customFields" => "locations/customFields.readonly",
        "POST /locations/{id}/customFields" => "locations/customFields.write",
        "GET /locations/{id}" => "locations.readonly",
        "POST /contacts/search" => "contacts.readonly",
        call if call.starts_with("GET /contacts/") => "contacts.readonly",
        call if call.contains(" /contacts/") => "contacts.write",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_day_is_known_by_its_words_and_an_outage_is_none() {
        let account: AccountName = "main".try_into().unwrap();
        let spent = RunError::Spent {
            account: account.clone(),
            until: DateTime::UNIX_EPOCH,
        };
        assert!(RunError::is_spent(&spent.to_string()));
        let away = RunError::OutOfTouch {
            account,
            why: "the budget of calls is spent".to_owned(),
        };
        assert!(!RunError::is_spent(&away.to_string()));
    }
}
