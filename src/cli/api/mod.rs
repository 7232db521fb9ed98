//! `api`: HighLevel's Contacts API from the shell, a command for each operation.
//!
//! JSON goes in and out as the vendor writes it, through the same gate, budget and login as the jobs use. It touches nothing of what jobs
//! remember: the next run reads what was changed here, as it reads what people change. Stdout has people's data, because that was asked for;
//! errors and logs have none.

pub(in crate::cli) mod args;
mod body;
mod businesses;
mod contacts;
mod deed;
mod definitions;
mod desk;
mod due;
mod input;
mod mend;
mod notes;
mod print;
mod rest;
mod tags;
mod tasks;

use std::path::Path;

use self::args::{Api, ApiDo};
use self::desk::Desk;
use super::error::CliError;
use super::exit::Exit;
use super::runs::load;
use super::shell::Shell;

/// Runs `api`.
///
/// Errors: the configuration, the account, what was typed; what HighLevel refused or did not answer; stdout cannot be written.
pub(super) async fn api(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Api,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let mut desk = Desk::open(shell, config, args).await?;
    let done = match &args.what {
        ApiDo::Contacts(args) => contacts::run(&mut desk, &args.what).await,
        ApiDo::Tasks(args) => tasks::run(&mut desk, &args.what).await,
        ApiDo::Notes(args) => notes::run(&mut desk, &args.what).await,
        ApiDo::Appointments(args) => notes::appointments(&mut desk, &args.what).await,
        ApiDo::Tags(args) => tags::run(&mut desk, &args.what).await,
        ApiDo::Businesses(args) => businesses::run(&mut desk, &args.what).await,
        ApiDo::Followers(args) => rest::followers(&mut desk, &args.what).await,
        ApiDo::Campaigns(args) => rest::campaigns(&mut desk, &args.what).await,
        ApiDo::Workflows(args) => rest::workflows(&mut desk, &args.what).await,
        ApiDo::Location(args) => rest::location(&mut desk, &args.what).await,
        ApiDo::Fields(args) => rest::fields(&mut desk, &args.what).await,
        ApiDo::Users(args) => rest::users(&mut desk, &args.what).await,
    };
    done?;
    Ok(desk.end())
}
