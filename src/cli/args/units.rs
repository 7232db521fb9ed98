//! The arguments of `install-units`, `completions` and `man`.

use std::path::PathBuf;

/// The arguments of `install-units`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct InstallUnits {
    /// Write below this folder, for an image or a package, instead of this machine's own
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Write to PREFIX/lib/systemd/system, PREFIX/lib/sysusers.d and PREFIX/lib/tmpfiles.d
    #[arg(long, value_name = "PREFIX", default_value = "/usr/local")]
    pub prefix: PathBuf,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what was installed; configuration, state and user stay
    #[arg(long)]
    pub remove: bool,
    /// Replace or remove files that were changed by hand too, and keep each as NAME.old
    #[arg(long)]
    pub force: bool,
}

/// The arguments of `completions`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// The arguments of `man`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Man {
    /// Write the pages of the program and of every command into this folder [default: the program's page to stdout]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
