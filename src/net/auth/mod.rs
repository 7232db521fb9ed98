//! Whose token a call carries, and how it stays good.
//!
//! A line asks its [`Auth`] for the token of every call. A [`Keeper`] answers from the stored login, renews it as the vendor wants it, one
//! renewal at a time across tasks and processes, and has the new pair on the disk before its first use. The calls that make and renew
//! tokens are in [`highlevel`] and [`twitch`]; what they grant is a [`Grant`]. What a browser brings back of a login is read by [`Redirect`].

mod error;
mod grant;
pub mod highlevel;
mod keeper;
mod redirect;
pub mod twitch;
mod under_way;

use std::sync::Arc;

pub use error::AuthError;
pub use grant::Grant;
pub use keeper::{App, Keeper, KeeperParts};
pub use redirect::{Back, Loopback, NotARedirect, Redirect, authorize_address, new_state};
pub use under_way::renewals_through;

use crate::model::Secret;
use crate::store::LoginKind;

/// Whose token the calls of a line carry; clones share it.
#[derive(Clone, Debug)]
pub enum Auth {
    /// None: the calls that make tokens need none, or bring their own.
    Nobody,
    /// A token that is kept elsewhere and that we cannot renew.
    Fixed(Secret),
    /// A stored login.
    Kept(Arc<Keeper>),
}

/// What kind of token it is: says what can be done when the vendor refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// One that `token` in `ghl-sync.toml` points to.
    Fixed,
    /// One that `ghl-sync auth` stored.
    Stored {
        /// What kind of login it is of.
        kind: LoginKind,
        /// The command that logs in again.
        command: String,
    },
}

impl TokenKind {
    /// Returns the command that logs in again; `None` for a token that is kept elsewhere.
    pub fn command(&self) -> Option<&str> {
        match self {
            TokenKind::Fixed => None,
            TokenKind::Stored { command, .. } => Some(command),
        }
    }
}

impl Auth {
    /// Returns the token for the next call; renews it first when it is about to end.
    pub(super) async fn bearer(&self) -> Result<Option<Secret>, AuthError> {
        match self {
            Auth::Nobody => Ok(None),
            Auth::Fixed(token) => Ok(Some(token.clone())),
            Auth::Kept(keeper) => keeper.token().await.map(Some),
        }
    }

    /// Returns another token after the vendor took `dead` for dead; `None` when there cannot be another one.
    pub(super) async fn instead_of(&self, dead: &Secret) -> Result<Option<Secret>, AuthError> {
        match self {
            Auth::Nobody | Auth::Fixed(_) => Ok(None),
            Auth::Kept(keeper) => keeper.instead_of(dead).await,
        }
    }

    /// Returns the scopes that were granted; empty when that is not known without a call.
    pub(super) fn scopes(&self) -> Vec<String> {
        match self {
            Auth::Nobody | Auth::Fixed(_) => Vec::new(),
            Auth::Kept(keeper) => {
                let facts = keeper.facts().ok().flatten();
                facts.map(|facts| facts.scopes).unwrap_or_default()
            }
        }
    }

    /// Returns what kind of token it is.
    pub(super) fn kind(&self) -> TokenKind {
        match self {
            Auth::Nobody | Auth::Fixed(_) => TokenKind::Fixed,
            Auth::Kept(keeper) => TokenKind::Stored {
                kind: keeper.kind(),
                command: keeper.command(),
            },
        }
    }
}
