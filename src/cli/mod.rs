//! Floor 6: the command line: arguments in, exit code out.

pub mod args;
pub mod exit;
pub mod progress;
