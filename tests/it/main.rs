//! The whole program against the sandbox, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod crash;
mod floors;
mod history;
mod life;
mod lost;
mod rig;
mod scenes;
