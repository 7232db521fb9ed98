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
mod explain;
mod history;
mod init;
mod interrupt;
mod logins;
mod logs;
mod look;
pub mod progress;
mod runs;
mod sandbox;
mod scheduled;
mod settle;
mod shell;
mod show;
mod stage;
mod status;
mod typed;
mod waiting;
mod worlds;

pub use command::{main, run, say_panics};
pub use error::CliError;
pub use shell::Shell;
pub use worlds::Worlds;
