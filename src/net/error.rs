//! Why a call gave no value.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::model::ContactId;
use crate::store::StoreError;

use super::auth::{AuthError, TokenKind};

/// Why a call gave no value; variants by what the caller does next.
///
/// `call` is the route, for example `PUT /contacts/{id}`. `said` is what the vendor said, without people's data and tokens.
#[derive(Debug)]
pub enum CallError {
    /// No answer, or none but failures, after all tries; the vendor did nothing. Try later.
    OutOfTouch {
        /// The route.
        call: &'static str,
        /// What happened at the last try.
        why: String,
    },
    /// The vendor may or may not have carried the write out. Look before sending it again.
    Unsure {
        /// The route.
        call: &'static str,
        /// What happened.
        why: String,
    },
    /// The vendor refused the request for what it holds. Set the row aside.
    ///
    /// A 422 to a create does not prove that nothing was made (issue 64 of HighLevel's tracker).
    Refused {
        /// The route.
        call: &'static str,
        /// The status the body names, else that of the answer.
        status: u16,
        /// What the vendor said.
        said: String,
    },
    /// What the call speaks of is not there (any more).
    NotFound {
        /// The route.
        call: &'static str,
    },
    /// The location refuses a second contact with the same e-mail or phone; this one has it.
    Duplicate {
        /// The route.
        call: &'static str,
        /// The contact that is there.
        contact: ContactId,
        /// The field that collides, as the vendor names it: `email` or `phone`.
        field: Option<String>,
    },
    /// The token is invalid, expired or revoked. Renew it, or ask a person to.
    DeadToken {
        /// The route.
        call: &'static str,
        /// What the vendor said.
        said: String,
        /// What kind of token it is.
        token: TokenKind,
    },
    /// The token lacks a scope. A person has to grant it.
    Scope {
        /// The route.
        call: &'static str,
        /// What the vendor said.
        said: String,
        /// What kind of token it is.
        token: TokenKind,
    },
    /// HighLevel refuses our `Version` header. ghl-sync has to be updated.
    Version {
        /// The route.
        call: &'static str,
        /// What the vendor said.
        said: String,
    },
    /// The token belongs to another location, or to none.
    NoAccess {
        /// The route.
        call: &'static str,
        /// What the vendor said.
        said: String,
        /// What kind of token it is.
        token: TokenKind,
    },
    /// Twitch does not let this user see it: not the broadcaster, not a moderator, or another client's token.
    NoPermission {
        /// The route.
        call: &'static str,
        /// What the vendor said.
        said: String,
        /// What kind of token it is.
        token: TokenKind,
    },
    /// The budget is used up, or the vendor asked for a wait of minutes. Stop cleanly, go on then.
    Spent {
        /// When calls are possible again.
        until: DateTime<Utc>,
    },
    /// A read succeeded, but its shape stayed wrong after all tries.
    BadReply {
        /// The route.
        call: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The call was not sent, because it must not be: a write of a client that only reads, or a malformed path. A defect of ours.
    NotSent {
        /// The route.
        call: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// There is no token to send the call with.
    Login(AuthError),
    /// The gate's row could not be read or written.
    State(StoreError),
}

impl CallError {
    /// Returns whether it is certain that the vendor changed nothing.
    ///
    /// A 422 is not (see [`CallError::Refused`]); the caller knows whether it was a create.
    pub fn nothing_happened(&self) -> bool {
        match self {
            CallError::Unsure { .. } => false,
            CallError::Refused { status, .. } => *status != 422,
            CallError::OutOfTouch { .. }
            | CallError::NotFound { .. }
            | CallError::Duplicate { .. }
            | CallError::DeadToken { .. }
            | CallError::Scope { .. }
            | CallError::Version { .. }
            | CallError::NoAccess { .. }
            | CallError::NoPermission { .. }
            | CallError::Spent { .. }
            | CallError::BadReply { .. }
            | CallError::NotSent { .. }
            | CallError::Login(_)
            | CallError::State(_) => true,
        }
    }
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> CallError {
        CallError::State(error)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::OutOfTouch { call, why } => write!(f, "no answer to {call}: {why}"),
            CallError::Unsure { call, why } => {
                write!(f, "{call} may or may not have been carried out: {why}")
            }
            CallError::Refused { call, status, said } => {
                write!(f, "{call} was refused with {status}: {said}")
            }
            CallError::NotFound { call } => write!(f, "{call} found nothing"),
            CallError::Duplicate {
                call,
                contact,
                field,
            } => write!(
                f,
                "{call} was refused because contact {contact} has the same {}",
                field.as_deref().unwrap_or("e-mail or phone")
            ),
            CallError::DeadToken { call, said, .. } => write!(
                f,
                "the token was refused at {call}: {said}; renew it or log in again"
            ),
            CallError::Scope { call, said, .. } => write!(
                f,
                "the token lacks a scope for {call}: {said}; grant it and log in again"
            ),
            CallError::Version { call, said } => write!(
                f,
                "the API version of {call} was refused: {said}; update ghl-sync"
            ),
            CallError::NoAccess { call, said, .. } => write!(
                f,
                "the token has no access at {call}: {said}; check that it was made for this location"
            ),
            CallError::NoPermission { call, said, .. } => write!(
                f,
                "the account has no permission for {call}: {said}; log in as the broadcaster or one of the channel's moderators"
            ),
            CallError::Spent { until } => write!(
                f,
                "the budget of calls is spent until {}",
                until.format("%Y-%m-%d %H:%M:%S UTC")
            ),
            CallError::BadReply { call, why } => {
                write!(f, "the reply to {call} cannot be used: {why}")
            }
            CallError::NotSent { call, why } => write!(f, "{call} was not sent: {why}"),
            CallError::Login(error) => error.fmt(f),
            CallError::State(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::State(error) => Some(error),
            CallError::Login(error) => Some(error),
            CallError::OutOfTouch { .. }
            | CallError::Unsure { .. }
            | CallError::Refused { .. }
            | CallError::NotFound { .. }
            | CallError::Duplicate { .. }
            | CallError::DeadToken { .. }
            | CallError::Scope { .. }
            | CallError::Version { .. }
            | CallError::NoAccess { .. }
            | CallError::NoPermission { .. }
            | CallError::Spent { .. }
            | CallError::BadReply { .. }
            | CallError::NotSent { .. } => None,
        }
    }
}
