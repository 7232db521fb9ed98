//! The arguments of `api tasks`, `api notes` and `api appointments`.

use std::path::PathBuf;

use clap::Subcommand;

use super::super::due::Due;
use super::{HowMany, Input, OfContact};
use crate::model::{BusinessId, ContactId, NoteId, TaskId, UserId};

/// The arguments of `api tasks`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Tasks {
    /// What to do.
    #[command(subcommand)]
    pub what: TasksDo,
}

/// What to do with tasks.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum TasksDo {
    /// List all tasks of a contact, as JSON lines
    #[command(after_help = "\
Example:
  ghl-sync api tasks list CONTACT --fields id,title,dueDate,completed")]
    List(OfContact),
    /// Show one task
    Get(OneTask),
    /// Create a task on a contact
    ///
    /// A second call makes a second task: after a lost answer look with `tasks list` first.
    #[command(after_help = "\
Examples:
  ghl-sync api tasks create CONTACT --title 'Call Ann' --due 2d
  ghl-sync api tasks create CONTACT --title Pay --due 2026-12-01 --assigned USER")]
    Create(CreateTask),
    /// Change a task: what flags and --input do not name stays
    #[command(after_help = "\
Example:
  ghl-sync api tasks update CONTACT TASK --due 7d")]
    Update(UpdateTask),
    /// Mark a task as done
    #[command(after_help = "\
Example:
  ghl-sync api tasks complete CONTACT TASK")]
    Complete(OneTask),
    /// Mark a task as not done
    Reopen(OneTask),
    /// Delete a task; asks for --yes
    Delete(OneTask),
    /// List tasks of the whole location, as JSON lines
    ///
    /// All conditions must hold. Takes the scope locations/tasks.readonly.
    #[command(after_help = "\
Examples:
  ghl-sync api tasks search --open --all
  ghl-sync api tasks search --assigned USER --completed")]
    Search(SearchTasks),
}

/// One task.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct OneTask {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
    /// The task's id
    #[arg(value_name = "TASK", value_parser = task)]
    pub task: TaskId,
}

/// What a task holds.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct TaskFlags {
    /// The title
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// The text below the title
    #[arg(long, value_name = "TEXT")]
    pub body: Option<String>,
    /// When it is due: 2d, 12h, 90m from now, a date as 2026-12-01 (noon UTC), or a moment as 2026-12-01T17:00:00+01:00
    #[arg(long, value_name = "WHEN")]
    pub due: Option<Due>,
    /// The user whom it is assigned to, by id: `ghl-sync api users list`
    #[arg(long, value_name = "USER", value_parser = super::user)]
    pub assigned: Option<UserId>,
}

/// The arguments of `api tasks create`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct CreateTask {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
    /// What it holds.
    #[command(flatten)]
    pub flags: TaskFlags,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api tasks update`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct UpdateTask {
    /// The task.
    #[command(flatten)]
    pub one: OneTask,
    /// What it holds.
    #[command(flatten)]
    pub flags: TaskFlags,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api tasks search`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct SearchTasks {
    /// Only those of this contact, by id; may be repeated
    #[arg(long = "contact", value_name = "CONTACT", value_parser = super::contact)]
    pub contacts: Vec<ContactId>,
    /// Only those assigned to this user, by id; may be repeated
    #[arg(long, value_name = "USER", value_parser = super::user)]
    pub assigned: Vec<UserId>,
    /// Only those of contacts of this business, by id
    #[arg(long, value_name = "BUSINESS", value_parser = super::business)]
    pub business: Option<BusinessId>,
    /// Only those that HighLevel's free-text search finds for this
    #[arg(long, value_name = "TEXT")]
    pub query: Option<String>,
    /// Only those that are done
    #[arg(long)]
    pub completed: bool,
    /// Only those that are not done
    #[arg(long, conflicts_with = "completed")]
    pub open: bool,
    /// How much of it.
    #[command(flatten)]
    pub many: HowMany,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api notes`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Notes {
    /// What to do.
    #[command(subcommand)]
    pub what: NotesDo,
}

/// What to do with notes.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum NotesDo {
    /// List all notes of a contact, as JSON lines
    List(OfContact),
    /// Show one note
    Get(OneNote),
    /// Create a note on a contact
    ///
    /// A second call makes a second note: after a lost answer look with `notes list` first.
    #[command(after_help = "\
Examples:
  ghl-sync api notes create CONTACT --body 'Prefers to be called in the morning'
  ghl-sync api notes create CONTACT --body-file minutes.txt --pinned true")]
    Create(CreateNote),
    /// Change a note: what flags and --input do not name stays
    Update(UpdateNote),
    /// Delete a note; asks for --yes
    Delete(OneNote),
}

/// One note.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct OneNote {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
    /// The note's id
    #[arg(value_name = "NOTE", value_parser = note)]
    pub note: NoteId,
}

/// What a note holds.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct NoteFlags {
    /// The text
    #[arg(long, value_name = "TEXT")]
    pub body: Option<String>,
    /// Take the text from this file; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    pub body_file: Option<PathBuf>,
    /// The title
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// The user who wrote it, by id: `ghl-sync api users list`
    #[arg(long, value_name = "USER", value_parser = super::user)]
    pub user: Option<UserId>,
    /// The color: #FFAA00
    #[arg(long, value_name = "COLOR")]
    pub color: Option<String>,
    /// Whether it stands above the others
    #[arg(long, value_name = "BOOL")]
    pub pinned: Option<bool>,
}

/// The arguments of `api notes create`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct CreateNote {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
    /// What it holds.
    #[command(flatten)]
    pub flags: NoteFlags,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api notes update`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct UpdateNote {
    /// The note.
    #[command(flatten)]
    pub one: OneNote,
    /// What it holds.
    #[command(flatten)]
    pub flags: NoteFlags,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api appointments`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Appointments {
    /// What to do.
    #[command(subcommand)]
    pub what: AppointmentsDo,
}

/// What to do with appointments.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum AppointmentsDo {
    /// List all appointments of a contact, as JSON lines; their times are without a zone
    List(OfContact),
}

fn task(word: &str) -> Result<TaskId, String> {
    super::id(word)
}

fn note(word: &str) -> Result<NoteId, String> {
    super::id(word)
}
