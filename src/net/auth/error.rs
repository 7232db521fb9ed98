//! Why there is no token.

use std::fmt;

use super::super::error::CallError;
use crate::model::AccountName;
use crate::store::VaultError;

/// Why an account has no token to make calls with; variants by what a person does about it.
///
/// The texts say what is wrong and the command that mends it; whoever shows them names the account first. `said` is what the vendor said, masked.
#[derive(Debug)]
pub enum AuthError {
    /// Nobody logged in, or the login was taken away.
    NotLoggedIn {
        /// The command that logs in.
        command: String,
    },
    /// The stored login is of another application, location or agency than `ghl-sync.toml` names.
    Foreign {
        /// What it is of.
        seen: String,
        /// What it should be of.
        expected: String,
        /// The command that logs in.
        command: String,
    },
    /// The login has ended and cannot be renewed: revoked, expired, or its refresh token was spent elsewhere.
    Lost {
        /// Why.
        why: String,
        /// The command that logs in.
        command: String,
    },
    /// The vendor does not take the client secret, or wants one. The login is kept.
    ClientSecret {
        /// What the vendor said.
        said: String,
        /// The command that tries the secret once it is put right.
        command: String,
    },
    /// The vendor does not know the application. The login is kept.
    ClientId {
        /// What the vendor said.
        said: String,
        /// The command that logs in.
        command: String,
    },
    /// The location or its agency is paused at HighLevel. The login is kept and works again afterwards.
    Inactive {
        /// What the vendor said.
        said: String,
    },
    /// The login is good, but was not granted what making tokens takes.
    Scope {
        /// The scope that it lacks.
        scope: &'static str,
        /// What the vendor said.
        said: String,
        /// The command that logs in.
        command: String,
    },
    /// The vendor refused a token call for another reason. The login is kept.
    Refused {
        /// What happened.
        said: String,
        /// The command that logs in.
        command: String,
    },
    /// The agency whose login makes this location's tokens has none that is good.
    Agency {
        /// The agency's account.
        account: AccountName,
        /// What is wrong with it.
        error: Box<AuthError>,
    },
    /// The vendor did not answer, or another process kept the renewal to itself. The login is kept; try again later.
    OutOfTouch {
        /// What happened.
        why: String,
    },
    /// The stored login cannot be read.
    Vault {
        /// Why.
        error: VaultError,
        /// The command that logs in.
        command: String,
    },
}

impl AuthError {
    /// Returns whether it may be over by itself, so that a later run is worth a try without anybody doing something.
    pub fn is_passing(&self) -> bool {
        match self {
            AuthError::OutOfTouch { .. } => true,
            AuthError::Agency { error, .. } => error.is_passing(),
            AuthError::NotLoggedIn { .. }
            | AuthError::Foreign { .. }
            | AuthError::Lost { .. }
            | AuthError::ClientSecret { .. }
            | AuthError::ClientId { .. }
            | AuthError::Inactive { .. }
            | AuthError::Scope { .. }
            | AuthError::Refused { .. }
            | AuthError::Vault { .. } => false,
        }
    }

    /// Sorts the failure of a token call by what the vendor said; `command` logs in again, `renew` renews what is there.
    ///
    /// Source of the texts: HighLevel's v3 OpenAPI file of OAuth; issues 943, 1037 and 1042 of Twitch's tracker. A dead
    /// token was not seen there, and counts as an invalid refresh token.
    pub fn of_call(error: CallError, command: &str, renew: &str) -> AuthError {
        let command = command.to_owned();
        let is_dead = matches!(error, CallError::DeadToken { .. });
        let said = match error {
            // A quota, whatever it says of refresh tokens: the login is not lost by it.
            CallError::Refused { status: 429, .. } => {
                return AuthError::OutOfTouch {
                    why: error.to_string(),
                };
            }
            CallError::Refused { said, .. }
            | CallError::DeadToken { said, .. }
            | CallError::NoAccess { said, .. }
            | CallError::NoPermission { said, .. }
            | CallError::Scope { said, .. }
            | CallError::Version { said, .. } => said,
            CallError::OutOfTouch { .. }
            | CallError::Unsure { .. }
            | CallError::BadReply { .. }
            | CallError::Spent { .. } => {
                return AuthError::OutOfTouch {
                    why: error.to_string(),
                };
            }
            CallError::State(error) => {
                return AuthError::Vault {
                    error: VaultError::State(error),
                    command,
                };
            }
            CallError::Login(error) => return error,
            CallError::NotFound { .. }
            | CallError::Duplicate { .. }
            | CallError::NotSent { .. } => {
                return AuthError::Refused {
                    said: error.to_string(),
                    command,
                };
            }
        };
        let lower = said.to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
        if has(&["not active"]) {
            AuthError::Inactive { said }
        } else if has(&["client secret", "client_secret", "client credential"]) {
            AuthError::ClientSecret {
                said,
                command: renew.to_owned(),
            }
        } else if has(&["invalid client", "client id", "clientid", "client_id"]) {
            // The stored login is of the client id that is not known, so that only another one helps.
            AuthError::ClientId { said, command }
        } else if is_dead
            || has(&[
                "refresh token",
                "invalid grant",
                "invalid_grant",
                "invalid token",
                "invalid jwt",
            ])
        {
            AuthError::Lost { why: said, command }
        } else {
            AuthError::Refused { said, command }
        }
    }
}

