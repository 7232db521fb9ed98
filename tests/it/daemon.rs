//! The daemon: as a process under a service manager, and for a week on a clock that a test moves.

mod beside;
mod night;
mod process;
mod week;
