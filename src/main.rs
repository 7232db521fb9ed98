//! The program `ghl-sync`: arguments in, exit code out; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ghl_sync::cli::main().into()
}
