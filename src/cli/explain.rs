//! stub
use super::args::Explain;
use super::error::CliError;
use super::exit::Exit;
use super::shell::Shell;
use std::path::Path;
pub(super) fn explain(_: &mut Shell, _: Option<&Path>, _: &Explain) -> Result<Exit, CliError> {
    Ok(Exit::Done)
}
