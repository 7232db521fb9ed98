//! The whole program against the sandbox, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod agree;
mod answers;
mod auth;
mod badinput;
mod care;
mod check;
mod crash;
mod daemon;
mod events;
mod exits;
mod fan;
mod floors;
mod guards;
mod history;
mod hostile;
mod init;
mod laws;
mod leaving;
mod life;
mod logged;
mod looks;
mod lost;
mod mirror;
mod newuser;
mod nights;
mod privacy;
mod process;
mod program;
mod reading;
mod readme;
mod renewal;
mod rig;
mod scenes;
mod schema;
mod secrets;
mod served;
mod shared;
mod systemd;
mod tags;
mod telling;
mod terminal;
mod vendors;
mod watching;
mod wires;