impl From<VaultError> for CallError {
    fn from(error: VaultError) -> CallError {
        match error {
            VaultError::State(error) => CallError::State(error),
            error @ (VaultError::NoKey { .. } | VaultError::Damaged { .. }) => {
                CallError::Login(AuthError::Vault {
                    error,
                    command: String::new(),
                })
            }
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthError::NotLoggedIn { command } => {
                write!(f, "nobody is logged in; run `{command}`")
            }
            AuthError::Foreign {
                seen,
                expected,
                command,
            } => write!(
                f,
                "the stored login is of {seen}, and ghl-sync.toml says {expected}; correct the file, or run `{command}`"
            ),
            AuthError::Lost { why, command } => {
                write!(f, "the login has ended ({why}); run `{command}`")
            }
            AuthError::ClientSecret { said, command } => write!(
                f,
                "the client secret is missing or wrong, or is not of this client id ({said}); put the application's secret where `client_secret` in ghl-sync.toml points to, and run `{command}`. The login is kept"
            ),
            AuthError::ClientId { said, command } => write!(
                f,
                "the application is not known ({said}); correct `client_id` in ghl-sync.toml, and run `{command}`. The login is kept"
            ),
            AuthError::Inactive { said } => write!(
                f,
                "HighLevel says that the location or its agency is paused or unpaid ({said}); the login is kept and works again once it is active"
            ),
            AuthError::Scope {
                scope,
                said,
                command,
            } => write!(
                f,
                "the login lacks the scope {scope} ({said}); add it to the application in HighLevel's marketplace and run `{command}`"
            ),
            AuthError::Refused { said, command } => write!(
                f,
                "the login could not be renewed ({said}); run it again, and if that does not help run `{command}`"
            ),
            AuthError::Agency { account, error } => {
                write!(f, "its agency's account {account}: {error}")
            }
            AuthError::OutOfTouch { why } => write!(f, "the login could not be renewed: {why}"),
            AuthError::Vault {
                error: VaultError::State(error),
                ..
            } => error.fmt(f),
            AuthError::Vault { error, command } => write!(f, "{error}: `{command}`"),
        }
    }
}

impl std::error::Error for AuthError {}

#[cfg(test)]
mod tests {
    use super::super::TokenKind;
    use super::*;

    #[test]
    fn what_the_vendor_says_decides_what_a_person_is_told() {
        let of = |said: &str| {
            let error = CallError::Refused {
                call: "POST /token",
                status: 400,
                said: said.to_owned(),
            };
            AuthError::of_call(error, "ghl-sync auth twitch", "ghl-sync auth twitch renew")
        };
        for lost in [
            "Invalid refresh token",
            "Invalid grant",
            "Invalid grant: refresh token is invalid",
        ] {
            let error = of(lost);
            assert!(matches!(error, AuthError::Lost { .. }), "{lost}");
            assert!(error.to_string().contains("`ghl-sync auth twitch`"));
        }
        for secret in [
            "missing client secret",
            "invalid client secret",
            "Invalid client credentials!",
        ] {
            assert!(
                matches!(of(secret), AuthError::ClientSecret { .. }),
                "{secret}"
            );
        }
        assert!(matches!(of("invalid client"), AuthError::ClientId { .. }));
        assert!(matches!(
            of("Location is not active"),
            AuthError::Inactive { .. }
        ));
        assert!(matches!(of("Bad Request"), AuthError::Refused { .. }));
        let dead = CallError::DeadToken {
            call: "POST /token",
            said: "Invalid OAuth token".to_owned(),
            token: TokenKind::Fixed,
        };
        assert!(matches!(
            AuthError::of_call(dead, "", ""),
            AuthError::Lost { .. }
        ));
        let quota = CallError::Refused {
            call: "POST /token",
            status: 429,
            said: "too many requests for this refresh token".to_owned(),
        };
        assert!(matches!(
            AuthError::of_call(quota, "", ""),
            AuthError::OutOfTouch { .. }
        ));
    }
}
