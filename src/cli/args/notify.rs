//! The arguments of `notify`.

use super::Form;

/// The arguments of `notify`.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Notify {
    /// The targets, by name [default: all]
    #[arg(value_name = "NAME")]
    pub targets: Vec<String>,
    /// Send one test message to each target, and say what came of it
    #[arg(long)]
    pub test: bool,
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
}
