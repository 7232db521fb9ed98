//! Floor 6: the command line: arguments in, exit code out.

pub mod args;
mod ask;
mod auth;
mod check;
mod command;
pub mod daemon;
mod demo;
mod error;
pub mod exit;
mod init;
mod interrupt;
mod journal;
mod logins;
mod logs;
mod manual;
mod notify;
mod place;
pub mod progress;
mod runs;
mod sandbox;
mod scheduled;
mod settle;
mod shell;
mod stage;
mod status;
mod telling;
mod typed;
mod units;
mod worlds;

pub use command::{main, run, say_panics};
pub use error::CliError;
pub use shell::Shell;
pub use worlds::Worlds;
