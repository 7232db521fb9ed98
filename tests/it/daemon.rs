//! The daemon: as a process under a service manager.

mod process;
