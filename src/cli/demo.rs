//! stub
use super::args;
use super::error::CliError;
use super::exit::Exit;
use super::shell::Shell;
pub(super) async fn demo(_: &mut Shell, _: &args::Demo) -> Result<Exit, CliError> {
    Ok(Exit::Done)
}
