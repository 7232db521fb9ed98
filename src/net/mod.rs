//! Floor 3: how the program speaks to a vendor.
//!
//! A call is a value ([`Call`]), an answer is bytes, and only [`Line::send`] speaks to a vendor ([`post`] calls an operator's own
//! addresses, which no gate counts). What an answer means is decided by [`judge`], which is
//! pure; how fast and how much may be sent is decided by the [`Gate`] of the vendor bucket. Nothing in here knows what a contact or a
//! follower looks like: that is `apis`.

pub mod auth;
mod call;
mod chance;
mod error;
mod flight;
mod gate;
mod hints;
mod judge;
mod lanes;
mod line;
mod pace;
mod post;
mod said;
mod secret;
mod send;
mod tally;
#[cfg(test)]
mod testing;

pub use crate::model::Secret;
pub use auth::{App, Auth, AuthError, Grant, Keeper, KeeperParts, TokenKind, renewals_through};
pub(crate) use call::json;
pub use call::{Call, CallKind, Method, Unreadable};
pub use error::CallError;
pub use gate::{Gate, Permit, Shut};
pub use hints::Hints;
pub use judge::{Pause, Verdict, judge};
pub use line::{BadLine, Line, LineParts, Reach, Timeouts};
pub use pace::Reserve;
pub use post::{PostError, Posted, check_address, post};
pub use said::said;
pub use secret::{SecretError, resolve};
pub use send::Answer;
pub use tally::{Counted, Purpose, Tally, Vendor};
